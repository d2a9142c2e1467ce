"""Dead units under the plain recipe, and what a change of it does: runs of one epoch, by seed."""

import pandas as pd

from helpers.evidence.statistics import Interval, interval
from helpers.evidence.tables import DEFAULTS, find, read
from helpers.evidence.wording import spread

TABLE = "collapse.csv"
UNCHANGED = "as published"
CHANGES: dict[str, dict] = {  # to the plain recipe of a 10-D model: fields of its configuration
    UNCHANGED: {},
    "leaky ReLU": {"activation": "leaky_relu"},
    "64 hidden units": {"hidden_units": 64},
    "0.1 nats of each KL free": {"free_bits": 0.1},
    "KL warm-up, half an epoch": {"kl_warmup": 0.5},
    "rising rate, half an epoch": {"recipe": "keras schedule=rising warmup=0.5"},
}
USUAL: dict = {"recipe": "keras"} | DEFAULTS


def runs(rows: pd.DataFrame | None = None) -> dict[str, pd.DataFrame]:
    """The runs with each change, by seed; those that have any. Default: of the stored table."""
    rows = read(find(TABLE)) if rows is None else rows
    found = {}
    for name, change in CHANGES.items():
        same = (rows[list(USUAL)] == pd.Series(USUAL | change)).all(axis=1)
        found[name] = rows[same & (rows["latent_dim"] == 10)].set_index("seed").sort_index()
    return {name: those for name, those in found.items() if len(those)}


def gain(by_change: dict[str, pd.DataFrame], name: str) -> Interval:
    """How much lower a change ends than the published recipe, same seeds: nats per image."""
    own, usual = (by_change[key]["val_loss"] for key in (name, UNCHANGED))
    return interval((usual - own).dropna())


def table(by_change: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A row per change: medians over seeds with their range, and the gain with its interval."""
    shown = []
    for name, those in by_change.items():
        dead = [*those["val_dead"].astype(float)]
        shown.append({
            "recipe": name, "runs": len(those), "dead units": spread(dead, 0),
            "of": int(those["hidden_units"].iloc[0]),
            "test loss": spread([*those["val_loss"]]),
            "lower by": "" if name == UNCHANGED else gain(by_change, name).text(1),
        })  # fmt: skip
    return pd.DataFrame(shown).set_index("recipe")


def summary(by_change: dict[str, pd.DataFrame]) -> str:
    """What the runs show, in sentences; "not measured yet" without runs of the plain recipe."""
    if UNCHANGED not in by_change:
        return "How many units die under the published recipe is not measured yet."
    usual = by_change[UNCHANGED]
    said = (
        f"In {len(usual)} runs of one epoch by the published recipe, "
        f"{spread([*usual['val_dead'].astype(float)], 0)} of 16 hidden units are dead."
    )
    if "leaky ReLU" in by_change:
        leaky = by_change["leaky ReLU"]
        change = gain(by_change, "leaky ReLU").change("lower", "higher", 1, unit=" nats")
        dead = spread([*leaky["val_dead"].astype(float)], 0)
        said += f" With a leaky ReLU it is {dead} in {len(leaky)} runs, and with the same seeds "
        said += f"the loss on the test images is {change}."
    return said
