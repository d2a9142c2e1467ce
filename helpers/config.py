"""What is trained: one frozen, validated configuration, and the named models of the report."""

import dataclasses
import hashlib
import importlib
import json
import math
from dataclasses import dataclass
from typing import Any

from helpers.errors import check_choice, check_integer, check_number, literal

IMAGES = {"train": 60_000, "all": 70_000}  # images of a split, as MNIST has them

ACTIVATIONS = ("relu", "elu", "gelu", "leaky_relu", "selu", "silu", "softplus", "tanh", "sigmoid")

MODELS: dict[str, dict[str, Any]] = {
    "baseline": {"architecture": "convolutional", "latent_dim": 2, "loss": "bce"},
    "deeper": {"architecture": "deeper", "latent_dim": 2, "loss": "bce"},
    "dense": {"architecture": "dense", "latent_dim": 2, "loss": "bce"},
    "1-D": {"architecture": "convolutional", "latent_dim": 1, "loss": "bce"},
    "10-D": {"architecture": "convolutional", "latent_dim": 10, "loss": "bce"},
    "squared error": {"architecture": "convolutional", "latent_dim": 2, "loss": "mse"},
}
PUBLISHED = ("baseline", "deeper", "1-D", "10-D", "squared error")  # the original gives numbers

PROFILES: dict[str, dict[str, Any]] = {
    "report": {"split": "train", "recipe": "fast", "epochs": 3, "batch_size": 64},
    "original": {"split": "all", "recipe": "keras", "epochs": 30, "batch_size": 128},
    "smoke": {"split": "train", "recipe": "fast", "epochs": 2, "batch_size": 64, "n_train": 1_000},
}
PROFILES["draft"] = PROFILES["smoke"]  # the same models, with the verdicts of the stored runs

REGISTRIES = {  # where the names that a field takes are registered, with the report's models' own
    "architecture": ("helpers.models", "ARCHITECTURES"),
    "loss": ("helpers.losses", "PIXEL_LOSSES"),
    "dataset": ("helpers.data", "DATASETS"),
}


