"""Numbers are stored with their origin, whole or not at all; sweeps write one tidy table."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest

from helpers import paths, results
from helpers.config import model_config
from helpers.sweep import configurations, parse_grid, read_table, sweep


@pytest.fixture(autouse=True)
def own_output(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUT", str(tmp_path))


def test_a_result_comes_back_with_its_origin(trained):
    stored = results.save_result("name", {"loss": np.float32(1.5), "array": np.arange(3)}, runs=[trained])
    assert stored == results.load_result("name") == json.loads((paths.results() / "name.json").read_text())
    assert stored["values"] == {"loss": 1.5, "array": [0, 1, 2]}
    assert stored["runs"][0]["config"] == trained.config.as_dict()
    assert {"date", "commit", "versions", "processor"} <= set(stored["provenance"])


def test_what_was_not_stored_is_none():
    assert results.load_result("nothing") is None


def test_a_value_that_is_no_number_is_refused_and_the_old_result_stays():
    results.save_result("name", {"loss": 1.0})
    for bad in (float("nan"), object()):
        with pytest.raises((ValueError, TypeError)):
            results.save_result("name", {"loss": bad})
    assert results.load_result("name")["values"] == {"loss": 1.0}
    assert [file.name for file in paths.results().iterdir()] == ["name.json"]


def test_grids():
    assert parse_grid(["seed=0..2", "model=baseline,1-D"]) == {"seed": [0, 1, 2], "model": ["baseline", "1-D"]}
    configs = configurations({"model": ["baseline"], "seed": [0, 1], "latent_dim": [3]}, "smoke")
    assert configs == [model_config("baseline", profile="smoke", seed=seed, latent_dim=3) for seed in (0, 1)]
    assert [config.label for config in configurations({}, "original")][:2] == ["baseline", "deeper"]


@pytest.mark.parametrize("point", ["seed", "seed=", "=3", "seed=2..1"])
def test_a_point_that_is_no_grid_is_refused(point):
    with pytest.raises(ValueError):
        parse_grid([point])


def test_a_sweep_writes_a_tidy_table_and_continues_from_it(tmp_path, own_cache):
    configs = configurations({"model": ["1-D", "dense"], "n_train": [300], "epochs": [2]}, "smoke")
    told, table = [], tmp_path / "table.csv"
    sweep(configs, table, jobs=2, tell=told.append)
    rows = read_table(table)
    assert [(row["model"], row["epoch"]) for row in rows] == [("1-D", 1), ("1-D", 2), ("dense", 1), ("dense", 2)]
    assert all(row["training_loss"] == pytest.approx(row["rate"] + row["distortion"], abs=0.01) for row in rows)
    assert len(told) == 2 and told[1].startswith("[2/2]")
    before = table.read_text()
    sweep(configs, table, jobs=1, tell=told.append)
    assert table.read_text() == before  # the seconds too: nothing was trained again
    more = configurations({"model": ["dense"], "n_train": [300], "epochs": [2], "seed": [0, 1]}, "smoke")
    sweep(more, table, jobs=1, tell=told.append)
    assert [(row["model"], row["seed"]) for row in read_table(table)[::2]] == [("1-D", 0), ("dense", 0), ("dense", 1)]


def test_no_table_has_no_rows(tmp_path):
    assert read_table(tmp_path / "none.csv") == []


SWEEP = """
from pathlib import Path
from helpers.sweep import configurations, sweep
if __name__ == "__main__":
    sweep(configurations({"model": ["dense"], "epochs": [500], "seed": [0, 1, 2, 3]}, "smoke"), Path("table.csv"), 2)
"""


def test_ctrl_c_ends_a_sweep_and_all_its_workers(own_cache, tmp_path):
    (tmp_path / "grid.py").write_text(SWEEP)
    progress = tmp_path / "progress"
    environment = os.environ | {"HELPERS_PROGRESS": str(progress)}
    command = [sys.executable, "grid.py"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    while not (progress.exists() and progress.read_text().count("epoch") > 4):
        assert process.poll() is None
        time.sleep(0.1)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(timeout=20) != 0
    assert not psutil.wait_procs(workers, timeout=5)[1]
