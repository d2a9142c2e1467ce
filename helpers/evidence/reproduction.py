"""Whether the published losses come back, and what is left of their differences when every model converges."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.config import MODELS
from helpers.evidence.published import models, published
from helpers.evidence.statistics import Interval, Runs
from helpers.evidence.tables import stored
from helpers.results import load_result
from helpers.wording import RESOLUTION, number

SECTIONS = ("00_baseline", "01_architecture", "02_latent_1d", "03_latent_10d", "04_loss", "07_discussion")
ORIGINAL = "original_protocol.csv"  # 70,000 digits, 30 epochs, constant Adam
CONVERGED = "convergence.csv"  # the fast recipe, long runs; and one seed twice as long, which shows what is left to gain


def finished_runs(name: str, folder: Path | None = None) -> pd.DataFrame:
    """A row per finished run of a committed table, its last epoch, with its "total_seconds"."""
    rows = stored(name, folder=folder)
    total = rows.groupby(["model", "seed", "epochs"])["seconds"].transform(sum)
    return rows.assign(total_seconds=total)[rows["epoch"] == rows["epochs"]].reset_index(drop=True)


def first_runs(repeated: pd.DataFrame) -> dict[str, dict]:
    """The runs with seed 0, by model."""
    return {row["model"]: row for row in repeated[repeated["seed"] == 0].to_dict("records")} if len(repeated) else {}


def reproduction_text(repeated: pd.DataFrame) -> str:
    """Which published losses came back under the original protocol, in Markdown."""
    if not len(repeated):
        return "No run of the original protocol is stored beside this report."
    off = {name: row["training_loss"] - published(name)["loss"] for name, row in first_runs(repeated).items()}
    far = [
        f"{name} ends {abs(difference):.1f} nats {'above' if difference > 0 else 'below'}"
        for name, difference in off.items()
        if abs(difference) > RESOLUTION
    ]
    near = len(off) - len(far)
    text = f"Under the original protocol, {near} of {len(off)} losses come back within {RESOLUTION:g} nats"
    text += f"; {', '.join(far)} the published value." if far else "."
    several = [(name, runs) for name, runs in repeated.groupby("model", sort=False) if len(runs) > 1]
    return " ".join([text, *(_other_seeds(name, runs) for name, runs in several)])


def _other_seeds(name: object, runs: pd.DataFrame) -> str:
    """A sentence on a model that was trained with several seeds."""
    losses = ", ".join(f"{loss:.1f}" for loss in runs["training_loss"])
    return f"Over seeds {', '.join(map(str, runs['seed']))} the {name} model ends at {losses} nats."


@dataclass(frozen=True)
class Gain:
    """How far a model ends below the baseline, in nats: as published and when both are trained to convergence."""

    model: str
    published: float
    converged: Interval  # over seeds

    @property
    def optimisers_share(self) -> Interval:
        """The share of the published gain that disappears at convergence; below zero where the gain grows."""
        return self.converged.scaled(-1 / self.published, start=1)


def gains(long_runs: pd.DataFrame) -> list[Gain]:
    """The gain of each converged model with the baseline's loss function; empty without a converged baseline."""
    runs = Runs(_of_length(long_runs, min))
    others = [model for model in ("deeper", "1-D", "10-D") if {"baseline", model} <= set(runs.models())]
    return [
        Gain(
            model,
            published("baseline")["loss"] - published(model)["loss"],
            runs.difference("baseline", model, "training_loss"),
        )
        for model in others
    ]


def _of_length(runs: pd.DataFrame, choose: Callable[[Iterable[int]], int]) -> pd.DataFrame:
    """The runs of the smallest or the greatest number of epochs, by choose, `min` or `max`."""
    return runs[runs["epochs"] == choose(runs["epochs"])] if len(runs) else runs


