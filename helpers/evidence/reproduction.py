"""What this report's runs and stored ones say of the published losses, also after long training."""

from collections import ChainMap
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from helpers.config import IMAGES, PUBLISHED
from helpers.data import DATASETS
from helpers.evidence.published import CLAIMS, published
from helpers.evidence.speed import final_rows, model_order
from helpers.evidence.statistics import Interval, Missing, Runs
from helpers.evidence.tables import stored
from helpers.evidence.wording import duration, number
from helpers.results import load_result

SECTIONS = (  # whose results hold summaries of models
    "00_baseline", "01_architecture", "02_latent_1d", "03_latent_10d", "04_loss", "07_discussion",
)  # fmt: skip
ORIGINAL = "original_protocol.csv"  # 70,000 digits, 30 epochs, constant Adam
CONVERGED = "convergence.csv"  # long runs of the fast recipe; one seed ran twice as long


def finished_runs(name: str, folder: Path | None = None) -> pd.DataFrame:
    """A row per finished run of a committed table: its last epoch, with all its seconds."""
    rows = stored(name, folder=folder)
    total = rows.groupby(["model", "seed", "epochs"])["seconds"].transform(sum)
    return final_rows(rows.assign(seconds=total)).sort_index(ignore_index=True)


def reproduction_table(repeated: pd.DataFrame, here: Mapping[str, Mapping]) -> pd.DataFrame:
    """Loss and time of the published models: published, repeated (lowest seed), and in this run.

    repeated: from `finished_runs`; here: from `models_here`.
    """
    first = repeated.sort_values("seed").drop_duplicates("model").set_index("model")
    again = first.assign(loss=first["training_loss"]).to_dict("index")  # as `published` names it
    sources: dict[str, Any] = {"published": CLAIMS["models"], "repeated": again, "this run": here}
    table = {"model": list(PUBLISHED)}
    for title, key, decimals in (("loss", "loss", 2), ("time", "seconds", 0)):
        for source, found in sources.items():
            values = [found.get(model, {}).get(key) for model in PUBLISHED]
            table[f"{title}, {source}"] = [number(v, decimals) if v else "–" for v in values]
    return pd.DataFrame(table)


def reproduction_text(repeated: pd.DataFrame) -> str:
    """Where every run of the original protocol ends; what follows is C3, C4, C7, C9 and C12's."""
    if not len(repeated):
        return "No run of the original protocol is read here."
    lines = []
    for model, runs in repeated.groupby("model", sort=False):
        losses = ", ".join(f"{loss:.1f}" for loss in sorted(runs["training_loss"]))
        paper = f"{published(str(model))['loss']:.1f}" if model in PUBLISHED else "nothing"
        lines.append(f"- **{model}**: {losses} (published: {paper})")
    listed = "\n".join(lines)
    return (
        "Training losses in nats where runs of the original protocol end, by seed. Whether a "
        "published one could be one more of them is judged in [Table claims](#tbl-claims).\n\n"
        f"{listed}"
    )


class Gain(NamedTuple):
    """How far a model ends below the baseline: as published, and after long training; nats."""

    model: str
    published: float
    converged: Interval  # over seeds
    optimisers: Interval  # share of the published gain that is gone there; negative: it has grown


def _shortest(runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["epochs"] == runs["epochs"].min()]


def gains(long_runs: pd.DataFrame) -> list[Gain]:
    """The gain of each converged model with the baseline's loss function."""
    runs, found = Runs(_shortest(long_runs)), []
    for model in ("deeper", "1-D", "10-D"):
        with suppress(Missing):
            now = runs.difference("baseline", model, "training_loss")
            was = published("baseline")["loss"] - published(model)["loss"]
            found.append(Gain(model, was, now, now.scaled(-1 / was, start=1)))
    return found


def convergence_table(long_runs: pd.DataFrame) -> pd.DataFrame:
    """Where each converged model ends and, with the same loss, how far below the baseline."""
    by_model = {gain.model: gain for gain in gains(long_runs)}
    runs, table = Runs(_shortest(long_runs)), []
    for model in runs.models():
        ends = [runs.mean(model, measure) for measure in ("training_loss", "val_loss")]
        gain = by_model.get(model)
        below = [number(gain.published, 1), gain.converged.text(1)] if gain else ["–", "–"]
        paper = number(published(model)["loss"], 2) if model in PUBLISHED else "–"
        table.append([model, ends[0].n, paper, *(end.text(1) for end in ends), *below])
    names = ["model", "seeds", "loss, published", "loss after long training", "on test images"]
    names += ["below the baseline, published", "after long training"]
    return pd.DataFrame(table, columns=names)


