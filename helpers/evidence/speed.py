"""What the benchmark's two tables say: the loss that a recipe reaches, and how soon."""

from math import ceil

import pandas as pd

from helpers.config import MODELS
from helpers.evidence.statistics import select
from helpers.evidence.wording import number, spread

RUNS, STEPS = "benchmark_runs.csv", "benchmark_steps.csv"  # see tables.find
FAR = 5  # nats above the best seed of a model: seeds whose training goes well end closer together
SEED = ["model", "seed"]
SIZES = {"train": 60_000, "all": 70_000}  # images of a split, where a run has used all


def final_rows(runs: pd.DataFrame, **which) -> pd.DataFrame:
    """The last epochs of the runs whose columns have given values, shortest run first."""
    ends = select(runs, **which)
    return ends[ends["epoch"] == ends["epochs"]].sort_values("epochs", kind="stable")


def fast_run(runs: pd.DataFrame, model: str, seed: int) -> pd.Series | None:
    """The last epoch of the shortest fast run that ends as low as the longest plain run."""
    own = select(runs, model=model, seed=seed)
    plain, fast = (final_rows(own, recipe=recipe) for recipe in ("keras", "fast"))
    reached = fast[fast["eval_loss"] <= plain["eval_loss"].iloc[-1]] if len(plain) else plain
    return reached.iloc[0] if len(reached) else None


def training_seconds(row: pd.Series, steps: pd.DataFrame, form: str) -> float:
    """Seconds up to an epoch's end: steps times the median seconds of a step; NaN: not timed."""
    images = SIZES[row["split"]] if pd.isna(row["n_train"]) else row["n_train"]
    count = row["epoch"] * ceil(images / row["batch_size"])
    timed = select(steps, model=row["model"], form=form)["seconds_per_step"]
    return float(count * float(timed.median()))


def comparison(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """What the two tables say of each model and seed that both recipes trained.

    "target": the plain run's final loss on the fixed training images; "epochs", "loss", "val_loss":
    of the shortest fast run that reaches it (NaN: none); "…_seconds", "ratio": time to that loss.
    """
    taken = {"epochs": "plain_epochs", "eval_loss": "target", "val_loss": "plain_val_loss"}
    reached = {"epochs": "epochs", "eval_loss": "loss", "val_loss": "val_loss"}
    names = [*SEED, *taken.values(), "plain_seconds", *reached.values(), "fast_seconds"]
    found = []
    for _, plain in final_rows(runs, recipe="keras").drop_duplicates(SEED, keep="last").iterrows():
        row = {**plain[SEED], **plain[[*taken]].rename(taken)}
        row["plain_seconds"] = training_seconds(plain, steps, "plain")
        if (fast := fast_run(runs, *plain[SEED])) is not None:
            row |= fast[[*reached]].rename(reached)
            row["fast_seconds"] = training_seconds(fast, steps, "fast")
        found.append(row)
    table = pd.DataFrame(found, columns=names).dropna(subset="plain_seconds")
    table["ratio"] = table["plain_seconds"] / table["fast_seconds"].astype(float)
    return table.sort_values(SEED, key=model_order, ignore_index=True)


def model_order(names: pd.Series) -> pd.Series:
    """A key to sort by: models in the order of MODELS, others behind them; seeds as they are."""
    places = {name: place for place, name in enumerate(MODELS)}
    return names if names.name == "seed" else names.map(lambda name: places.get(name, len(places)))


def courses(runs: pd.DataFrame, steps: pd.DataFrame, model: str) -> tuple[tuple, tuple]:
    """What `plots.loss_against_time` draws: the plain runs' course, and the ends of fast runs.

    Minutes (epochs,) and losses (seeds, epochs); minutes (runs,) and losses (runs,).
    """

    def minutes(rows, form):
        return [training_seconds(row, steps, form) / 60 for _, row in rows.iterrows()]

    plain = select(runs, model=model, recipe="keras")
    plain = plain[plain["epochs"] == plain["epochs"].max()]
    by_seed = [course.to_list() for _, course in plain.groupby("seed")["eval_loss"]]
    first = select(plain, seed=plain["seed"].iloc[0])
    ends = final_rows(runs, model=model, recipe="fast")
    return (minutes(first, "plain"), by_seed), (minutes(ends, "fast"), ends["eval_loss"].to_list())


def recipe_table(rows: pd.DataFrame) -> pd.DataFrame:
    """For each model of a `comparison` the median over seeds, and range, of what recipes need."""
    table = []
    for model, every in rows.groupby("model", sort=False):
        reached = every[every["ratio"].notna()]
        table.append({
            "model": model, "seeds": len(every),
            "plain: loss": spread([*every["target"]]),
            "plain: minutes": spread([*every["plain_seconds"] / 60]),
            "fast: epochs": spread([*reached["epochs"]], 0),
            "fast: minutes": spread([*reached["fast_seconds"] / 60]),
            "speed-up": spread([*reached["ratio"]]),
            "test loss, fast − plain": spread([*reached["val_loss"] - reached["plain_val_loss"]]),
        })  # fmt: skip
    return pd.DataFrame(table)


def best_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """For each model of a `comparison`, the seed whose plain run ends lowest."""
    return rows.loc[rows.groupby("model", sort=False)["target"].idxmin()]


def together(rows: pd.DataFrame) -> list[float]:
    """The speed-up of all models one after the other, for each seed that reaches all losses."""
    models = rows["model"].nunique()
    by_seed = [each for _, each in rows.groupby("seed") if each["ratio"].notna().sum() == models]
    return [sum(each["plain_seconds"]) / sum(each["fast_seconds"]) for each in by_seed]


def far_from_best(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows whose plain run ends more than FAR nats above the best seed of the same model."""
    return rows[rows["target"] > rows.groupby("model")["target"].transform("min") + FAR]


def step_table(steps: pd.DataFrame) -> pd.DataFrame:
    """For each model and form, medians over rounds with their range, and the most memory."""
    table = []
    for (model, form), rows in steps.groupby(["model", "form"], sort=False):
        table.append({
            "model": model, "recipe": form, "batch": rows["batch_size"].iloc[0],
            "ms a step": spread([*1000 * rows["seconds_per_step"]]),
            "floor (ms)": number((1000 * rows["floor_seconds"]).median()),
            "images a second": spread([*rows["images_per_second"]], 0),
            "memory (GB)": f"{rows['peak_memory_gb'].max():.2f}",
        })  # fmt: skip
    return pd.DataFrame(table)
