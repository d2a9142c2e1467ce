"""What is trained: one frozen, validated configuration, and the named models of the report."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass

from helpers.errors import check_choice, check_integer, check_number, literal

CHOICES = {
    "architecture": ("convolutional", "deeper", "dense"),
    "loss": ("bce", "mse", "cb", "sigma"),
    "split": ("train", "all"),
    "dataset": ("mnist",),
}

LOSS_NAMES = {"bce": "", "mse": ", squared error", "cb": ", continuous Bernoulli", "sigma": ", calibrated Gaussian"}

MODELS = {
    "baseline": {"architecture": "convolutional", "latent_dim": 2, "loss": "bce"},
    "deeper": {"architecture": "deeper", "latent_dim": 2, "loss": "bce"},
    "dense": {"architecture": "dense", "latent_dim": 2, "loss": "bce"},
    "1-D": {"architecture": "convolutional", "latent_dim": 1, "loss": "bce"},
    "10-D": {"architecture": "convolutional", "latent_dim": 10, "loss": "bce"},
    "squared error": {"architecture": "convolutional", "latent_dim": 2, "loss": "mse"},
}

PROFILES = {
    "report": {"split": "train", "recipe": "fast", "epochs": 3, "batch_size": 64},
    "original": {"split": "all", "recipe": "keras", "epochs": 30, "batch_size": 128},
    "smoke": {"split": "train", "recipe": "fast", "epochs": 2, "batch_size": 64, "n_train": 2_000},
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Optimiser and learning rate. Model, objective, data and batch size are the configuration's.

    Raises ValueError on construction, naming what is allowed, when a field is out of range.
    """

    optimizer: str = "muon"  # "muon": see optimizers.KernelMuon; "adam": Kingma & Ba 2015
    peak: float = 0.008  # the highest learning rate
    schedule: str = "cosine"  # "cosine": up for `warmup` of the steps, then down to 0; "constant"
    warmup: float = 0.1
    kernels: bool = True  # Muon: convolution kernels too, not the dense matrices alone

    def __post_init__(self):
        check_choice("recipe's optimizer", self.optimizer, ("muon", "adam"))
        check_choice("recipe's schedule", self.schedule, ("cosine", "constant"))
        check_choice("recipe's kernels", self.kernels, (True, False))
        check_number("recipe's peak", self.peak, 0, 1)
        check_number("recipe's warmup", self.warmup, 0, 1)


RECIPES = {
    "keras": Recipe(optimizer="adam", peak=0.001, schedule="constant"),  # the keras.io example
    "fast": Recipe(),
}


def read_recipe(text: str) -> Recipe:
    """The recipe that a text names: "fast", or a variation such as "fast peak=0.01 kernels=False".

    Raises ValueError for an unknown name or field, or a value out of range.
    """
    name, *changes = str(text).split() or [""]
    check_choice("recipe", name, RECIPES)
    given = {field: literal(value) for field, _, value in (change.partition("=") for change in changes)}
    for field in given:
        check_choice("recipe's field", field, [known.name for known in dataclasses.fields(Recipe)])
    return dataclasses.replace(RECIPES[name], **given)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides the weights of a trained model; equal configs give equal weights.

    Raises ValueError on construction, naming the allowed values, when a field is out of range.
    """

    architecture: str = "convolutional"  # "convolutional" is the baseline of the keras.io example
    latent_dim: int = 2
    loss: str = "bce"  # one of losses.PIXEL_LOSSES, summed over the 784 pixels
    split: str = "train"  # "train": the 60,000 training digits; "all": the original's 70,000
    recipe: str = "fast"  # "keras": constant Adam, as published; "fast", or a variation: see read_recipe
    epochs: int = 3
    batch_size: int = 64
    n_train: int | None = None  # use only the first n digits; None uses all of the split
    dataset: str = "mnist"
    seed: int = 0

    def __post_init__(self):
        for field, allowed in CHOICES.items():
            check_choice(field, getattr(self, field), allowed)
        read_recipe(self.recipe)
        check_integer("latent_dim", self.latent_dim, 1, 256)
        check_integer("epochs", self.epochs, 1, 10_000)
        check_integer("batch_size", self.batch_size, 1, 10_000)
        check_integer("seed", self.seed, 0, 2**31 - 1)
        if self.n_train is not None:
            check_integer("n_train", self.n_train, 1, 60_000 if self.split == "train" else 70_000)

    def as_dict(self) -> dict:
        """The fields as a plain dictionary."""
        return dataclasses.asdict(self)

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that name this configuration in the cache; what its recipe says counts too."""
        recipe = dataclasses.asdict(read_recipe(self.recipe))
        text = json.dumps(self.as_dict() | {"recipe": recipe}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """A short name for people: the report's name of the model where it has one."""
        fields = {"architecture": self.architecture, "latent_dim": self.latent_dim, "loss": self.loss}
        named = {name: model for name, model in MODELS.items() if model == fields}
        if named:
            return next(iter(named))
        shape = "" if self.architecture == "convolutional" else f"{self.architecture} "
        return f"{shape}{self.latent_dim}-D" + LOSS_NAMES[self.loss]


def model_config(name: str, *, profile: str = "report", **changes) -> TrainingConfig:
    """The configuration of a named model under a profile; changes that are None are ignored.

    name: one of MODELS; profile: one of PROFILES; changes: fields of TrainingConfig.
    Raises ValueError for an unknown name, profile or field, or a value out of range.
    """
    check_choice("model", name, MODELS)
    check_choice("profile", profile, PROFILES)
    fields = [field.name for field in dataclasses.fields(TrainingConfig)]
    for field in changes:
        check_choice("field", field, fields)
    given = {field: value for field, value in changes.items() if value is not None}
    return TrainingConfig(**(MODELS[name] | PROFILES[profile] | given))