def _registry(field: str) -> dict[str, Any]:
    """What is registered for a field, by name. Imported late, so that a config needs no Keras."""
    module, name = REGISTRIES[field]
    return getattr(importlib.import_module(module), name)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Optimiser and learning rate; ValueError, naming what is allowed, for a field out of range."""

    optimizer: str = "muon"  # "muon": see optimizers.KernelMuon; "adam": Kingma & Ba 2015
    peak: float = 0.008  # the highest learning rate
    schedule: str = "cosine"  # up for `warmup` of the steps, then down to 0; "rising": up, then
    #                           as it is; "constant"
    warmup: float = 0.1
    kernels: bool = True  # Muon: convolution kernels too, not the dense matrices alone

    def __post_init__(self) -> None:
        check_choice("recipe's optimizer", self.optimizer, ("muon", "adam"))
        check_choice("recipe's schedule", self.schedule, ("cosine", "rising", "constant"))
        check_choice("recipe's kernels", self.kernels, (True, False))
        check_number("recipe's peak", self.peak, 0, 1)
        check_number("recipe's warmup", self.warmup, 0, 1)


RECIPES = {
    "keras": Recipe(optimizer="adam", peak=0.001, schedule="constant"),  # the keras.io example
    "adam": Recipe(optimizer="adam", peak=0.006),  # the fast one's rival: its schedule and batch
    "fast": Recipe(),
}


def read_recipe(text: str) -> Recipe:
    """The recipe that a text names: "fast", or a variation such as "fast peak=0.01 kernels=False".

    ValueError for an unknown or repeated name or field, or a value out of range.
    """
    name, *changes = str(text).split() or [""]
    check_choice("recipe", name, RECIPES)
    given: dict[str, Any] = {}
    for field, _, value in (change.partition("=") for change in changes):
        check_choice("recipe's field", field, [known.name for known in dataclasses.fields(Recipe)])
        if field in given:
            raise ValueError(f"recipe={text!r} gives {field} twice")
        given[field] = literal(value)
    return dataclasses.replace(RECIPES[name], **given)


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Everything that decides the weights of a trained model; equal configs give equal weights.

    Raises ValueError, naming what is allowed, for a field out of range.
    """

    architecture: str = "convolutional"  # one of models.ARCHITECTURES; this one is keras.io's
    latent_dim: int = 2
    loss: str = "bce"  # one of losses.PIXEL_LOSSES, summed over the 784 pixels
    split: str = "train"  # "train": the 60,000 training images; "all": the original's 70,000
    recipe: str = "fast"  # "keras": constant Adam, as published; "fast", "adam": see RECIPES
    epochs: float = 3  # a part of one is the last one, cut short
    batch_size: int = 64
    n_train: int | None = None  # use only the first n images; None uses all of the split
    dataset: str = "mnist"  # one of data.DATASETS
    seed: int = 0
    beta: float = 1.0  # weight of the KL in the objective: 1 is the ELBO (Higgins et al. 2017)
    hidden_units: int = 16  # of the encoder's last hidden layer, the bottleneck
    activation: str = "relu"  # of the hidden layers
    kl_warmup: float = 0.0  # epochs over which the KL's weight rises from 0 (Bowman et al. 2016)
    free_bits: float = 0.0  # nats of each dimension's KL that cost nothing (Kingma et al. 2016)

    def __post_init__(self) -> None:
        for field in REGISTRIES:
            known = [model.get(field, "mnist") for model in MODELS.values()]
            if getattr(self, field) not in known:
                check_choice(field, getattr(self, field), _registry(field))
        check_choice("split", self.split, IMAGES)
        check_choice("activation", self.activation, ACTIVATIONS)
        read_recipe(self.recipe)
        highest = {"latent_dim": 256, "batch_size": 10_000, "hidden_units": 4_096}
        for field, high in highest.items():
            check_integer(field, getattr(self, field), 1, high)
        check_integer("seed", self.seed, 0, 2**31 - 1)
        check_number("epochs", self.epochs, 0, 10_000)
        if self.epochs == int(self.epochs):
            object.__setattr__(self, "epochs", int(self.epochs))  # 3 and 3.0 have one key
        for field in ("beta", "kl_warmup", "free_bits"):
            if getattr(self, field) != 0:
                check_number(field, getattr(self, field), 0, 1_000)
            object.__setattr__(self, field, float(getattr(self, field)))  # 1 and 1.0 have one key
        sizes = IMAGES if self.dataset == "mnist" else _registry("dataset")[self.dataset].sizes
        if self.n_train is not None:
            check_integer("n_train", self.n_train, 1, sizes[self.split])
        elif sizes != IMAGES:  # a data set from arrays: all of them
            object.__setattr__(self, "n_train", sizes[self.split])

    def as_dict(self) -> dict[str, Any]:
        """The fields as a plain dictionary."""
        return dataclasses.asdict(self)

    @property
    def optimisation(self) -> Recipe:
        """The recipe, read."""
        return read_recipe(self.recipe)

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return max(1, self.steps_of(self.epochs))

    def steps_of(self, epochs: float) -> int:
        """Steps of so many epochs."""
        return round(epochs * math.ceil((self.n_train or IMAGES[self.split]) / self.batch_size))

    @property
    def key(self) -> str:
        """Twelve hexadecimal digits that name this configuration; what its recipe says counts."""
        content = self.as_dict() | {"recipe": dataclasses.asdict(self.optimisation)}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def label(self) -> str:
        """A short name for people: the report's name of the model, and what differs from it."""
        fields = {name: getattr(self, name) for name in MODELS["baseline"]}
        label = next((name for name, model in MODELS.items() if model == fields), "")
        if not label:
            shape = "" if self.architecture == "convolutional" else f"{self.architecture} "
            loss = "" if self.loss == "bce" else f", {_registry('loss')[self.loss].label}"
            label = f"{shape}{self.latent_dim}-D{loss}"
        label += "" if self.beta == 1 else f", β = {self.beta:g}"
        label += f", KL warm-up {self.kl_warmup:g}" if self.kl_warmup else ""
        label += f", {self.free_bits:g} free bits" if self.free_bits else ""
        label += "" if self.hidden_units == 16 else f", {self.hidden_units} hidden units"
        return label + ("" if self.activation == "relu" else f", {self.activation}")


def model_config(name: str, *, profile: str = "report", **changes: Any) -> TrainingConfig:
    """The configuration of one of MODELS under one of PROFILES; changes of None are ignored.

    changes: fields of TrainingConfig. ValueError for an unknown name or a value out of range.
    """
    check_choice("model", name, MODELS)
    check_choice("profile", profile, PROFILES)
    for field in changes:
        check_choice("field", field, [known.name for known in dataclasses.fields(TrainingConfig)])
    given = {field: value for field, value in changes.items() if value is not None}
    return TrainingConfig(**(MODELS[name] | PROFILES[profile] | given))
