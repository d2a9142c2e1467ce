"""A fixed reader of digits: a small network, trained on training digits alone, that judges images of digits.

It knows ten digits and nothing else: an image of anything else is read as one of them too.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from filelock import FileLock, Timeout
from keras import layers, ops

import helpers.training  # noqa: F401  (it prepares the backend)
from helpers import data, paths, results
from helpers import provenance as digests
from helpers.errors import check_integer, check_number
from helpers.models import IMAGE_SHAPE
from helpers.progress import Progress

NAME = "digit classifier"
EPOCHS, BATCH_SIZE, PEAK, SEED = 4, 64, 0.002, 0  # Adam, from the peak down to 0 along a half cosine
FEATURES = 64  # units of the last hidden layer
READ_AT_ONCE = 500  # images
DIGITS = 60_000
# On import: of the code that this process runs, whatever becomes of the files.
CODE = [digests.statements(Path(file)) for file in (data.__file__, __file__)]


@dataclass(frozen=True)
class Classifier:
    """A trained reader of images (n, 28, 28, 1) with values in [0, 1]; ValueError for another shape.

    accuracy: the share of the 10,000 test digits that it reads as their label; n_train: how many training digits
    it learned from; seconds: how long that took.
    """

    network: keras.Model
    accuracy: float
    n_train: int
    seconds: float

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The probability of each digit: shape (n, 10), rows sum to 1."""
        return _outputs(self.network, images)[1]

    def read(self, images: np.ndarray) -> np.ndarray:
        """The most probable digit of each image: shape (n,)."""
        return self.probabilities(images).argmax(axis=1)

    def features(self, images: np.ndarray) -> np.ndarray:
        """The last hidden layer, after its ReLU: shape (n, 64)."""
        return _outputs(self.network, images)[0]


