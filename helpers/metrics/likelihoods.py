"""One trained model under several likelihoods: its distortion when its mean images stay the same.

All in nats per image. Only numbers of one likelihood compare: cross-entropies are of pixels that
are 0 or 1, the others are densities of grey values, which have no least value.
"""

import numpy as np
from scipy.special import expit, logit

from helpers import losses
from helpers.errors import check_integer
from helpers.metrics.bounds import draw, to_numpy

GREY, BINARY = "grey cross-entropy", "Bernoulli of binarised digits"  # columns of result tables
CONTINUOUS = "continuous Bernoulli"
FIXED, CALIBRATED = "Gaussian, variance 1/2", "calibrated Gaussian"
LIKELIHOODS = (GREY, BINARY, CONTINUOUS, FIXED, CALIBRATED)

LARGEST_LOGIT = logit(1 - losses.EPSILON)  # of the continuous Bernoulli's λ, as in training
LOGITS = np.linspace(-LARGEST_LOGIT, LARGEST_LOGIT, 20_000)  # an even number: 0 is none of them
MEANS = 0.5 + 0.5 / np.tanh(LOGITS / 2) - 1 / LOGITS  # of the continuous Bernoulli with λ's logit


def continuous_bernoulli_parameter(mean: np.ndarray) -> np.ndarray:
    """The λ of the continuous Bernoulli with the given mean, any shape.

    The inverse of `losses.continuous_bernoulli_mean`, from a table over λ's logit. Means below
    0.062 or above 0.938 get the nearest λ there is.
    """
    return expit(np.interp(mean, MEANS, LOGITS)).astype("float32")


def mean_image(model, decoded) -> np.ndarray:
    """The mean images that a decoder's outputs (n, 28, 28, 1) stand for (often themselves)."""
    return to_numpy(model.pixel_loss.mean, decoded)


def decoded_mean(model, z) -> np.ndarray:
    """The mean image at latent points z (n, latent_dim): shape (n, 28, 28, 1)."""
    return mean_image(model, model.decode(z))


def binarise(x, seed: int) -> np.ndarray:
    """Images sampled per pixel: 1 with its grey value as the probability, else 0; float32.

    Salakhutdinov & Murray 2008. In expectation over draws the Bernoulli's -ln p is the
    cross-entropy of the grey pixels: E[b ln p + (1 - b) ln(1 - p)] = x ln p + (1 - x) ln(1 - p).
    """
    return (np.random.default_rng((seed, 1)).random(x.shape) < x).astype("float32")


def score(model, x, seed: int, samples: int = 1) -> dict[str, np.ndarray]:
    """The distortion of the negative ELBO under each of LIKELIHOODS: (n,) each, in nats per image.

    z, and so the rate, are those of `bounds.elbo` with the same seed and samples. Every likelihood
    has the model's mean image as its mean, since all decoders have one: the continuous Bernoulli of
    a model that was not trained with it has the λ with that mean. The Gaussian of variance ½ has
    its constant, +448.7 nats; the calibrated one has the variance that is best for all x together
    (Rybkin et al. 2021).
    """
    check_integer("samples", samples, 1, 1_000_000)
    rng = np.random.default_rng(seed)
    mean, log_var = model.encode(x)
    binary = binarise(x, seed)
    draws = []
    for _ in range(samples):
        decoded = model.decode(draw(mean, log_var, rng))
        average = mean_image(model, decoded)
        exact = model.pixel_loss.loss is losses.continuous_bernoulli  # the decoder's output is λ
        parameter = decoded if exact else continuous_bernoulli_parameter(average)
        draws.append([
            to_numpy(losses.bernoulli_cross_entropy, x, average),
            to_numpy(losses.bernoulli_cross_entropy, binary, average),
            to_numpy(losses.continuous_bernoulli, x, parameter),
            to_numpy(losses.squared_error, x, average),
        ])  # fmt: skip
    *unscaled, error = np.mean(draws, axis=0)
    pixels = x[0].size
    variances = 0.5, max(error.mean() / pixels, losses.LEAST_VARIANCE)
    gaussian = [pixels / 2 * np.log(2 * np.pi * s2) + error / (2 * s2) for s2 in variances]
    return dict(zip(LIKELIHOODS, (*unscaled, *gaussian), strict=True))
