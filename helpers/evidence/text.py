"""Sentences and tables that several notebooks need: over seeds, and of the models of one run."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from helpers import paths
from helpers.config import IMAGES, PUBLISHED
from helpers.data import DATASETS
from helpers.evidence.claims import Claim, claim_rows, listing
from helpers.evidence.published import published
from helpers.evidence.reproduction import SECTIONS, first_runs
from helpers.evidence.statistics import (
    Evidence,
    Missing,
    RecipeEvidence,
    differs,
    spread_table,
)
from helpers.evidence.tables import TABLES, exploratory_tables
from helpers.evidence.wording import duration, number
from helpers.results import load_result

NOTHING = "No measured runs are stored beside this report."


def status(folder: Path | None = None) -> str:
    """Which tables of runs are exploratory, in a sentence; empty when all are fresh."""
    old = exploratory_tables(folder)
    if not old:
        return ""
    some = f"Of the tables of runs, {', '.join(old)}"
    return (
        f"{'All tables of runs' if len(old) == len(TABLES) else some} are exploratory: they come "
        "from the first version of this report, do not record which code made them, and were "
        "partly known when the rules for the verdicts were last changed. Verdicts that rest on "
        "them are provisional."
    )


def abstract_text(evidence: Evidence, claims: list[Claim], profile: str) -> str:
    """The abstract's computed sentences; first of all, whether the numbers mean anything."""
    trial = (
        "**This is a trial run on few images: it shows that everything works, and its numbers mean "
        "nothing.**"
    )
    counted = (
        f"Of the original's {len(claims)} claims, for models trained as it trained them: "
        f"{listing(claims, 'plain')}. For models trained by this report's recipe: "
        f"{listing(claims, 'fast')}. [Figure](#fig-verdicts) shows them side by side."
    )
    unused = when_stored(lambda: _unused_text(evidence), "")
    return " ".join(filter(None, (trial if profile == "smoke" else "", counted, unused, status())))


def _unused_text(evidence):
    """What the original's recipe leaves unused of the 10-D model, in a sentence."""
    sides = (evidence.plain, evidence.fast)
    plain, fast = (side.runs.mean("10-D", "val_elbo").text(1) for side in sides)
    lead = evidence.fast.runs.difference("10-D", "baseline", "val_elbo")
    return (
        f"The 10-D model's held-out ELBO is {plain} nats by the original's recipe and {fast} by "
        f"this report's, which puts it {lead.text(1)} nats ahead of the baseline: the original's "
        "training often left most of the ten dimensions unused."
    )


def when_stored(sentence: Callable[[], str], otherwise: str = NOTHING) -> str:
    """A sentence that reads stored runs, or another one where a number of the first is missing."""
    try:
        return sentence()
    except Missing:
        return otherwise


def seed_table(evidence: Evidence, names, columns, shown=None, transposed=False) -> pd.DataFrame:
    """Mean ± half of the 95 % confidence interval over seeds, a row for each model and recipe.

    columns: list of statistics.Column; shown: what to call the models; transposed: of one model, a
    row for each measure and a column for each recipe. Without any stored run the one cell says so.
    """
    table = spread_table(evidence, names, columns, shown)
    if table.empty:
        return pd.DataFrame({"model": [NOTHING]})
    if transposed:
        turned = table.drop(columns="model").set_index("recipe").T
        return turned.rename_axis(index="measure", columns=None).reset_index()
    table.attrs["align"] = "ll" + "r" * (len(table.columns) - 2)
    return table


@dataclass(frozen=True)
class Difference:
    """A measure that two models are compared by; `against`: another measure of the second model."""

    what: str
    measure: str
    unit: str = ""
    decimals: int = 2
    scale: float = 1
    words: tuple[str, str] = ("higher", "lower")
    against: str = ""

    def text(self, side: RecipeEvidence, first: str, second: str) -> str:
        """First less second model in words, paired over seeds. Raises Missing when not stored."""
        found = side.runs.difference(first, second, self.measure, self.against).scaled(self.scale)
        return f"{self.what} {differs(found, self.unit, self.decimals, self.words)}".strip()


