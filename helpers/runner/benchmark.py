"""Recipes against each other: tuning trials, time to the same loss, and what each factor does.

Losses decide nothing about time and times nothing about loss, so the two are measured apart.
Trainings run several at a time and may be stopped and continued; they give losses. Steps are timed
in turns, each in a new process that has the machine to itself. Time to a loss is then steps times
seconds a step, whatever else the machine did while it trained.
"""

import math
import resource
import statistics
import time
import timeit
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import dask
import pandas as pd

from helpers import paths, provenance
from helpers.config import MODELS, model_config
from helpers.evidence import speed, tables
from helpers.runner.jobs import MEMORY_UNIT
from helpers.runner.sweep import refuse_uncommitted, sweep
from helpers.runner.terminal import Terminal
from helpers.runner.workers import workers

OWN = paths.REFERENCE / "latest" / "results"  # of tables that git does not track
KERAS_IO: dict[str, Any] = {"recipe": "keras", "batch_size": 128}  # with 30 epochs: keras.io
TIMED = 5_120  # images that a timing trains on, after as many that warm up


def benchmark(
    models: list[str], seeds: list[int], epochs: int = 30, rounds: int = 3,
    images: int | None = None, jobs: int | None = None, scheduler: str | None = None,
    folder: Path = OWN, terminal: Terminal | None = None,
    trial: bool = False,
) -> None:  # fmt: skip
    """Train by every recipe, time their steps, write both tables and print the comparison.

    epochs: of the plain recipe; rounds: timings of each step; images: train on the first ones
    alone; folder: where the tables go; jobs, scheduler, trial: see `sweep`.
    """
    refuse_uncommitted(trial)
    terminal, points = terminal or Terminal(), list(product(models, seeds))
    options = (jobs, scheduler, terminal)
    fixed: dict[str, Any] = KERAS_IO | {"epochs": epochs, "n_train": images}
    plain = [model_config(model, seed=seed, **fixed) for model, seed in points]
    sweep(plain, folder / speed.RUNS, *options, trial=trial)
    for recipe in list(speed.RIVALS.values())[1:]:
        for length in (length for length in speed.LENGTHS if length < epochs):
            runs = tables.read(folder / speed.RUNS, trial)
            goals = speed.targets(runs)["eval_loss"]
            fields: dict[str, Any] = {"recipe": recipe, "epochs": length, "n_train": images}
            left = [model_config(model, seed=seed, **fields) for model, seed in points
                    if speed.soonest(runs, model, seed, recipe, goals[model]) is None]
            if left:
                sweep(left, folder / speed.RUNS, *options, trial=trial)
    steps = tables.merge(folder / speed.STEPS, measure_steps(models, rounds, terminal), trial=trial)
    rows = speed.comparison(tables.read(folder / speed.RUNS, trial), steps)
    _show(terminal, speed.step_table(steps), rows.round(2), speed.recipe_table(rows))


def _show(terminal: Terminal, *tables: pd.DataFrame) -> None:
    for table in tables:
        terminal.line(f"{table.to_string(index=False, na_rep='not reached')}\n")


def factorial(
    models: list[str], seeds: list[int], images: int | None = None,
    jobs: int | None = None, scheduler: str | None = None,
    folder: Path = OWN, terminal: Terminal | None = None,
    trial: bool = False,
) -> None:  # fmt: skip
    """Tune every rival and every cell of the factorial, train its runs, print what factors gain.

    images: train on the first ones alone; the others: see `benchmark`.
    """
    terminal, table = terminal or Terminal(), folder / speed.TRIALS
    sweep(speed.trials(models, images), table, jobs, scheduler, terminal, trial=trial)
    runs = speed.factorial(tables.read(table, trial), models, seeds, images)
    sweep(runs, folder / speed.FACTORIAL, jobs, scheduler, terminal, trial=trial)
    found = tables.read(folder / speed.FACTORIAL, trial)
    _show(terminal, speed.factorial_table(found), speed.collapse_table(found).reset_index())


