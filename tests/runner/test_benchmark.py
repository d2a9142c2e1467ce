"""The benchmark times what it should: steps of both recipes, and their multiplications."""

import io
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import tensorflow as tf
from processes import listening

from helpers import paths
from helpers.__main__ import main
from helpers.evidence import speed, tables
from helpers.evidence.speed import RIVALS, RUNS, STEPS
from helpers.models import ARCHITECTURES, VAE
from helpers.runner import benchmark
from helpers.runner.benchmark import multiply_adds, time_steps
from helpers.runner.terminal import Terminal
from helpers.runner.workers import WorkerPool


@pytest.mark.parametrize("form", RIVALS)
def test_steps_are_timed_for_real(form, monkeypatch):
    monkeypatch.setattr(benchmark, "TIMED", 512)
    row = time_steps(("baseline", form))
    assert 0.001 < row["seconds_per_step"] < 10 and 0.1 < row["peak_memory_gb"] < 20
    assert row["floor_seconds"] > 0
    assert row["images_per_second"] == pytest.approx(
        row["batch_size"] / row["seconds_per_step"], rel=0.01
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_multiplications_are_those_that_tensorflow_counts(architecture):
    vae = VAE(architecture)
    forwards = tf.function(lambda image: vae.decoder(vae.encoder(image)[0])).get_concrete_function(
        tf.TensorSpec((1, 28, 28, 1))
    )
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    counted = tf.compat.v1.profiler.profile(forwards.graph, options=options).total_float_ops
    cropped = (
        0.09 if architecture == "deeper" else 0.01
    )  # TensorFlow counts biases, and no product that is cut away
    assert 2 * multiply_adds(vae) == pytest.approx(counted, rel=cropped)


def test_a_cut_down_benchmark_runs_resumes_and_prints(own_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "LENGTHS", (1,))
    out, folder = io.StringIO(), tmp_path / "tables"
    options = {"epochs": 2, "rounds": 1, "images": 600, "folder": folder, "trial": True}
    options["terminal"] = Terminal(out)
    run, addresses = WorkerPool.run, set()

    def running(self, *what):
        addresses.update(listening(psutil.Process()))
        return run(self, *what)

    monkeypatch.setattr(WorkerPool, "run", running)
    benchmark.benchmark(["baseline"], [0], **options)
    runs, steps = tables.read(folder / RUNS), tables.read(folder / STEPS)
    found = sorted(zip(runs["recipe"], runs["epoch"], strict=True))
    assert found == [("adam", 1), ("fast", 1), ("keras", 1), ("keras", 2)]
    assert set(steps["form"]) == set(RIVALS) and steps["keras"].notna().all()
    assert steps["peak_memory_gb"].between(0.1, 10).all()
    assert "baseline" in out.getvalue().rstrip().splitlines()[-1]
    assert out.getvalue().count("baseline: training for") == 3
    assert addresses == {"127.0.0.1"}
    rows = steps.to_dict("records")
    monkeypatch.setattr(benchmark, "measure_steps", lambda *_: rows)
    benchmark.benchmark(["baseline"], [0], **options)
    assert out.getvalue().count("baseline: training for") == 3
    assert tables.read(folder / RUNS).equals(runs)  # seconds too: nothing was trained again


def test_the_factorial_tunes_then_trains_the_best_and_goes_on_where_it_stopped(
    own_cache, tmp_path, monkeypatch
):
    monkeypatch.setattr(speed, "SPACES", {"constant": (0.001,), "cosine": (0.006,)})
    monkeypatch.setattr(speed, "CROSSED", ("baseline",))
    monkeypatch.setattr(speed, "EPOCHS", {64: 1.2, 128: 2})
    out = io.StringIO()
    options = {"folder": tmp_path / "tables", "terminal": Terminal(out), "trial": True}
    benchmark.factorial(["baseline"], [1], 300, **options)
    trials, runs = (tables.read(tmp_path / "tables" / name) for name in
                    (speed.TRIALS, speed.FACTORIAL))  # fmt: skip
    ends = [speed.final_rows(table) for table in (trials, runs)]
    assert [len(rows) for rows in ends] == [8, 8] and set(runs["epochs"]) == {1.2, 2}
    assert set(trials["n_train"]) == set(runs["n_train"]) == {300}
    assert set(trials["seed"]) == {speed.TUNING_SEED} and set(runs["seed"]) == {1}
    said = out.getvalue()
    benchmark.factorial(["baseline"], [1], 300, **options)
    assert "its share, optimiser" in said and "fast schedule=cosine" in said
    assert "8 of 8 trainings are in" in out.getvalue().removeprefix(said)
    assert "training for" not in out.getvalue().removeprefix(said)


@pytest.mark.parametrize("kind", ["benchmark", "factorial"])
def test_tables_go_where_git_tracks_nothing_unless_they_are_the_reports(monkeypatch, kind):
    went = []
    monkeypatch.setattr(benchmark, kind, lambda *_, folder, **__: went.append(folder))
    own, more = ["--factorial"] * (kind == "factorial"), [["--trial"], [], ["--reference"]]
    for options in (*more, ["--output", "mine"]):
        assert main(["benchmark", *own, *options]) == 0
    tracked = paths.REFERENCE / "results"
    assert went == [benchmark.OWN, benchmark.OWN, tracked, Path("mine").resolve()]
    ignored = ["git", "check-ignore", "--quiet"]
    for folder, status in ((benchmark.OWN, 0), (tracked, 1)):
        done = subprocess.run([*ignored, str(folder / speed.TRIALS)], cwd=paths.ROOT)
        assert done.returncode == status


def test_unknown_models_and_seeds_are_refused():
    for option, hint in (
        [["--models", "basline"], "did you mean 'baseline'"],
        [["--seeds", "2..0"], "holds no value"],
        [["--seeds", "x"], "seed='x'"],
        [["--images", "60001"], "n_train=60001"],
        [["--epochs", "99999"], "epochs=99999"],
    ):
        command = [sys.executable, "-m", "helpers", "benchmark", *option]
        done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True)
        assert done.returncode == 2 and hint in done.stderr
