"""Train once and keep: recipes, checkpoints, locks, progress."""

import hashlib
import json
import os
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from filelock import FileLock, Timeout

from helpers import paths, results
from helpers.config import TrainingConfig
from helpers.data import as_input, split_images, test_digits
from helpers.models import VAE
from helpers.progress import Progress

HISTORY = ("loss", "rate", "distortion", "val_loss", "val_rate", "val_distortion", "seconds")
DRAWS_PER_EPOCH = 100_000  # more than the draws of any epoch: epochs never share noise
MUON_PEAK = 0.007  # peak learning rate of the fast recipe


def prepare_tensorflow() -> None:
    """Give TensorFlow $HELPERS_THREADS threads (default: every core) and deterministic operations.

    It takes the number of threads before its first operation only; warns when it comes too late.
    """
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    threads = int(os.environ.get("HELPERS_THREADS", os.cpu_count() or 1))
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        warnings.warn(f"import helpers.training before using TensorFlow: {error}", stacklevel=2)


if keras.backend.backend() == "tensorflow":
    prepare_tensorflow()  # on import, since a notebook builds layers before it trains


def _keras_recipe(steps: int):
    """As published: Adam at a constant 1e-3 (Kingma & Ba 2015)."""
    return keras.optimizers.Adam(1e-3)


def _fast_recipe(steps: int):
    """Muon (Jordan et al. 2024) for the dense matrices, Adam for the rest; warm-up, then cosine.

    A tenth of the steps warms up; the rate then falls to zero along a half cosine.
    """
    warmup = max(1, steps // 10)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=MUON_PEAK, warmup_steps=warmup
    )
    return keras.optimizers.Muon(rate)


RECIPES = {"keras": _keras_recipe, "fast": _fast_recipe}


class Digits(keras.utils.PyDataset):
    """Batches of float digits from uint8 images, in an order that (seed, epoch) decides alone."""

    def __init__(self, images, batch_size, seed):
        super().__init__()
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.shuffle(0)

    def shuffle(self, epoch):
        """Take the order of the epoch."""
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))

    def __len__(self):
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index):
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        return (as_input(self.images[chosen]),)


@dataclass(frozen=True)
class Run:
    """A trained model and how it came about.

    history: lists with one value per epoch: loss, rate and distortion on the training digits
    (means over the epoch, nats per image), val_… on the test digits, and seconds of training.
    """

    config: TrainingConfig
    model: VAE
    history: dict[str, list[float]]
    provenance: dict

    @property
    def seconds(self) -> float:
        """Seconds of training, all epochs together, evaluation on held-out digits left out."""
        return sum(self.history["seconds"])


def build_model(config: TrainingConfig) -> VAE:
    """A fresh, compiled model with the initial weights that config.seed decides."""
    keras.utils.set_random_seed(config.seed)
    model = VAE(config.architecture, config.latent_dim, config.loss, config.seed, name="vae")
    images = config.n_train or {"train": 60_000, "all": 70_000}[config.split]
    steps = config.epochs * -(-images // config.batch_size)
    model.compile(optimizer=RECIPES[config.recipe](steps))
    return model


class Entry:
    """The cache's folder for one configuration: checkpoints while training, then the product."""

    def __init__(self, config: TrainingConfig):
        self.config = config
        name = config.label.replace(" ", "-").replace(",", "")
        self.folder = paths.cache() / "models" / f"{name}-{config.key}"
        self.product, self.checkpoint = self.folder / "run.json", self.folder / "checkpoint.json"

    def lock(self) -> FileLock:
        """A lock that dies with its process."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(f"{self.folder}.lock")

    def write(self, state: Path, model: VAE, history: dict, provenance: dict) -> None:
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
            "sha256": _sha256(temporary),
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
            if content["config"] != self.config.as_dict() or _sha256(file) != content["sha256"]:
                raise ValueError(f"{file.name} is not what was saved")
            return content | {"model": keras.models.load_model(file)}
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{self.config.label}: damaged cache entry {state} made again ({error})", file=sys.stderr)
            state.unlink()
            return None


def _sha256(file: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Keep(keras.callbacks.Callback):
    """Per epoch: order and noise before it, true means, seconds and a checkpoint after it."""

    def __init__(self, entry, digits, history, provenance, progress):
        super().__init__()
        self.entry, self.digits, self.history = entry, digits, history
        self.provenance, self.progress = provenance, progress

    def on_epoch_begin(self, epoch, logs=None):
        self.digits.shuffle(epoch)
        self.model.sampling.restart(epoch * DRAWS_PER_EPOCH)
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.trained = time.perf_counter()
        self.progress.step(len(self.history["loss"]), (batch + 1) / len(self.digits), logs)

    def on_epoch_end(self, epoch, logs=None):
        logs = logs | {"seconds": self.trained - self.started}
        for name in HISTORY:
            self.history[name].append(float(logs[name]))
        self.entry.write(self.entry.checkpoint, self.model, self.history, self.provenance)
        self.progress.epoch(len(self.history["loss"]), logs["loss"])


def _train(entry: Entry, progress: Progress) -> dict:
    """Train from the last finished epoch, or from the start; gives what Entry.read gives."""
    config = entry.config
    state = entry.read(entry.checkpoint)
    if state is None:
        state = {"model": build_model(config), "history": {name: [] for name in HISTORY}}
        state["provenance"] = results.provenance()
    model, history = state["model"], state["history"]
    digits = Digits(split_images(config.split, config.n_train), config.batch_size, config.seed)
    held_out = test_digits(config.n_train)[0]
    progress.start(len(history["loss"]))
    model.fit(
        digits,
        initial_epoch=len(history["loss"]),
        epochs=config.epochs,
        validation_data=(held_out,),
        validation_batch_size=500,
        shuffle=False,  # `Digits` shuffles; Keras would shuffle the batches by the global generator
        callbacks=[Keep(entry, digits, history, state["provenance"], progress)],
        verbose=0,
    )
    entry.write(entry.product, model, history, state["provenance"])
    entry.checkpoint.unlink()
    return state


def fit_or_load(config: TrainingConfig) -> Run:
    """The trained model of a configuration: from the cache, else trained now and kept.

    An interrupted training resumes from its last finished epoch and ends with the same weights.
    A second process that asks for the same model waits for the first. A damaged entry is made
    again. Raises OSError, naming the folder, when the disk refuses (full, read-only).
    """
    entry = Entry(config)
    progress = Progress(config.label, config.epochs)
    try:
        with _waiting(entry.lock(), progress), progress:
            state = entry.read(entry.product)
            if state is None:
                state = _train(entry, progress)
            else:
                progress.cached()
    except OSError as error:
        raise OSError(
            f"{config.label}: cannot write to {entry.folder} ({error}). What was trained up to the last "
            "finished epoch is kept: free space or set HELPERS_CACHE, then run again."
        ) from error
    return Run(config, state["model"], state["history"], state["provenance"])


def _waiting(lock: FileLock, progress: Progress) -> FileLock:
    """The lock, taken; says so when another process holds it."""
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        progress.waiting()
        return lock.acquire()
