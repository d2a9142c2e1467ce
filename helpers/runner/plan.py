"""The runs behind the verdicts, in the order in which they decide most: listed, made, published."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from helpers import paths
from helpers.config import PUBLISHED, TrainingConfig
from helpers.evidence import tables
from helpers.runner.sweep import configurations, held, parse_grid, sweep
from helpers.runner.terminal import Terminal

RESULTS = paths.REFERENCE / "results"
MEASURING = 40  # seconds that the measures of a model take


class Batch(NamedTuple):
    """Runs of one table: a grid as `sweep` takes it, with "|" between its points."""

    table: str
    grid: str
    seeds: range = range(100, 112)  # that no earlier table has used
    measure: bool = True

    def configs(self) -> list[TrainingConfig]:
        """Its configurations, seed by seed."""
        points = self.grid.split("|")
        grids = (parse_grid([*points, f"seed={seed}"]) for seed in self.seeds)
        return [config for grid in grids for config in configurations(grid, "report")]


SIX, FIVE = "model=baseline,deeper,dense,1-D,10-D,squared error", f"model={','.join(PUBLISHED)}"
AS_PUBLISHED = "recipe=keras|epochs=30|batch_size=128"
FIRST = "recipe=keras|epochs=1|batch_size=128|model=10-D,deeper"
CURES = ("activation=leaky_relu", "hidden_units=64", "free_bits=0.1", "kl_warmup=0.5")
RISING = FIRST.replace("keras", "keras schedule=rising warmup=0.5")
EIGHT, THREE = range(200, 208), range(100, 103)
PLAN = (
    Batch("seeds.csv", SIX),
    Batch("seeds.csv", "model=deeper|latent_dim=10"),
    Batch("seeds.csv", "model=baseline|latent_dim=32"),
    *(Batch("collapse.csv", grid, EIGHT, measure=False)
      for grid in (FIRST, *(f"{FIRST}|{cure}" for cure in CURES), RISING)),
    Batch("seeds.csv", f"{SIX}|dataset=fashion_mnist"),
    Batch("seeds.csv", "model=deeper|latent_dim=10|dataset=fashion_mnist"),
    Batch("seeds.csv", "model=baseline|latent_dim=32|dataset=fashion_mnist"),
    Batch("leakage.csv", "model=10-D|split=all|dataset=mnist,fashion_mnist"),
    Batch("courses.csv", "model=squared error|latent_dim=2,10|dataset=mnist,fashion_mnist",
          measure=False),
    Batch("plain.csv", f"{SIX}|{AS_PUBLISHED}"),
    Batch("plain.csv", f"model=deeper|latent_dim=10|{AS_PUBLISHED}"),
    Batch("plain.csv", f"model=baseline|latent_dim=32|{AS_PUBLISHED}"),
    Batch("courses.csv", f"model=squared error|latent_dim=2,10|{AS_PUBLISHED}", measure=False),
    Batch("leakage.csv", f"model=10-D|split=all|{AS_PUBLISHED}"),
    Batch("original_protocol.csv", f"{FIVE}|split=all|{AS_PUBLISHED}", measure=False),
    Batch("dimensions.csv", "model=baseline|latent_dim=1,2,3,4,6,8,10,16,32"),
    Batch("losses.csv", "model=baseline|loss=cb,sigma", THREE),
    Batch("convergence.csv", f"{FIVE}|epochs=12", range(3), measure=False),
    Batch("convergence.csv", f"{FIVE}|epochs=24", range(1), measure=False),
)  # fmt: skip


def file(table: str, results: Path = RESULTS) -> Path:
    """Where the rows of a table are: in `unfinished` until all its runs have been made."""
    whole = results / table
    return whole if whole.exists() else results / tables.UNFINISHED / table


def listed(plan: tuple[Batch, ...] = PLAN, results: Path = RESULTS) -> pd.DataFrame:
    """A row for each part of the plan: runs planned and done, hours that the others take.

    The hours are those of one training at a time, at the pace of the latest known runs of the same
    network, recipe and batch size; missing where there is none.
    """
    pace, rows = _seconds_per_epoch(plan, results), []
    for batch in plan:
        there = held(file(batch.table, results), batch.measure)
        configs = batch.configs()
        left = [config for config in configs if config not in there]
        training = sum(pace.get(_kind(c.as_dict()), math.nan) * c.epochs for c in left)
        hours = round((training + MEASURING * batch.measure * len(left)) / 3600, 1)
        done, grid = len(configs) - len(left), batch.grid.replace("|", "  ")
        rows.append([batch.table, grid, len(configs), done, hours])
    return pd.DataFrame(rows, columns=["table", "what is trained", "planned", "done", "hours left"])


def _kind(run: Mapping[Any, Any]) -> tuple:
    """What decides how long an epoch takes."""
    return run["architecture"], run["recipe"].split(" ")[0], run["batch_size"]


def _seconds_per_epoch(plan: tuple[Batch, ...], results: Path) -> dict[tuple, float]:
    """The pace of the latest known runs, by kind."""
    found: dict[tuple, float] = {}
    for name in dict.fromkeys(batch.table for batch in plan):
        for source in (results / tables.EXPLORATORY / name, file(name, results)):
            rows = tables.read(source).to_dict("records")
            for row in rows:
                found[_kind(row)] = row["seconds"] / (1 if "epoch" in row else row["epochs"])
    return found


def run(
    chosen: tuple[Batch, ...], jobs: int | None = None, scheduler: str | None = None,
    terminal: Terminal | None = None, plan: tuple[Batch, ...] = PLAN, results: Path = RESULTS,
    trial: bool = False,
) -> None:  # fmt: skip
    """Make those of the chosen runs that are left; a table with all runs of the plan is published.

    The other arguments: see `sweep`. It may be stopped at any time.
    """
    terminal = terminal or Terminal()
    for batch in chosen:
        place, whole = file(batch.table, results), results / batch.table
        sweep(batch.configs(), place, jobs, scheduler, terminal, batch.measure, trial)
        same = [other for other in plan if other.table == batch.table]
        if place != whole and all(set(b.configs()) <= held(place, b.measure, trial) for b in same):
            place.replace(whole)
            terminal.line(f"{whole} has all its runs: the report reads them from now on")
