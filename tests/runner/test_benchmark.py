"""The benchmark times what it should: steps of both recipes, and their multiplications."""

import io
import subprocess
import sys

import psutil
import pytest
import tensorflow as tf
from distributed import Client
from processes import listening

from helpers import paths
from helpers.evidence import tables
from helpers.evidence.speed import RUNS, STEPS
from helpers.models import ARCHITECTURES, VAE
from helpers.runner import benchmark
from helpers.runner.benchmark import multiply_adds, time_steps
from helpers.runner.terminal import Terminal


@pytest.mark.parametrize("form", benchmark.FORMS)
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
    monkeypatch.setattr(benchmark, "LENGTHS", (1,))
    out, folder = io.StringIO(), tmp_path / "tables"
    options = {"epochs": 2, "rounds": 1, "images": 600, "folder": folder, "trial": True}
    options["terminal"] = Terminal(out)
    restart, addresses = Client.restart, set()

    def restarted(self):
        restart(self)
        addresses.update(listening(psutil.Process()))

    monkeypatch.setattr(Client, "restart", restarted)
    benchmark.benchmark(["baseline"], [0], **options)
    runs, steps = tables.read(folder / RUNS), tables.read(folder / STEPS)
    assert sorted(zip(runs["recipe"], runs["epoch"], strict=True)) == [
        ("fast", 1),
        ("keras", 1),
        ("keras", 2),
    ]
    assert set(steps["form"]) == {"plain", "fast"} and steps["keras"].notna().all()
    assert steps["peak_memory_gb"].between(0.1, 10).all()
    assert "baseline" in out.getvalue().rstrip().splitlines()[-1]
    assert out.getvalue().count("baseline: training for") == 2
    assert addresses == {"127.0.0.1"}
    rows = steps.to_dict("records")
    monkeypatch.setattr(benchmark, "measure_steps", lambda *_: rows)
    benchmark.benchmark(["baseline"], [0], **options)
    assert out.getvalue().count("baseline: training for") == 2
    order = {"by": ["recipe", "epoch"], "ignore_index": True}  # rows written again come last
    again = tables.read(folder / RUNS).sort_values(**order)
    assert again.equals(runs.sort_values(**order))  # seconds too: nothing was trained again


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
