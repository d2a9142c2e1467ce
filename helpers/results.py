"""Numbers of a run, stored with where they come from, and read back."""

import json
import os
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from helpers import paths, provenance

PACKAGES = ("numpy", "scikit-learn", "matplotlib", "nbconvert", "papermill", "typst")


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


def write_json(file: Path, content: dict[str, Any]) -> None:
    """Write JSON whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1, default=_plain, allow_nan=False) + "\n")
    temporary.replace(file)


def save_result(name: str, values: dict[str, Any], runs: Iterable[Any] = ()) -> dict[str, Any]:
    """Store values as results/<name>.json with the runs that they come from; returns the content.

    values: numbers, strings, lists, arrays; runs: `training.Run`s. Raises ValueError for NaN.
    """
    file = paths.results() / f"{name}.json"
    trained = [
        {"model": run.config.label, "config": run.config.as_dict(), "history": run.history,
         "seconds": run.seconds, "provenance": run.provenance}
        for run in runs
    ]  # fmt: skip
    about = {"provenance": provenance.about(measuring=True)}
    about |= {"packages": {package: version(package) for package in PACKAGES}}
    write_json(file, {"name": name, "values": values, "runs": trained} | about)
    return json.loads(file.read_text())


def load_result(name: str) -> dict[str, Any] | None:
    """What `save_result` stored under the name in the run at hand; None when it is not there."""
    file = paths.results() / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None