def convergence_table(long_runs: pd.DataFrame) -> pd.DataFrame:
    """For each converged model where it ends and, with the baseline's loss function, how far below the baseline."""
    by_model = {gain.model: gain for gain in gains(long_runs)}
    runs, table = Runs(_of_length(long_runs, min)), []
    for model in runs.models():
        ends = [runs.mean(model, measure) for measure in ("training_loss", "val_loss")]
        gain = by_model.get(model)
        below = [number(gain.published, 1), gain.converged.text(1)] if gain else ["–", "–"]
        paper = number(published(model)["loss"], 2) if model in models() else "–"
        table.append([model, ends[0].n, paper, *(end.text(1) for end in ends), *below])
    names = ["model", "seeds", "loss, published", "loss at convergence", "on test images"]
    return pd.DataFrame(table, columns=[*names, "below the baseline, published", "at convergence"])


def gains_text(long_runs: pd.DataFrame) -> str:
    """How much of each published difference from the baseline is the optimiser's, in Markdown."""
    sentences = [_gain_text(gain) for gain in gains(long_runs)]
    return " ".join(sentences) or "No long runs of the fast recipe are stored beside this report."


def headline(long_runs: pd.DataFrame) -> str:
    """How much of the deeper model's published gain is the optimiser's, for the abstract; empty where not shown."""
    found = [gain for gain in gains(long_runs) if gain.model == "deeper" and gain.optimisers_share.sign > 0]
    return "".join(
        f"Of the {gain.published:.1f} nats that one more layer gains in the original, {gain.optimisers_share.text(0, 100, '%')} "
        f"are the optimiser's: between models trained to convergence {gain.converged.text(1)} are left."
        for gain in found
    )


def _gain_text(gain: Gain) -> str:
    """One sentence on a gain."""
    was = f"{abs(gain.published):.1f} nats {'below' if gain.published > 0 else 'above'}"
    share = gain.optimisers_share
    if share.sign > 0:
        verdict = f"{share.text(0, 100, '%')} of the published difference is the optimiser's"
    elif share.sign < 0:
        verdict = f"the plain recipe had hidden {share.scaled(-1).text(0, 100, '%')} on top of the published difference"
    else:
        verdict = f"no share of the published difference is shown to be the optimiser's ({share.text(0, 100, '%')})"
    now = gain.converged.change("below", "above", 1)
    return f"**{gain.model}**: published {was} the baseline, at convergence {now}, so that {verdict}."


def longer_text(long_runs: pd.DataFrame) -> str:
    """What still more epochs would have changed, in Markdown; empty where no longer runs are stored."""
    short, long = (_of_length(long_runs, choose) for choose in (min, max))
    if not len(short) or short["epochs"].iloc[0] == long["epochs"].iloc[0]:
        return ""
    pairs = long.merge(short, on=["model", "seed"], suffixes=("", "_before"), validate="1:1")
    found = [
        f"{name} "
        f"{number(rows['training_loss'].iloc[0] - rows['training_loss_before'].iloc[0], 1)} "
        f"({number(rows['val_loss'].iloc[0] - rows['val_loss_before'].iloc[0], 1)})"
        for name in [*MODELS, *(model for model in pairs["model"].unique() if model not in MODELS)]
        if len(rows := pairs[pairs["model"] == name])
    ]
    after, before = long["epochs"].iloc[0], short["epochs"].iloc[0]
    return (
        f"How far from the end is that? Of each model one run (seed {long['seed'].iloc[0]}) was trained for {after} epochs "
        f"instead of {before}. The training loss, and in brackets the loss on the test images, change by, in nats: "
        f"{', '.join(found)}. Seeds alone set single runs up to {RESOLUTION:g} nats apart."
    )


def models_here() -> dict[str, dict[str, float]]:
    """The summaries of the models that the run at hand has trained, by name."""
    results = [load_result(section) or {"values": {}} for section in SECTIONS]
    return {name: model for result in results[::-1] for name, model in result["values"].get("models", {}).items()}
