"""Tests of hypotheses against SciPy, formulas and simulations: size, coverage, power."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from helpers.evidence import findings
from helpers.evidence.findings import Finding, all_of, any_of, judge
from helpers.evidence.statistics import Column

RNG = np.random.default_rng(0)
X = Column("x", "x")
HEAPS = np.array([141.0, 141.4, 141.9, 161.3, 140.8, 161.5, 141.6, 140.9, 141.2, 141.1])
LOST = HEAPS > 150


def rate(decisions):
    return np.mean(list(decisions))


def test_a_mean_is_compared_with_a_limit_by_students_test():
    values = RNG.normal(1, 2, 9)
    found = findings.above(values, 0.5, X)
    expected = [
        stats.ttest_1samp(values, 0.5, alternative=side).pvalue for side in ("greater", "less")
    ]
    assert [found.holds, found.fails] == pytest.approx(expected)
    assert "9 runs" in found.says and "95 % interval" in found.says and "d = " in found.says


def test_the_test_errs_as_often_as_it_says():
    draws = RNG.normal(3, 2, (800, 6))
    assert rate(findings.above(x, 3, X).holds <= 0.05 for x in draws) == pytest.approx(
        0.05, abs=0.02
    )


def test_a_single_run_decides_nothing():
    for found in (
        findings.above([1e6], 0, X),
        findings.higher([1e6], [0.0, 1.0], X),
        findings.alike([1.0], [1.0], 9, X),
        findings.longer([2.0], [1.0], "step"),
        findings.as_long([1.0], [1.0], 0.1, "step"),
    ):
        assert found.holds == found.fails == 1 and "single run" in found.why


def test_equal_values_are_judged_by_the_sign_test():
    found = findings.above([10.0] * 8, 9.5, X)
    assert found.holds == pytest.approx(0.5**8) and found.fails == 1
    assert found.needed(0.001) == 10  # 2^-10 is the first below


def test_a_share_is_as_uncertain_as_its_images_too():
    """No copy among 1,000 samples in any run: below 0.4 %, and never "± 0"."""
    found = findings.above([0.0] * 12, 0.01, Column("copies", "x", 2, 100, "%"), 1_000)
    assert found.fails == pytest.approx(max(0.99**1_000, 0.5**12))
    upper = 100 * (1 - 0.025 ** (1 / 1_000))  # Clopper and Pearson, no success
    assert f"0.00% (95 % interval 0.00% to {upper:.2f}%; 12 runs" in found.says
    near = 0.012 + 1e-5 * RNG.normal(size=12)  # runs agree, but 12 of 1,000 may be chance
    few = findings.above(near, 0.01, X, 1_000)
    assert few.holds > 0.2 and math.isinf(few.needed(0.05))


def test_two_models_are_compared_by_welchs_test_and_seeds_are_not_paired():
    one, other = RNG.normal(2, 1, 7), RNG.normal(0, 3, 12)
    found = findings.higher(one, other, X)
    expected = stats.ttest_ind(one, other, equal_var=False, alternative="greater").pvalue
    assert found.holds == pytest.approx(expected) and "7 and 12 runs" in found.says
    assert findings.higher(one, RNG.permutation(other), X).holds == pytest.approx(found.holds)


def test_runs_in_two_heaps_are_compared_by_permutations(monkeypatch):
    """Equal models, of which one run in five loses a dimension and ends twenty nats higher."""
    monkeypatch.setattr(findings, "RESAMPLES", 99)
    lost = RNG.random((150, 2, 10)) < 0.2
    losses = RNG.normal(141, 0.4, lost.shape) + 20 * lost
    wrong = rate(
        findings.higher(*x, X, tuple(which), heaps=True).holds <= 0.05
        for x, which in zip(losses, lost)
        if which.any()
    )
    assert wrong < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 150)


def test_the_effect_without_collapse_stands_beside():
    says = findings.higher(HEAPS, np.full(10, 130.0) + RNG.normal(0, 1, 10), X, (LOST, ())).says
    gap = HEAPS[~LOST].mean() - 130
    assert "without collapse" in says and "(8 and 10 runs)" in says
    assert abs(float(says.split("collapse ")[1].split()[0]) - gap) < 1
    assert "without collapse 141.24 (8 runs)" in findings.above(HEAPS, 0, X, lost=LOST).says


def test_likeness_is_shown_by_two_one_sided_tests():
    one, other = RNG.normal(0, 1, 20), RNG.normal(0.1, 1, 15)
    found = findings.alike(one, other, 1.5, X)
    sides = [
        stats.ttest_ind(one + 1.5, other, equal_var=False, alternative="greater").pvalue,
        stats.ttest_ind(one - 1.5, other, equal_var=False, alternative="less").pvalue,
    ]
    assert found.holds == pytest.approx(max(sides)) and found.fails > 0.5
    assert findings.alike(one + 9, other, 1.5, X).fails < 1e-6
    assert findings.alike(one, other, 0.01, X).holds > 0.05  # nothing shown is not likeness


def test_likeness_is_claimed_wrongly_as_seldom_as_it_says():
    draws = RNG.normal(0, 1, (600, 2, 10))
    wrong = rate(findings.alike(a + 2, b, 2, X).holds <= 0.05 for a, b in draws)
    assert wrong == pytest.approx(0.05, abs=0.03)


def test_times_are_compared_round_by_round():
    machine = np.array([1.0, 3.0, 0.5, 2.0])  # its speed in each round
    own, base = 0.0303 * machine * (1 + 0.01 * RNG.normal(size=4)), 0.03 * machine
    alike = findings.as_long(own, base, 0.1, "step")
    logs = np.log(own / base)
    up, down = (
        stats.ttest_1samp(logs, limit, alternative=side).pvalue
        for limit, side in ((math.log(1.1), "less"), (-math.log(1.1), "greater"))
    )
    assert alike.holds == pytest.approx(max(up, down)) and alike.holds < 0.01
    assert findings.longer(1.4 * own, base, "step").holds < 1e-4
    assert findings.as_long(1.4 * own, base, 0.1, "step").fails < 1e-3


def test_how_often_is_judged_by_the_exact_binomial_test():
    found = findings.often(4, 10, 0.1, "it")
    assert found.holds == pytest.approx(stats.binom.sf(3, 10, 0.1))
    assert "4 of 10 (exact 95 % interval 12.2% to 73.8%)" in found.says


def test_a_prediction_interval_is_that_of_a_regression_on_a_constant():
    values = RNG.normal(150, 2, 8)
    fit = sm.OLS(values, np.ones(8)).fit().get_prediction([1])
    assert findings.predicted(values, 0)[:2] == pytest.approx(fit.conf_int(obs=True)[0])


@pytest.mark.parametrize("n", [3, 10])
def test_a_prediction_interval_covers_one_more_run_as_often_as_it_says(n):
    draws = RNG.normal(150, 3, (2_000, n + 1))
    found = [findings.predicted(x[:-1], x[-1]) for x in draws]
    inside = [low <= x[-1] <= high for (low, high, _), x in zip(found, draws)]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)
    assert np.mean([p <= 0.05 for *_, p in found]) == pytest.approx(0.05, abs=0.015)
    assert all(hit == (p >= 0.05) for hit, (*_, p) in zip(inside, found))


def test_a_published_loss_is_sought_among_runs_that_use_as_many_dimensions():
    active = np.where(LOST, 1, 2)
    both = findings.returns(HEAPS, active, 141.42, 2, [151.5, 163.25])
    assert both.settled == 1 and "8 of 10 runs use 2" in both.says and "161.5" in both.says
    far = findings.returns(HEAPS, active, 151.5, 2)
    assert far.settled is None and far.fails < 1e-6  # although mean ± t · s of all runs holds it
    low, high, _ = findings.predicted(HEAPS, 0)
    assert low < 151.5 < high


def test_an_interval_that_holds_other_models_too_shows_nothing():
    wide = HEAPS + 9 * RNG.normal(size=10)
    found = findings.returns(wide, np.full(10, 2), 141.42, 2, [wide.mean()])
    assert found.settled is None and "other model" in found.why.replace("another", "other")
    assert judge([found])[0].sign == 0


def test_where_the_published_run_may_have_used_any_number_all_are_tried():
    active = np.where(LOST, 1, 2)
    found = findings.returns(HEAPS, active, 150.0)
    assert math.isnan(found.fails) and "fewer than 3" in found.why  # two runs use one: open
    losses, active = np.append(HEAPS, 161.4), np.append(active, 1)
    assert findings.returns(losses, active, 150.0).fails < 1e-3
    assert findings.returns(losses, active, 161.6).settled == 1
    assert "no 3 runs use 3 dimensions" in findings.returns(losses, active, 161.6, 3).why


def test_p_values_are_corrected_by_holm_over_both_directions():
    raw = [(0.001, 0.999), (0.03, 0.97), (0.98, 0.02), (math.nan, math.nan)]
    parts = judge([Finding("x", *p) for p in raw])
    flat = np.array([p for pair in raw[:3] for p in pair])
    order, steps = np.argsort(flat), np.arange(6, 0, -1)
    expected = np.empty(6)
    expected[order] = np.minimum(1, np.maximum.accumulate(steps * flat[order]))
    assert [p for part in parts[:3] for p in (part.holds, part.fails)] == pytest.approx(expected)
    assert [part.sign for part in parts] == [1, 0, 0, 0] and parts[0].family == 6
    assert "p 0.001, corrected 0.006" in parts[0].text


def test_correction_keeps_the_rate_of_any_wrong_decision():
    """Forty true nulls at once: uncorrected, nine in ten families would decide something."""
    families = RNG.random((60, 40))
    wrong = rate(any(p.sign for p in judge([Finding("x", u, 1 - u) for u in x])) for x in families)
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 60)
    assert rate((x < 0.05).any() for x in families) > 0.8


def test_all_and_any_of_several_findings():
    good, bad = Finding("good", 0.01, 0.99), Finding("bad", 0.98, 0.02)
    assert all_of(good, bad)[1:3] == (0.98, 0.04) and any_of(good, bad)[1:3] == (0.02, 0.99)
    assert all_of(good, good).holds == 0.01
    assert not all_of(good, Finding("— (none)", measured=False)).measured


def test_counting_needs_no_test():
    part = judge([findings.counted(False, "5 against 3")])[0]
    assert part.sign == -1 and part.text == "fails: 5 against 3"


@pytest.mark.parametrize("effect", [0.8, 1.5])
def test_so_many_runs_would_decide(effect):
    """The power of the test with the number of runs that is named is as stated."""
    values = RNG.normal(0, 1, 6)
    values = (values - values.mean()) / values.std(ddof=1) + effect
    n = int(findings.above(values, 0, X).needed(0.001))
    trials = RNG.normal(effect, 1, (2_000, n))
    power = np.mean(stats.ttest_1samp(trials, 0, axis=1, alternative="greater").pvalue <= 0.001)
    assert power == pytest.approx(findings.POWER, abs=0.07)


def test_an_open_part_says_what_would_decide_it():
    close = findings.above([0.9, 1.4, -0.3, 1.1], 0, X)
    assert "open: " in judge([close])[0].text and "runs of each model" in judge([close])[0].text
    hopeless = findings.above([0.9, -0.9, 0.5, -0.499], 0, X)
    assert "1,000 runs would not" in judge([hopeless])[0].text
    few = findings.higher([5.0, 5.1], [1.0, 1.3], X, heaps=True)
    assert few.needed(0.0005) >= 7  # C(14, 7) = 3,432 permutations: the first enough
