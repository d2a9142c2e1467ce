"""Phrases that depend on a run: said alike in every notebook, and true whatever was trained."""

from statistics import median

from helpers.config import TrainingConfig

RESOLUTION = 4.0  # nats: runs of one recipe that differ in seed or software alone end up to this far apart
RECIPES = {
    "keras": "Adam at a constant learning rate of 0.001",
    "fast": "Muon and Adam with a warm-up and a cosine decay of the learning rate",
}


def count(n: int, noun: str) -> str:
    """A number with its noun: "1 dimension", "10,000 digits"."""
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def number(value: float, decimals: int = 1) -> str:
    """A number with a true minus sign, "−146.2", and none before zero."""
    return f"{value:z,.{decimals}f}".replace("-", "−")


def spread(values: list[float], decimals: int = 1) -> str:
    """The median of values, with the least and the greatest where they differ: "8.1 (7.9 to 8.6)"."""
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
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def offset(value: float, reference: float) -> str:
    """Where a loss in nats lies: "12.3 nats below", "5.0 nats above" or, too close to tell, "within 4 nats of"."""
    difference = value - reference
    if abs(difference) < RESOLUTION:
        return f"within {RESOLUTION:g} nats of"
    return f"{abs(difference):.1f} nats {'above' if difference > 0 else 'below'}"


def percentage(value: float, reference: float) -> str:
    """A ratio in words: "42% more than", "3% less than" or "as much as"."""
    percent = round(100 * (value / reference - 1))
    return f"{abs(percent)}% {'more' if percent > 0 else 'less'} than" if percent else "as much as"


def protocol(config: TrainingConfig) -> str:
    """How a model was trained: digits, epochs, optimiser, batch and seed."""
    digits = config.n_train or {"train": 60_000, "all": 70_000}[config.split]
    which = "training digits" if config.split == "train" else "digits, training and test together"
    recipe, _, changes = config.recipe.partition(" ")
    how = RECIPES[recipe] + (f" ({changes})" if changes else "")
    return (
        f"{count(config.epochs, 'epoch')} on {digits:,} {which}, {how}, "
        f"batches of {config.batch_size}, seed {config.seed}"
    )


def exposure(config: TrainingConfig) -> str:
    """A sentence: whether the test digits took part in training."""
    if config.split == "train":
        return "The test digits take no part in training, so what is measured on them is held out."
    return (
        "This protocol trains on training and test digits together: **the test digits were among the training "
        "digits**, so nothing measured on them below is held out."
    )


def seen(config: TrainingConfig) -> str:
    """A remark for captions that follows the words "test digits"; empty when they were held out."""
    return "" if config.split == "train" else " (seen in training)"
