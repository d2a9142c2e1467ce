"""Measurements of a trained model on given digits: plain NumPy out, nats per image.

`model` is a `helpers.models.VAE` or anything with encode(x) → mean, log variance (n, d) and
decode(z) → image; x has shape (n, 28, 28, 1) with values in [0, 1].
"""

import numpy as np
from keras import ops
from scipy.special import logsumexp
from sklearn.neighbors import KNeighborsClassifier

from helpers import losses

ACTIVE = 0.01  # Burda et al. 2016: a unit is active when the variance of its mean exceeds this


def _numpy(function, *arrays):
    """A function of the backend's tensors, from NumPy to NumPy: not every backend mixes the two."""
    return ops.convert_to_numpy(function(*(ops.convert_to_tensor(array, "float32") for array in arrays)))


def _draw(mean, log_var, rng):
    """One z per image from q(z|x): shape (n, latent_dim)."""
    return (mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape)).astype("float32")


def _distortion(model, x, z):
    """The pixel loss that the model was trained with: shape (n,)."""
    return _numpy(model.pixel_loss, x, model.decode(z))


def elbo(model, x, seed: int, samples: int = 1) -> dict[str, np.ndarray]:
    """The evidence lower bound and its two parts, elbo = -(distortion + rate), each of shape (n,).

    z is sampled from q(z|x), `samples` times per image: at the posterior mean it is not a bound.
    For the squared error, "elbo" leaves out the Gaussian's constant (Kingma & Welling 2014, eq. 3).
    """
    rng = np.random.default_rng(seed)
    mean, log_var = model.encode(x)
    rate = _numpy(losses.gaussian_kl, mean, log_var)
    distortion = np.mean([_distortion(model, x, _draw(mean, log_var, rng)) for _ in range(samples)], axis=0)
    return {"elbo": -(distortion + rate), "rate": rate, "distortion": distortion}


def importance_weighted_bound(model, x, k: int, seed: int) -> np.ndarray:
    """L_k = E ln (1/k) Σ p(x, z_i) / q(z_i|x) with z_i ~ q(z|x): shape (n,).

    L_1 is the ELBO; L_k never falls with k and never exceeds ln p(x) (Burda et al. 2016, eq. 8).
    """
    rng = np.random.default_rng(seed)
    mean, log_var = model.encode(x)
    return logsumexp([_log_weight(model, x, mean, log_var, rng) for _ in range(k)], axis=0) - np.log(k)


def _log_weight(model, x, mean, log_var, rng):
    """ln p(x|z) p(z) / q(z|x) for one z per image: shape (n,)."""
    z = _draw(mean, log_var, rng)
    zero = np.zeros_like(z)
    prior, posterior = (_numpy(losses.gaussian_log_density, z, *of) for of in ((zero, zero), (mean, log_var)))
    return prior - posterior - _distortion(model, x, z)


def kl_per_dimension(model, x) -> np.ndarray:
    """The rate of each latent dimension, averaged over images: shape (latent_dim,)."""
    return _numpy(losses.gaussian_kl_per_dimension, *model.encode(x)).mean(axis=0)


def active_units(model, x) -> np.ndarray:
    """Variance over images of each dimension's posterior mean, (latent_dim,): active above ACTIVE.

    Burda et al. 2016, section 5.2.
    """
    return model.encode(x)[0].var(axis=0)


def knn_accuracy(train_points, train_labels, points, labels, k: int = 15) -> float:
    """Share of points (n, d) whose label the k nearest training points vote for."""
    return float(KNeighborsClassifier(k).fit(train_points, train_labels).score(points, labels))


def standard_error(values) -> float:
    """Standard error of the mean of values (n,)."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))
