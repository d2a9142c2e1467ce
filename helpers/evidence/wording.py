"""Shared phrases that depend on a run: true whatever was trained, on whatever data set."""

from statistics import median

from helpers.config import IMAGES, TrainingConfig
from helpers.data import DATASETS
from helpers.progress import clock

_RECIPES = {
    "keras": "Adam at a constant learning rate of 0.001",
    "adam": "Adam with a cosine schedule",
    "fast": "Muon and Adam with a cosine schedule",
}


def count(n: float, noun: str) -> str:
    """A number with its noun: "1 dimension", "10,000 digits"."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def number(value: float, decimals: int = 1) -> str:
    """A number with a true minus sign, "−146.2", and none before zero."""
    return f"{value:z,.{decimals}f}".replace("-", "−")


def spread(values: list[float], decimals: int = 1) -> str:
    """The median of values, with their range unless they are equal: "8.1 (7.9 to 8.6)"."""
    if not values:
        return "–"
    middle, least, most = (number(f(values), decimals) for f in (median, min, max))
    return middle if least == most else f"{middle} ({least} to {most})"


def ordinal(n: int) -> str:
    """A place in an order: "1st", "2nd", "11th"."""
    ending = "th" if n // 10 % 10 == 1 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def duration(seconds: float) -> str:
    """Seconds as people say them: "41.4 s", "2 min 41 s", "1 h 02 min"."""
    return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)


def offset(value: float, reference: float) -> str:
    """Where a loss in nats lies: "12.3 nats below", "5.0 nats above" or "level with"."""
    more = round(value - reference, 1)
    return f"{abs(more):.1f} nats {'above' if more > 0 else 'below'}" if more else "level with"


def protocol(config: TrainingConfig) -> str:
    """How a model was trained: images, epochs, optimiser, batch, seed, and unusual settings."""
    data, usual = DATASETS[config.dataset], TrainingConfig()
    together = f"{data.items}, training and test together"
    which = f"training {data.items}" if config.split == "train" else together
    where = "" if config.dataset == usual.dataset else f" of {data.title}"
    recipe, _, changes = config.recipe.partition(" ")
    settings = {
        "beta": f"β = {config.beta:g}",
        "hidden_units": f"{count(config.hidden_units, 'unit')} in the bottleneck layer",
        "activation": f"{config.activation} activation",
        "kl_warmup": f"KL warm-up over epochs 0 to {config.kl_warmup:g}",
        "free_bits": f"{config.free_bits:g} nats of KL free in each dimension",
    }
    unusual = [settings[key] for key in settings if getattr(config, key) != getattr(usual, key)]
    images = f"{config.n_train or IMAGES[config.split]:,} {which}{where}"
    training = f"{count(config.epochs, 'epoch')} on {images}, {_RECIPES[recipe]}"
    training += f" ({changes})" if changes else ""
    return ", ".join([training, f"batches of {config.batch_size}", *unusual, f"seed {config.seed}"])


def exposure(config: TrainingConfig) -> str:
    """A sentence: whether the test images took part in training."""
    kind = DATASETS[config.dataset].items
    if config.split == "train":
        return f"The test {kind} take no part in training, so what is measured on them is held out."
    leak = f"**the test {kind} were among the training {kind}**, so nothing measured on them below"
    return f"This protocol trains on training and test {kind} together: {leak} is held out."


def seen(config: TrainingConfig) -> str:
    """A remark for captions that follows the words "test images"; empty when they were held out."""
    return "" if config.split == "train" else " (seen in training)"
