"""The claims of the original report and their verdicts, by rules that are code.

A rule reads stored results only. It is stated, in words and in code, before the number is seen;
where the measure that it needs has not been stored, the verdict is "not measured yet".
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache as remember
from pathlib import Path
from statistics import median

from helpers import paths
from helpers.results import load_result
from helpers.tables import read_table
from helpers.wording import RESOLUTION, number, ordinal, spread

TOLERANCE = RESOLUTION  # two public logs of one recipe differ by 3.5 nats, so less is no difference
SIMILAR_TIME = 0.10  # training times within 10 % count as "about the same"
CONFIRMED, REFUTED, PARTLY = "confirmed", "refuted", "partly confirmed"
UNDECIDED, UNMEASURED = "not decidable from one run", "not measured yet"
VERDICTS = (CONFIRMED, PARTLY, REFUTED, UNDECIDED, UNMEASURED)
SECTIONS = ("00_baseline", "01_architecture", "02_latent_1d", "03_latent_10d", "04_loss", "07_discussion")
ORIGINAL_TABLE = "original_protocol.csv"
CONVERGED_TABLE = "convergence.csv"  # the fast recipe, long enough that more epochs change little


class Missing(LookupError):
    """A number that a rule needs has not been stored."""


@remember
def _file() -> dict:
    """The published numbers and the claims."""
    return json.loads((Path(__file__).parent / "claims.json").read_text())


def published(model: str) -> dict[str, float]:
    """The published final training loss (nats per image) and training time (seconds) of a model.

    Raises KeyError, naming the models that have published numbers, for any other.
    """
    models = _file()["models"]
    if model not in models:
        raise KeyError(f"nothing is published for {model!r}, only for {', '.join(models)}")
    return models[model]


def final_rows(table: str) -> list[dict]:
    """A row per finished run of a committed table, its last epoch, with its "total_seconds"."""
    rows = read_table(paths.REFERENCE / "results" / table)
    last = [row for row in rows if row["epoch"] == row["epochs"]]
    for row in last:
        same = [r for r in rows if (r["model"], r["seed"]) == (row["model"], row["seed"])]
        row["total_seconds"] = sum(r["seconds"] for r in same)
    return last


@dataclass
class Evidence:
    """Stored results of a run, `sections` by notebook name.

    Beside them, from committed tables, `repeated` runs of the original protocol and long runs of the fast recipe, to
    which the models have `converged`.
    """

    sections: dict[str, dict]
    repeated: list[dict] = field(default_factory=list)
    converged: list[dict] = field(default_factory=list)

    @classmethod
    def load(cls) -> "Evidence":
        """The evidence of the run at hand."""
        stored = {name: load_result(name) for name in SECTIONS}
        sections = {name: result["values"] for name, result in stored.items() if result}
        return cls(sections, final_rows(ORIGINAL_TABLE), final_rows(CONVERGED_TABLE))

    @property
    def original(self) -> dict[str, dict]:
        """The repeated runs with seed 0, by model name."""
        return {row["model"]: row for row in self.repeated if row["seed"] == 0}

    def value(self, section: str, key: str):
        """A stored value; raises Missing when the section has not run or does not store it."""
        try:
            return self.sections[section][key]
        except KeyError as error:
            raise Missing(f"{section} has stored no {key}") from error

    def model(self, name: str) -> dict[str, float]:
        """The summary of a model by the run at hand; raises Missing when no section trained it."""
        for section in self.sections.values():
            if name in section.get("models", {}):
                return section["models"][name]
        raise Missing(f"no section has stored the model {name}")

    def loss(self, name: str) -> float:
        """Final training loss: of the original protocol where it was run, else of the run at hand."""
        if name in self.original:
            return self.original[name]["training_loss"]
        return self.model(name)["loss"]

    def both(self, name: str) -> str:
        """The model's final training loss under both recipes, for people."""
        original = f"{self.original[name]['training_loss']:.2f} (original protocol), " if name in self.original else ""
        return f"{original}{self.model(name)['loss']:.2f} (this run)"


@dataclass(frozen=True)
class Row:
    """One claim beside its measurement."""

    id: str
    link: str
    text: str
    published: str
    ours: str
    verdict: str
    rule: str


RULES: dict[str, tuple[str, Callable[[Evidence], tuple[str, str]]]] = {}


