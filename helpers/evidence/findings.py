"""Hypothesis tests on the runs of models: each gives a Finding, and `judge` corrects their number.

A finding has two p-values, one against "it does not hold" and one against "it does not fail". One
is a run, seeds are never paired, and a single run decides nothing. Where runs of a model use
different numbers of latent dimensions, its values lie in heaps: then the p-values of a comparison
come from permutations of Welch's t in place of its distribution.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower, TTestIndPower, TTestPower
from statsmodels.stats.proportion import proportion_effectsize
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from helpers.evidence.statistics import LEVEL, Column, Interval, interval, welch, welch_test
from helpers.evidence.wording import count, number

ERROR = 1 - LEVEL  # probability of one wrong decision or more, over all parts of all claims
POWER = 0.8  # with which the runs that are still needed would decide
MOST_RUNS = 1_000  # more are no practical number
FEWEST = 3  # runs from which a prediction interval is taken
RESAMPLES = 9_999
Values = Sequence[float] | np.ndarray | pd.Series


class Finding(NamedTuple):
    """What runs say of one part of a claim."""

    says: str
    holds: float = math.nan  # p-value: how likely so clear a result is if the part does not hold
    fails: float = math.nan  # the same if it does not fail
    needed: Callable[[float], float] = lambda level: math.inf  # runs that would decide at a level
    settled: int | None = None  # 1 or -1: decided otherwise, by counting or by an exact interval
    why: str = ""  # what keeps it open, where that is not the number of runs
    measured: bool = True

    def reversed(self) -> "Finding":
        """The finding of the opposite statement."""
        return self._replace(holds=self.fails, fails=self.holds)


class Part(NamedTuple):
    """A finding with the p-values that Holm's correction makes of its own."""

    finding: Finding
    holds: float
    fails: float
    family: int  # p-values that were corrected together

    @property
    def sign(self) -> int:
        """1: it holds, -1: it fails, 0: the runs leave it open."""
        if self.finding.settled is not None:
            return self.finding.settled
        return int(self.holds <= ERROR) - int(self.fails <= ERROR)

    @property
    def numbers(self) -> dict[str, float | int | None]:
        """Its sign and p-values, as JSON holds them."""
        raw = {"p_holds": self.finding.holds, "p_fails": self.finding.fails}
        raw |= {"corrected_holds": self.holds, "corrected_fails": self.fails}
        return {"sign": self.sign} | {k: None if math.isnan(p) else p for k, p in raw.items()}

    @property
    def text(self) -> str:
        """The decision, the estimate, its p-value before and after correction, what is lacking."""
        found, p, corrected = self.finding, self.finding.holds, self.holds
        if not found.measured:
            return found.says
        if math.isnan(p) or found.fails < p:
            p, corrected = found.fails, self.fails
        tests = "" if math.isnan(p) else f"; p {_p(p)}, corrected {_p(corrected)}"
        decision = {1: "holds", -1: "fails", 0: "open"}[self.sign]
        lacking = "" if self.sign else f"; {found.why or self._lacking()}"
        return f"{decision}: {found.says}{tests}{lacking}"

    def _lacking(self) -> str:
        runs = self.finding.needed(ERROR / self.family)
        if runs > MOST_RUNS:
            return f"at the size seen, {MOST_RUNS:,} runs would not decide it"
        return f"about {runs:.0f} runs of each model would decide it"


def _p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.01 else f"{p:.2f}"


def judge(findings: Sequence[Finding]) -> list[Part]:
    """Findings with p-values corrected by Holm's method, over all of them and both directions."""
    raw = np.array([(found.holds, found.fails) for found in findings]).reshape(-1, 2)
    corrected, tested = raw.copy(), ~np.isnan(raw)
    if tested.any():
        corrected[tested] = multipletests(raw[tested], ERROR, method="holm")[1]
    family = int(tested.sum())
    pairs = zip(findings, corrected.tolist(), strict=True)
    return [Part(found, holds, fails, family) for found, (holds, fails) in pairs]


def counted(holds: bool, says: str) -> Finding:
    """A statement that is decided by counting."""
    return Finding(says, settled=1 if holds else -1)


