"""Measured runs over seeds: means, differences, 95 % confidence intervals, lost dimensions."""

import math
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from helpers.config import PROFILES
from helpers.errors import Refusal
from helpers.evidence.tables import stored
from helpers.evidence.wording import number

LEVEL = 0.95  # of every interval
MEASURED = ("plain.csv", "seeds.csv", "dimensions.csv", "losses.csv")
COURSES, STEPS = "courses.csv", "benchmark_steps.csv"
WHOLE = ("original_protocol.csv", "leakage.csv")  # of models that saw the test images
RECIPES = {  # which runs count as trained by a recipe
    "plain": {"recipe": "keras", "epochs": PROFILES["original"]["epochs"]},
    "fast": {"recipe": "fast", "epochs": PROFILES["report"]["epochs"]},
}


class Missing(LookupError):
    """A number that is needed has not been stored."""


class Interval(NamedTuple):
    """A mean over n seeds with Student's confidence interval at LEVEL: unbounded where n is 1."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies above or below zero, else 0: no difference is shown."""
        return int(self.low > 0) - int(self.high < 0)

    def scaled(self, factor: float, start: float = 0) -> "Interval":
        """The interval of start + factor · value: in another unit, or reversed if negative."""
        mean, *ends = (start + factor * value for value in (self.mean, self.low, self.high))
        return Interval(mean, min(ends), max(ends), self.n)

    def change(self, more: str, less: str, decimals=2, scale: float = 1, unit="") -> str:
        """A difference by its size and, in words, its direction: "1.50 ± 0.30 nats lower"."""
        size, word = (self, more) if self.mean >= 0 else (self.scaled(-1), less)
        return f"{size.text(decimals, scale, unit)} {word}"

    def text(self, decimals: int = 2, scale: float = 1, unit: str = "") -> str:
        """Mean and half of the interval, "1.50 ± 0.30"; "1.50 (one run)" where n is 1."""
        both = self.mean, self.high - self.mean
        mean, half = (number(scale * value, decimals) for value in both)
        return f"{mean} ± {half}{unit}" if self.n > 1 else f"{mean}{unit} (one run)"


def interval(values: Iterable[float]) -> Interval:
    """Mean and Student's interval of values, one for each seed. Raises Missing without any."""
    array = np.asarray(list(values), float)
    if not len(array):
        raise Missing("there is no value to average")
    mean, n = float(array.mean()), len(array)
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * array.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def welch_test(one: np.ndarray, other: np.ndarray, **options: Any) -> Any:
    """SciPy's result of Welch's t-test, without its warning where one sample does not vary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return stats.ttest_ind(one, other, equal_var=False, **options)


def welch(one: np.ndarray, other: np.ndarray) -> Interval:
    """The difference of two means with Welch's interval; n: runs of the smaller sample."""
    mean, n = float(one.mean() - other.mean()), min(len(one), len(other))
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    if np.ptp(one) == np.ptp(other) == 0:
        return Interval(mean, mean, mean, n)
    found = welch_test(one, other).confidence_interval(LEVEL)
    return Interval(mean, float(found.low), float(found.high), n)


class Runs(NamedTuple):
    """Measured runs of one recipe: a table with a row for each model and seed."""

    table: pd.DataFrame

    def values(self, model: str, measure: str) -> pd.Series:
        """A measure by seed. Raises Missing where no run has it, Refusal if a seed has it twice."""
        rows = select(self.table, model=model).set_index("seed")
        found = rows.get(measure, pd.Series()).dropna().astype(float)
        if found.empty:
            raise Missing(f"no run of {model} has stored {measure}")
        if len(again := found.index[found.index.duplicated()]):
            raise Refusal(f"{model}, seed {again[0]}: {measure} is stored twice; which run counts?")
        return found

    def mean(self, model: str, measure: str) -> Interval:
        """A measure of a model over its seeds."""
        return interval(self.values(model, measure))

    def lead(self, model: str, measure: str, against: str = "") -> pd.Series:
        """A measure less another one of the same runs, if that is named, by seed."""
        own = self.values(model, measure)
        return (own - self.values(model, against)).dropna() if against else own

    def difference(self, first: str, second: str, measure: str, against="") -> Interval:
        """First less second model, by Welch's t; equal seeds of two models have nothing in common.

        against: another measure, of the second. Of one model, it is the difference within a run.
        """
        if first == second:
            return interval(self.lead(first, measure, against or measure).sort_index())
        one, other = self.values(first, measure), self.values(second, against or measure)
        return welch(one.to_numpy(), other.to_numpy())

    def active(self, model: str) -> pd.Series:
        """How many latent dimensions each run uses, by seed; Missing where no run says so."""
        for measure in ("active_units", "val_active"):
            with suppress(Missing):
                return self.values(model, measure)
        raise Missing(f"no run of {model} has stored how many latent dimensions it uses")

    def collapsed(self, model: str) -> pd.Series:
        """Which runs have lost a latent dimension, by seed; none where that is not stored."""
        with suppress(Missing):
            return self.active(model) < self.values(model, "latent_dim")
        return pd.Series(dtype=bool)

    def heaps(self, model: str) -> bool:
        """Whether runs use different numbers of latent dimensions: their losses lie in heaps."""
        with suppress(Missing):
            return self.active(model).nunique() > 1
        return False

    def models(self) -> list[str]:
        """The models that have runs, in the order of the rows."""
        return list(self.table["model"].unique())