def measure_steps(models: list[str], rounds: int, terminal: Terminal) -> list[dict]:
    """Time the steps of every recipe in turns: a row for each model, form and round."""
    rows: list[dict] = []
    points = list(product(range(1, rounds + 1), models, speed.RIVALS))
    for number, model, form in points:
        with (
            dask.config.set({"distributed.nanny.pre-spawn-environ": {}}),  # or one thread for all
            workers(1, terminal=terminal) as pool,  # memory and threads of this timing alone
        ):
            (((_, row),)) = pool.run(time_steps, [(model, form)])
        rows.append({"round": number} | row)
        step, memory = row["seconds_per_step"] * 1000, row["peak_memory_gb"]
        said = f"{model}, {form}: {step:.1f} ms a step, {memory:.2f} GB"
        terminal.line(f"[{len(rows)}/{len(points)}] {said}")
    return rows


def time_steps(what: tuple[str, str]) -> dict:
    """Seconds of a training step of a model, of its multiplications alone at the rate of a large
    matrix product, and the most memory of this process, which should do nothing else.

    what: model and rival. "plain" is Keras as the example uses it: `fit` on an array of floats,
    Adam, every setting of TensorFlow at its default; the others are what `fit_or_load` does. All
    keep freed memory alike.
    """
    import keras

    from helpers.data import split_images, training_set
    from helpers.models import VAE
    from helpers.training import Digits, build_model, keep_memory

    class Stopwatch(keras.callbacks.Callback):
        """Times batches until enough images are seen; reading the loss waits for a device."""

        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])
            self.times.append(time.perf_counter())
            self.model.stop_training = len(self.times) * size >= 2 * TIMED

    keep_memory()
    (model, form), watch = what, Stopwatch()
    if form == "plain":
        vae, size = VAE(*MODELS[model].values()), KERAS_IO["batch_size"]
        vae.compile(optimizer=keras.optimizers.Adam())
        vae.fit(training_set()[0], batch_size=size, epochs=1, verbose=0, callbacks=[watch])
    else:
        config = model_config(model, recipe=speed.RIVALS[form])
        vae, size = build_model(config), config.batch_size
        data = Digits(split_images(config.split), size, config.seed)
        vae.fit(data, shuffle=False, epochs=1, verbose=0, callbacks=[watch])
        vae.evaluate(data, steps=2, verbose=0)  # as after each epoch: its memory counts
    taken = [after - before for before, after in pairwise(watch.times)][-(TIMED // size) :]
    seconds = statistics.median(taken)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_UNIT / 1e9
    floor = 3 * size * multiply_adds(vae) / product_rate()  # forwards; back to inputs, to weights
    timed = {"seconds_per_step": round(seconds, 5), "floor_seconds": round(floor, 5)}
    timed |= {"images_per_second": round(size / seconds, 1), "peak_memory_gb": round(peak, 3)}
    row = {"model": model, "form": form, "dataset": "mnist", "batch_size": size}
    return row | timed | provenance.about()


def multiply_adds(vae) -> int:
    """Multiplications by weights on an image's way through the model, cropped borders included."""
    import keras

    total = 0
    for layer in (one for one in [*vae.encoder.layers, *vae.decoder.layers] if one.weights):
        side = layer.input if isinstance(layer, keras.layers.Conv2DTranspose) else layer.output
        total += math.prod(layer.kernel.shape) * math.prod(side.shape[1:-1])  # times its places
    return total


def product_rate(size: int = 2048) -> float:
    """Multiplications a second in the product of two square matrices, the fastest of ten."""
    from keras import ops

    matrix = ops.ones((size, size))
    times = timeit.repeat(lambda: ops.convert_to_numpy(matrix @ matrix), number=1, repeat=10)
    return size**3 / min(times)
