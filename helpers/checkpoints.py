"""The cache's folder for one trained network: checkpoints while it trains, then the product."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
from filelock import FileLock, Timeout

from helpers import paths
from helpers.progress import Progress
from helpers.provenance import sha256
from helpers.results import write_json

State = dict[str, Any]  # a model under "model", and what JSON can hold of how it came about


class ModelFolder:
    """What is kept of one network: the networks of other code or settings have other folders.

    name: for people; settings: what identifies the network; code: digest of the code that trains.
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
                progress.waiting()
                held = lock.acquire()
            with held, progress:
                if (state := self.read(self.product)) is not None:
                    progress.cached()
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
        if not file.exists():
            return None
        try:
            content = json.loads(file.read_text())
            model = self.folder / Path(content["file"]).name
            if content["config"] != self.settings or sha256(model) != content["sha256"]:
                raise ValueError(f"{model.name} is not what was saved")
            return content | {"model": keras.models.load_model(model)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{self.name}: damaged cache entry {file} made again ({error})", file=sys.stderr)
            file.unlink()
            return None
