"""Whether the published losses come back, and what is left of their differences when every model converges."""

from dataclasses import dataclass
from statistics import median

from helpers import paths
from helpers.config import MODELS
from helpers.published import published
from helpers.results import load_result
from helpers.tables import read_table
from helpers.wording import RESOLUTION, number, spread

SECTIONS = ("00_baseline", "01_architecture", "02_latent_1d", "03_latent_10d", "04_loss", "07_discussion")
ORIGINAL = "original_protocol.csv"  # 70,000 digits, 30 epochs, constant Adam
CONVERGED = "convergence.csv"  # the fast recipe, long enough that more epochs change little


def final_rows(table: str) -> list[dict]:
    """A row per finished run of a committed table, its last epoch, with its "total_seconds"."""
    rows = read_table(paths.REFERENCE / "results" / table)
    last = [row for row in rows if row["epoch"] == row["epochs"]]
    for row in last:
        same = [r for r in rows if (r["model"], r["seed"]) == (row["model"], row["seed"])]
        row["total_seconds"] = sum(r["seconds"] for r in same)
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
    converged: float  # by the medians over seeds

    @property
    def optimisers_share(self) -> float:
        """The share of the published gain that goes when both train to convergence; below zero where the gain grows."""
        return 1 - self.converged / self.published


def gains(converged: list[dict]) -> list[Gain]:
    """The gain of each converged model with the baseline's loss function; empty without a converged baseline."""
    losses: dict[str, list[float]] = {}
    for row in converged:
        losses.setdefault(row["model"], []).append(row["training_loss"])
    ends = {model: median(values) for model, values in losses.items()}
    others = [model for model in ("deeper", "1-D", "10-D") if "baseline" in ends and model in ends]
    paper = {model: published(model)["loss"] for model in ("baseline", *others)}
    return [Gain(model, paper["baseline"] - paper[model], ends["baseline"] - ends[model]) for model in others]


def convergence_table(converged: list[dict]) -> list[list]:
    """For each model that has converged: published loss, loss at convergence over seeds, epochs, and, for those with the
    baseline's loss function, how far below the baseline they end, published and at convergence.
    """
    by_model = {gain.model: gain for gain in gains(converged)}
    table = []
    for model in dict.fromkeys(row["model"] for row in converged):
        rows = [row for row in converged if row["model"] == model]
        paper = number(published(model)["loss"], 2) if model in MODELS and model != "dense" else "–"
        ends = spread([row["training_loss"] for row in rows], 2)
        gain = by_model.get(model)
        below = [number(gain.published, 1), number(gain.converged, 1)] if gain else ["–", "–"]
        table.append([model, paper, ends, max(row["epochs"] for row in rows), *below])
    return table


def gains_text(converged: list[dict]) -> str:
    """What of each published difference from the baseline is the optimiser's, in Markdown."""
    sentences = [_gain_text(gain) for gain in gains(converged)]
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


def models_here() -> dict[str, dict[str, float]]:
    """The summaries of the models that the run at hand has trained, by name."""
    results = [load_result(section) or {"values": {}} for section in SECTIONS]
    return {name: model for result in results[::-1] for name, model in result["values"].get("models", {}).items()}
