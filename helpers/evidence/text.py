"""Sentences and tables that several notebooks need: over seeds, and of the models of one run."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from helpers import paths
from helpers.config import PUBLISHED
from helpers.data import DATASETS
from helpers.evidence.order import JUDGED
from helpers.evidence.published import published
from helpers.evidence.statistics import Column, Evidence, Missing, differs, select
from helpers.evidence.tables import EXPLORATORY, find
from helpers.evidence.wording import number

NOTHING = "No stored runs are read here."


def status(folder: Path | None = None) -> str:
    """Which of the tables that verdicts are based on are exploratory; empty when all are fresh."""
    old = [name for name in JUDGED if find(name, folder).parent.name == EXPLORATORY]
    if not old:
        return ""
    every = len(old) == len(JUDGED)
    which = "All verdicts are" if every else f"Verdicts from {', '.join(old)} are"
    return (
        f"{which} provisional. These runs do not record which code made them, and some results "
        "were known before the rules were final."
    )


def folder(profile: str) -> Path | None:
    """Where stored runs are; for a trial nowhere, as it states no verdict and its own numbers."""
    return paths.ROOT / "no runs" if profile == "smoke" else None


def evidence(profile: str, dataset: str = "mnist") -> Evidence:
    """The stored runs of a data set; none for a trial."""
    return Evidence.load(dataset, folder(profile))


def about_mnist(dataset: str) -> str:
    """What a report on another data set says where claims are judged; empty on MNIST."""
    if dataset == "mnist":
        return ""
    return (
        "**The original's claims are about MNIST.** The models of this run learned from "
        f"{DATASETS[dataset].title}, and none of their numbers is used here. Numbers and verdicts "
        "are those of stored runs on MNIST. Only a verdict that is said to be on Fashion-MNIST "
        "comes from stored runs on that."
    )


def when_stored(sentence: Callable[[], str], otherwise: str = NOTHING) -> str:
    """A sentence that reads stored runs, or another one where a number of the first is missing."""
    try:
        return sentence()
    except Missing:
        return otherwise


def seed_table(
    evidence: Evidence, models: Iterable[str], columns: list[Column], shown=None, transposed=False
) -> pd.DataFrame:
    """Mean ± half of the 95 % confidence interval over seeds, a row for each model and recipe.

    shown: what to call the models; transposed: of one model, a row for each measure and a column
    for each recipe. Without any stored run the one cell says so.
    """
    rows: list[list] = []
    for model, (form, side) in product(models, evidence.by_recipe().items()):
        if model in side.runs.models():
            seeds = select(side.runs.table, model=model)["seed"].nunique()
            cells = [when_stored(partial(column.mean, side, model), "–") for column in columns]
            rows.append([(shown or {}).get(model, model), form, seeds, *cells])
    if not rows:
        return pd.DataFrame({"model": [NOTHING]})
    titles = [column.title for column in columns]
    table = pd.DataFrame(rows, columns=["model", "recipe", "seeds", *titles])
    if transposed:
        turned = table.drop(columns="model").set_index("recipe").T
        return turned.rename_axis(index="measure", columns=None).reset_index()
    table.attrs["align"] = "ll" + "r" * (len(table.columns) - 2)
    return table


def seed_differences(
    evidence: Evidence, pairs: Iterable[tuple[str, str]], columns: list[Column],
    lead="Compared with the baseline of the same recipe:", shown=None,
) -> str:  # fmt: skip
    """How models differ over seeds, as a Markdown list with an item for each pair and recipe.

    shown: what to call the models. What is not stored is left out; where nothing is, a sentence
    says so.
    """
    lines = []
    for (first, second), (form, side) in product(pairs, evidence.by_recipe().items()):
        said = []
        for column in columns:
            with suppress(Missing):
                said.append(column.difference(side, first, second))
        if said:
            text = ". ".join(one[:1].upper() + one[1:] for one in said)
            lines.append(f"- **{(shown or {}).get(first, first)}, {form}**: {text}.")
    return f"{lead}\n\n" + "\n".join(lines) if lines else NOTHING


def over_seeds(evidence: Evidence, first: str, second: str | None, *columns: Column) -> str:
    """What several seeds say of a model, or of how it differs from a second one: a Markdown list.

    Recipes of which nothing is stored are left out; where no recipe is left, the item says so.
    """
    said = []
    for column in columns:
        found: list[str] = []
        for form, side in evidence.by_recipe().items():
            with suppress(Missing):
                if second:
                    apart = side.runs.difference(first, second, column.measure, column.against)
                    text = differs(apart.scaled(column.scale), column.unit, column.decimals)
                else:
                    text = column.mean(side, first)
                found.append(f"{'By' if found else 'by'} the {form} recipe {text}")
        said.append(f"- {column.title}: {'. '.join(found) or 'not measured yet'}.")
    return "\n".join(said)


SUMMARY = {  # what summary_table can show: the title, and a format of a model's summary
    "parameters": ("weights", "{parameters:,}"),
    "seconds_per_epoch": ("seconds per epoch", "{seconds_per_epoch:.1f}"),
    "published": ("published loss", "{published}"),
    "loss": ("training loss", "{loss:z,.2f}"),
    "distortion": ("distortion", "{distortion:z,.2f}"),
    "rate": ("rate", "{rate:z,.2f}"),
    "val_elbo": ("ELBO, test images", "{val_elbo:z,.2f} ± {val_elbo_se:.2f}"),
    "val_distortion": ("distortion, test images", "{val_distortion:z,.2f}"),
    "val_rate": ("rate, test images", "{val_rate:z,.2f}"),
    "knn_accuracy": ("kNN accuracy", "{knn_accuracy:.1%}"),
}


def summary_table(summaries: Mapping[str, dict], columns, shown=None) -> pd.DataFrame:
    """The models of one run, by name, with chosen columns of SUMMARY; shown: what to call them."""
    chosen, rows = [SUMMARY[column] for column in columns], []
    for name, summary in summaries.items():
        paper = f"{published(name)['loss']:.2f}" if name in PUBLISHED else "–"
        cells = [form.format(**summary | {"published": paper}) for _, form in chosen]
        rows.append([(shown or {}).get(name, name), *(cell.replace("-", "−") for cell in cells)])
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
