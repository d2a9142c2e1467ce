"""The cache's folder for one trained model: checkpoints while it trains, then the product."""

import json
import os
import sys
from pathlib import Path

import keras
from filelock import FileLock

from helpers import paths, results
from helpers import provenance as digests
from helpers.config import TrainingConfig
from helpers.config import read_recipe

# On import: of the code that this process runs, whatever becomes of the files.
CODE = {optimizer: digests.training_code(optimizer) for optimizer in digests.OPTIMIZERS}


class Entry:
    """The cache's folder for one configuration and one state of the training code.

    The digest of the code is part of the folder's name: a change retrains, and taking it back does not.
    """

    def __init__(self, config: TrainingConfig):
        self.config = config
        name = config.label.replace(" ", "-").replace(",", "")
        code = CODE[read_recipe(config.recipe).optimizer]
        self.folder = paths.cache() / "models" / f"{name}-{config.key}-{code}"
        self.product, self.checkpoint = self.folder / "run.json", self.folder / "checkpoint.json"

    def lock(self) -> FileLock:
        """A lock that dies with its process."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self.folder}.lock")

    def write(self, state: Path, model: keras.Model, history: dict, provenance: dict) -> None:
        """Save model and state: first the model under a new name, then the state that names it."""
        epoch = len(history["loss"])
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"{state.stem}-{epoch:04d}.keras"
        temporary = self.folder / f"partial-{os.getpid()}.keras"
        model.save(temporary)
        content = {
            "config": self.config.as_dict(),
            "history": history,
            "provenance": provenance,
            "file": file.name,
            "sha256": digests.sha256(temporary),
        }
        temporary.replace(file)
        results.write_json(state, content)
        for old in self.folder.glob("*.keras"):
            if old != file:
                old.unlink()

    def read(self, state: Path) -> dict | None:
        """The state with its model file checked; None when there is none or it is damaged."""
        if not state.exists():
            return None
        try:
            content = json.loads(state.read_text())
            file = self.folder / content["file"]
            if content["config"] != self.config.as_dict() or digests.sha256(file) != content["sha256"]:
                raise ValueError(f"{file.name} is not what was saved")
            return content | {"model": keras.models.load_model(file)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{self.config.label}: damaged cache entry {state} made again ({error})", file=sys.stderr)
            state.unlink()
            return None
