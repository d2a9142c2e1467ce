"""What the benchmark's two tables say: the loss that a recipe reaches, and how soon."""

from math import ceil

import numpy as np
import pandas as pd

from helpers.config import MODELS
from helpers.wording import number, spread

RUNS, STEPS = "benchmark_runs.csv", "benchmark_steps.csv"  # see tables.find
FAR = 5  # nats above the best seed of a model: seeds whose training goes well end closer together
SIZES = {"train": 60_000, "all": 70_000}  # images of a split, where a run has used all


def final_rows(runs: pd.DataFrame, recipe: str, model: str | None = None, seed: int | None = None) -> pd.DataFrame:
    """The last epochs of the runs of a recipe, shortest run first; of one model or seed where that is given."""
    ends = runs[(runs["recipe"] == recipe) & (runs["epoch"] == runs["epochs"])]
    for name, value in (("model", model), ("seed", seed)):
        ends = ends if value is None else ends[ends[name] == value]
    return ends.sort_values("epochs", kind="stable")


def fast_run(runs: pd.DataFrame, model: str, seed: int) -> pd.Series | None:
    """The last epoch of the shortest fast run that ends at the loss of the longest plain run, or below it."""
    plain, fast = (final_rows(runs, recipe, model, seed) for recipe in ("keras", "fast"))
    reached = fast[fast["eval_loss"] <= plain["eval_loss"].iloc[-1]] if len(plain) else plain
    return reached.iloc[0] if len(reached) else None


def step_seconds(steps: pd.DataFrame, model: str, form: str) -> float:
    """Seconds of a step of a model in one form, the median over rounds; NaN where it was not timed."""
    return float(steps.loc[(steps["model"] == model) & (steps["form"] == form), "seconds_per_step"].median())


def training_seconds(row: pd.Series, steps: pd.DataFrame, form: str) -> float:
    """Seconds of training up to an epoch's end: steps times the median seconds of a step."""
    images = SIZES[row.get("split", "train")] if pd.isna(row["n_train"]) else row["n_train"]
    return float(row["epoch"] * ceil(images / row["batch_size"]) * step_seconds(steps, row["model"], form))


def comparison(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """What the two tables say of each model and seed that both recipes trained.

    "target": the plain run's final loss on the fixed training images; "epochs", "loss", "val_loss": of the shortest
    fast run that reaches it, NaN when none does; "plain_seconds", "fast_seconds", "ratio": time to that loss.
    """
    found = []
    for (model, seed), ends in final_rows(runs, "keras").groupby(["model", "seed"], sort=False):
        plain, fast = ends.iloc[-1], fast_run(runs, model, seed)
        row = {"model": model, "seed": seed, "target": plain["eval_loss"], "plain_val_loss": plain["val_loss"]}
        row |= {"plain_epochs": plain["epochs"], "plain_seconds": training_seconds(plain, steps, "plain")}
        row |= {"epochs": np.nan, "loss": np.nan, "val_loss": np.nan, "fast_seconds": np.nan}
        if fast is not None:
            row |= {"epochs": fast["epochs"], "loss": fast["eval_loss"], "val_loss": fast["val_loss"]}
            row["fast_seconds"] = training_seconds(fast, steps, "fast")
        found.append(row | {"ratio": row["plain_seconds"] / row["fast_seconds"]})
    names = ["model", "seed", "target", "plain_val_loss", "plain_epochs", "plain_seconds"]
    names += ["epochs", "loss", "val_loss", "fast_seconds", "ratio"]
    table = pd.DataFrame(found, columns=names).dropna(subset="plain_seconds")
    return table.sort_values(["model", "seed"], key=_order, ignore_index=True)


def _order(column: pd.Series) -> pd.Series:
    """Models in the order of MODELS, others behind them; seeds as they are."""
    return column.map(lambda name: list(MODELS).index(name) if name in MODELS else len(MODELS)) if column.name == "model" else column


def courses(runs: pd.DataFrame, steps: pd.DataFrame, model: str) -> tuple[tuple, tuple]:
    """What `plots.loss_against_time` draws of a model: the plain runs' course, and the ends of fast runs.

    Minutes (epochs,) and losses (seeds, epochs); minutes (runs,) and losses (runs,).
    """
    rows, ends = runs[runs["model"] == model], final_rows(runs, "fast", model)
    plain = rows[(rows["recipe"] == "keras") & (rows["epochs"] == final_rows(rows, "keras")["epochs"].max())]
    by_seed = [course.to_list() for _, course in plain.groupby("seed")["eval_loss"]]
    first = plain[plain["seed"] == plain["seed"].iloc[0]]
    minutes = [
        [training_seconds(row, steps, form) / 60 for _, row in part.iterrows()]
        for form, part in (("plain", first), ("fast", ends))
    ]
    return (minutes[0], by_seed), (minutes[1], ends["eval_loss"].to_list())


def recipe_table(rows: pd.DataFrame) -> pd.DataFrame:
    """For each model of a `comparison` the median over its seeds, and the range, of what either recipe needs."""
    table = []
    for model, every in rows.groupby("model", sort=False):
        reached = every[every["ratio"].notna()]
        table.append(
            {
                "model": model,
                "seeds": len(every),
                "plain: loss": _spread(every["target"]),
                "plain: minutes": _spread(every["plain_seconds"] / 60),
                "fast: epochs": _spread(reached["epochs"], 0),
                "fast: minutes": _spread(reached["fast_seconds"] / 60),
                "speed-up": _spread(reached["ratio"]),
                "test loss, fast − plain": _spread(reached["val_loss"] - reached["plain_val_loss"]),
            }
        )
    return pd.DataFrame(table)


def _spread(values: pd.Series, decimals: int = 1) -> str:
    """Median and range, in words."""
    return spread(values.to_list(), decimals)


def best_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """For each model of a `comparison`, the seed whose plain run ends lowest."""
    return rows.loc[rows.groupby("model", sort=False)["target"].idxmin()] if len(rows) else rows


def together(rows: pd.DataFrame) -> list[float]:
    """The speed-up of all models of a `comparison`, one after the other; for each seed that reaches all losses."""
    complete = rows.groupby("seed").filter(lambda each: each["ratio"].notna().sum() == rows["model"].nunique())
    seconds = [(sum(each["plain_seconds"]), sum(each["fast_seconds"])) for _, each in complete.groupby("seed")]
    return [plain / fast for plain, fast in seconds]


def far_from_best(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose plain run ends more than FAR nats above the best seed of the same model."""
    return rows[rows["target"] > rows.groupby("model")["target"].transform("min") + FAR]


def step_table(steps: pd.DataFrame) -> pd.DataFrame:
    """For each model and form, medians over rounds with the range, and the most memory that a process took."""
    return pd.DataFrame(
        {
            "model": model,
            "recipe": form,
            "batch": rows["batch_size"].iloc[0],
            "ms a step": _spread(1000 * rows["seconds_per_step"]),
            "floor (ms)": number((1000 * rows["floor_seconds"]).median()),
            "images a second": _spread(rows["images_per_second"], 0),
            "memory (GB)": f"{rows['peak_memory_gb'].max():.2f}",
        }
        for (model, form), rows in steps.groupby(["model", "form"], sort=False)
    )
