"""Dead units under the plain recipe, and what a change of it does: runs of one epoch, by seed."""

import pandas as pd

from helpers.config import MODELS
from helpers.evidence.statistics import Interval, interval
from helpers.evidence.tables import DEFAULTS, find, read
from helpers.evidence.wording import spread

TABLE = "collapse.csv"
UNCHANGED = "as published"
STUDIED = ("10-D", "deeper")
CHANGES: dict[str, dict] = {  # to the plain recipe: fields of the configuration
    UNCHANGED: {},
    "leaky ReLU": {"activation": "leaky_relu"},
    "64 hidden units": {"hidden_units": 64},
    "0.1 nats of each KL free": {"free_bits": 0.1},
    "KL warm-up, half an epoch": {"kl_warmup": 0.5},
    "rising rate, half an epoch": {"recipe": "keras schedule=rising warmup=0.5"},
}
USUAL: dict = {"recipe": "keras"} | DEFAULTS
Groups = dict[str, pd.DataFrame]  # runs of a model with each change, by seed


def runs(model: str, rows: pd.DataFrame | None = None) -> Groups:
    """The runs of a model with each change that has any. Default: of the stored table."""
    rows = read(find(TABLE)) if rows is None else rows
    found = {}
    for name, change in CHANGES.items():
        wanted = pd.Series(USUAL | MODELS[model] | change)
        same = (rows[list(wanted.index)] == wanted).all(axis=1)
        found[name] = rows[same].set_index("seed").sort_index()
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
    return pd.DataFrame(shown).set_index(["model", "recipe"])


def summary(by_model: dict[str, Groups]) -> str:
    """What the runs show, in sentences; "not measured yet" without runs of the plain recipe."""
    said = []
    for model, groups in by_model.items():
        if UNCHANGED not in groups:
            said.append(f"How many units of {model} die early is not measured yet.")
            continue
        usual = groups[UNCHANGED]
        dead = spread([*usual["val_dead"].astype(float)], 0)
        said.append(
            f"In {len(usual)} runs of {model}, one epoch by the published recipe, {dead} of 16 "
            "hidden units are dead."
        )
        if "leaky ReLU" in groups:
            leaky = groups["leaky ReLU"]
            change = gain(groups, "leaky ReLU").change("lower", "higher", 1, unit=" nats")
            dead = spread([*leaky["val_dead"].astype(float)], 0)
            said.append(
                f"With a leaky ReLU it is {dead} in {len(leaky)} runs, and with the same seeds "
                f"the loss on the test images is {change}."
            )
    return " ".join(said)
