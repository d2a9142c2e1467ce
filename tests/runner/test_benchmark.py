"""The benchmark compares what it should: the same loss, steps times seconds a step, spread over seeds."""

import io
import subprocess
import sys

import pytest
import tensorflow as tf

from helpers.runner import benchmark
from helpers.runner.benchmark import describe, multiply_adds, time_steps
from helpers.evidence.speed import RUNS as RUNS_TABLE
from helpers.evidence.speed import STEPS as STEPS_TABLE
from helpers.evidence.speed import comparison, courses, luckiest, recipe_table, step_table, together, unlucky
from helpers.models import ARCHITECTURES, VAE
from helpers.evidence.tables import read_table
from helpers.runner.terminal import Terminal


def run(recipe, epochs, eval_loss, *, seed=0, epoch=None, batch_size=128):
    """A row of the table of runs; its last epoch unless told otherwise."""
    about = {"model": "baseline", "seed": seed, "recipe": recipe, "epochs": epochs, "batch_size": batch_size}
    return about | {"epoch": epoch or epochs, "n_train": "", "eval_loss": eval_loss, "val_loss": eval_loss + 1}


ABOUT = {"model": "baseline", "batch_size": 64, "images_per_second": 3000.0, "peak_memory_gb": 0.8}
STEPS = [
    ABOUT | {"form": form, "seconds_per_step": seconds, "floor_seconds": 0.005}
    for form, seconds in [("plain", 0.03), ("fast", 0.02), ("plain", 0.05), ("fast", 0.01), ("plain", 0.04), ("fast", 0.01)]
]
RUNS = [
    run("keras", 30, 150.0),
    run("keras", 30, 140.0, epoch=29),  # not its last epoch
    run("fast", 4, 148.0, batch_size=64),
    run("fast", 2, 151.0, batch_size=64),
    run("fast", 3, 150.0, batch_size=64),
    run("fast", 3, 120.0, seed=1, batch_size=64),  # of a seed without a plain run
]


def test_the_shortest_run_that_reaches_the_loss_counts():
    (row,) = comparison(RUNS, STEPS)
    assert (row["target"], row["epochs"], row["loss"], row["val_loss"]) == (150.0, 3, 150.0, 151.0)
    assert row["plain_seconds"] == pytest.approx(30 * 469 * 0.04)  # 469 batches of 128 hold 60,000 digits
    assert row["fast_seconds"] == pytest.approx(3 * 938 * 0.01)
    assert row["ratio"] == pytest.approx(30 * 469 * 0.04 / (3 * 938 * 0.01))


def test_a_loss_that_is_not_reached_is_said():
    (row,) = comparison([RUNS[0], RUNS[3]], STEPS)
    assert row["ratio"] is None and row["epochs"] is None and row["fast_seconds"] is None
    assert "not reached" in describe([RUNS[0], RUNS[3]], STEPS)


def test_what_is_printed_has_the_steps_each_seed_and_the_spread():
    runs = [*RUNS, run("keras", 30, 149.0, seed=1), run("fast", 2, 100.0, seed=1, batch_size=64)]
    steps, seeds, ratios = (part.splitlines() for part in describe(runs, STEPS).split("\n\n"))
    first, second = (f"{row['ratio']:.1f}" for row in comparison(runs, STEPS))
    assert len(steps) == 3 and "40.0 (30.0 to 50.0)" in steps[1] and steps[1].endswith("0.80")
    assert seeds[1].endswith(first) and seeds[2].endswith(second) and first != second
    assert len(set(map(len, seeds))) == 1  # the columns stand below each other
    assert len(ratios) == 2 and f"({first} to {second})" in ratios[1]


@pytest.mark.parametrize("form", benchmark.FORMS)
def test_steps_are_timed_for_real(form, monkeypatch):
    monkeypatch.setattr(benchmark, "TIMED", 512)
    row = time_steps("baseline", form)
    assert 0.001 < row["seconds_per_step"] < 10 and 0.1 < row["peak_memory_gb"] < 20
    assert 0 < row["floor_seconds"] < row["seconds_per_step"]
    assert row["images_per_second"] == pytest.approx(row["batch_size"] / row["seconds_per_step"], rel=0.01)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_multiplications_are_those_that_tensorflow_counts(architecture):
    vae = VAE(architecture)
    forwards = tf.function(lambda image: vae.decoder(vae.encoder(image)[0])).get_concrete_function(tf.TensorSpec((1, 28, 28, 1)))
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    counted = tf.compat.v1.profiler.profile(forwards.graph, options=options).total_float_ops
    cropped = 0.09 if architecture == "deeper" else 0.01  # TensorFlow counts biases, and no product that is cut away
    assert 2 * multiply_adds(vae) == pytest.approx(counted, rel=cropped)


