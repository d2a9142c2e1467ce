"""The plain recipe of the keras.io example against the report's own: the step, and the time to the same loss.

Losses decide nothing about time and times nothing about loss, so the two are measured apart. Trainings run several at
a time and may be stopped and continued; they give losses. Steps are timed in turns, each in a process that has the
machine to itself. Time to a loss is then steps times seconds a step, whatever else the machine did while it trained.
"""

import math
import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path

from helpers import import_keras_silently, paths
from helpers.evidence.speed import RUNS, STEPS, comparison, fast_run, recipe_table, step_table
from helpers.config import MODELS, model_config
from helpers.runner.sweep import sweep
from helpers.evidence.tables import read_table, write_table
from helpers.runner.terminal import Terminal, clock

PLAIN = {"recipe": "keras", "batch_size": 128}  # with 30 epochs, the example on keras.io
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 12)  # epochs of the fast recipe, tried until one reaches the plain recipe's loss
FORMS = ("plain", "fast")
TIMED = 5_120  # digits that a timing trains on, after as many that warm up


def benchmark(
    models: list[str],
    seeds: list[int],
    epochs: int = 30,
    rounds: int = 3,
    digits: int | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    folder: Path = paths.REFERENCE / "results",
    terminal: Terminal | None = None,
) -> None:
    """Train by both recipes, time their steps, write both tables into the folder and print the comparison.

    epochs: of the plain recipe; rounds: timings of each step; digits: train on the first ones alone; jobs, scheduler:
    see `sweep`.
    """
    terminal = terminal or Terminal()
    points = list(product(models, seeds))
    plain = [model_config(model, seed=seed, epochs=epochs, n_train=digits, **PLAIN) for model, seed in points]
    sweep(plain, folder / RUNS, jobs, scheduler, terminal)
    for length in (length for length in LENGTHS if length < epochs):
        runs = read_table(folder / RUNS)
        left = [(model, seed) for model, seed in points if fast_run(runs, model, seed) is None]
        fast = [model_config(model, seed=seed, epochs=length, n_train=digits) for model, seed in left]
        if fast:
            sweep(fast, folder / RUNS, jobs, scheduler, terminal)
    measure_steps(models, rounds, folder / STEPS, terminal)
    terminal.line(describe(read_table(folder / RUNS), read_table(folder / STEPS)))


class Alone(ProcessPoolExecutor):
    """One process at a time, each for one call: memory and threads are its own."""

    def __init__(self):
        super().__init__(1, get_context("spawn"), initializer=import_keras_silently, max_tasks_per_child=1)


def measure_steps(models: list[str], rounds: int, table: Path, terminal: Terminal) -> None:
    """Time the steps of both recipes in turns; one row for each model, form and round."""
    rows, total = [], rounds * len(models) * len(FORMS)
    with Alone() as process:
        for number in range(rounds):
            for model in models:
                for form in FORMS:
                    rows.append({"round": number + 1} | process.submit(time_steps, model, form).result())
                    step, memory = rows[-1]["seconds_per_step"], rows[-1]["peak_memory_gb"]
                    terminal.line(f"[{len(rows)}/{total}] {model}, {form}: {step * 1000:.1f} ms a step, {memory:.2f} GB")
    others = [row for row in read_table(table) if row["model"] not in models]
    write_table(table, others + rows)


