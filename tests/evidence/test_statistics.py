"""Means over seeds and paired differences, against SciPy's own tests and by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from helpers.evidence.statistics import Interval, Missing, Runs, interval, select, stored
from helpers.evidence.tables import write_table

RNG = np.random.default_rng(0)


def rows(model, values, measure="loss"):
    return [{"model": model, "seed": seed, measure: value} for seed, value in enumerate(values)]


def test_an_interval_is_students():
    values = RNG.normal(3, 2, 7)
    found, expected = interval(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n == 7 and found.mean == pytest.approx(values.mean())


def test_an_interval_covers_the_truth_as_often_as_it_says():
    covered = [(i := interval(draws)).low <= 1 <= i.high for draws in RNG.normal(1, 3, (2_000, 5))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_one_run_decides_nothing():
    single = interval([1e6])
    assert single.sign == 0 and math.isinf(single.high) and single.text(1) == "1,000,000.0 (one run)"
    with pytest.raises(Missing):
        interval([])


def test_the_sign_is_that_of_the_whole_interval():
    assert [interval(v).sign for v in ([1, 1.1, 0.9], [-1, -1.1, -0.9], [1, -1.1, 0.4])] == [1, -1, 0]


def test_limits_and_other_intervals_are_passed_by_the_whole_interval():
    found = Interval(2.0, 1.0, 3.0, 5)
    assert [found.above(limit) for limit in (0.9, 1.0, 2.9, 3.1)] == [1, 0, 0, -1]
    assert [found.between(*limits) for limits in ((1, 3), (1.1, 3), (0, 0.9), (3.1, 9), (0, 9))] == [1, 0, -1, -1, 1]
    assert [found.exceeds(Interval(0, *ends, 5)) for ends in ((0.0, 0.9), (0.0, 1.1), (3.1, 4.0))] == [1, 0, -1]


def test_a_change_has_a_size_and_a_direction():
    rise, fall = Interval(0.02, -0.01, 0.05, 3), Interval(-0.02, -0.05, 0.01, 3)
    assert rise.change("higher", "lower", unit=" nats") == "0.02 ± 0.03 nats higher"
    assert fall.change("more often", "less often", 1, 100, " points") == "2.0 ± 3.0 points less often"
    assert interval([-1.5]).change("up", "down") == "1.50 (one run) down"


def test_differences_are_paired_by_seed():
    luck = RNG.normal(0, 10, 5)  # common to both models of a seed: it must cancel
    runs = Runs(rows("a", 100 + luck) + rows("b", 99 + luck)[::-1])
    found = runs.difference("a", "b", "loss")
    assert (found.mean, found.low, found.high) == pytest.approx((1, 1, 1)) and found.n == 5
    unpaired = stats.ttest_ind(100 + luck, 99 + luck).confidence_interval(0.95)
    assert unpaired.low < 0 < unpaired.high  # control: unpaired, the luck hides the difference


def test_only_common_seeds_are_paired():
    runs = Runs(rows("a", [1, 2, 3]) + rows("b", [0, 0]))
    assert runs.difference("a", "b", "loss").n == 2


def test_what_is_not_stored_is_named():
    runs = Runs(rows("a", [1.0]) + [{"model": "b", "seed": 0, "loss": ""}])
    for model, measure in (("a", "psnr"), ("b", "loss"), ("c", "loss")):
        with pytest.raises(Missing, match=f"{model}.*{measure}"):
            runs.values(model, measure)


def test_a_measure_may_be_set_against_another():
    runs = Runs([{"model": "a", "seed": seed, "train": 2.0, "test": 1.5 + seed} for seed in range(2)])
    assert runs.difference("a", "a", "train", "test").mean == pytest.approx(0.0)


def test_tables_are_joined_each_run_once(tmp_path):
    common = {"model": "a", "split": "train", "recipe": "fast", "epochs": 4, "batch_size": 64, "n_train": None}
    first = [common | {"seed": seed, "loss": 1.0} for seed in (0, 1)]
    second = [common | {"seed": seed, "loss": 2.0} for seed in (1, 2)]
    write_table(tmp_path / "one.csv", first)
    write_table(tmp_path / "two.csv", second)
    found = stored("one.csv", "two.csv", "none.csv", folder=tmp_path)
    assert [(row["seed"], row["loss"]) for row in found] == [(0, 1), (1, 2), (2, 2)]
    assert len(select(found, seed=1, n_train=None).rows) == 1
    assert not select(found, recipe="keras").rows
