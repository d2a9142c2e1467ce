"""Many measured runs: values over seeds, differences paired by seed, and how certain they are."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.stats import t

from helpers import paths
from helpers.evidence.speed import STEPS
from helpers.config import PROFILES
from helpers.evidence.published import published
from helpers.evidence.tables import read_table
from helpers.wording import RESOLUTION, number

LEVEL = 0.95  # of every interval
TABLES = ("plain.csv", "seeds.csv", "dimensions.csv", "losses.csv")  # of measured runs, in report/results
COURSES = "courses.csv"  # of trainings under squared error, epoch by epoch
RECIPES = {  # which runs a side has
    "plain": {"recipe": "keras", "epochs": PROFILES["original"]["epochs"]},
    "fast": {"recipe": "fast", "epochs": PROFILES["report"]["epochs"]},
}


class Missing(LookupError):
    """A number that is needed has not been stored."""


@dataclass(frozen=True)
class Interval:
    """A mean over n seeds with Student's interval at LEVEL: unbounded where n is 1."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def sign(self) -> int:
        """1 or -1 where the interval lies above or below zero, else 0: then nothing may be said to differ."""
        return self.above(0)

    def above(self, limit: float) -> int:
        """1 where the whole interval lies above a limit, -1 where it lies below, else 0: seeds do not tell."""
        return int(self.low > limit) - int(self.high < limit)

    def between(self, least: float, most: float) -> int:
        """1 where the whole interval lies within limits, both included, -1 where it lies outside, else 0."""
        return int(least <= self.low and self.high <= most) - int(self.low > most or self.high < least)

    def exceeds(self, other: "Interval") -> int:
        """1 where the whole interval lies above another one, -1 where it lies below, else 0."""
        return int(self.low > other.high) - int(self.high < other.low)

    def scaled(self, factor: float, start: float = 0) -> "Interval":
        """The interval of start + factor · value: in another unit or, with a factor below zero, the other way round."""
        mean, *ends = (start + factor * value for value in (self.mean, self.low, self.high))
        return Interval(mean, *sorted(ends), self.n)

    def change(self, more: str, less: str, decimals: int = 2, scale: float = 1, unit: str = "") -> str:
        """A difference by its size and in words by its direction: "1.50 ± 0.30 nats lower"."""
        size, word = (self, more) if self.mean >= 0 else (self.scaled(-1), less)
        return f"{size.text(decimals, scale, unit)} {word}"

    def text(self, decimals: int = 2, scale: float = 1, unit: str = "") -> str:
        """Mean and half of the interval, "1.50 ± 0.30"; "1.50 (one run)" where n is 1."""
        mean, half = (number(scale * value, decimals) for value in (self.mean, self.high - self.mean))
        return f"{mean} ± {half}{unit}" if self.n > 1 else f"{mean}{unit} (one run)"


def interval(values: Iterable[float]) -> Interval:
    """Mean and Student's interval of values, one for each seed. Raises Missing when there is none."""
    values = np.asarray(list(values), float)
    if not len(values):
        raise Missing("there is no value to average")
    mean, n = float(values.mean()), len(values)
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


@dataclass(frozen=True)
class Runs:
    """Measured runs of one recipe, a row for each model and seed."""

    rows: list[dict]

    def values(self, model: str, measure: str) -> dict[int, float]:
        """A measure of a model by seed. Raises Missing, naming both, when no run has it."""
        found = {row["seed"]: row[measure] for row in self.rows if row["model"] == model and row.get(measure, "") != ""}
        if not found:
            raise Missing(f"no run of {model} has stored {measure}")
        return found

    def mean(self, model: str, measure: str) -> Interval:
        """A measure of a model over its seeds."""
        return interval(self.values(model, measure).values())

    def difference(self, first: str, second: str, measure: str, against: str | None = None) -> Interval:
        """First less second model, paired over the seeds that both have; `against`: another measure of the second."""
        one, other = self.values(first, measure), self.values(second, against or measure)
        return interval(one[seed] - other[seed] for seed in one.keys() & other.keys())

    def models(self) -> list[str]:
        """The models that have runs, in the order of the rows."""
        return list(dict.fromkeys(row["model"] for row in self.rows))


def select(rows: list[dict], **fields) -> Runs:
    """The runs whose fields have the given values, a field of a row that is empty being None."""
    return Runs([row for row in rows if all((None if row[k] == "" else row[k]) == v for k, v in fields.items())])