def rule(claim: str, words: str):
    """Register a rule: a function of Evidence that gives (our value, verdict)."""

    def register(function):
        RULES[claim] = (words, function)
        return function

    return register


def _is_near(evidence: Evidence, name: str) -> bool:
    """Whether the model ends within TOLERANCE of its published loss."""
    return abs(evidence.loss(name) - published(name)["loss"]) <= TOLERANCE


def _graded(*parts: bool) -> str:
    """Confirmed when every part holds, refuted when none does."""
    return CONFIRMED if all(parts) else PARTLY if any(parts) else REFUTED


def _signed(value: float, spec: str) -> str:
    """A number with its sign, a true minus where it is negative."""
    return format(value, f"+{spec}").replace("-", "−")


def _seconds(evidence: Evidence, name: str) -> float:
    """Seconds an epoch, by the run at hand."""
    return evidence.model(name)["seconds_per_epoch"]


@rule(
    "C1",
    "confirmed when the 15 nearest neighbours in the latent plane name more than half of the held-out digits rightly, "
    "and 3 and 5 are among the five pairs (of 45) most often confused; partly when only one of the two holds",
)
def _clusters(e):
    knn, rank = e.model("baseline")["knn_accuracy"], e.value("00_baseline", "rank_of_3_and_5")
    return f"kNN accuracy {knn:.1%}; 3 and 5 are the {ordinal(rank)} most confused pair", _graded(knn > 0.5, rank <= 5)


@rule("C3", f"confirmed when the final training loss is within {TOLERANCE:g} nats of the published one")
def _baseline_loss(e):
    return e.both("baseline"), _graded(_is_near(e, "baseline"))


@rule(
    "C4",
    f"confirmed when the loss is within {TOLERANCE:g} nats of the published one and at least as far below the "
    "baseline's, and the time per epoch rises by 32 % to 52 %; partly when only some of this holds",
)
def _deeper_loss(e):
    rise = _seconds(e, "deeper") / _seconds(e, "baseline") - 1
    falls = e.loss("baseline") - e.loss("deeper") > TOLERANCE
    verdict = _graded(_is_near(e, "deeper"), falls, abs(rise - 0.42) <= 0.1)
    return f"{e.both('deeper')}; {_signed(rise, '.0%')} time", verdict


@rule(
    "C5",
    f"confirmed when the held-out ELBO rises by more than {TOLERANCE:g} nats, refuted when it falls by as much",
)
def _deeper_held_out(e):
    gain = e.model("deeper")["val_elbo"] - e.model("baseline")["val_elbo"]
    verdict = CONFIRMED if gain > TOLERANCE else REFUTED if gain < -TOLERANCE else UNDECIDED
    return f"held-out ELBO {_signed(gain, '.2f')} nats", verdict


@rule(
    "C7",
    f"confirmed when the loss is within {TOLERANCE:g} nats of the published one and as far above the baseline's, "
    "and kNN accuracy in latent space falls; partly when only some of this holds",
)
def _one_dimension(e):
    knn = e.model("1-D")["knn_accuracy"], e.model("baseline")["knn_accuracy"]
    rises = e.loss("1-D") - e.loss("baseline") > TOLERANCE
    ours = f"{e.both('1-D')}; kNN accuracy {knn[0]:.1%} against {knn[1]:.1%}"
    return ours, _graded(_is_near(e, "1-D"), rises, knn[0] < knn[1])


@rule("C8", f"confirmed when seconds an epoch in 1-D and 10-D are within {SIMILAR_TIME:.0%} of the baseline's")
def _time_and_dimension(e):
    changes = [_seconds(e, name) / _seconds(e, "baseline") - 1 for name in ("1-D", "10-D")]
    ours = f"1-D {_signed(changes[0], '.0%')}, 10-D {_signed(changes[1], '.0%')}"
    return ours, CONFIRMED if max(map(abs, changes)) <= SIMILAR_TIME else UNDECIDED


@rule(
    "C9",
    f"confirmed when the loss is within {TOLERANCE:g} nats of the published one or below it, and kNN accuracy in "
    "latent space exceeds both the 1-D and the 2-D model's; partly when only one of the two holds",
)
def _ten_dimensions(e):
    knn = [e.model(name)["knn_accuracy"] for name in ("10-D", "baseline", "1-D")]
    ours = f"{e.both('10-D')}; kNN accuracy {knn[0]:.1%} against {knn[1]:.1%} and {knn[2]:.1%}"
    return ours, _graded(e.loss("10-D") <= published("10-D")["loss"] + TOLERANCE, knn[0] > max(knn[1:]))


