"""The optimiser of a recipe, on any Keras backend."""

import keras

from helpers.muon import KernelMuon
from helpers.recipes import Recipe


def build_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser of a recipe for a training of so many steps."""
    rate = _rate(recipe, steps)
    return keras.optimizers.Adam(rate) if recipe.optimizer == "adam" else KernelMuon(rate, recipe.kernels)


def _rate(recipe: Recipe, steps: int):
    """The learning rate: constant, or up to the peak for `warmup` of the steps, then down to 0 along a half cosine."""
    if recipe.schedule == "constant":
        return recipe.peak
    warmup = max(1, int(steps * recipe.warmup))
    return keras.optimizers.schedules.CosineDecay(
        0.0, steps - warmup, warmup_target=recipe.peak, warmup_steps=warmup
    )
