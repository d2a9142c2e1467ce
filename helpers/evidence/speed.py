"""What the benchmark's two tables say: the loss that a recipe reaches, and how soon."""

from math import ceil

import pandas as pd

from helpers.config import MODELS
from helpers.evidence.statistics import select
from helpers.wording import number, spread

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
    of_both = {"model": model, "seed": seed}
    plain, fast = (final_rows(runs, recipe=recipe, **of_both) for recipe in ("keras", "fast"))
    reached = fast[fast["eval_loss"] <= plain["eval_loss"].iloc[-1]] if len(plain) else plain
    return reached.iloc[0] if len(reached) else None


def step_seconds(steps: pd.DataFrame, model: str, form: str) -> float:
    """Seconds of a step of a model in one form, the median over rounds; NaN when not timed."""
    return float(select(steps, model=model, form=form)["seconds_per_step"].median())


def training_seconds(row: pd.Series, steps: pd.DataFrame, form: str) -> float:
    """Seconds of training up to an epoch's end: steps times the median seconds of a step."""
    images = SIZES[row["split"]] if pd.isna(row["n_train"]) else row["n_train"]
    count = row["epoch"] * ceil(images / row["batch_size"])
    return float(count * step_seconds(steps, row["model"], form))


def comparison(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """What the two tables say of each model and seed that both recipes trained.

    "target": the plain run's final loss on the fixed training images; "epochs", "loss", "val_loss":
    of the shortest fast run that reaches it, NaN when none does; "plain_seconds", "fast_seconds",
    "ratio": time to that loss.
    """
    taken = {"epochs": "plain_epochs", "eval_loss": "target", "val_loss": "plain_val_loss"}
    names = ["model", "seed", *taken.values(), "plain_seconds"]
    found: list[dict] = []
    for _, plain in final_rows(runs, recipe="keras").drop_duplicates(SEED, keep="last").iterrows():
        fast = fast_run(runs, *plain[SEED])
        row = plain[[*SEED, *taken]].rename(taken).to_dict()
        row["plain_seconds"] = training_seconds(plain, steps, "plain")
        if fast is not None:
            row |= {"epochs": fast["epochs"], "loss": fast["eval_loss"]}
            row |= {"val_loss": fast["val_loss"]}
            row["fast_seconds"] = training_seconds(fast, steps, "fast")
        found.append(row)
    names += ["epochs", "loss", "val_loss", "fast_seconds"]
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
    plain = select(runs, model=model, recipe="keras")
    ends = final_rows(runs, model=model, recipe="fast")
    plain = plain[plain["epochs"] == plain["epochs"].max()]
    by_seed = [course.to_list() for _, course in plain.groupby("seed")["eval_loss"]]
    first = plain[plain["seed"] == plain["seed"].iloc[0]]
    minutes = [
        [training_seconds(row, steps, form) / 60 for _, row in part.iterrows()]
        for form, part in (("plain", first), ("fast", ends))
    ]
    return (minutes[0], by_seed), (minutes[1], ends["eval_loss"].to_list())


def recipe_table(rows: pd.DataFrame) -> pd.DataFrame:
    """For each model of a `comparison` the median over seeds, and range, of what recipes need."""
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