def stored(*tables: str, folder: Path | None = None) -> list[dict]:
    """The rows of committed tables, each run once."""
    folder = folder or paths.REFERENCE / "results"
    rows = [row for table in tables for row in read_table(folder / table)]
    keys = ("model", "split", "recipe", "epochs", "batch_size", "n_train", "seed")
    return list({tuple(row[key] for key in keys): row for row in rows}.values())


@dataclass(frozen=True)
class Side:
    """Models trained one way: measured runs, timed steps ("seed" counts the rounds) and losses by epoch."""

    runs: Runs
    steps: Runs
    courses: list[dict]

    def near(self, model: str) -> int:
        """1 where the final training loss, the mean over seeds, is within RESOLUTION of the published one; -1 where the
        whole interval is not; else 0.
        """
        loss, paper = self.loss(model), published(model)["loss"]
        return 1 if abs(loss.mean - paper) <= RESOLUTION else min(0, loss.between(paper - RESOLUTION, paper + RESOLUTION))

    def loss(self, model: str) -> Interval:
        """Final training loss over seeds."""
        return self.runs.mean(model, "training_loss")

    def time(self, model: str) -> Interval:
        """How much longer a step takes than the baseline's, as a share, over the rounds of the benchmark."""
        own, other = (self.steps.values(name, "seconds_per_step") for name in (model, "baseline"))
        return interval(own[turn] / other[turn] - 1 for turn in own.keys() & other.keys())

    def roughness(self, model: str) -> Interval:
        """How much the loss on fixed digits climbs back between epochs, as a share of its fall, over seeds."""
        losses: dict[int, list[float]] = {}
        for row in self.courses:
            if row["model"] == model:
                losses.setdefault(row["seed"], []).append(row["eval_loss"])
        if not losses:
            raise Missing(f"no course of {model} is stored")
        return interval(_climbs(course) / (course[0] - min(course)) for course in losses.values())


def _climbs(course: list[float]) -> float:
    """The sum of the rises from each value to the next."""
    return sum(max(0.0, after - before) for before, after in zip(course, course[1:], strict=False))


@dataclass(frozen=True)
class Evidence:
    """The models trained as the original trained them, and by this report's recipe."""

    plain: Side
    fast: Side

    @classmethod
    def load(cls) -> "Evidence":
        """The committed tables, of models that were trained without the test digits."""
        measured, courses = stored(*TABLES), read_table(paths.REFERENCE / "results" / COURSES)
        steps = [row | {"seed": row["round"]} for row in read_table(paths.REFERENCE / "results" / STEPS)]
        sides = {
            form: Side(
                select(measured, split="train", n_train=None, **recipe),
                select(steps, form=form),
                select(courses, **recipe).rows,
            )
            for form, recipe in RECIPES.items()
        }
        return cls(**sides)


@dataclass(frozen=True)
class Column:
    """A measure as tables show it."""

    title: str
    measure: str
    decimals: int = 2
    scale: float = 1
    unit: str = ""


def spread_table(evidence: Evidence, models: Iterable[str], columns: Iterable[Column]) -> list[list]:
    """For each model and recipe that has runs: their names, how many seeds, and each column's mean and interval."""
    columns, rows = list(columns), []
    for model in models:
        for form, side in (("plain", evidence.plain), ("fast", evidence.fast)):
            seeds = {row["seed"] for row in side.runs.rows if row["model"] == model}
            if seeds:
                rows.append([model, form, len(seeds), *(_cell(side.runs, model, column) for column in columns)])
    return rows


def _cell(runs: Runs, model: str, column: Column) -> str:
    """A mean with its interval, a dash where nothing is stored."""
    try:
        return runs.mean(model, column.measure).text(column.decimals, column.scale, column.unit)
    except Missing:
        return "–"


def differs(found: Interval, unit: str, decimals: int = 2, words: tuple[str, str] = ("higher", "lower")) -> str:
    """A paired difference in words, which says that there is one only where the interval does."""
    size = f"{number(abs(found.mean), decimals)} {unit}"
    ends = sorted(abs(end) for end in (found.low, found.high))
    if found.sign:
        span = " to ".join(number(end, decimals) for end in ends)
        return f"{size} {words[found.sign < 0]} (95 % interval over {found.n} seeds: {span})"
    if found.n == 1:
        return f"{size} {words[found.mean < 0]} in the one run there is, which shows no difference"
    return f"not shown to differ ({number(found.low, decimals)} to {number(found.high, decimals)} {unit} over {found.n} seeds)"
