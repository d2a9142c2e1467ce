"""How a model is trained: the recipes that a configuration names, and variations of them."""

import dataclasses
from dataclasses import dataclass

from helpers.checks import check_choice, check_number, literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Optimiser and learning rate. Model, objective, data and batch size are the configuration's.

    Raises ValueError on construction, naming what is allowed, when a field is out of range.
    """

    optimizer: str = "muon"  # "muon": see muon.KernelMuon; "adam": Kingma & Ba 2015
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
