"""A fixed judge of images: a small network that classifies digits, or another data set's images.

It knows ten classes and nothing else: an image of anything else is given one of them too.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers

from helpers import data, provenance
from helpers.config import IMAGES
from helpers.errors import check_integer
from helpers.models import IMAGE_SHAPE, in_batches
from helpers.progress import Progress
from helpers.results import ModelFolder, State
from helpers.training import Digits, EpochCallback, prepare_backend

EPOCHS, BATCH_SIZE, PEAK, SEED = 4, 64, 0.002, 0  # Adam, the peak down to 0 along a half cosine
FEATURES = 64  # units of the last hidden layer
CONFIDENT = 0.9  # least probability of a class that counts as confident


@dataclass(frozen=True)
class Classifier:
    """A trained classifier of images (n, 28, 28, 1) in [0, 1]; ValueError for another shape."""

    network: keras.Model
    accuracy: float  # share of the 10,000 test images that it classifies correctly
    n_train: int  # training images that it learned from

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The probability of each class: shape (n, 10), rows sum to 1."""
        return _outputs(self.network, images)[1]

    def read(self, images: np.ndarray) -> np.ndarray:
        """The most probable class of each image: shape (n,)."""
        return self.probabilities(images).argmax(axis=1)

    def features(self, images: np.ndarray) -> np.ndarray:
        """The last hidden layer, after its ReLU: shape (n, 64)."""
        return _outputs(self.network, images)[0]


def _outputs(network, images):
    if np.shape(images)[1:] != IMAGE_SHAPE:
        raise ValueError(f"images of shape {np.shape(images)}: the classifier takes (n, 28, 28, 1)")
    return in_batches(network, images)


def label_preserved(reader: Classifier, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether each image (n, 28, 28, 1) is classified as its label (n,): bool (n,)."""
    return reader.read(images) == labels


def confident(probabilities: np.ndarray) -> np.ndarray:
    """Whether the largest probability in each row (n, 10) is CONFIDENT or more: bool (n,)."""
    return np.max(probabilities, axis=1) >= CONFIDENT


def classifier(n_train: int | None = None, dataset: str = "mnist") -> Classifier:
    """The classifier that learned from the first n_train (all: 60,000) training images, kept.

    More, as of a model of all 70,000 images, means all. See `ModelFolder.load_or_train`.
    """
    if n_train is not None:
        check_integer("n_train", n_train, 1, IMAGES["all"])
    n_train = min(n_train or IMAGES["train"], IMAGES["train"])
    prepare_backend()
    folder = classifier_folder(n_train, dataset)
    progress = Progress(folder.name, EPOCHS)

    def learn(*_: object) -> State:
        return train(n_train, data.load(dataset), progress) | {"provenance": provenance.about()}

    state = folder.load_or_train(learn, progress)
    return Classifier(state["model"], state["accuracy"], n_train)


def classifier_folder(n_train: int, dataset: str) -> ModelFolder:
    """Where a classifier is kept; its code and the check sums of its data set are in the name."""
    code, _ = provenance.code_digest([f"{__name__}.train"], {}, dataset=dataset)
    name, settings = data.DATASETS[dataset].item, {"n_train": n_train, "dataset": dataset}
    return ModelFolder("classifier", f"{name} classifier", settings, str(n_train), code)


def build_network() -> keras.Model:
    """The untrained network: an image (28, 28, 1) → features (64,) and probabilities (10,).

    Kernels come from SEED alone, uniform with Glorot & Bengio's (2010) limits.
    """
    drawn = [{"kernel_initializer": keras.initializers.GlorotUniform(SEED + n)} for n in range(4)]
    x = image = keras.Input(IMAGE_SHAPE)
    for filters, kernels in zip((32, 64), drawn[:2], strict=True):
        x = layers.Conv2D(filters, 3, activation="relu", **kernels)(x)
        x = layers.MaxPooling2D()(x)
    features = layers.Dense(FEATURES, activation="relu", **drawn[2])(layers.Flatten()(x))
    probabilities = layers.Dense(10, activation="softmax", **drawn[3])(features)
    return keras.Model(image, [features, probabilities], name="classifier")


def train(n_train: int, arrays: dict[str, np.ndarray], progress: Progress) -> State:
    """A network that has learned from a data set's first training images, and its accuracy."""
    network, held_out = build_network(), data.as_input(arrays["test-images"])
    images, labels = arrays["train-images"][:n_train], arrays["train-labels"][:n_train]
    batches = Digits(images, BATCH_SIZE, SEED, labels)
    reader = keras.Model(network.inputs, network.outputs[1])
    rate = keras.optimizers.schedules.CosineDecay(PEAK, EPOCHS * len(batches))
    reader.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    progress.start(0)
    told = [EpochCallback(batches, progress)]
    fitted = reader.fit(batches, epochs=EPOCHS, shuffle=False, callbacks=told, verbose=0)
    correct = in_batches(network, held_out)[1].argmax(axis=1) == arrays["test-labels"]
    return {"model": network, "accuracy": float(np.mean(correct)), "history": fitted.history}
