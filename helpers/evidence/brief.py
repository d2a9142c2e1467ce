"""The report in short: each claim in a few words with one number, the findings, the conclusion.

All of it is computed from the stored runs, and says so where they do not hold a number yet.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.config import PUBLISHED
from helpers.evidence.claims import (
    CONFIRMED,
    FORMS,
    OUTSIDE,
    PARTLY,
    REFUTED,
    UNDECIDED,
    Claim,
    claim_rows,
    tally,
)
from helpers.evidence.published import published
from helpers.evidence.statistics import Evidence, Missing, RecipeEvidence, Runs
from helpers.evidence.text import about_mnist, when_stored
from helpers.evidence.wording import count, number
from helpers.plots import MARKS, PALE, figure, styled


class Brief(NamedTuple):
    """A claim in at most five words, and its one number: what it is, and how it is computed."""

    words: str
    title: str
    value: Callable[[RecipeEvidence], str]


def _mean(model: str, measure: str, decimals=1, scale: float = 1, unit="") -> Callable:
    return lambda side: side.runs.mean(model, measure).text(decimals, scale, unit)


def _gap(first: str, second: str, measure: str, decimals=1, scale: float = 1, unit="", against=""):
    def value(side: RecipeEvidence) -> str:
        found = side.runs.difference(first, second, measure, against)
        return ("+" if found.mean > 0 else "") + found.text(decimals, scale, unit)

    return value


BRIEFS = {
    "C1": Brief("Similar digits share clusters", "classes right by nearest neighbours",
                _mean("baseline", "knn_accuracy", 0, 100, "%")),
    "C2": Brief("The decoded plane is smooth", "exponent of the change (2: smooth)",
                _mean("baseline", "step_exponent", 2)),
    "C3": Brief("The baseline's loss comes back", "training loss in nats (published: 151.5)",
                _mean("baseline", "training_loss")),
    "C4": Brief("One more layer lowers loss", "training loss against the baseline, nats",
                _gap("deeper", "baseline", "training_loss")),
    "C5": Brief("Depth helps on unseen digits", "test ELBO against the baseline, nats",
                _gap("deeper", "baseline", "val_elbo")),
    "C6": Brief("The deeper plane is congested", "classes right, 10-D less 2-D plane, points",
                _gap("deeper 10-D", "deeper", "knn_accuracy", 0, 100)),
    "C7": Brief("One dimension costs loss", "training loss against the baseline, nats",
                _gap("1-D", "baseline", "training_loss")),
    "C8": Brief("Dimensions cost no time", "10-D step against the baseline's",
                lambda side: side.time("10-D").text(0, 100, "%")),
    "C9": Brief("Ten dimensions lower the loss", "training loss against the baseline, nats",
                _gap("10-D", "baseline", "training_loss")),
    "C10": Brief("Each axis learns one digit", "axes of ten that do",
                 _mean("10-D", "axes_of_one_digit")),
    "C11": Brief("Dimensions are used unequally", "most less least used dimension, nats",
                 _gap("10-D", "10-D", "kl_most", against="kl_least")),
    "C12": Brief("Squared error: 37.50, same time", "training loss (published: 37.5)",
                 _mean("squared error", "training_loss")),
    "C13": Brief("Squared error may converge smoothly", "rises, as a share of the fall",
                 lambda side: side.roughness("squared error").text(1, 100, "%")),
    "C14": Brief("Both losses reconstruct alike", "PSNR against cross-entropy, dB",
                 _gap("squared error", "baseline", "psnr", 2)),
    "C15": Brief("Squared error separates few classes", "classes of ten that are separate",
                 _mean("squared error", "classes_separated")),
    "C16": Brief("Two dimensions need fewer weights", "weights against 10-D",
                 _gap("baseline", "10-D", "parameters", 0)),
    "C17": Brief("Ten dimensions are best", "test ELBO against the baseline, nats",
                 _gap("10-D", "baseline", "val_elbo")),
    "C18": Brief("Inpainting: plausible, sometimes wrong", "filled digits classified correctly",
                 _mean("10-D", "decoded_label_kept", 0, 100, "%")),
    "C19": Brief("Ten dimensions fill consistently", "two fillings alike, against 2-D, points",
                 _gap("10-D", "baseline", "decoded_agreement", 0, 100)),
    "C20": Brief("Samples are new digits", "samples flagged as copies",
                 _mean("10-D", "copies", 2, 100, "%")),
    "C21": Brief("Small steps change little", "exponent of the change (2: smooth)",
                 _mean("10-D", "step_exponent", 2)),
    "C22": Brief("Samples beat random pixels", "confident samples less noise, points",
                 _gap("10-D", "10-D", "prior_confident", 0, 100, against="uniform_confident")),
    "C23": Brief("Too few blur, many idle", "dimensions of 32 in use",
                 _mean("32-D", "active_units")),
    "C24": Brief("Seen digits inpaint better", "error on unseen less seen digits, points",
                 _gap("10-D", "10-D", "naive_error", 1, 100, against="naive_error_training")),
}  # fmt: skip


def measured(claim: Claim, evidence: Evidence) -> str:
    """What the one number of a claim is, and the number.

    It is of the first recipe that decides the claim, else of the fast one if the claim applies.
    """
    brief, sides, decisions = BRIEFS[claim.id], evidence.by_recipe(), (CONFIRMED, PARTLY, REFUTED)
    decided = [form for form in sides if getattr(claim, form).verdict in decisions]
    applies = [form for form in ("fast", "plain") if getattr(claim, form).verdict != OUTSIDE]
    for form in dict.fromkeys([*decided, *applies]):
        with suppress(Missing):
            return f"{brief.title}: {brief.value(sides[form])} ({form})"
    return f"{brief.title}: not measured yet"


def verdict(claim: Claim, form: str) -> str:
    """A claim's verdict in words, with what is refuted of one that is not decidable."""
    found = getattr(claim, form)
    failed = found.verdict == UNDECIDED and -1 in found.signs
    return found.verdict + (", a part refuted" if failed else "")