def all_of(*findings: Finding) -> Finding:
    """Holds where every one does (intersection-union test), fails where some one does."""
    if lacking := [found for found in findings if not found.measured]:
        return lacking[0]
    says = "; ".join(found.says for found in findings)
    why = next((found.why for found in findings if found.why), "")
    return Finding(
        says, max(found.holds for found in findings),
        min(1.0, len(findings) * min(found.fails for found in findings)),
        lambda level: max(found.needed(level) for found in findings), why=why,
    )  # fmt: skip


def any_of(*findings: Finding) -> Finding:
    """Holds where some one does, fails where every one does."""
    return all_of(*(found.reversed() for found in findings)).reversed()


def above(values: Values, limit: float, column: Column, trials: int = 0, lost: Values = ()):
    """Whether the mean over runs is above a limit: one-sample t-test, sign test without a spread.

    trials: the values are shares of so many images; then the larger p-value counts of this and of
    an exact binomial test, and the interval reaches as far as either. lost: which runs collapsed.
    """
    x, spread = np.asarray(values, float), interval(values)
    holds, fails = (_against(x, limit, side) for side in ("greater", "less"))
    images = 0.0  # the p-value of the images alone, which more runs would not make smaller
    if trials:
        exact = stats.binomtest(round(spread.mean * trials), trials, limit)
        ends = exact.proportion_ci(LEVEL)
        low, high = min(ends.low, max(0, spread.low)), max(ends.high, min(1, spread.high))
        spread = Interval(spread.mean, low, high, spread.n)
        binomial = partial(stats.binomtest, exact.k, trials, limit)
        exactly = [binomial(alternative=side).pvalue for side in ("greater", "less")]
        holds, fails, images = max(holds, exactly[0]), max(fails, exactly[1]), min(exactly)
    d = _ratio(x.mean() - limit, x.std(ddof=1)) if len(x) > 1 else math.nan
    says = f"{column.title} {_estimate(spread, column, count(len(x), 'run'), d)}"
    whole = x[~np.asarray(lost, bool)] if len(lost) == len(x) else x
    if 0 < len(whole) < len(x):
        says += f", without collapse {_shown(whole.mean(), column)} ({count(len(whole), 'run')})"
    runs = partial(_runs, d, TTestPower)
    needed = lambda level: runs(level) if images <= level else math.inf  # noqa: E731
    return Finding(says, holds, fails, needed, why=_single(len(x)))


def higher(first: Values, second: Values, column: Column, lost: tuple[Values, Values] = ((), ()),
           heaps: bool = False) -> Finding:  # fmt: skip
    """Whether the mean of first exceeds that of second: Welch's t-test.

    lost: which runs of each have lost a dimension; heaps: take p-values from permutations.
    """
    one, other = (np.asarray(values, float) for values in (first, second))
    difference, d, sizes = _difference(one, other)
    holds, fails = (_welch(one, other, side, heaps) for side in ("greater", "less"))
    word = "higher" if difference.mean >= 0 else "lower"
    size = difference if difference.mean >= 0 else difference.scaled(-1)
    says = f"{column.title} {_estimate(size, column, sizes, abs(d))} {word}"
    whole = [x[~np.asarray(each, bool)] if len(each) == len(x) else x
             for x, each in zip((one, other), lost, strict=True)]  # fmt: skip
    if min(map(len, whole)) > 0 and sum(map(len, whole)) < len(one) + len(other):
        gap = whole[0].mean() - whole[1].mean()
        runs = " and ".join(str(len(each)) for each in whole)
        says += f", without collapse {_shown(gap, column)} ({runs} runs)"
    needed = partial(_runs, d, TTestIndPower, permuted=heaps)
    return Finding(says, holds, fails, needed, why=_single(difference.n))


def alike(first: Values, second: Values, margin: float, column: Column) -> Finding:
    """Whether two means differ by less than a margin: two one-sided Welch tests (TOST)."""
    one, other = (np.asarray(values, float) for values in (first, second))
    difference, d, sizes = _difference(one, other)
    says = f"{column.title} differs by {_estimate(difference, column, sizes, d)}"
    if why := _single(difference.n):
        return Finding(says, 1.0, 1.0, why=why)
    holds = ttost_ind(one, other, -margin, margin, usevar="unequal")[0]
    beyond = _welch(one - margin, other, "greater"), _welch(one + margin, other, "less")
    left = d * (margin / abs(difference.mean) - 1) if difference.mean else math.inf
    return Finding(says, holds, min(1, 2 * min(beyond)), partial(_runs, left, TTestIndPower))


