"""Numbers of a run, stored with where they come from, and read back."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache as remember
from importlib.metadata import version
from pathlib import Path

import numpy as np

from helpers import paths

PACKAGES = ("numpy", "scikit-learn", "matplotlib", "nbconvert", "papermill", "typst")  # beside Keras and its backend


def _plain(value):
    """NumPy scalars and arrays as JSON can hold them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be stored as JSON")


def write_json(file: Path, content: dict) -> None:
    """Write JSON whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1, default=_plain, allow_nan=False) + "\n")
    temporary.replace(file)


@remember
def _commit() -> str:
    """The commit of the code, with + when files differ from it; "unknown" outside a checkout."""
    command = ["git", "-C", str(paths.ROOT), "describe", "--always", "--abbrev=10", "--dirty=+", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


@remember
def _processor() -> str:
    """The processor's name and number of cores."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    return f"{name}, {os.cpu_count()} cores"


def provenance() -> dict:
    """When, where and with what a number was computed."""
    backend = os.environ["KERAS_BACKEND"]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "processor": _processor(),
        "threads": int(os.environ.get("HELPERS_THREADS", os.cpu_count() or 1)),
        "python": platform.python_version(),
        "backend": backend,
        "versions": {name: version(name) for name in ("keras", backend, *PACKAGES)},
    }


def save_result(name: str, values: dict, runs=()) -> dict:
    """Store values as results/<name>.json with the runs that they come from; returns what is stored.

    values: numbers, strings, lists, arrays; runs: `training.Run`s. Raises ValueError for NaN.
    """
    content = {
        "name": name,
        "values": values,
        "runs": [
            {
                "model": run.config.label,
                "config": run.config.as_dict(),
                "history": run.history,
                "seconds": run.seconds,
                "provenance": run.provenance,
            }
            for run in runs
        ],
        "provenance": provenance(),
    }
    write_json(paths.results() / f"{name}.json", content)
    return load_result(name)


def load_result(name: str) -> dict | None:
    """What `save_result` stored under the name in the run at hand; None when it is not there."""
    file = paths.results() / f"{name}.json"
    return json.loads(file.read_text()) if file.exists() else None