def test_a_cut_down_benchmark_runs_resumes_and_prints(own_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "LENGTHS", (1,))
    out = io.StringIO()
    arguments = {"epochs": 2, "rounds": 1, "digits": 600, "folder": tmp_path / "tables", "terminal": Terminal(out)}
    benchmark.benchmark(["baseline"], [0], **arguments)
    runs = read_table(tmp_path / "tables" / RUNS_TABLE)
    assert [(row["recipe"], row["epoch"]) for row in runs] == [("keras", 1), ("keras", 2), ("fast", 1)]
    assert {row["form"] for row in read_table(tmp_path / "tables" / STEPS_TABLE)} == {"plain", "fast"}
    assert "baseline" in out.getvalue().splitlines()[-1]
    monkeypatch.setattr(benchmark, "measure_steps", lambda *_: None)
    assert out.getvalue().count("baseline: training for") == 2
    benchmark.benchmark(["baseline"], [0], **arguments)
    assert out.getvalue().count("baseline: training for") == 2
    again = read_table(tmp_path / "tables" / RUNS_TABLE)
    assert all(row in again for row in runs) and len(again) == len(runs)  # seconds too: nothing was trained again


def test_unknown_models_and_seeds_are_refused():
    for option, hint in ([["--models", "basline"], "did you mean 'baseline'"], [["--seeds", "2..0"], "holds no value"]):
        done = subprocess.run([sys.executable, "-m", "helpers", "benchmark", *option], capture_output=True, text=True)
        assert done.returncode == 2 and hint in done.stderr


def test_the_reports_table_has_medians_over_seeds():
    runs = [*RUNS, run("keras", 30, 149.0, seed=1), run("fast", 2, 100.0, seed=1, batch_size=64)]
    ((name, seeds, plain_loss, plain_minutes, epochs, minutes, ratio, held_out),) = recipe_table(comparison(runs, STEPS))
    assert (name, seeds, epochs) == ("baseline", 2, "2 (2 to 3)")
    assert plain_loss == "149.5 (149.0 to 150.0)" and held_out == "−24.5 (−49.0 to 0.0)"
    assert plain_minutes == f"{30 * 469 * 0.04 / 60:.1f}"
    fast, slow = sorted(30 * 469 * 0.04 / (length * 938 * 0.01) for length in (2, 3))
    assert ratio == f"{(fast + slow) / 2:.1f} ({fast:.1f} to {slow:.1f})"
    assert minutes.startswith(f"{2.5 * 938 * 0.01 / 60:.1f}")
    assert step_table(STEPS)[1] == ["baseline", "fast", 64, "10.0 (10.0 to 20.0)", "5.0", "3,000", "0.80"]


def test_the_luckiest_seed_and_the_unlucky_ones():
    rows = [{"model": "deeper", "target": loss} for loss in (160.0, 141.0, 146.0)] + [{"model": "1-D", "target": 165.0}]
    assert luckiest(rows) == [rows[1], rows[3]]
    assert unlucky(rows) == [rows[0]]


def test_models_one_after_the_other_take_the_sum_of_their_times():
    def row(model, seed, plain, fast):
        return {"model": model, "seed": seed, "plain_seconds": plain, "fast_seconds": fast, "ratio": fast and plain / fast}

    rows = [row("1-D", 0, 100, 10), row("10-D", 0, 300, 10), row("1-D", 1, 100, None), row("10-D", 1, 300, 10), row("1-D", 2, 9, 1)]
    assert together(rows) == [20]


def test_courses_are_plain_epochs_and_ends_of_fast_runs():
    plain = [run("keras", 2, loss, seed=seed, epoch=epoch) for seed, epoch, loss in [(0, 1, 9), (0, 2, 8), (1, 1, 7), (1, 2, 6)]]
    fast = [run("fast", 2, 5, epoch=1), run("fast", 2, 4, epoch=2), run("fast", 1, 6)]
    (minutes, losses), (lengths, ends) = courses(plain + fast, STEPS, "baseline")
    assert minutes == pytest.approx([469 * 0.04 / 60, 2 * 469 * 0.04 / 60])
    assert losses == [[9, 8], [7, 6]]
    assert ends == [6, 4] and lengths == pytest.approx([469 * 0.01 / 60, 2 * 469 * 0.01 / 60])
