"""Train once and keep: `fit_or_load` gives the trained model of a configuration."""

import ctypes
import math
import platform
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as remember
from pathlib import Path
from typing import Any

import keras
import numpy as np

from helpers import data, provenance
from helpers.config import TrainingConfig
from helpers.errors import Refusal
from helpers.models import VAE, active_dimensions, hidden_values
from helpers.optimizers import build_optimizer
from helpers.progress import Progress
from helpers.results import ModelFolder, State

HISTORY = (
    "loss", "rate", "distortion", "eval_loss", "val_loss", "val_rate", "val_distortion",
    "val_active", "val_dead", "seconds",
)  # fmt: skip
DRAWS_PER_EPOCH = 100_000  # more than the draws of any epoch: epochs never share noise
EVALUATED = 10_000  # training images, the first ones, on which "eval_loss" is measured
ENCODED = 1_000  # test images, the first ones, whose codes tell which dimensions are in use
EVALUATION_DRAWS = 2**30  # where the noise of every evaluation starts: no epoch comes here
KEPT = {-1: 2**26, -2: 2**26, -3: 2**25}  # bytes: glibc's M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_…


def prepare_backend() -> None:
    """Give the backend $HELPERS_THREADS threads (default: every core) and deterministic operations.

    Once. TensorFlow takes threads before its first operation only: warns when it comes too late.
    """
    keep_memory()
    _prepare(provenance.threads())


def keep_memory() -> None:
    """Let this process keep the memory that a training step frees, for the next step (Linux).

    By default glibc gives it back and asks again, page by page: up to half of a step's time.
    """
    if platform.libc_ver()[0] == "glibc":
        for option, size in KEPT.items():
            ctypes.CDLL(None).mallopt(option, size)


@remember
def _prepare(threads: int) -> None:
    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
        tf.random.set_seed(0)  # determinism insists on one; training here draws nothing from it
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError as error:
            warnings.warn(f"prepare_backend() comes after TensorFlow's use: {error}", stacklevel=3)


class Digits(keras.utils.PyDataset):
    """Batches of float images from uint8 ones: in their order, or one that (seed, epoch) decides.

    labels: of the images, where there are some. Only one batch is ever held as floats.
    """

    def __init__(self, images: np.ndarray, batch_size: int, seed: int = 0,
                 labels: np.ndarray | None = None):  # fmt: skip
        super().__init__()
        self.images, self.batch_size, self.seed, self.labels = images, batch_size, seed, labels
        self.order = np.arange(len(images))

    def shuffle(self, epoch: int) -> None:
        """Take the order of the epoch."""
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.images))

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        chosen = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        images = data.as_input(self.images[chosen])
        return (images,) if self.labels is None else (images, self.labels[chosen])


@dataclass(frozen=True)
class Run:
    """A trained model and how it came about.

    history: one value per epoch, in nats per image: loss, rate and distortion on training images
    (means while the weights move); eval_loss on the first EVALUATED of them and val_… on the test
    images, with the weights at the epoch's end and the same noise; val_active, the number of latent
    dimensions in use; val_dead, that of units of the encoder's last hidden layer that give every
    image the same value; and the seconds of training.
    """

    config: TrainingConfig
    model: VAE
    history: dict[str, list[float]]
    provenance: dict[str, Any]
    folder: Path | None = None

    @property
    def seconds(self) -> float:
        """Seconds of training, all epochs together, evaluation on held-out images left out."""
        return sum(self.history["seconds"])


def _new_model(config: TrainingConfig) -> VAE:
    """`build_model` for a backend that is prepared."""
    model = VAE(
        config.architecture, config.latent_dim, config.loss, config.seed, beta=config.beta,
        hidden_units=config.hidden_units, activation=config.activation,
        warmup_steps=config.steps_of(config.kl_warmup), free_bits=config.free_bits, name="vae",
    )  # fmt: skip
    model.compile(optimizer=build_optimizer(config.optimisation, config.steps))
    model.optimizer.build(model.trainable_variables)  # else in the graph, which would stay
    return model


def build_model(config: TrainingConfig) -> VAE:
    """A fresh, compiled model with the initial weights that config.seed decides."""
    prepare_backend()
    return _new_model(config)


def load_model(path: str | Path) -> VAE:
    """The model that `run.model.save("mine.keras")` stored, ready to use and to train on.

    An architecture or pixel loss of your own must be defined before: Refusal for one that is not.
    """
    prepare_backend()
    try:
        return keras.models.load_model(path)
    except KeyError as error:
        lacking = f"{path} has {error}, which this process does not know"
        raise Refusal(f"{lacking}: run the cell that defines it, then load") from error