def gains_text(long_runs: pd.DataFrame) -> str:
    """How much of each published difference from the baseline is due to the recipe, in Markdown."""
    sentences = []
    for gain in gains(long_runs):
        was = f"{abs(gain.published):.1f} nats {'below' if gain.published > 0 else 'above'}"
        now = f"after long training {gain.converged.change('below', 'above', 1)}"
        sign = gain.optimisers.sign
        size = gain.optimisers.scaled(-1 if sign < 0 else 1).text(0, 100, "%")
        so = {
            1: f"{size} of the published difference is due to the recipe",
            -1: f"the plain recipe had hidden {size} on top of the published difference",
            0: f"no share of the published difference is shown to be due to the recipe ({size})",
        }[sign]
        sentences.append(f"**{gain.model}**: published {was} the baseline, {now}, so that {so}.")
    return " ".join(sentences) or "No long runs of the fast recipe are read here."


def headline(long_runs: pd.DataFrame) -> str:
    """How much of the deeper model's published gain is due to the recipe; empty where not shown."""
    return "".join(
        f"In the original, one more layer gains {gain.published:.1f} nats. After "
        f"{long_runs['epochs'].min()} epochs of the fast recipe it gains {gain.converged.text(1)}, "
        f"so {gain.optimisers.text(0, 100, '%')} of the published gain are due to the recipe. The "
        "losses still fall a little."
        for gain in gains(long_runs) if gain.model == "deeper" and gain.optimisers.sign > 0
    )  # fmt: skip


def longer_text(long_runs: pd.DataFrame) -> str:
    """What still more epochs would have changed, in Markdown; empty without longer runs."""
    short, long = _shortest(long_runs), long_runs[long_runs["epochs"] == long_runs["epochs"].max()]
    if len(short) == len(long_runs):
        return ""
    pairs = long.merge(short, on=["model", "seed"], suffixes=("", "_before"), validate="1:1")
    found = []
    for _, row in pairs.sort_values("model", key=model_order).iterrows():
        losses = ("training_loss", "val_loss")
        training, test = (number(row[loss] - row[f"{loss}_before"], 1) for loss in losses)
        found.append(f"{row['model']} {training} ({test})")
    apart = short.groupby("model")["training_loss"].agg(lambda x: x.max() - x.min()).max()
    return (
        f"How far from the end is that? Of each model one run (seed {pairs['seed'][0]}) was "
        f"trained for {pairs['epochs'][0]} epochs instead of {pairs['epochs_before'][0]}. The "
        f"training loss, and in brackets the loss on the test images, change by, in nats: "
        f"{', '.join(found)}. Seeds alone set runs of one model up to {apart:.1f} nats apart."
    )


def models_here() -> dict[str, dict[str, float]]:
    """The summaries of the models that the run at hand has trained, by name."""
    results = [load_result(section) or {"values": {}} for section in SECTIONS]
    return dict(ChainMap(*(result["values"].get("models", {}) for result in results)))


def runs_table() -> pd.DataFrame:
    """The models that the run at hand has trained, with how, when and by which code."""
    results = [load_result(section) or {"runs": []} for section in SECTIONS]
    runs = {(run["model"], str(run["config"])): run for result in results for run in result["runs"]}
    rows = []
    for run in runs.values():
        config, origin = run["config"], run["provenance"]
        rows.append({
            "model": run["model"], "recipe": config["recipe"],
            "data set": DATASETS[config.get("dataset", "mnist")].title,
            "images": f"{config['n_train'] or IMAGES[config['split']]:,}",
            "epochs": config["epochs"], "seed": config["seed"],
            "time": duration(run["seconds"]), "threads": origin["threads"],
            "trained (UTC)": origin["date"][:16].replace("T", " "), "commit": origin["commit"],
        })  # fmt: skip
    table = pd.DataFrame(rows or [{"model": "none"}])
    table.attrs["align"] = "lllrrrrrll" if rows else "l"
    return table