def marks(claim: Claim) -> list[str]:
    """The signs of a claim's verdicts, in the order of FORMS."""
    words = [verdict(claim, form).split(", ") for form in FORMS]
    return [MARKS[said] + (MARKS[REFUTED] if failed else "") for said, *failed in words]


TRIALS = {  # what the report of a trial says first
    "smoke": "**This is a trial run on few images. It shows that everything works; its numbers "
    "mean nothing, and it states no verdict. What is called stored comes from other runs.**",
    "draft": "**This is a draft. Its models have learned from few images, and their numbers "
    "mean nothing. Verdicts, and means over seeds, are those of the stored runs.**",
}
LEGEND = ", ".join(f"{sign} {name}" for name, sign in MARKS.items()) + ", ?✗ a part refuted"


def without(evidence: Evidence, seed: int) -> Evidence:
    """All runs but those of one seed; timed steps, which have rounds for seeds, stay."""
    def left(table: pd.DataFrame) -> pd.DataFrame:
        return table[table["seed"] != seed]

    sides = [
        side._replace(runs=Runs(left(side.runs.table)), courses=left(side.courses),
                      whole=Runs(left(side.whole.table)))
        for side in evidence
    ]  # fmt: skip
    return Evidence(*sides)


def moving(claims: Sequence[Claim], evidence: Evidence) -> tuple[list[dict], list[int]]:
    """Claims as `live.verdicts` takes them, and the seeds that it can leave out.

    "found": for each of FORMS a verdict and its findings; "without": the verdict for each seed that
    is left out. Judges all claims once for each seed.
    """
    seeds = sorted({int(seed) for side in evidence for seed in side.runs.table["seed"]})
    fewer = [claim_rows(without(evidence, seed)) for seed in seeds]
    rows = []
    for n, claim in enumerate(claims):
        sides = {form: getattr(claim, form) for form in FORMS}
        found = [[side.verdict, side.ours] for side in sides.values()]
        left = [[getattr(each[n], form).verdict for each in fewer] for form in sides]
        about = {"id": claim.id, "words": BRIEFS[claim.id].words}
        rows.append(about | {"found": found, "without": left})
    return rows, seeds