def seed_differences(evidence: Evidence, pairs: Iterable[tuple[str, str]],
                     differences: Iterable[Difference],
                     lead="Compared with the baseline of the same recipe:",
                     shown: Mapping[str, str] | None = None, time=False) -> str:  # fmt: skip
    """How models differ over seeds, as a Markdown list with an item for each pair and recipe.

    shown: what to call the models; time: also how much longer a step takes than the baseline's.
    What is not stored is left out; where nothing is, a sentence says so.
    """
    lines, kinds = [], list(differences)
    for first, second in pairs:
        for form, side in evidence.by_recipe().items():
            said = [partial(kind.text, side, first, second) for kind in kinds]
            if time:
                said.append(partial(_longer_text, side, first))
            if parts := list(filter(None, (when_stored(each, "") for each in said))):
                name = (shown or {}).get(first, first)
                lines.append(f"- **{name}, {form}**: {'; '.join(parts)}.")
    return f"{lead}\n\n" + "\n".join(lines) if lines else NOTHING


def _longer_text(side, model):
    return f"a step takes {side.time(model).text(0, 100, '%')} longer"


SUMMARY: dict[str, tuple[str, Callable[[dict], str]]] = {  # what summary_table can show
    "parameters": ("weights", lambda n: f"{n['parameters']:,}"),
    "seconds_per_epoch": ("seconds per epoch", lambda n: f"{n['seconds_per_epoch']:.1f}"),
    "published": ("published loss", lambda n: f"{n['published']:.2f}" if n["published"] else "–"),
    "loss": ("training loss", lambda n: number(n["loss"], 2)),
    "distortion": ("distortion", lambda n: number(n["distortion"], 2)),
    "rate": ("rate", lambda n: number(n["rate"], 2)),
    "val_elbo": ("ELBO, test images",
                 lambda n: f"{number(n['val_elbo'], 2)} ± {n['val_elbo_se']:.2f}"),
    "val_distortion": ("distortion, test images", lambda n: number(n["val_distortion"], 2)),
    "val_rate": ("rate, test images", lambda n: number(n["val_rate"], 2)),
    "knn_accuracy": ("kNN accuracy", lambda n: f"{n['knn_accuracy']:.1%}"),
}  # fmt: skip


def summary_table(summaries: Mapping[str, dict], columns, shown=None) -> pd.DataFrame:
    """The models of one run, by name, with chosen columns of SUMMARY; shown: what to call them."""
    chosen, rows = [SUMMARY[column] for column in columns], []
    for name, summary in summaries.items():
        known = summary | {"published": published(name)["loss"] if name in PUBLISHED else None}
        rows.append([(shown or {}).get(name, name), *(cell(known) for _, cell in chosen)])
    return pd.DataFrame(rows, columns=["model", *(title for title, _ in chosen)])


def mean_error(values: np.ndarray, decimals: int = 2) -> str:
    """Mean ± standard error of values, one for each image: "12.30 ± 0.04"."""
    return f"{number(float(np.mean(values)), decimals)} ± {stats.sem(values):.{decimals}f}"


def paired_text(first, second, unit="", decimals=2, words=("higher", "lower")) -> str:
    """How values (n,) of the same images differ between two models of one run, first less second.

    "0.45 dB higher" or "within the noise of the images (0.01 dB)": of images, not of seeds.
    """
    difference = np.asarray(first, float) - np.asarray(second, float)
    size = f"{abs(difference.mean()):.{decimals}f}{f' {unit}' if unit else ''}"
    if abs(difference.mean()) < 2 * stats.sem(difference):
        return f"within the noise of the images ({size})"
    return f"{size} {words[int(difference.mean() < 0)]}"


def claims_here(evidence: Evidence, notebooks: Path = paths.NOTEBOOKS) -> list[Claim]:
    """The claims; where the notebook that examines one is gone, the link leads to their chapter."""
    return [
        claim if (notebooks / claim.link.partition("#")[0]).exists()
        else replace(claim, link="08_claims.ipynb")
        for claim in claim_rows(evidence)
    ]  # fmt: skip


def reproduction_table(repeated: pd.DataFrame, here: Mapping[str, Mapping]) -> pd.DataFrame:
    """Loss and time of the published models: published, repeated (seed 0), and in this run.

    repeated: from `reproduction.finished_runs`; here: from `reproduction.models_here`.
    """
    again = first_runs(repeated)
    known = [(published(name), again.get(name, {}), here.get(name, {})) for name in PUBLISHED]
    keys = {"loss": ("loss", "training_loss", "loss")}
    keys["time"] = ("seconds", "total_seconds", "seconds")
    table = {"model": list(PUBLISHED)}
    for title, names in keys.items():
        for place, which in enumerate(("published", "repeated", "this run")):
            values = [sources[place].get(names[place]) for sources in known]
            shown = [number(v, 2 if title == "loss" else 0) if v else "–" for v in values]
            table[f"{title}, {which}"] = shown
    return pd.DataFrame(table)


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
