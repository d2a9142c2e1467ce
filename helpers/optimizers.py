"""The optimiser of a recipe, and Muon for convolutional models, on any Keras backend."""

import keras
from keras import ops

from helpers.config import Recipe


class OneDevice:
    """An optimiser's gradients as they are: on one device there is nothing to add up.

    What Keras does here on TensorFlow would keep the graph of every model that a process trains.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars):
        return grads_and_vars


@keras.saving.register_keras_serializable("helpers")
class Adam(OneDevice, keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015), as Keras has it."""


@keras.saving.register_keras_serializable("helpers")
class KernelMuon(OneDevice, keras.optimizers.Muon):
    """Muon (Jordan et al. 2024) for matrices and convolution kernels; Adam for the rest.

    Keras's Muon leaves kernels (height, width, in, out) to Adam, and so does kernels=False. Here
    each is a matrix (height · width · in, out), but those from or to a grey image stay with Adam:
    a single row or column has no direction to share out.
    """

    def __init__(self, learning_rate=0.001, kernels=True, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.kernels = kernels

    def _should_use_adamw(self, variable):
        if len(variable.shape) == 4:
            return not self.kernels or 1 in variable.shape[2:]
        return super()._should_use_adamw(variable)

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign(m, gradient + self.momentum * m)
        ahead = gradient + self.momentum * m  # Nesterov's
        matrix = ops.reshape(ahead, (-1, variable.shape[-1]))
        update = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        self.assign_sub(variable, ops.reshape(self.lr_adjust(lr * update), variable.shape))

    def zeropower_via_newtonschulz5(self, x, steps: int):
        """The same polynomial of X (n, m) as in Keras, by way of the smaller of X Xᵀ and Xᵀ X.

        Every iterate is Q X with Q a polynomial of X Xᵀ: only the first and the last product touch
        the long side, a third of the time for a kernel of (2048, 128).
        """
        if x.shape[0] > x.shape[1]:
            return ops.transpose(self.zeropower_via_newtonschulz5(ops.transpose(x), steps))
        x = x / (ops.norm(x) + 1e-7)
        one = ops.eye(x.shape[0])
        gram, polynomial = x @ ops.transpose(x), one
        for _ in range(steps):
            factor = self.muon_a * one + self.muon_b * gram + self.muon_c * (gram @ gram)
            gram, polynomial = factor @ gram @ factor, factor @ polynomial
        return polynomial @ x

    def get_config(self):
        return super().get_config() | {"kernels": self.kernels}


def build_optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    """The optimiser of a recipe, for a training of so many steps.

    Rate: constant, or `warmup` of the steps up, then a half cosine down to 0, or constant.
    """
    rate = recipe.peak
    if recipe.schedule != "constant":
        warmup = max(1, int(steps * recipe.warmup))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warmup), alpha=float(recipe.schedule == "rising"),
            warmup_target=recipe.peak, warmup_steps=warmup,
        )  # fmt: skip
    return Adam(rate) if recipe.optimizer == "adam" else KernelMuon(rate, recipe.kernels)