@styled
def tiles(claims: list[Claim]) -> Figure:
    """Claims by verdict, for paper: a row of columns, those of MARKS, for each of FORMS."""
    fig, ax = figure(height=7)
    for y, form in enumerate(FORMS):
        for x, name in enumerate(MARKS):
            ids = [claim.id for claim in claims if getattr(claim, form).verdict == name]
            lines = [" ".join(ids[n : n + 4]) for n in range(0, len(ids), 4)]
            ax.text(x, y, "\n".join(lines), ha="center", va="center", fontsize=8)
    ax.set(xlim=(-0.5, len(MARKS) - 0.5), ylim=(len(FORMS) - 0.5, -0.5))
    ax.set_yticks(range(len(FORMS)), [title.replace(", ", ",\n") for title in FORMS.values()])
    ax.set_xticks(range(len(MARKS)), list(MARKS))
    ax.xaxis.tick_top()
    ax.tick_params(length=0, labelsize=8)
    ax.spines[:].set_visible(False)
    for x in range(1, len(MARKS)):
        ax.axvline(x - 0.5, color=PALE, linewidth=0.6)
    return fig


def card(notebook: str, evidence: Evidence, dataset: str = "mnist") -> pd.DataFrame:
    """What the original says in a section, one number for each claim, and the verdicts.

    evidence: of MNIST, which the claims are about; dataset: that of the run at hand. If it is
    another one, a note ends the caption and says so.
    """
    rows = [
        [claim.id, claim.text, measured(claim, evidence),
         *(verdict(claim, form) for form in FORMS)]
        for claim in claim_rows(evidence) if claim.link == f"{notebook}.ipynb"
    ]  # fmt: skip
    names = ["claim", "the original says", "measured", "as published", "fast", "Fashion-MNIST"]
    table = pd.DataFrame(rows, columns=names)
    table.attrs |= {"align": "llllll", "note": about_mnist(dataset)}
    return table


def claims_table(claims: Iterable[Claim], evidence: Evidence) -> pd.DataFrame:
    """All claims, one line each: a link to its section's card, signs, a number, its findings."""
    rows = []
    for claim in claims:
        row = claim.id.lower()
        section = claim.link.removesuffix(".ipynb").partition("_")[2].replace("_", "-")
        words = f"[{BRIEFS[claim.id].words}]({claim.link}#tbl-card-{section}-{row})"
        figure = f"[{measured(claim, evidence)}](#tbl-findings-{row})"
        rows.append([claim.id, words, *marks(claim), figure])
    names = ["", "claim", "plain", "fast", "Fashion", "number"]
    table = pd.DataFrame(rows, columns=names)
    table.attrs["align"] = "llcccl"
    return table


def findings(evidence: Evidence) -> list[str]:
    """The three findings in plain words, with one computed number each."""

    def unused() -> str:
        active = evidence.plain.runs.active("10-D")
        lost = int(np.sum(active < 10))
        does = "leaves latent dimensions unused" if lost else "uses the latent space"
        return (
            f"**The original's training {does}.** A model with ten latent dimensions uses "
            f"**{number(active.mean(), 1)} of them** on average ({lost} of "
            f"{count(len(active), 'run')} leave some unused)."
        )

    def gain() -> str:
        lead = evidence.fast.runs.difference("10-D", "baseline", "val_elbo")
        found = {1: "help", 0: "are not shown to help", -1: "harm"}[lead.sign]
        return (
            f"**By this report's recipe, more dimensions {found}.** With ten in place of two, the "
            f"ELBO of an unseen image is **{lead.change('higher', 'lower', 1, unit=' nats')}**."
        )

    def chance() -> str:
        losses = evidence.plain.runs.values("deeper", "training_loss")
        if len(losses) < 2:
            raise Missing("one run of the deeper model")
        apart = float(np.ptp(losses))
        gain = published("baseline")["loss"] - published("deeper")["loss"]
        proves = "One run proves little" if apart > gain else "Runs of one model lie near"
        return (
            f"**{proves}.** The original gains {gain:.1f} nats by a deeper network, in one run of "
            f"each. Runs of that network with different random seeds lie **{number(apart)} nats** "
            "apart."
        )

    open_ = (
        "**What training does to the latent space**: not measured yet.",
        "**What more dimensions bring**: not measured yet.",
        "**How much single runs prove**: not measured yet.",
    )
    return [when_stored(f, other) for f, other in zip((unused, gain, chance), open_, strict=True)]