@rule("C11", "confirmed when the KL of the most used dimension is at least twice that of the least used")
def _unequal_use(e):
    kl = e.value("03_latent_10d", "kl_per_dimension")
    ours = f"KL per dimension from {min(kl):.2f} to {max(kl):.2f} nats"
    return ours, _graded(len(kl) > 1 and max(kl) >= 2 * min(kl))


@rule(
    "C12",
    f"confirmed when the loss is within {TOLERANCE:g} nats of the published one and seconds an epoch are within "
    f"{SIMILAR_TIME:.0%} of the baseline's; partly when only one of the two holds",
)
def _squared_error(e):
    change = _seconds(e, "squared error") / _seconds(e, "baseline") - 1
    near = abs(e.loss("squared error") - published("squared error")["loss"]) <= TOLERANCE
    return f"{e.both('squared error')}; {_signed(change, '.0%')} time", _graded(near, abs(change) <= SIMILAR_TIME)


@rule("C16", "confirmed when the 2-D model has fewer trainable parameters than the 10-D model")
def _parameters(e):
    two, ten = e.model("baseline")["parameters"], e.model("10-D")["parameters"]
    return f"{two:,} against {ten:,} ({_signed((ten - two) / two, '.1%')})", _graded(two < ten)


@rule(
    "C17",
    f"confirmed when the held-out ELBO exceeds that of every other cross-entropy model by more than {TOLERANCE:g} "
    "nats, refuted when another exceeds it by as much (squared error is on another scale)",
)
def _best(e):
    others = {name: e.model(name)["val_elbo"] for name in ("baseline", "deeper", "dense", "1-D")}
    best = max(others, key=others.get)
    lead = e.model("10-D")["val_elbo"] - others[best]
    verdict = CONFIRMED if lead > TOLERANCE else REFUTED if lead < -TOLERANCE else UNDECIDED
    return f"{_signed(lead, '.2f')} nats against the next best, {best}", verdict


@rule(
    "C24",
    "confirmed when the squared error per hidden pixel of encoding and decoding is lower on training digits than on "
    "held-out ones by more than two standard errors, refuted when it is higher by as much",
)
def _seen_digits(e):
    gain = e.value("07_discussion", "inpainting_advantage_of_training_digits")
    clear = abs(gain["mean"]) > 2 * gain["se"]
    verdict = UNDECIDED if not clear else CONFIRMED if gain["mean"] > 0 else REFUTED
    return f"error lower by {_signed(gain['mean'], '.4f')} ± {gain['se']:.4f}", verdict


def _row(claim: dict, evidence: Evidence) -> Row:
    """The claim with our value and verdict, or with what is missing."""
    words, function = RULES.get(claim["id"], ("no rule yet: its measure is not in this report", None))
    ours, verdict = "—", UNMEASURED
    if function:
        try:
            ours, verdict = function(evidence)
        except Missing as error:
            ours = f"— ({error})"
    return Row(**claim, ours=ours, verdict=verdict, rule=words)


def claim_rows(evidence: Evidence) -> list[Row]:
    """All claims of the original report with our values and verdicts, in its order."""
    return [_row(claim, evidence) for claim in _file()["claims"]]


def reproduction_text(evidence: Evidence) -> str:
    """Which published losses came back under the original protocol, in Markdown."""
    if not evidence.original:
        return "No run of the original protocol is stored beside this report."
    return " ".join([_came_back(evidence), *_other_seeds(evidence)])


def _came_back(evidence: Evidence) -> str:
    """One sentence on the runs with seed 0."""
    off = {name: row["training_loss"] - published(name)["loss"] for name, row in evidence.original.items()}
    far = [
        f"{name} ends {abs(difference):.1f} nats {'above' if difference > 0 else 'below'}"
        for name, difference in off.items()
        if abs(difference) > TOLERANCE
    ]
    near = len(off) - len(far)
    text = f"Under the original protocol, {near} of {len(off)} losses come back within {TOLERANCE:g} nats"
    return f"{text}; {', '.join(far)} the published value." if far else f"{text}."


