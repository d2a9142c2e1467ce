"""Train many configurations, several at a time, and write one tidy table: a row per run and epoch."""

import csv
import itertools
import os
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import psutil

from helpers.config import MODELS, TrainingConfig, check_choice, model_config

COLUMNS = ("model", *TrainingConfig.__dataclass_fields__, "epoch", "training_loss", "rate", "distortion")
COLUMNS += ("val_loss", "val_rate", "val_distortion", "seconds", "date", "commit", "processor", "threads")


def parse_grid(points: list[str]) -> dict[str, list]:
    """["seed=0..2", "latent_dim=1,10"] as {"seed": [0, 1, 2], "latent_dim": [1, 10]}.

    Raises ValueError for a point that is not NAME=VALUE,… or a range that is empty.
    """
    grid = {}
    for point in points:
        name, equals, values = point.partition("=")
        if not (name and equals and values):
            raise ValueError(f"{point!r} is not of the form NAME=VALUE,VALUE or NAME=FIRST..LAST")
        grid[name] = [value for part in values.split(",") for value in _values(part)]
        if not grid[name]:
            raise ValueError(f"{point!r} holds no value")
    return grid


def _values(text: str) -> list:
    """One value, or the integers of FIRST..LAST."""
    first, dots, last = text.partition("..")
    if dots and first.isdigit() and last.isdigit():
        return list(range(int(first), int(last) + 1))
    return [int(text) if text.isdigit() else text]


def configurations(grid: dict[str, list], profile: str) -> list[TrainingConfig]:
    """Every combination of the grid; "model" names models, all of MODELS when it is left out."""
    for name in grid:
        check_choice("what to combine", name, ("model", *TrainingConfig.__dataclass_fields__))
    grid = {"model": list(MODELS)} | grid
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    return [model_config(point.pop("model"), profile=profile, **point) for point in points]


def _train(config: TrainingConfig) -> list[dict]:
    """Train in a worker; the run's rows of the table."""
    from helpers.training import fit_or_load  # a worker pays for TensorFlow, the caller does not

    run = fit_or_load(config)
    about = {key: run.provenance[key] for key in ("date", "commit", "processor", "threads")}
    about |= {"model": config.label} | config.as_dict()
    history = {"training_loss": run.history["loss"]} | {k: v for k, v in run.history.items() if k != "loss"}
    return [
        about | {"epoch": epoch + 1} | {name: round(values[epoch], 4) for name, values in history.items()}
        for epoch in range(config.epochs)
    ]


def sweep(configs: list[TrainingConfig], table: Path, jobs: int, tell=print) -> None:
    """Train the configurations, `jobs` at a time, and write the table after each one.

    What is in the cache is not trained again, so a sweep that was stopped goes on where it was.
    Rows of other configurations that the table holds already stay, before the new ones.
    """
    wanted = {_identity(config.as_dict()) for config in configs}
    others = [row for row in read_table(table) if _identity(row) not in wanted]
    os.environ["HELPERS_THREADS"] = str(max(1, (os.cpu_count() or 1) // jobs))
    rows = {}
    with _workers(jobs) as pool:
        waiting = {pool.submit(_train, config): config for config in configs}
        for done in as_completed(waiting):
            rows[waiting[done]] = done.result()
            _write(table, others + [row for config in configs for row in rows.get(config, [])])
            tell(_summary(rows[waiting[done]][-1], len(rows), len(configs)))


@contextmanager
def _workers(jobs: int):
    """A pool of processes; when something goes wrong, Ctrl-C included, none of them goes on training."""
    ignore = (signal.signal, (signal.SIGINT, signal.SIG_IGN))  # Ctrl-C is the parent's to handle
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), *ignore)
    try:
        yield pool
    except BaseException:
        for process in psutil.Process().children(recursive=True):
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _identity(fields: dict) -> tuple[str, ...]:
    """A configuration's fields as text, from itself or from a row of the table."""
    values = (fields[name] for name in TrainingConfig.__dataclass_fields__)
    return tuple("" if value is None else str(value) for value in values)


def _summary(row: dict, done: int, total: int) -> str:
    """One line about a finished run."""
    return f"[{done}/{total}] {row['model']}, seed {row['seed']}: training loss {row['training_loss']:.2f}"


def _write(table: Path, rows: list[dict]) -> None:
    """Write the table whole or not at all."""
    table.parent.mkdir(parents=True, exist_ok=True)
    temporary = table.with_name(f"{table.name}.{os.getpid()}.tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(table)


def read_table(table: Path) -> list[dict]:
    """The rows of a table, numbers as numbers; an empty list when there is no table."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]


def _number(text: str):
    """Text as int or float where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
