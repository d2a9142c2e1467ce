"""Bounds on the log-likelihood of a trained model: plain NumPy out, nats per image.

`model` is a `helpers.models.VAE` or anything with encode(x) → mean, log variance (n, d),
decode(z) → image and pixel_loss(x, decoded) → (n,); x has shape (n, 28, 28, 1), values in [0, 1].
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.special import logsumexp
from scipy.stats import norm

from helpers import losses, models
from helpers.errors import check_integer

ACTIVE = models.ACTIVE  # the least variance of the mean of a dimension that is in use
SEARCH_RATE = 0.5  # Adam's first step in `optimised_bound`, in posterior standard deviations
SEARCHED = 500  # images that `search` holds at a time
AT_ONCE = 1_000  # images whose pixel loss is computed at a time: it holds many copies of them


def to_numpy(function, *arrays) -> np.ndarray:
    """Apply a function of the backend's tensors to NumPy arrays: float32 in, NumPy out."""
    tensors = (ops.convert_to_tensor(array, "float32") for array in arrays)
    return ops.convert_to_numpy(function(*tensors))


def draw(mean: np.ndarray, log_var: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One z per image from q(z|x): shape (n, latent_dim)."""
    return (mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape)).astype("float32")


def encode_decode(model, x, seed: int) -> np.ndarray:
    """Images decoded from one z ~ q(z|x) each; of damaged ones, what the original does."""
    mean, log_var = model.encode(x)
    return model.decode(draw(mean, log_var, np.random.default_rng(seed)))


def pixel_losses(model, x: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """The distortion of each image, (n,): of a few at a time, unless it depends on the others."""
    at_once = len(x) if getattr(model.pixel_loss, "per_batch", False) else AT_ONCE
    pairs = ((x[n : n + at_once], decoded[n : n + at_once]) for n in range(0, len(x), at_once))
    return np.concatenate([to_numpy(model.pixel_loss, *pair) for pair in pairs])


def elbo(model, x, seed: int, samples: int = 1, q=None) -> dict[str, np.ndarray]:
    """The evidence lower bound and its two parts, elbo = -(distortion + rate): shape (n,) each.

    z is sampled from q(z|x), `samples` times per image: at the posterior mean it is not a bound.
    q: mean and log variance, (n, latent_dim) each; default: the encoder's. For the squared error,
    "elbo" leaves out the Gaussian's constant (Kingma & Welling 2014, eq. 3).
    """
    rng, (mean, log_var) = np.random.default_rng(seed), model.encode(x) if q is None else q
    rate = to_numpy(losses.gaussian_kl, mean, log_var)
    decoded = (model.decode(draw(mean, log_var, rng)) for _ in range(samples))
    distortion = np.mean([pixel_losses(model, x, image) for image in decoded], axis=0)
    return {"elbo": -(distortion + rate), "rate": rate, "distortion": distortion}


def importance_weighted_bound(model, x, k: int, seed: int, q=None) -> np.ndarray:
    """L_k = E ln (1/k) Σ p(x, z_i) / q(z_i|x) with z_i ~ q(z|x): shape (n,).

    L_1 is the ELBO; L_k never falls with k and never exceeds ln p(x) (Burda et al. 2016, eq. 8).
    q: see `elbo`; the nearer it is to the posterior, as that of `optimised_bound`, the tighter.
    """
    rng, log_weights = np.random.default_rng(seed), []
    mean, log_var = model.encode(x) if q is None else q
    for _ in range(k):
        z = draw(mean, log_var, rng)
        zero = np.zeros_like(z)
        prior = to_numpy(losses.gaussian_log_density, z, zero, zero)
        posterior = to_numpy(losses.gaussian_log_density, z, mean, log_var)
        log_weights.append(prior - posterior - pixel_losses(model, x, model.decode(z)))
    return logsumexp(log_weights, axis=0) - np.log(k)


def grid_log_likelihood(model, x, points: int = 200, reach: float = 5.0) -> np.ndarray:
    """ln p(x) of a model with two latent dimensions, p(x|z) p(z) summed over a grid: nats, (n,).

    The limit of L_k. points² values of z on [-reach, reach]²; their spacing must not exceed the
    posterior's standard deviation, which a second spacing tells. For grey x and the cross-entropy
    it is, like every bound on it, below the expected ln p of binarised x: ln ∫ exp is convex.
    """
    axis, spacing = np.linspace(-reach, reach, points, retstep=True)
    found = np.full(len(x), -np.inf)
    for row in axis:
        z = np.stack([np.full(points, row), axis], axis=1).astype("float32")
        decoded, prior = model.decode(z), norm.logpdf(z).sum(axis=1)
        for i, image in enumerate(x):
            loss = to_numpy(model.pixel_loss, np.broadcast_to(image, decoded.shape), decoded)
            found[i] = np.logaddexp(found[i], logsumexp(prior - loss))
    return found + 2 * np.log(spacing)


class LatentSearch(keras.Model):
    """Arrays before a frozen copy of a model's decoder: only they are trained, by `search`.

    What `call` does and what `compute_loss` decides the last bits of a result.
    """

    def __init__(self, model, starts, outputs, loss, rate, steps):
        super().__init__()
        self.decoder = keras.models.clone_model(model.decoder)
        self.decoder.set_weights(model.decoder.get_weights())
        self.decoder.trainable = False
        self.arrays = [keras.Variable(start) for start in starts]
        self.outputs_of, self.loss_of = outputs, loss
        self.built = True
        self.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps)))

    def call(self, inputs):
        return self.outputs_of(self.decoder, self.arrays, inputs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.sum(self.loss_of(x, y_pred))


def search(model, starts, outputs, loss, inputs: Callable[[slice], Any], rate, steps) -> list:
    """Where gradient descent from arrays `starts`, with a row for each image, arrives: arrays.

    outputs: from decoder, arrays and inputs to what loss needs; loss: from inputs and outputs to
    one number per image; inputs: of the images in a slice, asked for at every step. Adam scales
    each coordinate by itself, so that images do not disturb one another; its rate decays to 0.
    """
    found = []
    for first in range(0, len(starts[0]), SEARCHED):
        part = slice(first, first + SEARCHED)
        descent = LatentSearch(model, [start[part] for start in starts], outputs, loss, rate, steps)
        for _ in range(steps):
            descent.train_on_batch(inputs(part))
        found.append([ops.convert_to_numpy(array) for array in descent.arrays])
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


def optimised_bound(model, x, steps: int, seed: int, samples: int = 20) -> dict[str, np.ndarray]:
    """The ELBO under the encoder's q(z|x) and under a per-image optimised Gaussian posterior.

    "encoder" and "optimised", (n,), in nats, `samples` draws each with the same noise: their
    difference is the amortisation gap (Cremer, Li & Duvenaud 2018, section 3); "mean" and
    "log_var", (n, latent_dim), of the optimised posteriors. The search starts at the encoder's q.
    """
    check_integer("steps", steps, 1, 1_000_000)
    rng = np.random.default_rng((seed, 1))  # not the noise of the evaluation
    mean, log_var = model.encode(x)

    def inputs(part):
        noise = rng.standard_normal(mean[part].shape).astype("float32")
        return mean[part], log_var[part], noise, x[part]

    def outputs(decode, distances, inputs):
        """Distances: of the mean in the encoder's standard deviations, of the log variance."""
        (shift, widening), (mean, log_var, noise, _) = distances, inputs
        mean, log_var = mean + ops.exp(0.5 * log_var) * shift, log_var + widening
        return decode(mean + ops.exp(0.5 * log_var) * noise), mean, log_var

    def negative_elbo(inputs, outputs):
        decoded, *q = outputs
        rate = losses.gaussian_kl(*q)
        return model.pixel_loss(inputs[-1], decoded) + rate

    task = [np.zeros_like(mean)] * 2, outputs, negative_elbo, inputs
    shift, widening = search(model, *task, SEARCH_RATE, steps)
    best = mean + np.exp(log_var / 2) * shift, log_var + widening
    before, after = (elbo(model, x, seed, samples, q)["elbo"] for q in ((mean, log_var), best))
    return {"encoder": before, "optimised": after, "mean": best[0], "log_var": best[1]}


def kl_per_dimension(model, x) -> np.ndarray:
    """The rate of each latent dimension, averaged over images: shape (latent_dim,)."""
    return to_numpy(losses.gaussian_kl_per_dimension, *model.encode(x)).mean(axis=0)


def kl_range(kl: np.ndarray) -> dict[str, float]:
    """KL of the least and the most used dimension, from that of each image (n, latent_dim): nats.

    "kl_range_error": the standard error of their difference, paired over images. As the two are
    chosen on these images, between equal dimensions the difference is an error or two, not 0.
    """
    mean = kl.mean(axis=0)
    error = standard_error(kl[:, mean.argmax()] - kl[:, mean.argmin()])
    return {"kl_least": mean.min(), "kl_most": mean.max(), "kl_range_error": error}


def active_units(model, x) -> np.ndarray:
    """Variance over images of each dimension's posterior mean, (latent_dim,); see ACTIVE."""
    return model.encode(x)[0].var(axis=0)


def standard_error(values) -> float:
    """Standard error of the mean of values (n,)."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))
