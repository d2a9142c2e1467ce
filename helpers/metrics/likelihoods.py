"""One trained model under several likelihoods: its distortion when its mean images stay the same.

All in nats per image. Only numbers of one likelihood compare: cross-entropies are of pixels that
are 0 or 1, the others are densities of grey values, which have no least value.
"""

import numpy as np
from scipy.special import expit, logit

from helpers import losses
from helpers.metrics.bounds import encode_decode, to_numpy

LIKELIHOODS = (  # columns of result tables
    "grey cross-entropy", "Bernoulli of binarised digits", "continuous Bernoulli",
    "Gaussian, variance 1/2", "calibrated Gaussian",
)  # fmt: skip
GREY, BINARY, _, FIXED, _ = LIKELIHOODS

LARGEST_LOGIT = logit(1 - losses.EPSILON)  # of the continuous Bernoulli's λ, as in training
LOGITS = np.linspace(-LARGEST_LOGIT, LARGEST_LOGIT, 20_000)  # an even number: 0 is none of them
MEANS = 0.5 + 0.5 / np.tanh(LOGITS / 2) - 1 / LOGITS  # of the continuous Bernoulli with λ's logit


def continuous_bernoulli_parameter(mean: np.ndarray) -> np.ndarray:
    """The λ of the continuous Bernoulli with the given mean, from a table over λ's logit.

    Means below 0.062 or above 0.938 get the nearest λ there is.
    """
    return expit(np.interp(mean, MEANS, LOGITS)).astype("float32")


def mean_image(model, decoded) -> np.ndarray:
    """The mean images that a decoder's outputs (n, 28, 28, 1) stand for (often themselves)."""
    return to_numpy(model.pixel_loss.mean, decoded)


def _parameter(model, decoded) -> np.ndarray:
    """The λ of a decoder's outputs: these themselves, or what has their mean."""
    if model.pixel_loss.loss is losses.continuous_bernoulli:
        return decoded
    return continuous_bernoulli_parameter(mean_image(model, decoded))


def decoded_mean(model, z) -> np.ndarray:
    """The mean image at latent points z (n, latent_dim): shape (n, 28, 28, 1)."""
    return mean_image(model, model.decode(z))


def fitted_variance(model, images, seed: int) -> float:
    """Mean squared error per pixel of reconstructions: the calibrated Gaussian's variance."""
    back = mean_image(model, encode_decode(model, images, seed))
    return float(np.square(back - images).mean())


def binarise(x, seed: int) -> np.ndarray:
    """Images sampled per pixel: 1 with its grey value as the probability, else 0; float32.

    Salakhutdinov & Murray 2008. The Bernoulli's expected -ln p is the grey pixels' cross-entropy.
    """
    return (np.random.default_rng((seed, 1)).random(x.shape) < x).astype("float32")


def score(model, x, seed: int, known) -> dict[str, np.ndarray]:
    """The distortion of the negative ELBO under each of LIKELIHOODS: (n,) each, in nats per image.

    z, and so the rate, are those of `bounds.elbo` with the same seed. Every likelihood has the
    model's mean image as its mean, the continuous Bernoulli by its λ (see `limit_effect`). The
    Gaussian of variance ½ has its constant, +448.7 nats; the calibrated one has the variance that
    is best for `known`, training images (Rybkin et al. 2021).
    """
    decoded = encode_decode(model, x, seed)
    average, pixels = mean_image(model, decoded), x[0].size
    parameter = _parameter(model, decoded)
    error = to_numpy(losses.squared_error, x, average)
    variances = 0.5, max(fitted_variance(model, known, seed), losses.LEAST_VARIANCE)
    found = [
        to_numpy(losses.bernoulli_cross_entropy, x, average),
        to_numpy(losses.bernoulli_cross_entropy, binarise(x, seed), average),
        to_numpy(losses.continuous_bernoulli, x, parameter),
        *(pixels / 2 * np.log(2 * np.pi * s2) + error / (2 * s2) for s2 in variances),
    ]
    return dict(zip(LIKELIHOODS, found, strict=True))


def limit_effect(model, x, seed: int) -> np.ndarray:
    """What the continuous Bernoulli's loss owes to the limit of λ, EPSILON from 0 and 1: (n,).

    By how many nats per image it would fall with λ of the pixels at the limit, such as background,
    ten times nearer to 0 or 1: C is -ln λ near 0. There is no end to it, as densities have no top.
    """
    parameter = _parameter(model, encode_decode(model, x, seed))
    there = np.minimum(parameter, 1 - parameter) < 2 * losses.EPSILON
    gain = np.log1p(np.log(10) / LARGEST_LOGIT) - np.log(10) * np.abs(x - (parameter > 0.5))
    return np.where(there, gain, 0).sum(axis=(1, 2, 3))
