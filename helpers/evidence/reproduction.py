"""Whether published losses come back, and what is left of their differences at convergence."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from helpers.config import PUBLISHED
from helpers.evidence.published import published
from helpers.evidence.speed import final_rows, model_order
from helpers.evidence.statistics import Interval, Runs
from helpers.evidence.tables import stored
from helpers.evidence.wording import RESOLUTION, number
from helpers.results import load_result

SECTIONS = (  # whose results hold summaries of models
    "00_baseline", "01_architecture", "02_latent_1d", "03_latent_10d", "04_loss", "07_discussion",
)  # fmt: skip
ORIGINAL = "original_protocol.csv"  # 70,000 digits, 30 epochs, constant Adam
CONVERGED = "convergence.csv"  # long runs of the fast recipe; one seed ran twice as long


def finished_runs(name: str, folder: Path | None = None) -> pd.DataFrame:
    """A row per finished run of a committed table: its last epoch, with its "total_seconds"."""
    rows = stored(name, folder=folder)
    total = rows.groupby(["model", "seed", "epochs"])["seconds"].transform(sum)
    return final_rows(rows.assign(total_seconds=total)).sort_index(ignore_index=True)


def first_runs(repeated: pd.DataFrame) -> dict[str, dict]:
    """The runs with seed 0, by model."""
    first = repeated[repeated["seed"] == 0] if len(repeated) else repeated
    return {row["model"]: row for row in first.to_dict("records")}


def reproduction_text(repeated: pd.DataFrame) -> str:
    """Which published losses came back under the original protocol."""
    if not len(repeated):
        return "No run of the original protocol is stored beside this report."
    far, first = [], first_runs(repeated)
    for name, row in first.items():
        if abs(off := row["training_loss"] - published(name)["loss"]) > RESOLUTION:
            far.append(f"{name} ends {abs(off):.1f} nats {'above' if off > 0 else 'below'}")
    near = f"{len(first) - len(far)} of {len(first)} losses come back within {RESOLUTION:g} nats"
    rest = f"; {', '.join(far)} the published value." if far else "."
    sentences = [f"Under the original protocol, {near}{rest}"]
    for model, runs in repeated.groupby("model", sort=False):
        if len(runs) > 1:
            seeds = ", ".join(map(str, runs["seed"]))
            losses = ", ".join(f"{loss:.1f}" for loss in runs["training_loss"])
            sentences.append(f"Over seeds {seeds} the {model} model ends at {losses} nats.")
    return " ".join(sentences)


@dataclass(frozen=True)
class Gain:
    """How far a model ends below the baseline: as published, and at convergence; nats."""

    model: str
    published: float
    converged: Interval  # over seeds

    @property
    def optimisers_share(self) -> Interval:
        """The share of the published gain that is gone at convergence; negative where it grows."""
        return self.converged.scaled(-1 / self.published, start=1)


def gains(long_runs: pd.DataFrame) -> list[Gain]:
    """The gain of each converged model with the baseline's loss function."""
    runs, found = Runs(_shortest_and_longest(long_runs)[0]), []
    for model in ("deeper", "1-D", "10-D"):
        if {"baseline", model} <= set(runs.models()):
            as_published = published("baseline")["loss"] - published(model)["loss"]
            converged = runs.difference("baseline", model, "training_loss")
            found.append(Gain(model, as_published, converged))
    return found


def _shortest_and_longest(runs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The runs of the smallest, and of the greatest number of epochs."""
    if not len(runs):
        return runs, runs
    least, most = (runs[runs["epochs"] == end(runs["epochs"])] for end in (min, max))
    return least, most


def convergence_table(long_runs: pd.DataFrame) -> pd.DataFrame:
    """Where each converged model ends and, with the same loss, how far below the baseline."""
    by_model = {gain.model: gain for gain in gains(long_runs)}
    runs, table = Runs(_shortest_and_longest(long_runs)[0]), []
    for model in runs.models():
        ends = [runs.mean(model, measure) for measure in ("training_loss", "val_loss")]
        gain = by_model.get(model)
        below = [number(gain.published, 1), gain.converged.text(1)] if gain else ["–", "–"]
        paper = number(published(model)["loss"], 2) if model in PUBLISHED else "–"
        table.append([model, ends[0].n, paper, *(end.text(1) for end in ends), *below])
    names = ["model", "seeds", "loss, published", "loss at convergence", "on test images"]
    return pd.DataFrame(table, columns=[*names, "below the baseline, published", "at convergence"])


def gains_text(long_runs: pd.DataFrame) -> str:
    """How much of each published difference from the baseline is the optimiser's, in Markdown."""
    sentences = []
    for gain in gains(long_runs):
        was = f"{abs(gain.published):.1f} nats {'below' if gain.published > 0 else 'above'}"
        share = gain.optimisers_share
        size = (share.scaled(-1) if share.sign < 0 else share).text(0, 100, "%")
        verdict = {
            1: f"{size} of the published difference is the optimiser's",
            -1: f"the plain recipe had hidden {size} on top of the published difference",
            0: f"no share of the published difference is shown to be the optimiser's ({size})",
        }[share.sign]
        now = f"at convergence {gain.converged.change('below', 'above', 1)}"
        sentence = f"**{gain.model}**: published {was} the baseline, {now}, so that {verdict}."
        sentences.append(sentence)
    return " ".join(sentences) or "No long runs of the fast recipe are stored beside this report."


def headline(long_runs: pd.DataFrame) -> str:
    """How much of the deeper model's published gain is the optimiser's; empty where not shown."""
    for gain in gains(long_runs):
        if gain.model == "deeper" and gain.optimisers_share.sign > 0:
            share = gain.optimisers_share.text(0, 100, "%")
            return (
                f"Of the {gain.published:.1f} nats that one more layer gains in the original, "
                f"{share} are the optimiser's: between models trained to convergence "
                f"{gain.converged.text(1)} are left."
            )
    return ""


def longer_text(long_runs: pd.DataFrame) -> str:
    """What still more epochs would have changed, in Markdown; empty without longer runs."""
    short, long = _shortest_and_longest(long_runs)
    if not len(short) or len(short) == len(long_runs):
        return ""
    after, before = long["epochs"].iloc[0], short["epochs"].iloc[0]
    pairs = long.merge(short, on=["model", "seed"], suffixes=("", "_before"), validate="1:1")
    found = []
    for _, row in pairs.sort_values("model", key=model_order).iterrows():
        losses = ("training_loss", "val_loss")
        training, test = (number(row[loss] - row[f"{loss}_before"], 1) for loss in losses)
        found.append(f"{row['model']} {training} ({test})")
    return (
        f"How far from the end is that? Of each model one run (seed {pairs['seed'][0]}) was "
        f"trained for {after} epochs instead of {before}. The training loss, and in brackets the "
        f"loss on the test images, change by, in nats: {', '.join(found)}. Seeds alone set single "
        f"runs up to {RESOLUTION:g} nats apart."
    )


def models_here() -> dict[str, dict[str, float]]:
    """The summaries of the models that the run at hand has trained, by name."""
    found: dict[str, dict[str, float]] = {}
    for section in reversed(SECTIONS):
        found |= (load_result(section) or {"values": {}})["values"].get("models", {})
    return found
