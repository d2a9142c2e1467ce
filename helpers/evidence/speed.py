"""The benchmark's runs and what they say: how soon each recipe reaches the same loss, and why.

Per model the target is a loss on fixed images: where the best seed of the plain recipe ends. Time
to target as in AlgoPerf (Dahl et al. 2023): rivals get the same number of tuning trials, and the
seeds of trials are not those of the comparison.
"""

from collections.abc import Iterable
from itertools import product
from math import ceil

import pandas as pd

from helpers.config import IMAGES, MODELS, TrainingConfig, model_config
from helpers.evidence.statistics import interval, select
from helpers.evidence.wording import number, spread

RUNS, STEPS = "benchmark_runs.csv", "benchmark_steps.csv"  # see tables.find
TRIALS, FACTORIAL = "benchmark_trials.csv", "benchmark_factorial.csv"
RIVALS = {"plain": "keras", "Adam": "adam", "fast": "fast"}  # what readers call a recipe: its name
LENGTHS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 12)  # epochs of a rival, until one reaches the target

SPACES = {  # the highest learning rates that are tried, the same for both optimisers
    "constant": (0.0005, 0.001, 0.002, 0.004, 0.008),
    "cosine": (0.0015, 0.003, 0.006, 0.012, 0.024),
}
TUNING_SEED = 100
EPOCHS = {64: 3, 128: 6}  # epochs of trials by batch size: 2,814 steps each
CELLS = list(product(("adam", "fast"), SPACES, EPOCHS))  # recipe, schedule, batch size
CROSSED = ("baseline", "deeper", "10-D")  # models of the factorial


def _cell(model: str, cell: tuple, peak: float, seed: int, images: int | None) -> TrainingConfig:
    """The run of a cell of the factorial at a peak."""
    recipe, schedule, batch = cell
    text = f"{recipe} schedule={schedule} peak={peak:g}"
    fields = {"recipe": text, "batch_size": batch, "epochs": EPOCHS[batch], "seed": seed}
    return model_config(model, n_train=images, **fields)


def trials(models: Iterable[str], images: int | None = None) -> list[TrainingConfig]:
    """Every tuning trial: the rivals' of each model, and of CROSSED every cell's.

    images: train on the first ones alone.
    """
    rivals = [cell for cell in CELLS if cell[1:] == ("cosine", 64)]
    return [
        _cell(model, cell, peak, TUNING_SEED, images)
        for model in models
        for cell in (CELLS if model in CROSSED else rivals)
        for peak in SPACES[cell[1]]
    ]


def best_peak(table: pd.DataFrame, model: str, cell: tuple) -> float:
    """The peak whose trial ends lowest, of a model and cell; ValueError where trials lack."""
    ends: dict[float, float] = {}
    for peak in SPACES[cell[1]]:
        about = _cell(model, cell, peak, TUNING_SEED, None).as_dict()
        fields = {name: about[name] for name in ("recipe", "batch_size", "epochs", "seed")}
        for loss in final_rows(table, model=model, **fields)["eval_loss"]:
            ends[peak] = loss
    if len(ends) < len(SPACES[cell[1]]):
        raise ValueError(f"{TRIALS} lacks trials of {model}, {cell}: run the benchmark")
    return min(ends, key=ends.__getitem__)


def factorial(
    table: pd.DataFrame, models: Iterable[str], seeds: Iterable[int], images: int | None = None
) -> list[TrainingConfig]:
    """The runs of the factorial: every cell of models in CROSSED at its trials' best peak."""
    points = list(product([model for model in CROSSED if model in models], CELLS))
    tuned = {(model, cell): best_peak(table, model, cell) for model, cell in points}
    return [_cell(*point, tuned[point], seed, images) for point in points for seed in seeds]


def final_rows(runs: pd.DataFrame, **which) -> pd.DataFrame:
    """The last epochs of the runs whose columns have given values, shortest run first."""
    ends = select(runs, **which)
    last = ends["epoch"] == ends["epochs"].map(ceil)
    return ends[last].sort_values("epochs", kind="stable")


def targets(runs: pd.DataFrame) -> pd.DataFrame:
    """By model, the last row of the plain run that ends lowest."""
    plain = final_rows(runs, recipe=RIVALS["plain"]).drop_duplicates(["model", "seed"], keep="last")
    return plain.loc[plain.groupby("model", sort=False)["eval_loss"].idxmin()].set_index("model")


def soonest(runs: pd.DataFrame, model: str, seed: int, recipe: str, target: float):
    """The row of the shortest training by which a recipe reaches a loss; None when none does.

    At a constant rate every epoch of a run ends a shorter one; else only whole runs count.
    """
    own = {"model": model, "seed": seed, "recipe": recipe}
    plain = recipe == RIVALS["plain"]
    rows = select(runs, **own).sort_values("epoch") if plain else final_rows(runs, **own)
    reached = rows[rows["eval_loss"] <= target]
    return reached.iloc[0] if len(reached) else None


def training_seconds(row: pd.Series, steps: pd.DataFrame, form: str) -> float:
    """Seconds up to a row's epoch: steps times the median seconds of a step; NaN: not timed."""
    images = IMAGES[row["split"]] if pd.isna(row["n_train"]) else row["n_train"]
    count = round(min(row["epoch"], row["epochs"]) * ceil(images / row["batch_size"]))
    timed = select(steps, model=row["model"], form=form)["seconds_per_step"]
    return float(count * float(timed.median()))