EMPTY = Runs(pd.DataFrame(columns=["model", "seed"]))


def select(table: pd.DataFrame, **fields) -> pd.DataFrame:
    """The rows whose fields have the given values; None stands for an empty cell."""
    for name, value in fields.items():
        table = table[table[name].isna() if value is None else table[name] == value]
    return table


class RecipeEvidence(NamedTuple):
    """Models trained by one recipe: measured runs, timed steps, losses by epoch."""

    runs: Runs = EMPTY
    steps: Runs = EMPTY  # whose "seed" counts the rounds
    courses: pd.DataFrame = EMPTY.table
    whole: Runs = EMPTY  # trained on the test images too
    form: str = "plain"  # of RECIPES
    dataset: str = "mnist"

    def time(self, model: str) -> Interval:
        """How much longer a step takes than the baseline's, as a share, over rounds of timing."""
        own, other = (self.steps.values(each, "seconds_per_step") for each in (model, "baseline"))
        return interval((own / other - 1).dropna().sort_index())

    def roughnesses(self, model: str) -> list[float]:
        """How much the loss on fixed images rises again, as a share of its fall: for each seed."""
        if not len(rows := select(self.courses, model=model)):
            raise Missing(f"no course of {model} is stored")
        return [
            sum(course.diff().clip(lower=0).dropna()) / (course.iloc[0] - course.min())
            for _, course in rows.groupby("seed")["eval_loss"]
        ]

    def roughness(self, model: str) -> Interval:
        """The mean of `roughnesses`."""
        return interval(self.roughnesses(model))


class Evidence(NamedTuple):
    """Models trained as the original's, by this report's recipe, and by that on Fashion-MNIST."""

    plain: RecipeEvidence
    fast: RecipeEvidence
    fashion: RecipeEvidence = RecipeEvidence(form="fast", dataset="fashion_mnist")

    @classmethod
    def load(cls, dataset: str = "mnist", folder: Path | None = None) -> "Evidence":
        """The committed tables; both recipes are of the data set that is named."""
        sides = (("plain", dataset), ("fast", dataset), ("fast", "fashion_mnist"))
        return cls(*(_side(form, data, folder) for form, data in sides))

    def by_recipe(self) -> dict[str, RecipeEvidence]:
        """Both recipes, by the names that the report gives them."""
        return {"plain": self.plain, "fast": self.fast}


def _side(form: str, dataset: str, folder: Path | None) -> RecipeEvidence:
    """The stored runs of a recipe and a data set."""
    which = RECIPES[form] | {"n_train": None, "dataset": dataset}
    measured, courses, steps, *whole = (
        stored(*names, folder=folder) for names in (MEASURED, [COURSES], [STEPS], *zip(WHOLE))
    )
    timed = select(steps.assign(seed=steps["round"]), dataset=dataset, form=form)
    seen = [select(table, split="all", **which) for table in whole if len(table)]
    seen = [select(t, epoch=which["epochs"]) if "epoch" in t else t for t in seen]
    runs, course = (select(table, split="train", **which) for table in (measured, courses))
    whole_runs = EMPTY
    if seen:  # a run may have its last epoch in one table and its measures in another
        whole_runs = Runs(pd.concat(seen).groupby(["model", "seed"], as_index=False).first())
    return RecipeEvidence(Runs(runs), Runs(timed), course, whole_runs, form, dataset)


def differs(found: Interval, unit: str, decimals: int = 2) -> str:
    """A difference in words: one only where its 95 % confidence interval excludes zero."""
    unit = f" {unit}" if unit else ""
    size = f"{number(abs(found.mean), decimals)}{unit} {'lower' if found.mean < 0 else 'higher'}"
    if found.n == 1:
        return f"{size} in the only run there is, which shows no difference"
    ends = sorted(map(abs, (found.low, found.high))) if found.sign else (found.low, found.high)
    span = " to ".join(number(end, decimals) for end in ends)
    if not found.sign:
        return f"not shown to differ ({span}{unit} over {found.n} seeds)"
    return f"{size} (95 % interval over {found.n} seeds: {span})"


class Column(NamedTuple):
    """A measure as tables and sentences show it; against: another one, of the second model."""

    title: str
    measure: str
    decimals: int = 2
    scale: float = 1
    unit: str = ""
    against: str = ""

    def mean(self, side: RecipeEvidence, model: str) -> str:
        """Mean ± half of its interval over seeds. Raises Missing where it is not stored."""
        found = side.runs.mean(model, self.measure)
        return found.text(self.decimals, self.scale, self.unit)

    def difference(self, side: RecipeEvidence, first: str, second: str) -> str:
        """First less second model in words. Raises Missing where it is not stored."""
        found = side.runs.difference(first, second, self.measure, self.against).scaled(self.scale)
        return f"{self.title} {differs(found, self.unit, self.decimals)}"