def time_steps(model: str, form: str) -> dict:
    """Seconds of a training step of a model, of its multiplications alone at the rate of a large matrix product, and the
    most memory of this process, which should do nothing else.

    form: "plain" is Keras as the example uses it: `fit` on an array of floats, Adam, every setting of TensorFlow at
    its default; "fast" is what `fit_or_load` does.
    """
    import keras

    from helpers.results import provenance

    class Stopwatch(keras.callbacks.Callback):
        """Times batches until enough digits have been seen; reading the loss waits for a device to finish."""

        def on_train_begin(self, logs=None):
            self.times = []

        def on_train_batch_end(self, batch, logs=None):
            self.times.append((time.perf_counter(), float(logs["loss"]))[0])
            self.model.stop_training = len(self.times) * size >= 2 * TIMED

    vae, data, size, options = _plain_training(model) if form == "plain" else _fast_training(model)
    watch = Stopwatch()
    vae.fit(data, epochs=1, verbose=0, callbacks=[watch], **options)
    if form == "fast":
        vae.evaluate(data, steps=2, verbose=0)  # as after each epoch: its memory counts
    taken = [after - before for before, after in zip(watch.times, watch.times[1:], strict=False)][-(TIMED // size) :]
    seconds = statistics.median(taken)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    floor = 3 * size * multiply_adds(vae) / product_rate()  # forwards, and back to the inputs and to the weights
    about = {key: value for key, value in provenance().items() if key in ("date", "commit", "processor", "backend")}
    speed = {"seconds_per_step": round(seconds, 5), "floor_seconds": round(floor, 5)}
    speed |= {"images_per_second": round(size / seconds, 1), "peak_memory_gb": round(peak / 1e9, 3)}
    return {"model": model, "form": form, "batch_size": size} | speed | about


def multiply_adds(vae) -> int:
    """Multiplications by weights on an image's way through encoder and decoder, at most: cropped borders count."""
    import keras

    def places(layer) -> int:
        """How often a layer applies its kernel."""
        side = layer.input if isinstance(layer, keras.layers.Conv2DTranspose) else layer.output
        return math.prod(side.shape[1:-1])

    weighted = [layer for part in (vae.encoder, vae.decoder) for layer in part.layers if layer.weights]
    return sum(math.prod(layer.kernel.shape) * places(layer) for layer in weighted)


def product_rate(size: int = 2048) -> float:
    """Multiplications a second in the product of two square matrices, the fastest of ten."""
    from keras import ops

    matrix, times = ops.ones((size, size)), []
    for _ in range(10):
        start = time.perf_counter()
        ops.convert_to_numpy(matrix @ matrix)
        times.append(time.perf_counter() - start)
    return size**3 / min(times)


def _plain_training(model: str):
    """Model, digits, batch size and options of `fit` of the plain form."""
    import keras

    from helpers.data import training_digits
    from helpers.models import VAE

    vae = VAE(*MODELS[model].values())
    vae.compile(optimizer=keras.optimizers.Adam())
    return vae, training_digits()[0], PLAIN["batch_size"], {"batch_size": PLAIN["batch_size"]}


def _fast_training(model: str):
    """The same of the fast form."""
    from helpers.data import split_images
    from helpers.training import Digits, build_model

    config = model_config(model)
    data = Digits(split_images(config.split), config.batch_size, config.seed)
    return build_model(config), data, config.batch_size, {"shuffle": False}


def describe(runs: list[dict], steps: list[dict]) -> str:
    """Both tables for people: the step, the time to the same loss of each seed, and its spread over seeds."""
    rows = comparison(runs, steps)
    head = ["model", "seed", "plain loss", "in", "fast loss", "in", "times sooner"]
    by_seed = [[row["model"], row["seed"], f"{row['target']:.2f}", clock(row["plain_seconds"]), *_reached(row)] for row in rows]
    step = [["model", "recipe", "batch", "ms a step", "floor", "images a second", "GB at most"], *step_table(steps)]
    ratio = [["model", "seeds", "times sooner (least to greatest)"], *([row[0], row[1], row[6]] for row in recipe_table(rows))]
    return "\n\n".join(aligned(table) for table in (step, [head, *by_seed], ratio))


def _reached(row: dict) -> list[str]:
    """What the fast recipe's part of a row says."""
    return [f"{row['loss']:.2f}", clock(row["fast_seconds"]), f"{row['ratio']:.1f}"] if row["ratio"] else ["not reached", "", ""]


def aligned(table: list[list]) -> str:
    """Rows of cells as lines of columns, two spaces between them; the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in table]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    rows = [[row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in cells]
    return "\n".join("  ".join(row).rstrip() for row in rows)