def conclusion(claims: list[Claim]) -> Mapping[str, str]:
    """What holds (by both recipes, by one), fails or depends on training; how many are open."""
    holds, alone, fails, hangs, undecided = [], [], [], [], []
    for claim in claims:
        verdicts = {claim.plain.verdict, claim.fast.verdict} - {OUTSIDE}
        signs = {sign for side in (claim.plain, claim.fast) for sign in side.signs}
        if claim.contrary():
            hangs.append(claim)
        elif verdicts == {CONFIRMED}:
            holds.append(claim)
        elif REFUTED in verdicts or -1 in signs:
            fails.append(claim)
        elif claim.fast.verdict == CONFIRMED:
            alone.append(claim)
        else:
            undecided.append(claim)

    def said(those: list[Claim]) -> str:
        links = (f"[{BRIEFS[c.id].words}](#tbl-claims-{c.id.lower()})" for c in those)
        return "; ".join(links) or "none yet"

    return {"holds": said(holds), "alone": said(alone), "fails": said(fails),
            "training": said(hangs), "open": str(len(undecided))}  # fmt: skip


def summary_rows(evidence: Evidence) -> tuple[dict, dict, dict]:
    """For the summary figure: losses by model and recipe, published ones, and for each run that
    leaves latent dimensions unused the number in use, else 0.
    """
    models = [model for model in PUBLISHED if model != "squared error"]  # on another scale
    rows: dict = {model: {} for model in models}
    unused: dict = {model: {} for model in models}
    for model, (recipe, side) in product(models, evidence.by_recipe().items()):
        with suppress(Missing):
            losses = side.runs.values(model, "training_loss")
            lost = side.runs.collapsed(model).reindex(losses.index, fill_value=False)
            used = side.runs.active(model).reindex(losses.index).where(lost, 0)
            rows[model][recipe], unused[model][recipe] = losses.to_numpy(), used.to_numpy()
    return rows, {model: published(model)["loss"] for model in models}, unused


def summary_alt(rows: Mapping, papers: Mapping, unused: Mapping) -> str:
    """The numbers of the summary figure in words."""
    said = []
    for model, each in rows.items():
        runs = []
        for recipe, losses in each.items():
            text = f"{recipe} {', '.join(number(loss) for loss in sorted(losses))}"
            lost = int(np.count_nonzero(unused[model][recipe]))
            runs.append(text + (f" ({lost} with unused dimensions)" if lost else ""))
        said.append(f"{model}: {'; '.join([f'published {papers[model]:.1f}', *runs])}.")
    return " ".join(said)


def verdicts(claims: list[Claim]) -> str:
    """How many claims hold, by what they were judged on."""
    forms = {"As published": "plain", "By the fast recipe": "fast", "On Fashion-MNIST": "fashion"}
    said = " ".join(f"{words}: {tally(claims, form)}." for words, form in forms.items())
    several = re.sub(r"\b([2-9]|\d\d) does not", r"\1 do not", said)
    return f"The original makes {len(claims)} claims. {several}"


def abstract(evidence: Evidence, profile: str) -> str:
    """The findings as a Markdown list; first, whether the numbers mean anything."""
    said = [f"{n}. {finding}" for n, finding in enumerate(findings(evidence), 1)]
    return "\n".join([TRIALS.get(profile, ""), "", *said])