def label_preserved(classifier: Classifier, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each image (n, 28, 28, 1) is read as its label (n,): bool (n,).

    Raises ValueError unless there is one label for each image.
    """
    if np.shape(labels) != (len(images),):
        raise ValueError(f"labels of shape {np.shape(labels)} for {len(images)} images: there must be one for each")
    return classifier.read(images) == labels


def confident(probabilities: np.ndarray, threshold: float = 0.9) -> np.ndarray:
    """Whether the largest probability in each row (n, 10) reaches the threshold: bool (n,).

    Raises ValueError for a threshold outside (0, 1].
    """
    check_number("threshold", threshold, 0, 1)
    return np.max(probabilities, axis=1) >= threshold


def digit_classifier(n_train: int | None = None) -> Classifier:
    """The classifier that learned from the first n_train (all: 60,000) training digits: trained once, then kept.

    More than there are, as of a model of all 70,000 digits, means all 60,000. A second process that asks for it waits
    for the first. A damaged file is made again. Raises ValueError for n_train below 1, and OSError, naming the folder,
    when the disk refuses.
    """
    if n_train is not None:
        check_integer("n_train", n_train, 1, 70_000)
    kept, progress = _Kept(min(n_train or DIGITS, DIGITS)), Progress(NAME, EPOCHS)
    try:
        with kept.lock(progress), progress:
            return kept.read(progress) or kept.train(progress)
    except OSError as error:
        folder = kept.note.parent
        raise OSError(f"{NAME}: cannot write to {folder} ({error}). Free space or set HELPERS_CACHE.") from error


def build_network() -> keras.Model:
    """The network with its initial weights: an image (28, 28, 1) → features (64,) and probabilities (10,).

    Kernels come from SEED alone, uniform with Glorot & Bengio's (2010) limits.
    """
    seeds = iter(range(SEED, SEED + 4))

    def drawn():
        return keras.initializers.GlorotUniform(next(seeds))

    x = image = keras.Input(IMAGE_SHAPE)
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, activation="relu", kernel_initializer=drawn())(x)
        x = layers.MaxPooling2D()(x)
    features = layers.Dense(FEATURES, activation="relu", kernel_initializer=drawn())(layers.Flatten()(x))
    probabilities = layers.Dense(10, activation="softmax", kernel_initializer=drawn())(features)
    return keras.Model(image, [features, probabilities], name="classifier")


def _outputs(network, images):
    """Features (n, 64) and probabilities (n, 10) of images: NumPy."""
    if np.shape(images)[1:] != IMAGE_SHAPE:
        raise ValueError(f"images of shape {np.shape(images)}: the classifier takes (n, 28, 28, 1)")
    parts = [(np.empty((0, FEATURES), "float32"), np.empty((0, 10), "float32"))]
    for start in range(0, len(images), READ_AT_ONCE):
        parts.append([ops.convert_to_numpy(part) for part in network(images[start : start + READ_AT_ONCE])])
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


class _Lessons(keras.utils.PyDataset):
    """Batches of training digits with their labels, in an order that SEED and the epoch decide."""

    def __init__(self, n_train):
        super().__init__()
        mnist = data.load_mnist()
        self.images, self.labels = mnist["train-images"][:n_train], mnist["train-labels"][:n_train]
        self.shuffle(0)

    def shuffle(self, epoch):
        """Take the order of the epoch."""
        self.order = np.random.default_rng((SEED, epoch)).permutation(len(self.labels))

    def __len__(self):
        return -(-len(self.labels) // BATCH_SIZE)

    def __getitem__(self, index):
        chosen = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        return data.as_input(self.images[chosen]), self.labels[chosen]


class _Epochs(keras.callbacks.Callback):
    """The order of each epoch, and word of its progress."""

    def __init__(self, lessons, progress):
        super().__init__()
        self.lessons, self.progress, self.done = lessons, progress, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.lessons.shuffle(epoch)

    def on_train_batch_end(self, batch, logs=None):
        self.progress.step(self.done, (batch + 1) / len(self.lessons), logs)

    def on_epoch_end(self, epoch, logs=None):
        self.done = epoch + 1
        self.progress.epoch(self.done, logs["loss"])


def _taught(n_train, progress):
    """A network that has learned from the first n_train training digits, and the seconds that took."""
    network, lessons = build_network(), _Lessons(n_train)
    reader = keras.Model(network.inputs, network.outputs[1])
    rate = keras.optimizers.schedules.CosineDecay(PEAK, EPOCHS * len(lessons))
    reader.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    progress.start(0)
    began = time.perf_counter()
    reader.fit(lessons, epochs=EPOCHS, shuffle=False, callbacks=[_Epochs(lessons, progress)], verbose=0)
    return network, time.perf_counter() - began


class _Kept:
    """The cache's files for one classifier: a note on it, and the weights that the note names.

    Their names hold a digest of the code, with the digests of the digits in it, of Keras and of its backend.
    """

    def __init__(self, n_train):
        backend = keras.backend.backend()
        code = digests.digest([*CODE, version("keras"), backend, version(backend)])
        self.n_train = n_train
        self.note = paths.cache() / "classifier" / f"{n_train}-{code}.json"
        self.weights = self.note.with_suffix(".weights.h5")

    def lock(self, progress):
        """A lock, taken, that dies with its process; says so when another process holds it."""
        self.note.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.note.with_suffix(".lock"))
        try:
            return lock.acquire(timeout=0)
        except Timeout:
            progress.waiting()
            return lock.acquire()

    def read(self, progress) -> Classifier | None:
        """The classifier that was kept; None when there is none or its files are damaged."""
        if not self.note.exists():
            return None
        try:
            note = json.loads(self.note.read_text())
            if digests.sha256(self.weights) != note["sha256"]:
                raise ValueError(f"{self.weights.name} is not what was saved")
            network = build_network()
            network.load_weights(self.weights)
            found = Classifier(network, float(note["accuracy"]), self.n_train, float(note["seconds"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            print(f"{NAME}: damaged cache entry {self.note} made again ({error})", file=sys.stderr)
            return None
        progress.cached()
        return found

    def train(self, progress) -> Classifier:
        """The classifier, trained now, judged on the test digits, and kept: the weights, then the note."""
        network, seconds = _taught(self.n_train, progress)
        images, labels = data.test_digits()
        accuracy = float(np.mean(_outputs(network, images)[1].argmax(axis=1) == labels))
        temporary = self.note.with_name(f"partial-{os.getpid()}.weights.h5")
        network.save_weights(temporary)
        note = {"accuracy": accuracy, "seconds": seconds, "sha256": digests.sha256(temporary)}
        temporary.replace(self.weights)
        results.write_json(self.note, note | {"provenance": results.provenance()})
        return Classifier(network, accuracy, self.n_train, seconds)
