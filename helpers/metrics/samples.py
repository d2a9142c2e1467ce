"""How good samples are: against real images, against each other, and against noise."""

import numpy as np
from scipy.stats import entropy
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

AT_ONCE = 500  # rows of a table of distances


def _points(a, b):
    """Two sets of points as float64, (n, d) and (m, d)."""
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        shapes = f"features of shapes {a.shape} and {b.shape}"
        raise ValueError(f"{shapes}: they must be (n, d) with one d")
    return a, b


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """‖Δμ‖² + Tr(Σa + Σb − 2(ΣaΣb)^½) of two sets of features, (n, d) and (m, d).

    Heusel et al. 2017, eq. 6 (Fréchet 1957; Dowson & Landau 1982). The trace of the root is the sum
    of the singular values of Σa^½ Σb^½, which holds for covariances without full rank. Sets that
    are small for d come out far apart even when drawn from one distribution: compare with the
    distance between two sets of real images of the same sizes.
    """
    a, b = _points(features_a, features_b)
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
    real, fake = _points(real, fake)
    if not 1 <= k < len(real) or not len(fake):
        sizes = f"k={k} with {len(real)} real points and {len(fake)} samples"
        need = f"k must be an integer from 1 to {len(real) - 1}, with one sample or more"
        raise ValueError(f"{sizes}: {need}")
    radii = NearestNeighbors(n_neighbors=k).fit(real).kneighbors()[0][:, -1:]
    rows = [slice(start, start + AT_ONCE) for start in range(0, len(real), AT_ONCE)]
    held = [(pairwise_distances(real[part], fake) < radii[part]).sum(axis=1) for part in rows]
    balls = np.concatenate(held)
    return {"density": float(balls.sum() / (k * len(fake))), "coverage": float(np.mean(balls > 0))}


def class_shares(labels: np.ndarray, classes: int = 10) -> np.ndarray:
    """The share of each class among labels (n,), integers from 0: shape (classes,)."""
    labels = np.asarray(labels)
    if not len(labels) or not np.isin(labels, range(classes)).all():
        raise ValueError(f"{labels!r}: labels must be one or more integers from 0 to {classes - 1}")
    return np.bincount(labels.astype(int), minlength=classes) / len(labels)


def balance(shares: np.ndarray) -> float:
    """Pielou's (1966) evenness of shares (c,): entropy / ln c, 1 for equal shares, 0 for one."""
    shares = np.asarray(shares, float)
    if len(shares) < 2 or shares.min() < 0 or not np.isclose(shares.sum(), 1):
        raise ValueError(f"{shares!r}: shares must be two or more, none negative, and sum to 1")
    return float(entropy(shares) / np.log(len(shares)))


def pixel_noise(x_train: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Images (n, 28, 28, 1) of independent pixels, each with its own values in x_train: no more."""
    chosen = np.random.default_rng(seed).integers(len(x_train), size=(n, *x_train.shape[1:]))
    return np.take_along_axis(x_train, chosen, axis=0)


def uniform_noise(n: int, seed: int) -> np.ndarray:
    """Images (n, 28, 28, 1) of independent pixels, uniform on [0, 1)."""
    return np.random.default_rng(seed).random((n, 28, 28, 1), "float32")