def _difference(one: np.ndarray, other: np.ndarray) -> tuple[Interval, float, str]:
    """Welch's interval of a difference of means, Cohen's d, and the numbers of runs."""
    found, d = welch(one, other), math.nan
    if found.n > 1:
        d = _ratio(found.mean, math.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2))
    return found, d, f"{len(one)} and {len(other)} runs"


def _shown(value: float, column: Column) -> str:
    return f"{number(column.scale * value, column.decimals)}{column.unit}"


def _estimate(found: Interval, column: Column, sizes: str, d: float) -> str:
    """A mean with its interval, the numbers of runs and the effect size, in brackets."""
    mean, low, high = (_shown(value, column) for value in found[:3])
    span = f"95 % interval {low} to {high}; " if math.isfinite(found.high - found.low) else ""
    effect = f"; d = {number(d, 1)}" if math.isfinite(d) else ""
    return f"{mean} ({span}{sizes}{effect})"


def _single(n: int) -> str:
    return "" if n > 1 else "a single run shows no spread, and decides nothing: two are the least"


def _logs(times: Values, others: Values) -> tuple[np.ndarray, str]:
    """Logarithms of ratios, round by round, and what they say of the change."""
    logs = np.log(np.asarray(times, float) / np.asarray(others, float))
    mean, low, high, n = interval(logs)
    ends = [number(100 * math.expm1(min(value, 9)), 1) for value in (mean, low, high)]
    return logs, f"{ends[0]}% longer (95 % interval {ends[1]} to {ends[2]}; {n} rounds)"


def longer(times: Values, others: Values, name: str) -> Finding:
    """Whether times are longer than others of the same rounds: t-test of the log ratios."""
    logs, says = _logs(times, others)
    holds, fails = (_against(logs, 0, side) for side in ("greater", "less"))
    d = _ratio(logs.mean(), logs.std(ddof=1)) if len(logs) > 1 else math.nan
    return Finding(f"{name} {says}", holds, fails, partial(_runs, d, TTestPower),
                   why=_single(len(logs)))  # fmt: skip


def as_long(times: Values, others: Values, margin: float, name: str) -> Finding:
    """Whether times equal others of the same rounds within a share: paired TOST of logarithms."""
    logs, says = _logs(times, others)
    if why := _single(len(logs)):
        return Finding(f"{name} {says}", 1.0, 1.0, why=why)
    limits = 1 / (1 + margin), 1 + margin
    holds = ttost_paired(np.asarray(times), np.asarray(others), *limits, transform=np.log)[0]
    beyond = (_against(logs, math.log(limits[i]), ("less", "greater")[i]) for i in (0, 1))
    d = _ratio(math.log1p(margin) - abs(logs.mean()), logs.std(ddof=1))
    needed = partial(_runs, d, TTestPower)
    return Finding(f"{name} {says}", holds, min(1, 2 * min(beyond)), needed)


def often(hits: int, n: int, limit: float, name: str) -> Finding:
    """Whether something happens in more than a share of cases: exact binomial test."""
    test = partial(stats.binomtest, hits, n, limit)
    low, high = test().proportion_ci(LEVEL)
    effect = proportion_effectsize(hits / n, limit)
    power = partial(NormalIndPower, ddof=0)
    says = f"{name} in {hits} of {n} (exact 95 % interval {low:.1%} to {high:.1%})"
    holds, fails = (test(alternative=side).pvalue for side in ("greater", "less"))
    return Finding(says, holds, fails, partial(_runs, effect, power, ratio=0))


def predicted(values: Values, paper: float) -> tuple[float, float, float]:
    """The prediction interval of one more run, and the p-value of its being `paper`."""
    x, n = np.asarray(values, float), len(values)
    scale = x.std(ddof=1) * math.sqrt(1 + 1 / n)
    low, high = stats.t.interval(LEVEL, n - 1, loc=x.mean(), scale=scale)
    return low, high, 2 * stats.t.sf(abs(_ratio(paper - x.mean(), scale)), n - 1)


