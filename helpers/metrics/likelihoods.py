"""One trained model under several likelihoods: what its distortion is when the same images are read another way.

All in nats per image. Only numbers of the same likelihood compare: cross-entropies are of pixels that are 0 or 1, the
others are densities of grey values, which no model makes 0 and a sharp one makes as low as it likes.
"""

import numpy as np
from scipy.special import expit, logit

from helpers import losses
from helpers.metrics import bounds as metrics
from helpers.errors import check_integer

GREY, BINARY, CONTINUOUS = "grey cross-entropy", "Bernoulli of binarised digits", "continuous Bernoulli"
FIXED, CALIBRATED = "Gaussian, variance 1/2", "calibrated Gaussian"
LIKELIHOODS = (GREY, BINARY, CONTINUOUS, FIXED, CALIBRATED)

LARGEST_LOGIT = logit(1 - losses.EPSILON)  # of the continuous Bernoulli's λ, as in training
LOGITS = np.linspace(-LARGEST_LOGIT, LARGEST_LOGIT, 20_000)  # an even number, so that 0 is none of them
MEANS = 0.5 + 0.5 / np.tanh(LOGITS / 2) - 1 / LOGITS  # of the continuous Bernoulli, as a function of λ's logit


def continuous_bernoulli_parameter(mean: np.ndarray) -> np.ndarray:
    """The λ of the continuous Bernoulli with the given mean, any shape: `losses.continuous_bernoulli_mean` backwards.

    Read off a table of means over λ's logit. λ stays losses.EPSILON from 0 and 1, so that means below 0.062 or above
    0.938 get the nearest there is.
    """
    return expit(np.interp(mean, MEANS, LOGITS)).astype("float32")


def is_continuous_bernoulli(model) -> bool:
    """Whether the model's decoder gives the λ of continuous Bernoullis: otherwise it gives means."""
    return model.pixel_loss is losses.continuous_bernoulli


def mean_image(model, decoded) -> np.ndarray:
    """The mean images that a decoder's outputs (n, 28, 28, 1) stand for: the same shape.

    The output itself, but for models trained with the continuous Bernoulli, where that is λ, not the mean.
    """
    return metrics.to_numpy(losses.continuous_bernoulli_mean, decoded) if is_continuous_bernoulli(model) else decoded


def decoded_mean(model, z) -> np.ndarray:
    """The mean image at latent points z (n, latent_dim): shape (n, 28, 28, 1)."""
    return mean_image(model, model.decode(z))


def binarise(x, seed: int) -> np.ndarray:
    """Digits of zeros and ones, each pixel 1 with its grey value as the probability: float32, the shape of x.

    Salakhutdinov & Murray 2008. One draw for each pixel; in expectation over draws, the Bernoulli's -ln p, linear in
    its target, is the cross-entropy of the grey pixels: E[b ln p + (1 - b) ln(1 - p)] = x ln p + (1 - x) ln(1 - p).
    """
    return (np.random.default_rng((seed, 1)).random(x.shape) < x).astype("float32")


def score(model, x, seed: int, samples: int = 1) -> dict[str, np.ndarray]:
    """The distortion of the negative ELBO under each of LIKELIHOODS: (n,) each, in nats per image.

    z, and so the rate, are those of `metrics.elbo` with the same seed and samples. Every likelihood takes the model's
    mean image as its own mean, since that is what all decoders have in common: the continuous Bernoulli of a model that
    was not trained with it has the λ with that mean (`continuous_bernoulli_parameter`), and a model trained with it is
    read through `decoded_mean`. A decoder's output taken for λ as it stands would mean a brighter background.
    The Gaussian of variance ½ has its constant, +448.7 nats; the calibrated one has the variance that is best for all
    x together (Rybkin et al. 2021). Raises ValueError unless samples is a positive integer.
    """
    check_integer("samples", samples, 1, 1_000_000)
    rng = np.random.default_rng(seed)
    mean, log_var = model.encode(x)
    binary = binarise(x, seed)
    draws = [_distortions(model, x, binary, metrics.draw(mean, log_var, rng)) for _ in range(samples)]
    grey, bernoulli, continuous, error = np.mean(draws, axis=0)
    pixels = x[0].size
    variance = max(error.mean() / pixels, losses.LEAST_VARIANCE)
    fixed, calibrated = (pixels / 2 * np.log(2 * np.pi * s2) + error / (2 * s2) for s2 in (0.5, variance))
    return dict(zip(LIKELIHOODS, (grey, bernoulli, continuous, fixed, calibrated), strict=True))


def _distortions(model, x, binary, z):
    """Cross-entropies of grey and binary digits, the continuous Bernoulli's -ln p, and the squared error: (4, n)."""
    decoded = model.decode(z)
    mean = mean_image(model, decoded)
    parameter = decoded if is_continuous_bernoulli(model) else continuous_bernoulli_parameter(decoded)
    return [
        metrics.to_numpy(losses.bernoulli_cross_entropy, x, mean),
        metrics.to_numpy(losses.bernoulli_cross_entropy, binary, mean),
        metrics.to_numpy(losses.continuous_bernoulli, x, parameter),
        metrics.to_numpy(losses.squared_error, x, mean),
    ]