class EpochCallback(keras.callbacks.Callback):
    """The order of an epoch before it, word of the progress during and after it."""

    def __init__(self, digits: Digits, progress: Progress):
        super().__init__()
        self.digits, self.progress, self.current = digits, progress, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.digits.shuffle(epoch)
        self.current = epoch

    def on_train_batch_end(self, batch, logs=None):
        self.progress.step(self.current, (batch + 1) / len(self.digits), logs)

    def on_epoch_end(self, epoch, logs=None):
        self.progress.epoch(epoch + 1, logs["loss"])


class CheckpointCallback(EpochCallback):
    """Per epoch also: noise before it; evaluation, seconds and a checkpoint after it.

    Training stops after `steps` steps, which may be within an epoch.
    """

    def __init__(self, digits: Digits, held_out: np.ndarray, steps: int, state: State,
                 save: Callable[[State], None], progress: Progress):  # fmt: skip
        super().__init__(digits, progress)
        self.steps, self.state, self.save = steps, state, save
        self.seen = Digits(digits.images[:EVALUATED], digits.batch_size)
        self.unseen = Digits(held_out, digits.batch_size)
        self.encoded = data.as_input(held_out[:ENCODED])

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch)
        self.model.sampling.restart(epoch * DRAWS_PER_EPOCH)
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.trained = time.perf_counter()
        self.model.stop_training = self.current * len(self.digits) + batch + 1 == self.steps
        super().on_train_batch_end(batch, logs)

    def on_epoch_end(self, epoch, logs=None):
        seen, unseen = self._evaluate(self.seen), self._evaluate(self.unseen)
        found = logs | {f"val_{name}": value for name, value in unseen.items()}
        active = active_dimensions(self.model.encode(self.encoded)[0]).sum()
        hidden = hidden_values(self.model, self.encoded)
        found |= {"eval_loss": seen["loss"], "val_active": active}
        found["val_dead"] = (hidden == hidden[0]).all(axis=0).sum()
        found["seconds"] = self.trained - self.started
        for name in HISTORY:
            self.state["history"][name].append(float(found[name]))
        self.save(self.state)
        super().on_epoch_end(epoch, logs)

    def _evaluate(self, digits):
        """Loss, rate and distortion of images with the weights of now."""
        self.model.sampling.restart(EVALUATION_DRAWS)
        return self.model.evaluate(digits, verbose=0, return_dict=True)


def train(config: TrainingConfig, arrays: dict[str, np.ndarray], state: State,
          save: Callable[[State], None], progress: Progress) -> State:  # fmt: skip
    """Train a data set's model from a state, with the model "model" or none yet, to the end.

    With all that it reaches by name, this is the code that decides a model's weights: provenance
    takes its digest.
    """
    if "model" not in state:
        state |= {"model": _new_model(config), "history": {name: [] for name in HISTORY}}
    images = data.take_split(arrays, config.split, config.n_train)
    digits = Digits(images, config.batch_size, config.seed)
    done = len(state["history"]["loss"])
    progress.start(done)
    held_out = arrays["test-images"][: config.n_train]
    told = CheckpointCallback(digits, held_out, config.steps, state, save, progress)
    epochs = math.ceil(config.steps / len(digits))
    state["model"].fit(  # `Digits` shuffles; Keras would shuffle batches by the global generator
        digits, initial_epoch=done, epochs=epochs, shuffle=False, callbacks=[told], verbose=0
    )
    return state


def model_folder(config: TrainingConfig) -> ModelFolder:
    """Where the model of a configuration is kept, and where it is looked for."""
    code = provenance.training_code(config)
    return ModelFolder("models", config.label, config.as_dict(), config.key, code)


def fit_or_load(config: TrainingConfig, progress: Progress | None = None) -> Run:
    """The trained model of a configuration: from the cache, else trained now and kept.

    An interrupted training resumes from its last finished epoch and ends with the same weights; see
    also `ModelFolder.load_or_train`. Where this process runs other code than the files of `helpers`
    hold, the model is kept apart. progress: told what happens; default: a bar.
    """
    prepare_backend()
    folder, told = model_folder(config), progress or Progress(config.label, config.epochs)
    if changed := ", ".join(provenance.patches(config)):
        kept = "so that its models are kept apart from those of the unchanged code"
        print(f"{config.label}: {changed} changed in this process, {kept}", file=sys.stderr)

    def resume(checkpoint: State | None, save: Callable[[State], None]) -> State:
        state = {"provenance": provenance.about(config=config)} | (checkpoint or {})
        return train(config, data.load(config.dataset), state, save, told)

    state = folder.load_or_train(resume, told)
    return Run(config, state["model"], state["history"], state["provenance"], folder.folder)
