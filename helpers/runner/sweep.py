"""Train many configurations, several at a time, and write one tidy table: a row per run and epoch, or per run."""

import dataclasses
import itertools
from pathlib import Path

from helpers.errors import check_choice, literal
from helpers.config import MODELS, TrainingConfig, model_config
from helpers.evidence.tables import read_texts, write_table
from helpers.errors import Refusal
from helpers.runner.terminal import Terminal
from helpers.runner.workers import workers

FIELDS = tuple(TrainingConfig.__dataclass_fields__)
FIRST = ("model", *FIELDS, "epoch")  # columns; those of the history follow in its order, then
LAST = ("date", "commit", "processor", "threads")


def parse_grid(points: list[str]) -> dict[str, list]:
    """["seed=0..2", "latent_dim=1,10"] as {"seed": [0, 1, 2], "latent_dim": [1, 10]}.

    Raises ValueError for a point that is not NAME=VALUE,… or a range that is empty.
    """
    grid = {}
    for point in points:
        name, equals, values = point.partition("=")
        if not (name and equals and values):
            raise ValueError(f"{point!r} is not of the form NAME=VALUE,VALUE or NAME=FIRST..LAST")
        if name in grid:
            raise ValueError(f"{name} is given twice: write all its values in one, as {name}=VALUE,VALUE")
        grid[name] = [value for part in values.split(",") for value in _values(part)]
        if not grid[name]:
            raise ValueError(f"{point!r} holds no value: the first of FIRST..LAST is the smaller")
    return grid


def _values(text: str) -> list:
    """One value, a number or None where it reads as one, or the integers of FIRST..LAST."""
    first, dots, last = text.partition("..")
    if dots and first.isdigit() and last.isdigit():
        return list(range(int(first), int(last) + 1))
    return [literal(text)]


def configurations(grid: dict[str, list], profile: str) -> list[TrainingConfig]:
    """Every combination of the grid, each once; "model" names models, all of MODELS when it is left out."""
    for name in grid:
        check_choice("what to combine", name, ("model", *FIELDS))
    grid = {"model": list(MODELS)} | grid
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    configs = [dataclasses.replace(model_config(point.pop("model"), profile=profile), **point) for point in points]
    return list(dict.fromkeys(configs))


def _train(config: TrainingConfig) -> list[dict]:
    """Train in a worker: a row for each epoch."""
    from helpers.training import (
        fit_or_load,  # a worker pays for TensorFlow, the caller does not
    )

    run = fit_or_load(config)
    about = _about(run)
    history = {"training_loss": run.history["loss"]} | {k: v for k, v in run.history.items() if k != "loss"}
    return [
        about | {"epoch": epoch + 1} | {name: round(values[epoch], 4) for name, values in history.items()}
        for epoch in range(config.epochs)
    ]


def _measure(config: TrainingConfig) -> list[dict]:
    """Train and measure in a worker: one row."""
    from helpers.metrics.suite import measured

    run, measures = measured(config)
    return [_about(run) | {name: float(f"{value:.7g}") for name, value in measures.items()} | {"seconds": run.seconds}]


def _about(run) -> dict:
    """What a row says of where its numbers come from."""
    return {"model": run.config.label} | run.config.as_dict() | {key: run.provenance[key] for key in LAST}


def sweep(
    configs: list[TrainingConfig],
    table: Path,
    jobs: int = 1,
    scheduler: str | None = None,
    terminal: Terminal | None = None,
    measure: bool = False,
) -> None:
    """Train the configurations and write the table after each one.

    measure: write what `measures.measured` finds of each trained model, in place of the course of its training.
    jobs: trainings at a time on this machine; scheduler: the address of a Dask cluster to train on instead.
    What is in the cache is not trained again, so a sweep that was stopped goes on where it was. Rows of other
    configurations that the table holds already stay, before the new ones. Raises Failure, with the others in
    the table, when some could not be trained, and Refusal when the table is of the other kind.
    """
    terminal = terminal or Terminal()
    if any(("epoch" in row) == measure for row in read_texts(table)[:1]):
        kinds = ("courses", "measures")
        raise Refusal(f"{table} holds {kinds[not measure]} of trainings, not {kinds[measure]}: name another table")
    wanted = {_identity(config.as_dict()) for config in configs}
    names, rows = _names(configs), {}
    with workers(min(jobs, len(configs)), scheduler, terminal) as team:
        for config, rows[config] in team.run(_measure if measure else _train, configs, names.get):
            before = [TrainingConfig().as_dict() | row for row in read_texts(table)]  # a table may be older than a field
            others = [row for row in before if _identity(row) not in wanted]
            write_table(table, *_with_columns(others + [row for config in configs for row in rows.get(config, [])]))
            loss = rows[config][-1]["val_loss"]
            terminal.line(f"[{len(rows)}/{len(configs)}] {names[config]}: loss on test digits {loss:.2f}")


def _names(configs: list[TrainingConfig]) -> dict[TrainingConfig, str]:
    """What people call each configuration: its label and what else differs among them."""
    shown = [name for name in FIELDS if name not in ("architecture", "latent_dim", "loss")]
    differ = [name for name in shown if len({getattr(config, name) for config in configs}) > 1]
    return {
        config: ", ".join([config.label, *(f"{name} {getattr(config, name)}" for name in differ)]) for config in configs
    }


def _identity(fields: dict) -> tuple[str, ...]:
    """A configuration's fields as text, from itself or from a row of the table."""
    return tuple("" if fields[name] is None else str(fields[name]) for name in FIELDS)


def _with_columns(rows: list[dict]) -> tuple[list[dict], list[str]]:
    """The rows, and their columns in order; rows of another version may lack some or have others."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    first = [name for name in FIRST if name in names]
    return rows, [*first, *(name for name in names if name not in FIRST + LAST), *LAST]
