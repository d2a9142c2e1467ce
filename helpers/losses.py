"""Densities and the terms of the evidence lower bound (ELBO), in nats per image.

Every function returns one value per image, shape (batch,); the caller averages.
"""

import math

from keras import ops

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1, as Keras's own cross-entropy does


def _sum_pixels(values):
    """Sum over all axes but the first."""
    return ops.sum(ops.reshape(values, (ops.shape(values)[0], -1)), axis=-1)


def bernoulli_cross_entropy(x, probability):
    """-Σ x ln p + (1 - x) ln(1 - p) over pixels: nats per image, shape (batch,).

    x: targets in [0, 1], shape (batch, 28, 28, 1); probability: the same shape.
    For grey x it is a loss with a floor above zero (see `bernoulli_entropy`), not a likelihood.
    """
    p = ops.clip(probability, EPSILON, 1 - EPSILON)
    return -_sum_pixels(x * ops.log(p) + (1 - x) * ops.log(1 - p))


def bernoulli_entropy(x):
    """The least cross-entropy that any model can reach on grey x: nats per image, shape (batch,)."""
    return bernoulli_cross_entropy(x, x)


def squared_error(x, mean):
    """Σ (x - mean)² over pixels, shape (batch,): a Gaussian with variance ½ less its constant."""
    return _sum_pixels(ops.square(x - mean))


def gaussian_kl(mean, log_var):
    """KL(N(mean, diag exp log_var) || N(0, I)): nats per image, shape (batch,).

    mean, log_var: shape (batch, latent_dim). Kingma & Welling 2014, appendix B.
    """
    return ops.sum(gaussian_kl_per_dimension(mean, log_var), axis=-1)


def gaussian_kl_per_dimension(mean, log_var):
    """The summands of `gaussian_kl`: nats per image and dimension, shape (batch, latent_dim)."""
    return 0.5 * (ops.square(mean) + ops.exp(log_var) - 1 - log_var)


def gaussian_log_density(z, mean, log_var):
    """ln N(z; mean, diag exp log_var), summed over the last axis: nats, shape z.shape[:-1]."""
    terms = math.log(2 * math.pi) + log_var + ops.square(z - mean) * ops.exp(-log_var)
    return -0.5 * ops.sum(terms, axis=-1)


PIXEL_LOSSES = {"bce": bernoulli_cross_entropy, "mse": squared_error}
