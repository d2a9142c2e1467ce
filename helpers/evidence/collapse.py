"""Latent dimensions that stay unused, epoch by epoch, and dead units under the plain recipe."""

from pathlib import Path

import pandas as pd

from helpers.config import MODELS
from helpers.evidence.statistics import RECIPES, Evidence, Interval, interval, select
from helpers.evidence.tables import DEFAULTS, find, read
from helpers.evidence.wording import spread

TABLE = "collapse.csv"
UNCHANGED, LEAKY = "as published", "leaky ReLU"
STUDIED = ("10-D", "deeper")
CHANGES: dict[str, dict] = {  # to the plain recipe: fields of the configuration
    UNCHANGED: {},
    LEAKY: {"activation": "leaky_relu"},
    "64 hidden units": {"hidden_units": 64},
    "0.1 nats of each KL free": {"free_bits": 0.1},
    "KL warm-up, half an epoch": {"kl_warmup": 0.5},
    "rising rate, half an epoch": {"recipe": "keras schedule=rising warmup=0.5"},
}
USUAL: dict = {"recipe": "keras"} | DEFAULTS
Groups = dict[str, pd.DataFrame]  # runs of a model with each change, by seed
COURSES = {  # of a recipe: the tables that may have its runs by epoch, and how long these are
    "plain": (("original_protocol.csv", "benchmark_runs.csv"), 30),
    "fast": (("convergence.csv",), 12),
}


def courses(model: str, evidence: Evidence, folder: Path | None = None) -> list[dict]:
    """Stored runs of a model by epoch, as `live.courses` takes them: by recipe, then seed.

    Of each recipe the table with the most seeds. How many dimensions a run uses in the end comes
    from its own measures where it has no count by epoch.
    """
    found = []
    for recipe, (names, epochs) in COURSES.items():
        same = RECIPES[recipe] | {"epochs": epochs, "n_train": None}
        same |= {"dataset": evidence.plain.dataset}
        tables = [select(read(find(name, folder)), model=model, **same) for name in names]
        rows = max(tables, key=lambda table: table["seed"].nunique())
        for seed, run in rows.sort_values("epoch").groupby("seed"):
            active = run.get("val_active", pd.Series()).dropna().astype(int).to_list()
            active = active if len(active) == len(run) else []
            measured = evidence.by_recipe()[recipe].runs.table
            found.append({
                "name": f"{recipe}, seed {seed}", "recipe": recipe,
                "rate": run["val_rate"].to_list(), "distortion": run["val_distortion"].to_list(),
                "active": active, "used": active[-1] if active else _used(measured, model, run),
            })  # fmt: skip
    return found


def _used(measured: pd.DataFrame, model: str, run: pd.DataFrame) -> int | None:
    """How many dimensions the same run, by seed and loss, is measured to use in the end."""
    last = run.iloc[-1]
    those = select(measured, model=model, seed=last["seed"])
    same = abs(those["training_loss"] - last["training_loss"]) < 1e-3
    return int(those["active_units"][same].iloc[0]) if same.any() else None


def runs(model: str, rows: pd.DataFrame | None = None) -> Groups:
    """The runs of a model with each change that has any. Default: of the stored table."""
    rows = read(find(TABLE)) if rows is None else rows
    found = {}
    for name, change in CHANGES.items():
        found[name] = select(rows, **USUAL | MODELS[model] | change).set_index("seed").sort_index()
    return {name: those for name, those in found.items() if len(those)}


def gain(groups: Groups, name: str) -> Interval:
    """How much lower a change ends than the published recipe, same seeds: nats per image."""
    own, usual = (groups[key]["val_loss"] for key in (name, UNCHANGED))
    return interval((usual - own).dropna())


def table(by_model: dict[str, Groups]) -> pd.DataFrame:
    """A row per model and change: medians over seeds with their range, the gain's interval."""
    shown = []
    for model, groups in by_model.items():
        for name, those in groups.items():
            dead = [*those["val_dead"].astype(float)]
            shown.append({
                "model": model, "recipe": name, "runs": len(those), "dead units": spread(dead, 0),
                "of": int(those["hidden_units"].iloc[0]),
                "test loss": spread([*those["val_loss"]]),
                "lower by": "" if name == UNCHANGED else gain(groups, name).text(1),
            })  # fmt: skip
    found = pd.DataFrame(shown).set_index(["model", "recipe"])
    found.attrs["align"] = "llrrrrr"
    return found


def summary(by_model: dict[str, Groups]) -> str:
    """What the runs show, a paragraph for each model."""
    return "\n\n".join(_said(model, groups) for model, groups in by_model.items())


def _said(model: str, groups: Groups) -> str:
    """What a model's runs show; "not measured yet" without runs of the plain recipe."""
    if UNCHANGED not in groups:
        return f"How many units of {model} die early is not measured yet."
    dead = {name: spread([*those["val_dead"].astype(float)], 0) for name, those in groups.items()}
    said = [
        f"In {len(groups[UNCHANGED])} runs of {model}, one epoch by the published recipe, "
        f"{dead[UNCHANGED]} of 16 hidden units are dead."
    ]
    if LEAKY in groups:
        change = gain(groups, LEAKY).change("lower", "higher", 1, unit=" nats")
        said.append(
            f"With a leaky ReLU it is {dead[LEAKY]} in {len(groups[LEAKY])} runs, and with the "
            f"same seeds the loss on the test images is {change}."
        )
    others = {name: gain(groups, name) for name in groups if name not in (UNCHANGED, LEAKY)}
    for sign, word in ((1, "lower"), (-1, "higher")):
        sure = [f"{name} ({found.scaled(sign).text(1)} nats)"
                for name, found in others.items() if found.sign == sign]  # fmt: skip
        said += [f"It is also {word} with: {'; '.join(sure)}."] if sure else []
    unsure = [name for name, found in others.items() if not found.sign]
    said += [f"No difference is shown with: {'; '.join(unsure)}."] if unsure else []
    return " ".join(said)