def returns(losses: Values, active: Values, paper: float, used: int | None = None,
            rivals: Values = ()) -> Finding:  # fmt: skip
    """Whether a published number could be one more of our runs.

    Runs are taken apart by how many latent dimensions they use, since their losses lie in heaps.
    used: as many as the published run used, where its figures show it; else it may have used any,
    and the number has to lie outside of all intervals to fail. It holds inside of one that none of
    the rivals, numbers of other models, lies in too.
    """
    x, k = np.asarray(losses, float), np.asarray(active, int)
    groups = {int(i): x[k == i] for i in np.unique(k) if used in (None, i)}
    found = {i: predicted(each, paper) for i, each in groups.items() if len(each) >= FEWEST}
    inside = {i: each for i, each in found.items() if each[0] <= paper <= each[1]}
    clear = [i for i, (low, high, _) in inside.items() if not any(low <= r <= high for r in rivals)]
    spans = [f"{number(low, 1)} to {number(high, 1)} ({len(groups[i])} of {len(x)} runs use {i})"
             for i, (low, high, _) in (inside or found).items()]  # fmt: skip
    says = f"published {number(paper, 2)}, 95 % prediction interval of one run by the number of "
    says += f"dimensions in use {' or '.join(spans) or 'none'}; all runs {number(min(x), 1)} to "
    says += f"{number(max(x), 1)}"
    why = ""
    if not found:
        which = f"use {count(used, 'dimension')}" if used else "use equally many dimensions"
        why = f"no {FEWEST} runs {which}, so that there is no interval; more runs would give one"
    elif inside:
        why = "the interval also holds the published loss of another model: single runs lie too "
        why += "far apart to tell them, and more runs would not change that"
    elif len(found) < len(groups):
        why = f"fewer than {FEWEST} runs use another number of dimensions; that many would decide"
    tested = len(found) == len(groups) > 0
    fails = max(p for *_, p in found.values()) if tested else math.nan
    nearest = max(found, key=lambda i: found[i][2], default=0)
    needed = partial(_more_runs, groups.get(nearest, x), paper)
    return Finding(says, math.nan, fails, needed, 1 if clear else None, why)


def _more_runs(values: np.ndarray, paper: float, level: float) -> float:
    """Runs of this mean and spread from which the number lies outside at a level."""
    z = abs(_ratio(paper - values.mean(), values.std(ddof=1)))
    sizes = np.arange(FEWEST, MOST_RUNS + 1)
    enough = 2 * stats.t.sf(z / np.sqrt(1 + 1 / sizes), sizes - 1) <= level
    return float(sizes[enough][0]) if enough.any() else math.inf


def _runs(effect: float, power: Callable, level: float, permuted=False, **options) -> float:
    """Runs of each model that decide with POWER, one-sided, at an effect of this size."""
    least = 2.0  # and the fewest that permutations, or a sign test, can decide with
    while (permuted or math.isinf(effect)) and 1 / math.comb(2 * int(least), int(least)) > level:
        least += 1
    if math.isinf(effect):
        return max(least, math.ceil(-math.log2(level)))
    if abs(effect) < 0.01:
        return math.inf
    given = {"alpha": level, "power": POWER, "alternative": "larger"} | options
    return max(least, math.ceil(power().solve_power(min(abs(effect), 3.0), **given)))


def _ratio(part: float, whole: float) -> float:
    if whole == 0:
        return math.copysign(math.inf, part) if part else 0.0
    return float(part / whole)


def _against(values: np.ndarray, limit: float, side: str) -> float:
    """P-value of a one-sample t-test; of a sign test where all values are equal."""
    if len(values) < 2:
        return 1.0
    if np.ptp(values) == 0:
        hits = int(np.sum(values > limit) if side == "greater" else np.sum(values < limit))
        return float(stats.binomtest(hits, len(values), 0.5, "greater").pvalue)
    return float(stats.ttest_1samp(values, limit, alternative=side).pvalue)


def _welch(one: np.ndarray, other: np.ndarray, side: str, permuted: bool = False) -> float:
    """P-value of Welch's t-test; of permutations on demand, or where neither sample varies."""
    if min(len(one), len(other)) < 2:
        return 1.0
    resampled = {"n_resamples": RESAMPLES, "rng": 0}
    if np.ptp(one) == np.ptp(other) == 0:
        mean = partial(stats.permutation_test, (one, other), lambda a, b: a.mean() - b.mean())
        return float(mean(alternative=side, **resampled).pvalue)
    method = stats.PermutationMethod(**resampled) if permuted else None
    return float(welch_test(one, other, alternative=side, method=method).pvalue)
