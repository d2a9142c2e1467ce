"""Train once and keep: recipes, checkpoints, locks, progress."""

import os
import time
import warnings
from dataclasses import dataclass

import keras
import numpy as np
from filelock import FileLock, Timeout

from helpers import results
from helpers.checkpoints import Entry
from helpers.config import TrainingConfig
from helpers.data import as_input, load_mnist, split_images
from helpers.models import VAE
from helpers.optimizers import build_optimizer
from helpers.progress import Progress
from helpers.config import read_recipe

HISTORY = ("loss", "rate", "distortion", "eval_loss", "val_loss", "val_rate", "val_distortion", "seconds")
DRAWS_PER_EPOCH = 100_000  # more than the draws of any epoch: epochs never share noise
EVALUATED = 10_000  # training digits, the first ones, on which "eval_loss" is measured
EVALUATION_DRAWS = 2**30  # where the noise of every evaluation starts: no epoch comes here


def prepare_backend() -> None:
    """Give the backend $HELPERS_THREADS threads (default: every core) and TensorFlow deterministic operations.

    TensorFlow takes the number of threads before its first operation only; warns when it comes too late.
    """
    threads = int(os.environ.get("HELPERS_THREADS", os.cpu_count() or 1))
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        tf.random.set_seed(0)  # deterministic operations insist on one; training here draws nothing from it
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError as error:
            warnings.warn(f"import helpers.training before using TensorFlow: {error}", stacklevel=2)


prepare_backend()  # on import, since a notebook builds layers before it trains


class Digits(keras.utils.PyDataset):
    """Batches of float digits from uint8 images: as they stand, or in an order that (seed, epoch) decides alone.

    Only the batch at hand is ever held as floats.
    """

    def __init__(self, images, batch_size, seed=0):
        super().__init__()
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.order = np.arange(len(images))

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

    history: lists with one value per epoch, in nats per image: loss, rate and distortion on the
    training digits (means over the epoch, while the weights move); eval_loss on the first EVALUATED
    training digits and val_… on the test digits, both with the weights at the epoch's end and the
    same noise every time; and the seconds of training.
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
    model = VAE(config.architecture, config.latent_dim, config.loss, config.seed, name="vae")
    images = config.n_train or {"train": 60_000, "all": 70_000}[config.split]
    steps = config.epochs * -(-images // config.batch_size)
    model.compile(optimizer=build_optimizer(read_recipe(config.recipe), steps))
    return model


class Keep(keras.callbacks.Callback):
    """Per epoch: order and noise before it; evaluation, seconds and a checkpoint after it."""

    def __init__(self, entry, digits, held_out, state, progress):
        super().__init__()
        self.entry, self.digits = entry, digits
        self.seen = Digits(digits.images[:EVALUATED], digits.batch_size)
        self.unseen = Digits(held_out, digits.batch_size)
        self.history, self.provenance, self.progress = state["history"], state["provenance"], progress

    def on_epoch_begin(self, epoch, logs=None):
        self.digits.shuffle(epoch)
        self.model.sampling.restart(epoch * DRAWS_PER_EPOCH)
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.trained = time.perf_counter()
        self.progress.step(len(self.history["loss"]), (batch + 1) / len(self.digits), logs)

    def on_epoch_end(self, epoch, logs=None):
        seen, unseen = self._evaluate(self.seen), self._evaluate(self.unseen)
        found = logs | {f"val_{name}": value for name, value in unseen.items()}
        found |= {"eval_loss": seen["loss"], "seconds": self.trained - self.started}
        for name in HISTORY:
            self.history[name].append(float(found[name]))
        self.entry.write(self.entry.checkpoint, self.model, self.history, self.provenance)
        self.progress.epoch(len(self.history["loss"]), logs["loss"])

    def _evaluate(self, digits):
        """Loss, rate and distortion of digits with the weights of now."""
        self.model.sampling.restart(EVALUATION_DRAWS)
        return self.model.evaluate(digits, verbose=0, return_dict=True)


def _train(entry: Entry, progress: Progress) -> dict:
    """Train from the last finished epoch, or from the start; gives what Entry.read gives."""
    config = entry.config
    state = entry.read(entry.checkpoint)
    if state is None:
        state = {"model": build_model(config), "history": {name: [] for name in HISTORY}}
        state["provenance"] = results.provenance()
    digits = Digits(split_images(config.split, config.n_train), config.batch_size, config.seed)
    held_out = load_mnist()["test-images"][: config.n_train]
    done = len(state["history"]["loss"])
    progress.start(done)
    state["model"].fit(
        digits,
        initial_epoch=done,
        epochs=config.epochs,
        shuffle=False,  # `Digits` shuffles; Keras would shuffle the batches by the global generator
        callbacks=[Keep(entry, digits, held_out, state, progress)],
        verbose=0,
    )
    entry.write(entry.product, state["model"], state["history"], state["provenance"])
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