def comparison(runs: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """A row per model, rival and seed: "epochs", "seconds" and "loss" when it reaches the target.

    "ratio": the speed-up against the soonest plain seed, 0 where a run does not reach the target;
    "gain": loss on the test images less the best plain seed's. What was not timed is left out, and
    so are seeds that neither reached the target nor were trained for the last of LENGTHS.
    """
    found = []
    for model, best in targets(runs).iterrows():
        for rival, recipe in RIVALS.items():
            for seed in sorted(select(runs, model=model, recipe=recipe)["seed"].unique()):
                row = {"model": model, "rival": rival, "seed": seed, "target": best["eval_loss"]}
                end = soonest(runs, str(model), seed, recipe, best["eval_loss"])
                longest = select(runs, model=model, recipe=recipe, seed=seed)["epochs"].max()
                if end is None and longest < LENGTHS[-1]:
                    continue
                if end is not None:
                    row |= {"epochs": min(end["epoch"], end["epochs"]), "loss": end["eval_loss"]}
                    row["seconds"] = training_seconds(end, steps, rival)
                    row["gain"] = end["val_loss"] - best["val_loss"]
                found.append(row)
    names = ["model", "rival", "seed", "target", "epochs", "loss", "seconds", "gain"]
    table = pd.DataFrame(found, columns=names)
    plain = table[table["rival"] == "plain"].groupby("model")["seconds"].min()
    table = table[table["model"].isin(plain.dropna().index)]
    table = table[table["seconds"].notna() | table["epochs"].isna()]
    table["ratio"] = (table["model"].map(plain) / table["seconds"].astype(float)).fillna(0.0)
    return table.sort_values("model", key=model_order, kind="stable", ignore_index=True)


def model_order(names: pd.Series) -> pd.Series:
    """A key to sort models by: the order of MODELS, others behind them."""
    places = {name: place for place, name in enumerate(MODELS)}
    return names.map(lambda name: places.get(name, len(places)))


def courses(runs: pd.DataFrame, steps: pd.DataFrame, model: str) -> dict[str, list[tuple]]:
    """What `plots.loss_against_time` draws: by rival, minutes and losses of plain runs' courses,
    one a seed, or of the ends of the others' runs, one in all.
    """

    def points(rows, rival):
        minutes = [training_seconds(row, steps, rival) / 60 for _, row in rows.iterrows()]
        return minutes, rows["eval_loss"].to_list()

    plain = select(runs, model=model, recipe=RIVALS["plain"])
    plain = plain[plain["epochs"] == plain["epochs"].max()]
    found = {"plain": [points(course, "plain") for _, course in plain.groupby("seed")]}
    for rival in ("Adam", "fast"):
        ends = final_rows(runs, model=model, recipe=RIVALS[rival])
        found |= {rival: [points(ends, rival)]} if len(ends) else {}
    return found


def recipe_table(rows: pd.DataFrame) -> pd.DataFrame:
    """For each model and rival of a `comparison`: seeds that reach the target, medians, ranges."""
    table = []
    for (model, rival), every in rows.groupby(["model", "rival"], sort=False):
        reached = every[every["ratio"] > 0]
        table.append({
            "model": model, "target": number(every["target"].iloc[0]), "recipe": rival,
            "seeds there": f"{len(reached)} of {len(every)}",
            "epochs": spread([*reached["epochs"]]),
            "minutes": spread([*reached["seconds"] / 60]),
            "speed-up": spread([*every["ratio"]]),
            "test loss − plain": spread([*reached["gain"]]),
        })  # fmt: skip
    return pd.DataFrame(table)


def factorial_table(runs: pd.DataFrame) -> pd.DataFrame:
    """What each factor gains in each model, in nats per image, with intervals over seeds.

    A gain is the loss at the first level less the loss at the second, averaged over the cells of
    the other factors; a share is of the gain from the first cell of all to the last.
    """
    factors = {"optimiser": ("adam", "fast"), "schedule": tuple(SPACES), "batch": (128, 64)}
    parts = runs["recipe"].str.extract(r"^(?P<optimiser>\w+) schedule=(?P<schedule>\w+)")
    ends = final_rows(runs).join(parts).assign(batch=lambda rows: rows["batch_size"])
    table = []
    for model, rows in ends.groupby("model", sort=False):
        losses = rows.set_index([*factors, "seed"])["eval_loss"].sort_index()
        first, last = (losses.xs(tuple(level[end] for level in factors.values())) for end in (0, 1))
        whole = interval(first - last)
        shown = {"model": model, "all three": whole.text()}
        for factor, (before, after) in factors.items():
            by_level = losses.groupby([factor, "seed"]).mean()
            gain = interval(by_level[before] - by_level[after])
            share = gain.text(0, 100 / whole.mean, " %")
            shown |= {factor: gain.text(), f"its share, {factor}": share}
        table.append(shown)
    return pd.DataFrame(table)


def collapse_table(runs: pd.DataFrame) -> pd.DataFrame:
    """How many runs of each cell of the factorial lose a latent dimension, by model."""
    ends = final_rows(runs)
    lost = ends.assign(lost=ends["val_active"] < ends["latent_dim"])
    lost["recipe"] = lost["recipe"].str.replace(r" peak=.*", "", regex=True)
    cells = ["recipe", "batch_size"]
    return lost.pivot_table(index=cells, columns="model", values="lost", aggfunc="sum", sort=False)


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
