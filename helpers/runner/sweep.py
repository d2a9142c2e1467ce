"""Train many configurations, several at a time, and write one table: a row per epoch or run."""

import dataclasses
import itertools
import math
from pathlib import Path

import pandas as pd
from dask.system import CPU_COUNT

from helpers import provenance
from helpers.config import TrainingConfig, model_config
from helpers.errors import Refusal, check_choice, literal
from helpers.evidence import tables
from helpers.runner.terminal import Terminal
from helpers.runner.workers import workers

FIELDS = tuple(TrainingConfig.__dataclass_fields__)
MOST = 10_000  # trainings of one sweep
UNCOMMITTED = (
    "the code has changes that no commit holds, so nobody could tell later which code made this "
    "{}: commit them (git add --all; git commit), or {}"
)
TRIAL = "add --trial, which marks the rows"


def parse_grid(points: list[str]) -> dict[str, list]:
    """["seed=0..2", "latent_dim=1,10"] as {"seed": [0, 1, 2], "latent_dim": [1, 10]}.

    Raises ValueError for a point that is not NAME=VALUE,... or a range that is empty.
    """
    grid: dict[str, list] = {}
    for point in points:
        name, equals, values = point.partition("=")
        if not (name and equals and values):
            form = "NAME=VALUE,VALUE or NAME=FIRST..LAST"
            raise ValueError(f"{point!r} is not of the form {form}")
        if name in grid:
            raise ValueError(f"{name} is given twice: write {name}=VALUE,VALUE")
        grid[name] = []
        for part in values.split(","):
            first, dots, last = part.partition("..")
            if dots and first.isdecimal() and last.isdecimal():
                grid[name] += range(int(first), min(int(last), int(first) + MOST) + 1)
            else:
                grid[name].append(literal(part))
        if not 0 < len(grid[name]) <= MOST:
            raise ValueError(f"{point!r} holds no value, or more than {MOST:,}")
    return grid


def configurations(grid: dict[str, list], profile: str) -> list[TrainingConfig]:
    """Every combination of the grid, each once; without "model" that of the baseline."""
    for name in grid:
        check_choice("field", name, ("model", *FIELDS))
    if math.prod(map(len, grid.values())) > MOST:
        raise ValueError(f"the grid has more than {MOST:,} combinations")
    grid = {"model": ["baseline"]} | grid
    configs = []
    for values in itertools.product(*grid.values()):
        point = dict(zip(grid, values, strict=True))
        model = model_config(str(point.pop("model")), profile=profile)
        configs.append(dataclasses.replace(model, **point))
    return list(dict.fromkeys(configs))


def _train(config: TrainingConfig) -> list[dict]:
    """Train in a worker: a row for each epoch."""
    from helpers.training import fit_or_load  # a worker pays for TensorFlow, the caller does not

    run = fit_or_load(config)
    course = {"training_loss" if key == "loss" else key: run.history[key] for key in run.history}
    return [
        _about(run) | {"epoch": epoch + 1} | {key: round(course[key][epoch], 4) for key in course}
        for epoch in range(len(course["seconds"]))
    ]


def _measure(config: TrainingConfig) -> list[dict]:
    """Train and measure in a worker: one row."""
    from helpers.metrics.suite import measured

    run, measures = measured(config)
    found = {name: float(f"{value:.7g}") for name, value in measures.items()}
    code = provenance.measuring_code()
    return [_about(run) | found | {"seconds": run.seconds, "measuring_code": code}]


def _about(run) -> dict:
    """What a row says of the model, and of where its numbers come from."""
    about = {name: run.provenance.get(name) for name in tables.PROVENANCE}
    return {"model": run.config.label} | run.config.as_dict() | about


def held(table: Path, measure: bool, trial: bool = False) -> set[TrainingConfig]:
    """The configurations whose rows, made by the code of now, a table holds; trial: see `sweep`."""
    rows = tables.read(table, trial)
    now = {"training_code": provenance.training_code()}
    now |= {"measuring_code": provenance.measuring_code()} if measure else {}
    same = rows[(rows[list(now)] == pd.Series(now)).all(axis=1)][list(FIELDS)].drop_duplicates()
    points: list[dict] = same.astype(object).replace({pd.NA: None}).to_dict("records")
    return {TrainingConfig(**point) for point in points}


def refuse_uncommitted(trial: bool, what: str = "table", otherwise: str = TRIAL) -> None:
    """Raise Refusal where the code is that of no commit, unless it is a trial.

    what: is to be made; otherwise: what a person who will not commit may do.
    """
    commit = provenance.about()["commit"]
    if not trial and (commit.endswith("+") or commit == "unknown"):
        raise Refusal(UNCOMMITTED.format(what, otherwise))


def sweep(
    configs: list[TrainingConfig], table: Path, jobs: int | None = None,
    scheduler: str | None = None, terminal: Terminal | None = None, measure: bool = False,
    trial: bool = False,
) -> None:  # fmt: skip
    """Train the configurations and put their rows into the table after each one.

    jobs: trainings at a time on this machine; scheduler: the address of a Dask cluster to train on
    instead; measure: write what `metrics.suite` finds of each trained model, in place of the course
    of its training; trial: take code that no commit holds. What is in the cache, or by the same
    code in the table, is not trained again. Other rows of the table stay. Raises Failure, with the
    others in the table, when some could not be trained, and Refusal when the table is of the other
    kind.
    """
    refuse_uncommitted(trial)
    terminal, kinds = terminal or Terminal(), ("courses", "measures")
    if table.exists() and ("epoch" in tables.read(table, trial)) == measure:
        there, asked = kinds[not measure], kinds[measure]
        raise Refusal(f"{table} holds {there} of trainings, not {asked}: name another table")
    done = held(table, measure, trial)
    wanted = list(dict.fromkeys(configs))
    found, configs = len(wanted), [config for config in wanted if config not in done]
    if found > len(configs):
        terminal.line(f"{found - len(configs)} of {found} trainings are in {table} already")
    if not configs:
        return
    jobs = min(jobs or CPU_COUNT, len(configs))
    where = f"on {scheduler}" if scheduler else f"{jobs} at a time"
    terminal.line(f"{len(configs)} training{'s' * (len(configs) > 1)}, {where}")
    shown = [name for name in FIELDS if name not in ("architecture", "latent_dim", "loss")]
    differ = [name for name in shown if len({getattr(config, name) for config in configs}) > 1]

    def name(config: TrainingConfig) -> str:
        """What people call it: its label and what else differs among those of the sweep."""
        return ", ".join([config.label, *(f"{one} {getattr(config, one)}" for one in differ)])

    with workers(jobs, scheduler, terminal) as pool:
        ended = pool.run(_measure if measure else _train, configs, name)
        for number, (config, rows) in enumerate(ended, 1):
            tables.merge(table, rows, trial=trial)
            loss = f"loss on test images {rows[-1]['val_loss']:.2f}"
            terminal.line(f"[{number}/{len(configs)}] {name(config)}: {loss}")
