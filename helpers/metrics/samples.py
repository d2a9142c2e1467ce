"""How good samples are: against real images, against each other, and against noise."""

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from helpers.metrics.likelihoods import decoded_mean

AT_ONCE = 500  # rows of a table of distances
REDRAWN = 3  # training images that an image is compared with, as the model draws them


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """‖Δμ‖² + Tr(Σa + Σb − 2(ΣaΣb)^½) of two sets of features, (n, d) and (m, d).

    Heusel et al. 2017, eq. 6 (Dowson & Landau 1982); the trace of the root as the sum of the
    singular values of Σa^½ Σb^½, for covariances without full rank. Small sets come out far apart
    even when drawn from one distribution: compare with two sets of real images.
    """
    a, b = (np.asarray(features, "float64") for features in (features_a, features_b))
    if min(len(a), len(b)) < 2:
        raise ValueError(f"{len(a)} and {len(b)} points: a covariance needs 2 or more in each set")
    between = np.square(a.mean(axis=0) - b.mean(axis=0)).sum()
    spread = a.var(axis=0, ddof=1).sum() + b.var(axis=0, ddof=1).sum()
    shared = np.linalg.svd(_root_covariance(a) @ _root_covariance(b), compute_uv=False).sum()
    return float(max(between + spread - 2 * shared, 0))


def _root_covariance(points):
    """The symmetric square root of the covariance of points (n, d): shape (d, d)."""
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(points, rowvar=False)))
    return vectors * np.sqrt(values.clip(0)) @ vectors.T


def density_coverage(real: np.ndarray, fake: np.ndarray, k: int = 5) -> dict[str, float]:
    """Density and coverage of samples (m, d) against real points (n, d), as features of one kind.

    Around every real point lies a ball that reaches to its k-th nearest real neighbour. density:
    how many balls a sample lies in, divided by k, on average; 1 when both sets come from one
    distribution, more where samples crowd. coverage: the share of balls that hold a sample; for one
    distribution 1 − Π_{j<k} (n − 1 − j)/(n − 1 + m − j), about 1 − 2⁻ᵏ for n = m. Naeem et al.
    2020; as in the authors' code, a point on a ball's surface is outside.
    """
    real, fake = (np.asarray(points, "float64") for points in (real, fake))
    radii = NearestNeighbors(n_neighbors=k).fit(real).kneighbors()[0][:, -1:]
    rows = [slice(start, start + AT_ONCE) for start in range(0, len(real), AT_ONCE)]
    held = [(pairwise_distances(real[part], fake) < radii[part]).sum(axis=1) for part in rows]
    balls = np.concatenate(held)
    return {"density": float(balls.sum() / (k * len(fake))), "coverage": float(np.mean(balls > 0))}


def nearest_distance(known: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Euclidean distance of each image (m, …) to the nearest of known images (n, …): (m,)."""
    known, images = (each.reshape(len(each), -1) for each in (known, images))
    return NearestNeighbors(n_neighbors=1, algorithm="brute").fit(known).kneighbors(images)[0][:, 0]


def recited(model, images: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The copy test: which images are a training image as the model draws it, bool (n,).

    codes: posterior means of the training images, (m, latent_dim). The REDRAWN ones nearest to the
    image's own code are decoded; it is a copy where it is less than half as far from one of them
    as from the next. Codes of d dimensions that fill space come out so by chance with probability
    2⁻ᵈ. Distances to the training images themselves find few copies, as the model blurs.
    """
    index = NearestNeighbors(n_neighbors=REDRAWN).fit(codes)
    near = index.kneighbors(model.encode(images)[0], return_distance=False)
    redrawn = [decoded_mean(model, codes[each]) for each in near.T]
    squares = np.sort([np.square(each - images).sum(axis=(1, 2, 3)) for each in redrawn], axis=0)
    return squares[0] < squares[1] / 4


def class_shares(labels: np.ndarray) -> np.ndarray:
    """The share of each of the ten classes among labels (n,): shape (10,)."""
    return np.bincount(labels, minlength=10) / len(labels)


def balance(shares: np.ndarray) -> float:
    """Pielou's (1966) evenness of shares (c,): entropy / ln c, 1 for equal shares, 0 for one."""
    return float(entropy(shares) / np.log(len(shares)))


def pixel_noise(x_train: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Images (n, 28, 28, 1) of independent pixels, each with its own values in x_train: no more."""
    chosen = np.random.default_rng(seed).integers(len(x_train), size=(n, *x_train.shape[1:]))
    return np.take_along_axis(x_train, chosen, axis=0)


def uniform_noise(n: int, seed: int) -> np.ndarray:
    """Images (n, 28, 28, 1) of independent pixels, uniform on [0, 1)."""
    return np.random.default_rng(seed).random((n, 28, 28, 1), "float32")
