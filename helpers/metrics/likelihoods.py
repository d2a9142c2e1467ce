"""One trained model under several likelihoods: its distortion when its mean images stay the same.

All in nats per image. Only numbers of one likelihood compare: cross-entropies are of pixels that
are 0 or 1, the others are densities of grey values, which have no least value.
"""

import numpy as np
from scipy.special import expit, logit

from helpers import losses
from helpers.metrics.bounds import draw, to_numpy

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


def decoded_mean(model, z) -> np.ndarray:
    """The mean image at latent points z (n, latent_dim): shape (n, 28, 28, 1)."""
    return mean_image(model, model.decode(z))


def binarise(x, seed: int) -> np.ndarray:
    """Images sampled per pixel: 1 with its grey value as the probability, else 0; float32.

    Salakhutdinov & Murray 2008. The Bernoulli's expected -ln p is the grey pixels' cross-entropy.
    """
    return (np.random.default_rng((seed, 1)).random(x.shape) < x).astype("float32")


def score(model, x, seed: int) -> dict[str, np.ndarray]:
    """The distortion of the negative ELBO under each of LIKELIHOODS: (n,) each, in nats per image.

    z, and so the rate, are those of `bounds.elbo` with the same seed. Every likelihood has the
    model's mean image as its mean, the continuous Bernoulli by its λ. The Gaussian of variance ½
    has its constant, +448.7 nats; the calibrated one has the variance that is best for all x
    together (Rybkin et al. 2021).
    """
    mean, log_var = model.encode(x)
    decoded = model.decode(draw(mean, log_var, np.random.default_rng(seed)))
    average, pixels = mean_image(model, decoded), x[0].size
    exact = model.pixel_loss.loss is losses.continuous_bernoulli  # the decoder's output is λ
    parameter = decoded if exact else continuous_bernoulli_parameter(average)
    error = to_numpy(losses.squared_error, x, average)
    variances = 0.5, max(error.mean() / pixels, losses.LEAST_VARIANCE)
    found = [
        to_numpy(losses.bernoulli_cross_entropy, x, average),
        to_numpy(losses.bernoulli_cross_entropy, binarise(x, seed), average),
        to_numpy(losses.continuous_bernoulli, x, parameter),
        *(pixels / 2 * np.log(2 * np.pi * s2) + error / (2 * s2) for s2 in variances),
    ]
    return dict(zip(LIKELIHOODS, found, strict=True))
