"""Tests keep models and results in a folder of their own; only the checked digits are shared."""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

os.environ.setdefault("HELPERS_THREADS", "1")

from browser import EXECUTABLE, MISSING, Browser, is_required

from helpers import data, paths


def pytest_configure(config):
    """Fetch MNIST into the project's cache once, and give this test run a cache of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    source = paths.cache() / "mnist"
    data.fetch("mnist", source)
    config.own_folder = Path(tempfile.mkdtemp(prefix="course-report-tests-"))
    shutil.copytree(source, config.own_folder / "cache" / "mnist")
    os.environ["HELPERS_CACHE"] = str(config.own_folder / "cache")
    os.environ["HELPERS_OUTPUT"] = str(config.own_folder / "output")


def pytest_collection_modifyitems(items):
    """Start the longest files first, so that the last minutes have work for both processes."""
    items.sort(key=lambda item: item.path.name not in ("test_whole.py", "test_changes.py"))


def pytest_unconfigure(config):
    """Remove the folder."""
    shutil.rmtree(config.own_folder, ignore_errors=True)


def pytest_runtest_setup():
    """Set threads before a test's first operation, as `display.start` does in a notebook."""
    if "helpers.training" in sys.modules:
        sys.modules["helpers.training"].prepare_backend()


@pytest.fixture(autouse=True)
def _same_environment():
    """What a test sets in the environment, a worker of Dask in this process too, ends with it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """An empty model cache for one test, with the digits in it."""
    shutil.copytree(paths.cache() / "mnist", tmp_path / "mnist")
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="session")
def chromium():
    """A browser; without one, tests that need it are skipped, or fail where REQUIRE_BROWSER=1."""
    if EXECUTABLE is None:
        (pytest.fail if is_required() else pytest.skip)(MISSING)
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def trained():
    """A briefly trained baseline that has left its starting point."""
    from helpers.config import TrainingConfig
    from helpers.training import fit_or_load

    return fit_or_load(TrainingConfig(epochs=3, n_train=4_000))
