"""What the benchmark's two tables say: the loss that a recipe reaches, and how soon."""

import statistics
from math import ceil

from helpers.config import MODELS
from helpers.wording import number, spread

PUBLISHED = tuple(name for name in MODELS if name != "dense")  # the five models of the original report
RUNS, STEPS = "benchmark_runs.csv", "benchmark_steps.csv"  # in report/results
UNLUCKY = 5  # nats; seeds whose training goes well end closer together


def final_rows(runs: list[dict], recipe: str) -> list[dict]:
    """The last epochs of the runs of a recipe, shortest run first."""
    ends = [row for row in runs if row["recipe"] == recipe and row["epoch"] == row["epochs"]]
    return sorted(ends, key=lambda row: row["epochs"])


def plain_run(runs: list[dict], model: str, seed: int) -> dict | None:
    """The last epoch of the longest plain run of a model and seed."""
    found = [row for row in final_rows(runs, "keras") if (row["model"], row["seed"]) == (model, seed)]
    return found[-1] if found else None


def fast_run(runs: list[dict], model: str, seed: int) -> dict | None:
    """The last epoch of the shortest fast run that ends at the plain run's loss or below it."""
    plain = plain_run(runs, model, seed)
    found = [row for row in final_rows(runs, "fast") if (row["model"], row["seed"]) == (model, seed)]
    return next((row for row in found if plain and row["eval_loss"] <= plain["eval_loss"]), None)


def step_seconds(steps: list[dict], model: str, form: str) -> list[float]:
    """Seconds a step of a model in one form, a value per round."""
    return [row["seconds_per_step"] for row in steps if (row["model"], row["form"]) == (model, form)]


def comparison(runs: list[dict], steps: list[dict]) -> list[dict]:
    """What the two tables say of each model and seed that both recipes trained.

    "target": the plain run's final loss on the fixed training digits; "epochs", "loss", "val_loss": of the shortest
    fast run that reaches it, None when none does; "plain_seconds", "fast_seconds", "ratio": time to that loss.
    """
    found = []
    for plain in final_rows(runs, "keras"):
        model, seed = plain["model"], plain["seed"]
        if not step_seconds(steps, model, "plain") or plain_run(runs, model, seed) != plain:
            continue
        fast = fast_run(runs, model, seed)
        row = {"model": model, "seed": seed, "target": plain["eval_loss"], "plain_val_loss": plain["val_loss"]}
        row |= {"plain_epochs": plain["epochs"], "plain_seconds": training_seconds(plain, steps, "plain")}
        row |= {"epochs": fast and fast["epochs"], "loss": fast and fast["eval_loss"], "val_loss": fast and fast["val_loss"]}
        row["fast_seconds"] = fast and training_seconds(fast, steps, "fast")
        row["ratio"] = fast and row["plain_seconds"] / row["fast_seconds"]
        found.append(row)
    return sorted(found, key=lambda row: (PUBLISHED.index(row["model"]), row["seed"]))


def courses(runs: list[dict], steps: list[dict], model: str) -> tuple[tuple, tuple]:
    """What `plots.loss_against_time` draws of a model: the plain runs' course, and the ends of fast runs.

    Minutes (epochs,) and losses (seeds, epochs); minutes (runs,) and losses (runs,).
    """
    rows = [row for row in runs if row["model"] == model]
    longest = max(row["epochs"] for row in final_rows(rows, "keras"))
    plain = [row for row in rows if (row["recipe"], row["epochs"]) == ("keras", longest)]
    by_seed = {seed: [row["eval_loss"] for row in plain if row["seed"] == seed] for seed in {row["seed"] for row in plain}}
    course = [row for row in plain if row["seed"] == plain[0]["seed"]]
    ends = final_rows(rows, "fast")
    return (
        ([training_seconds(row, steps, "plain") / 60 for row in course], list(by_seed.values())),
        ([training_seconds(row, steps, "fast") / 60 for row in ends], [row["eval_loss"] for row in ends]),
    )


def training_seconds(row: dict, steps: list[dict], form: str) -> float:
    """Seconds of training up to an epoch's end: steps times the median seconds of a step."""
    step = statistics.median(step_seconds(steps, row["model"], form))
    return row["epoch"] * ceil((row["n_train"] or 60_000) / row["batch_size"]) * step


def recipe_table(rows: list[dict]) -> list[list]:
    """For each model of a `comparison`, over its seeds: how many there are; loss and minutes of the plain recipe; epochs
    and minutes of the fast one and how many times sooner it is; the difference of the losses on the test digits.
    """
    table = []
    for model in dict.fromkeys(row["model"] for row in rows):
        every = [row for row in rows if row["model"] == model]
        reached = [row for row in every if row["ratio"]]
        plain = [spread([row["target"] for row in every]), spread([row["plain_seconds"] / 60 for row in every])]
        fast = [spread([row["epochs"] for row in reached], 0), spread([row["fast_seconds"] / 60 for row in reached])]
        gain = [spread([row["ratio"] for row in reached])]
        table.append([model, len(every), *plain, *fast, *gain, spread([held_out_difference(row) for row in reached])])
    return table


def luckiest(rows: list[dict]) -> list[dict]:
    """For each model of a `comparison`, the seed whose plain run ends lowest."""
    models = dict.fromkeys(row["model"] for row in rows)
    return [min((row for row in rows if row["model"] == model), key=lambda row: row["target"]) for model in models]


def together(rows: list[dict]) -> list[float]:
    """How many times sooner all models of a `comparison` are done, one after the other; for each seed that reaches all."""
    models = {row["model"] for row in rows}
    reached = [[row for row in rows if row["seed"] == seed and row["ratio"]] for seed in sorted({row["seed"] for row in rows})]
    complete = [each for each in reached if len(each) == len(models)]
    return [sum(row["plain_seconds"] for row in each) / sum(row["fast_seconds"] for row in each) for each in complete]


def unlucky(rows: list[dict]) -> list[dict]:
    """The rows whose plain run ends more than UNLUCKY nats above the luckiest seed of the same model."""
    best = {row["model"]: row["target"] for row in luckiest(rows)}
    return [row for row in rows if row["target"] > best[row["model"]] + UNLUCKY]


def held_out_difference(row: dict) -> float:
    """Fast less plain loss on the test digits: nats per image, below zero where the fast run is better."""
    return row["val_loss"] - row["plain_val_loss"]


def step_table(steps: list[dict]) -> list[list]:
    """For each model and form: batch, milliseconds a step and of its multiplications alone, digits a second, and
    gigabytes of memory at most.
    """
    table = {}
    for row in steps:
        table.setdefault((row["model"], row["form"]), []).append(row)
    return [
        [*name, rows[0]["batch_size"], spread([1000 * row["seconds_per_step"] for row in rows])]
        + [number(1000 * statistics.median(row["floor_seconds"] for row in rows))]
        + [spread([row["images_per_second"] for row in rows], 0), f"{max(row['peak_memory_gb'] for row in rows):.2f}"]
        for name, rows in table.items()
    ]