def _other_seeds(evidence: Evidence) -> list[str]:
    """A sentence for each model that was trained under the original protocol with several seeds."""
    seeds: dict[str, dict] = {}
    for row in evidence.repeated:
        seeds.setdefault(row["model"], {})[row["seed"]] = row["training_loss"]
    return [
        f"Over seeds {', '.join(map(str, losses))} the {name} model ends at "
        f"{', '.join(f'{loss:.1f}' for loss in losses.values())} nats."
        for name, losses in seeds.items()
        if len(losses) > 1
    ]


@dataclass(frozen=True)
class Gain:
    """How far a model ends below the baseline, in nats: as published and when both are trained to convergence."""

    model: str
    loss: float  # at convergence, the median over seeds
    published: float
    converged: float

    @property
    def optimisers_share(self) -> float:
        """The share of the published gain that goes when both train to convergence; below zero where the gain grows."""
        return 1 - self.converged / self.published


def gains(evidence: Evidence) -> list[Gain]:
    """The gain of each converged model with the baseline's loss function; empty without a converged baseline."""
    losses: dict[str, list[float]] = {}
    for row in evidence.converged:
        losses.setdefault(row["model"], []).append(row["training_loss"])
    ends = {model: median(values) for model, values in losses.items()}
    others = [model for model in ("deeper", "1-D", "10-D") if "baseline" in ends and model in ends]
    paper = {model: published(model)["loss"] for model in ("baseline", *others)}
    return [
        Gain(model, ends[model], paper["baseline"] - paper[model], ends["baseline"] - ends[model]) for model in others
    ]


def convergence_table(evidence: Evidence) -> list[list]:
    """For each model that has converged: published loss, loss at convergence over seeds, epochs, and, for those with the
    baseline's loss function, how far below the baseline they end, published and at convergence.
    """
    by_model = {gain.model: gain for gain in gains(evidence)}
    table = []
    for model in dict.fromkeys(row["model"] for row in evidence.converged):
        rows = [row for row in evidence.converged if row["model"] == model]
        paper = number(published(model)["loss"], 2) if model in _file()["models"] else "–"
        ends = spread([row["training_loss"] for row in rows], 2)
        gain = by_model.get(model)
        below = [number(gain.published, 1), number(gain.converged, 1)] if gain else ["–", "–"]
        table.append([model, paper, ends, max(row["epochs"] for row in rows), *below])
    return table


def gains_text(evidence: Evidence) -> str:
    """What of each published difference from the baseline is the optimiser's, in Markdown."""
    sentences = [_gain_text(gain) for gain in gains(evidence)]
    return " ".join(sentences) or "No long runs of the fast recipe are stored beside this report."


def _gain_text(gain: Gain) -> str:
    """One sentence on a gain."""
    was = f"{abs(gain.published):.1f} nats {'below' if gain.published > 0 else 'above'}"
    now = f"{abs(gain.converged):.1f} nats {'below' if gain.converged > 0 else 'above'}"
    share = gain.optimisers_share
    verdict = (
        f"{share:.0%} of the published difference is the optimiser's"
        if share > 0
        else f"the plain recipe had hidden {-share:.0%} on top of the published difference"
    )
    return f"**{gain.model}**: published {was} the baseline, at convergence {now} it, so that {verdict}."


def abstract_text(evidence: Evidence, rows: list[Row], profile: str) -> str:
    """The abstract's computed sentences; first of all, whether the numbers mean anything."""
    verdicts = [row.verdict for row in rows]
    tally = [f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in verdicts]
    trial = ["**This is a trial run on few digits: it shows that everything works, and its numbers mean nothing.**"]
    counted = f"Verdicts on the {len(rows)} claims: {', '.join(tally)}."
    return " ".join([*trial * (profile == "smoke"), counted, *_loss_sentences(evidence)])


def _loss_sentences(evidence: Evidence) -> list[str]:
    """Where the report's own recipe takes the baseline and the 10-D model."""
    try:
        ends = [(name, evidence.model(name)["loss"], published(name)["loss"]) for name in ("baseline", "10-D")]
    except Missing:
        return []
    parts = [f"the {name} model at {ours:.1f} nats (published: {paper:.1f})" for name, ours, paper in ends]
    return [f"In this run, the training loss ends for {' and for '.join(parts)}."]
