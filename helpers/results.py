"""What is kept of a run, whole or not at all: its numbers as JSON, its networks in the cache."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from helpers import paths, provenance
from helpers.definitions import sha256
from helpers.progress import Progress

PACKAGES = ("numpy", "scikit-learn", "matplotlib", "nbconvert", "papermill", "typst")
State = dict[str, Any]  # a model under "model", and what JSON can hold of how it came about


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


class ModelFolder:
    """The cache's folder for one network: checkpoints while it trains, then the product.

    name: for people; settings: what identifies the network; code: digest of the code that trains.
    The networks of other code or settings have other folders.
    """

    def __init__(self, kind: str, name: str, settings: dict[str, Any], key: str, code: str):
        self.name, self.settings = name, settings
        readable = re.sub(r"[^A-Za-z0-9.]+", "-", name)
        self.folder = paths.cache() / kind / f"{readable}-{key}-{code}"
        self.product, self.checkpoint = self.folder / "run.json", self.folder / "checkpoint.json"

    def load_or_train(self, train: Callable[[State | None, Callable[[State], None]], State],
                      progress: Progress) -> State:  # fmt: skip
        """What is kept, else what train(last checkpoint or None, save) gives, kept from now on.

        A second process that asks for the same waits for the first. A damaged entry is made
        again. Raises OSError, naming the folder, when the disk refuses (full, read-only).
        """
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(f"{self.folder}.lock")  # it dies with its process
            try:
                held = lock.acquire(timeout=0)
            except Timeout:
                progress.tell("waiting")
                held = lock.acquire()
            with held, progress:
                if (state := self.read(self.product)) is not None:
                    progress.tell("cached")
                    return state
                saved = self.read(self.checkpoint)
                state = train(saved, lambda state: self.write(self.checkpoint, state))
                self.write(self.product, state)
                self.checkpoint.unlink(missing_ok=True)
                return state
        except OSError as error:
            raise OSError(
                f"{self.name}: cannot write to {self.folder} ({error}). What was trained up to the "
                "last finished epoch is kept: free space or set HELPERS_CACHE, then run again."
            ) from error

    def write(self, file: Path, state: State) -> None:
        """Save a state: first the model under a new name, then the file that names it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        model = self.folder / f"{file.stem}-{len(state['history']['loss']):04d}.keras"
        temporary = self.folder / f"partial-{os.getpid()}.keras"
        state["model"].save(temporary)
        content = {name: value for name, value in state.items() if name != "model"}
        content |= {"config": self.settings, "file": model.name, "sha256": sha256(temporary)}
        temporary.replace(model)
        write_json(file, content)
        for old in set(self.folder.glob("*.keras")) - {model}:
            old.unlink()

    def read(self, file: Path) -> State | None:
        """The state with its model file checked; None when there is none or it is damaged."""
        import keras

        if not file.exists():
            return None
        try:
            content = json.loads(file.read_text())
            model = self.folder / Path(content["file"]).name
            if (content["config"], content["sha256"]) != (self.settings, sha256(model)):
                raise ValueError(f"{model.name} is not what was saved")
            return content | {"model": keras.models.load_model(model)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{self.name}: damaged cache entry {file} made again ({error})", file=sys.stderr)
            file.unlink()
            return None
