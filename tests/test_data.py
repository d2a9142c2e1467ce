"""MNIST is MNIST whatever its source, and a damaged copy is refused, named and fetched again."""

import gzip

import numpy as np
import pytest

from helpers import data, paths


@pytest.fixture
def mnist():
    return data.load_mnist()


@pytest.fixture
def folder(own_cache):
    return own_cache / "mnist"


def unreachable():
    raise OSError("no route to host")


def test_what_is_stored_is_read_back(tmp_path, mnist):
    data._store(mnist, tmp_path)
    for name, array in data.fetch(tmp_path, {}).items():
        np.testing.assert_array_equal(array, mnist[name])


def test_the_digits_are_mnists(mnist):
    data.verify(mnist, "the test")
    assert mnist["train-images"].shape == (60_000, 28, 28) and mnist["test-images"].shape == (10_000, 28, 28)
    assert mnist["train-labels"][:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(mnist["test-labels"]).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_one_wrong_pixel_is_noticed(mnist):
    images = mnist["test-images"].copy()
    images[5_000, 3, 3] ^= 1
    with pytest.raises(errors.DataError, match="somewhere: test-images is damaged"):
        data.verify(mnist | {"test-images": images}, "somewhere")


def truncate(file):
    file.write_bytes(file.read_bytes()[:-1000])


def flip(file):
    content = bytearray(gzip.decompress(file.read_bytes()))
    content[1_000] ^= 1
    file.write_bytes(gzip.compress(bytes(content)))


def empty(file):
    file.write_bytes(b"")


@pytest.mark.parametrize("harm", [truncate, flip, empty])
def test_a_damaged_cache_is_refused_named_and_fetched_again(folder, mnist, harm, capsys):
    harm(folder / "test-images.idx.gz")
    fetched = data.fetch(folder, {"a good source": lambda: mnist})
    assert "refused" in capsys.readouterr().err
    np.testing.assert_array_equal(fetched["test-images"], mnist["test-images"])
    data.fetch(folder, {})  # the cache is whole again: no source is needed


def test_a_source_with_other_digits_is_passed_over(tmp_path, mnist):
    swapped = mnist | {"test-labels": mnist["test-labels"][::-1]}
    sources = {"swapped": lambda: swapped, "good": lambda: mnist}
    data.verify(data.fetch(tmp_path, sources), "the cache")
    with pytest.raises(errors.DataError, match="swapped: DataError.*test-labels is damaged"):
        data.fetch(tmp_path / "elsewhere", {"swapped": lambda: swapped})


def test_without_any_source_the_error_tells_what_was_tried_and_what_to_do(tmp_path):
    with pytest.raises(errors.DataError) as error:
        data.fetch(tmp_path, {"first": unreachable, "second": unreachable})
    message = str(error.value)
    for words in ("first: OSError: no route", "second: OSError", "by hand", str(tmp_path), "train-images.idx.gz"):
        assert words in message


def test_the_cache_is_used_before_any_source(folder):
    fetched = data.fetch(folder, {"never": unreachable})
    assert fetched["train-labels"][0] == 5


def test_idx_files_are_read_as_written():
    array = np.arange(24, dtype="uint8").reshape(2, 3, 4)
    written = data._to_idx(array)
    assert written[:4] == bytes([0, 0, 8, 3]) and len(written) == 16 + 24
    np.testing.assert_array_equal(data._from_idx(written), array)


def test_lines_of_the_package_are_read_with_and_without_a_header():
    line = ",".join(["7", *map(str, range(256)), *["9"] * (784 - 256)])
    for lines in ([line, line], ["label,pixels", line, line]):
        images, labels = data._read_csv(lines)
        assert labels.tolist() == [7, 7] and images.shape == (2, 28, 28)
        assert images[0].ravel()[:256].tolist() == list(range(256))


def test_inputs_are_scaled_and_splits_are_disjoint():
    images, labels = data.test_digits(100)
    assert images.shape == (100, 28, 28, 1) and images.dtype == np.float32
    assert images.min() == 0 and images.max() == 1 and len(labels) == 100
    assert len(data.split_images("train")) == 60_000 and len(data.split_images("all")) == 70_000
    np.testing.assert_array_equal(data.split_images("all")[60_000:], data.load_mnist()["test-images"])


def test_the_tests_use_a_cache_of_their_own():
    assert "course-report-tests-" in str(paths.cache())
