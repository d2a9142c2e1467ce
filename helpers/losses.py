"""Densities and the terms of the evidence lower bound (ELBO), in nats per image.

Every function returns one value per image, shape (batch,); the caller averages.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1, as Keras's own cross-entropy does
NEAR_HALF = 0.05  # closer to 1/2, the series are exact in float32, the closed forms are not
LEAST_VARIANCE = math.exp(-12)  # of the calibrated Gaussian: ln σ >= -6, as in the σ-VAE's code


def decoded_image(decoded: Any) -> Any:
    """The decoded image itself: the mean of every pixel's distribution, for most losses."""
    return decoded


@dataclass(frozen=True)
class PixelLoss:
    """A pixel loss with all that others need to know of it; called, it is the loss.

    loss: (x, decoded) → (batch,), nats per image, x and decoded of shape (batch, 28, 28, 1).
    mean: decoded → the mean image that it stands for. per_batch: whether the loss of an image
    depends on the other images of its batch.
    """

    key: str
    label: str
    loss: Callable[[Any, Any], Any]
    mean: Callable[[Any], Any] = decoded_image
    per_batch: bool = False

    def __call__(self, x: Any, decoded: Any) -> Any:
        return self.loss(x, decoded)


PIXEL_LOSSES: dict[str, PixelLoss] = {}  # by key: what TrainingConfig.loss may be


def pixel_loss(key: str, label: str, **more: Any) -> Callable:
    """Register the decorated function as a pixel loss; `more`: see PixelLoss."""

    def register(function: Callable) -> Callable:
        PIXEL_LOSSES[key] = PixelLoss(key, label, function, **more)
        return function

    return register


def _sum_pixels(values):
    """Sum over all axes but the first."""
    return ops.sum(ops.reshape(values, (ops.shape(values)[0], -1)), axis=-1)


@pixel_loss("bce", "cross-entropy")
def bernoulli_cross_entropy(x, probability):
    """-Σ x ln p + (1 - x) ln(1 - p) over pixels: nats per image, shape (batch,).

    x: targets in [0, 1], shape (batch, 28, 28, 1); probability: the same shape.
    For grey x it is a loss with a floor above zero (see `bernoulli_entropy`), not a likelihood.
    """
    p = ops.clip(probability, EPSILON, 1 - EPSILON)
    return -_sum_pixels(x * ops.log(p) + (1 - x) * ops.log(1 - p))


def bernoulli_entropy(x):
    """The least cross-entropy that a model can reach on grey x: nats per image, (batch,)."""
    return bernoulli_cross_entropy(x, x)


@pixel_loss("mse", "squared error")
def squared_error(x, mean):
    """Σ (x - mean)² over pixels, shape (batch,): a Gaussian with variance ½ less its constant."""
    return _sum_pixels(ops.square(x - mean))


def gaussian_loss(x, mean, variance):
    """-ln N(x; mean, variance · I): nats per image, shape (batch,); variance: a scalar."""
    pixels = math.prod(mean.shape[1:])
    return 0.5 * pixels * ops.log(2 * math.pi * variance) + squared_error(x, mean) / (2 * variance)


def calibrated_variance(x, mean):
    """The maximum-likelihood variance of a Gaussian for all images: their mean squared error."""
    return ops.maximum(ops.mean(ops.square(x - mean)), LEAST_VARIANCE)


@pixel_loss("sigma", "calibrated Gaussian", per_batch=True)
def calibrated_gaussian(x, mean):
    """`gaussian_loss` with the variance calibrated on the batch: nats per image, shape (batch,).

    The σ-VAE with its optimal σ (Rybkin et al. 2021). No gradient passes through the variance: as
    it is optimal for the batch, the mean loss has the same gradient either way (envelope theorem).
    """
    return gaussian_loss(x, mean, ops.stop_gradient(calibrated_variance(x, mean)))


def _away_from_half(parameter):
    """parameter - 1/2, whether that is small, and a parameter safe for the closed forms."""
    p = ops.clip(parameter, EPSILON, 1 - EPSILON)
    shift = p - 0.5
    near = ops.abs(shift) < NEAR_HALF
    return shift, near, ops.where(near, ops.full_like(p, 0.25), p)


def _log_odds_against(p):
    """ln (1 - p) / p = 2 artanh(1 - 2p), exact for small p as well."""
    return ops.log1p(-p) - ops.log(p)


def continuous_bernoulli_log_constant(parameter):
    """ln C(λ) of the continuous Bernoulli C(λ) λ^x (1 - λ)^(1 - x) on [0, 1], pixel by pixel.

    C = 2 artanh(1 - 2λ) / (1 - 2λ), near 1/2 by its series (Loaiza-Ganem & Cunningham
    2019, section 3).
    """
    shift, near, p = _away_from_half(parameter)
    square = ops.square(shift)
    series = math.log(2) + square * (4 / 3 + 104 / 45 * square)
    return ops.where(near, series, ops.log(_log_odds_against(p) / (1 - 2 * p)))


def continuous_bernoulli_mean(parameter):
    """The mean of the continuous Bernoulli, pixel by pixel, from its parameter λ.

    μ(λ) = λ / (2λ - 1) + 1 / (2 artanh(1 - 2λ)), near 1/2 by its series (Loaiza-Ganem & Cunningham
    2019). With λ kept EPSILON from 0 and 1, μ lies between 0.062 and 0.938.
    """
    shift, near, p = _away_from_half(parameter)
    square = ops.square(shift)
    series = 0.5 + shift * (1 / 3 + square * (16 / 45 + 704 / 945 * square))
    return ops.where(near, series, p / (2 * p - 1) + 1 / _log_odds_against(p))


@pixel_loss("cb", "continuous Bernoulli", mean=continuous_bernoulli_mean)
def continuous_bernoulli(x, parameter):
    """-ln of the continuous Bernoulli's density, summed over pixels: nats per image, (batch,).

    x: targets in [0, 1], shape (batch, 28, 28, 1); parameter: λ of each pixel, the same shape.
    Loaiza-Ganem & Cunningham 2019. A density: values may be negative.
    """
    entropy = bernoulli_cross_entropy(x, parameter)  # first: order decides a gradient's last bit
    return entropy - _sum_pixels(continuous_bernoulli_log_constant(parameter))


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
