"""Numbers are stored with their origin, whole or not at all."""

import json

import numpy as np
import pytest

from helpers import paths, results


@pytest.fixture(autouse=True)
def own_output(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUT", str(tmp_path))


def test_a_result_comes_back_with_its_origin(trained):
    stored = results.save_result(
        "name", {"loss": np.float32(1.5), "array": np.arange(3)}, runs=[trained]
    )
    assert (
        stored
        == results.load_result("name")
        == json.loads((paths.results() / "name.json").read_text())
    )
    assert stored["values"] == {"loss": 1.5, "array": [0, 1, 2]}
    assert stored["runs"][0]["config"] == trained.config.as_dict()
    assert {"date", "commit", "training_code", "processor"} <= set(stored["provenance"])
    assert stored["provenance"]["measuring_code"] and stored["packages"]["numpy"] == np.__version__


def test_what_was_not_stored_is_none():
    assert results.load_result("nothing") is None


def test_a_value_that_is_no_number_is_refused_and_the_old_result_stays():
    results.save_result("name", {"loss": 1.0})
    for bad in (float("nan"), object()):
        with pytest.raises((ValueError, TypeError)):
            results.save_result("name", {"loss": bad})
    assert results.load_result("name")["values"] == {"loss": 1.0}
    assert [file.name for file in paths.results().iterdir()] == ["name.json"]


def test_what_is_run_by_hand_stays_with_who_runs_it(tmp_path, monkeypatch):
    """In the checkout report/interactive, elsewhere the person's own folder, in a run the run's."""
    monkeypatch.delenv("HELPERS_OUTPUT", raising=False)
    monkeypatch.chdir(paths.NOTEBOOKS)
    assert paths.output() == paths.REFERENCE / "interactive"
    monkeypatch.chdir(tmp_path)
    assert paths.output() == tmp_path / "interactive"
    monkeypatch.setenv("HELPERS_OUTPUT", str(tmp_path / "made"))
    assert paths.results() == tmp_path / "made" / "results"
