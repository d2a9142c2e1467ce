"""Points of the latent space: grids, samples, paths, and two-dimensional maps of them."""

import numpy as np
from scipy.stats import norm
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture

from helpers.errors import check_integer


def prior_quantiles(n: int) -> np.ndarray:
    """Quantiles of N(0, 1) at the midpoints of n equal slices of probability: shape (n,)."""
    return norm.ppf((np.arange(n) + 0.5) / n)


def decode_grid(model, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, n, 28, 28) decoded at the prior's quantiles of both axes, and those quantiles (n,).

    Row 0 holds the largest z2, column 0 the smallest z1, as in a plot. Needs latent_dim = 2.
    """
    values = prior_quantiles(n)
    z1, z2 = np.meshgrid(values, values[::-1])
    images = model.decode(np.stack([z1.ravel(), z2.ravel()], axis=1).astype("float32"))
    return images.reshape(n, n, 28, 28), values


def decode_line(model, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) decoded at the prior's quantiles, and those quantiles (n,). latent_dim = 1."""
    values = prior_quantiles(n)
    return model.decode(values[:, np.newaxis].astype("float32")).reshape(n, 28, 28), values


def sample_prior(n: int, latent_dim: int, seed: int) -> np.ndarray:
    """n draws from N(0, I): shape (n, latent_dim)."""
    return np.random.default_rng(seed).standard_normal((n, latent_dim)).astype("float32")


def fit_mixture(means: np.ndarray, components: int, seed: int) -> GaussianMixture:
    """Gaussians with full covariances, fitted to latent means (n, latent_dim) by maximum likelihood: a prior ex post.

    Ghosh et al. 2020, "From variational to deterministic autoencoders". The seed decides where the search
    starts. Raises ValueError for components below 1 or above n.
    """
    check_integer("components", components, 1, len(means))
    return GaussianMixture(components, random_state=seed).fit(np.asarray(means, "float64"))


def sample_mixture(mixture: GaussianMixture, n: int, seed: int) -> np.ndarray:
    """n independent draws from a mixture that `fit_mixture` fitted: shape (n, latent_dim)."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(mixture.weights_), n, p=mixture.weights_)
    roots = np.linalg.cholesky(mixture.covariances_)[chosen]
    noise = rng.standard_normal((n, mixture.means_.shape[1]))
    return (mixture.means_[chosen] + np.einsum("nij,nj->ni", roots, noise)).astype("float32")


def sample_aggregate(mean: np.ndarray, log_var: np.ndarray, n: int, seed: int) -> np.ndarray:
    """n independent draws from the aggregate posterior, q(z|x) averaged over images: shape (n, latent_dim).

    mean, log_var: (images, latent_dim). Each draw picks an image, then z from its q (Hoffman & Johnson 2016). Raises
    ValueError unless both have one shape and there is an image.
    """
    if np.shape(mean) != np.shape(log_var) or not len(mean):
        raise ValueError(f"mean {np.shape(mean)} and log_var {np.shape(log_var)}: both must be (images, latent_dim)")
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(mean), size=n)
    noise = rng.standard_normal((n, np.shape(mean)[1]))
    return (mean[chosen] + np.exp(log_var[chosen] / 2) * noise).astype("float32")


def interpolate(start: np.ndarray, end: np.ndarray, n: int) -> np.ndarray:
    """n points on the straight line from start to end, both (latent_dim,): shape (n, latent_dim)."""
    share = np.linspace(0, 1, n, dtype="float32")[:, np.newaxis]
    return (1 - share) * start + share * end


def tsne(points: np.ndarray, seed: int, perplexity: float = 30) -> np.ndarray:
    """A two-dimensional t-SNE map of points (n, latent_dim): shape (n, 2).

    Initialised by principal components, with the automatic learning rate (van der Maaten &
    Hinton 2008; Kobak & Berens 2019).
    """
    return TSNE(init="pca", learning_rate="auto", perplexity=perplexity, random_state=seed).fit_transform(points)
