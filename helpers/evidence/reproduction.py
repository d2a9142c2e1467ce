"""Whether the published losses come back, and what is left of their differences when every model converges."""

from dataclasses import dataclass

from helpers import paths
from helpers.evidence.speed import PUBLISHED
from helpers.evidence.statistics import Interval, Runs
from helpers.evidence.published import published
from helpers.results import load_result
from helpers.evidence.tables import read_table
from helpers.wording import RESOLUTION, number

SECTIONS = ("00_baseline", "01_architecture", "02_latent_1d", "03_latent_10d", "04_loss", "07_discussion")
ORIGINAL = "original_protocol.csv"  # 70,000 digits, 30 epochs, constant Adam
CONVERGED = "convergence.csv"  # the fast recipe, long runs; and one seed twice as long, which shows what is left to gain


def final_rows(table: str) -> list[dict]:
    """A row per finished run of a committed table, its last epoch, with its "total_seconds"."""
    rows = read_table(paths.REFERENCE / "results" / table)
    last = [row for row in rows if row["epoch"] == row["epochs"]]
    for row in last:
        row["total_seconds"] = sum(r["seconds"] for r in rows if all(r[key] == row[key] for key in ("model", "seed", "epochs")))
    return last


def first_runs(repeated: list[dict]) -> dict[str, dict]:
    """The runs with seed 0, by model."""
    return {row["model"]: row for row in repeated if row["seed"] == 0}


def reproduction_text(repeated: list[dict]) -> str:
    """Which published losses came back under the original protocol, in Markdown."""
    if not repeated:
        return "No run of the original protocol is stored beside this report."
    return " ".join([_came_back(first_runs(repeated)), *_other_seeds(repeated)])


def _came_back(runs: dict[str, dict]) -> str:
    """One sentence on a run of each model."""
    off = {name: row["training_loss"] - published(name)["loss"] for name, row in runs.items()}
    far = [
        f"{name} ends {abs(difference):.1f} nats {'above' if difference > 0 else 'below'}"
        for name, difference in off.items()
        if abs(difference) > RESOLUTION
    ]
    near = len(off) - len(far)
    text = f"Under the original protocol, {near} of {len(off)} losses come back within {RESOLUTION:g} nats"
    return f"{text}; {', '.join(far)} the published value." if far else f"{text}."


def _other_seeds(repeated: list[dict]) -> list[str]:
    """A sentence for each model that was trained with several seeds."""
    seeds: dict[str, dict] = {}
    for row in repeated:
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
    published: float
    converged: Interval  # over seeds

    @property
    def optimisers_share(self) -> Interval:
        """The share of the published gain that goes when both train to convergence; below zero where the gain grows."""
        return self.converged.scaled(-1 / self.published, start=1)


def gains(long_runs: list[dict]) -> list[Gain]:
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


def _of_length(runs: list[dict], choose) -> list[dict]:
    """The runs of the least or the greatest number of epochs, by choose, `min` or `max`."""
    length = choose((row["epochs"] for row in runs), default=0)
    return [row for row in runs if row["epochs"] == length]


def convergence_table(long_runs: list[dict]) -> list[list]:
    """For each model that has converged: seeds, published loss, training and test loss at convergence and, for those with
    the baseline's loss function, how far below the baseline they end, published and at convergence.
    """
    by_model = {gain.model: gain for gain in gains(long_runs)}
    runs = Runs(_of_length(long_runs, min))
    table = []
    for model in runs.models():
        ends = [runs.mean(model, measure) for measure in ("training_loss", "val_loss")]
        gain = by_model.get(model)
        below = [number(gain.published, 1), gain.converged.text(1)] if gain else ["–", "–"]
        paper = number(published(model)["loss"], 2) if model in PUBLISHED else "–"
        table.append([model, ends[0].n, paper, *(end.text(1) for end in ends), *below])
    return table


def gains_text(long_runs: list[dict]) -> str:
    """What of each published difference from the baseline is the optimiser's, in Markdown."""
    sentences = [_gain_text(gain) for gain in gains(long_runs)]
    return " ".join(sentences) or "No long runs of the fast recipe are stored beside this report."


def headline(long_runs: list[dict]) -> str:
    """What the optimiser had in the deeper model's published gain, for the abstract; empty where that is not shown."""
    found = [gain for gain in gains(long_runs) if gain.model == "deeper" and gain.optimisers_share.sign > 0]
    return "".join(
        f"Of the {gain.published:.1f} nats that one more layer gains in the original, "
        f"{gain.optimisers_share.text(0, 100, '%')} are the optimiser's: between models trained to convergence {gain.converged.text(1)} are left."
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


def longer_text(long_runs: list[dict]) -> str:
    """What still more epochs would have changed, in Markdown; empty where no longer runs are stored."""
    short, long = (_of_length(long_runs, choose) for choose in (min, max))
    if not short or short == long:
        return ""
    found = []
    for row in sorted(long, key=lambda row: PUBLISHED.index(row["model"])):
        (before,) = [r for r in short if (r["model"], r["seed"]) == (row["model"], row["seed"])]
        changes = [number(row[measure] - before[measure], 1) for measure in ("training_loss", "val_loss")]
        found.append(f"{row['model']} {changes[0]} ({changes[1]})")
    lengths = [runs[0]["epochs"] for runs in (long, short)]
    return (
        f"How far from the end is that? Of each model one run (seed {long[0]['seed']}) was trained for {lengths[0]} epochs in place "
        f"of {lengths[1]}. The training loss, and in brackets the loss on the test digits, change by, in nats: {', '.join(found)}. "
        f"Luck alone sets single runs up to {RESOLUTION:g} nats apart."
    )


def models_here() -> dict[str, dict[str, float]]:
    """The summaries of the models that the run at hand has trained, by name."""
    results = [load_result(section) or {"values": {}} for section in SECTIONS]
    return {name: model for result in results[::-1] for name, model in result["values"].get("models", {}).items()}
