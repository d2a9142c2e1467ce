"""The latent space: points, samples and paths in it, the geometry of its codes, maps of it.

Codes and points have shape (n, latent_dim), labels (n,).
"""

from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import rel_entr
from scipy.stats import hypergeom, norm
from sklearn.manifold import TSNE, trustworthiness
from sklearn.metrics import confusion_matrix
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from helpers.errors import check_integer

NEAREST = 15  # neighbours that vote or are compared


# Grids, samples and paths
def prior_quantiles(n: int) -> np.ndarray:
    """Quantiles of N(0, 1) at the midpoints of n equal slices of probability: shape (n,)."""
    return norm.ppf((np.arange(n) + 0.5) / n)


def decode_grid(model, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, n, 28, 28) at the prior's quantiles of both axes, and those quantiles (n,).

    Row 0 holds the largest z2, column 0 the smallest z1, as in a plot; latent_dim is 2.
    """
    values = prior_quantiles(n)
    z1, z2 = np.meshgrid(values, values[::-1])
    images = model.decode(np.stack([z1.ravel(), z2.ravel()], axis=1).astype("float32"))
    return images.reshape(n, n, 28, 28), values


def decode_line(model, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 28, 28) at the prior's quantiles, and those quantiles (n,); latent_dim is 1."""
    values = prior_quantiles(n)
    return model.decode(values[:, np.newaxis].astype("float32")).reshape(n, 28, 28), values


def sample_prior(n: int, latent_dim: int, seed: int) -> np.ndarray:
    """Draw n points from N(0, I): shape (n, latent_dim)."""
    return np.random.default_rng(seed).standard_normal((n, latent_dim)).astype("float32")


def fit_mixture(means: np.ndarray, components: int, seed: int) -> GaussianMixture:
    """Gaussians fitted to latent means: a prior fitted after training (Ghosh et al. 2020)."""
    check_integer("components", components, 1, len(means))
    return GaussianMixture(components, random_state=seed).fit(np.asarray(means, "float64"))


def sample_mixture(mixture: GaussianMixture, n: int, seed: int) -> np.ndarray:
    """Draw n points independently from a mixture of `fit_mixture`: shape (n, latent_dim)."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(mixture.weights_), n, p=mixture.weights_)
    roots = np.linalg.cholesky(mixture.covariances_)[chosen]
    noise = rng.standard_normal((n, mixture.means_.shape[1]))
    return (mixture.means_[chosen] + np.einsum("nij,nj->ni", roots, noise)).astype("float32")


def sample_aggregate(mean: np.ndarray, log_var: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Draw n points from the aggregate posterior: an image, then z from its q(z|x)."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(mean), size=n)
    noise = rng.standard_normal((n, mean.shape[1]))
    return (mean[chosen] + np.exp(log_var[chosen] / 2) * noise).astype("float32")


def interpolate(start: np.ndarray, end: np.ndarray, n: int) -> np.ndarray:
    """Points on the line from start to end, both (latent_dim,): shape (n, latent_dim)."""
    share = np.linspace(0, 1, n, dtype="float32")[:, np.newaxis]
    return (1 - share) * start + share * end


# Geometry of the codes
def knn_votes(train_points, train_labels, points) -> np.ndarray:
    """The label that the NEAREST training points vote for, for each of points: shape (n,).

    points: None for the training points themselves, of which none has a vote on itself.
    """
    return KNeighborsClassifier(NEAREST).fit(train_points, train_labels).predict(points)


def knn_accuracy(train_points, train_labels, points, labels) -> float:
    """Share of points whose label the NEAREST training points vote for."""
    return float(np.mean(knn_votes(train_points, train_labels, points) == labels))


def confused_pairs(labels, votes) -> list[tuple[int, int, float]]:
    """Pairs of classes a < b with the share of both that is taken for the other, largest first."""
    classes, pairs = np.union1d(labels, votes), []
    counts = confusion_matrix(labels, votes, labels=classes)
    totals = counts.sum(axis=1)
    for a, b in combinations(range(len(classes)), 2):
        share = (counts[a, b] + counts[b, a]) / max(totals[a] + totals[b], 1)
        pairs.append((int(classes[a]), int(classes[b]), float(share)))
    return sorted(pairs, key=lambda pair: -pair[2])


def class_gap(points, labels) -> float:
    """Median distance from a point to the nearest one of another class, relative to the extent.

    That is the root mean squared distance from the centre. Compare equal numbers of points only.
    """
    nearest = np.empty(len(points))
    for label in np.unique(labels):
        own = labels == label
        others = NearestNeighbors(n_neighbors=1).fit(points[~own])
        nearest[own] = others.kneighbors(points[own])[0][:, 0]
    return float(np.median(nearest) / np.sqrt(np.var(points, axis=0).sum()))


def axis_information(mean, log_var, labels, bins: int = 50) -> tuple[np.ndarray, np.ndarray]:
    """What z_j ~ q(z_j|x) tells about the class of x: mutual information, nats, for each axis j.

    Of each class against the rest, (classes, latent_dim), and of all classes, (latent_dim,). No
    draws are counted: q gives each of `bins` intervals of z_j its probability, which loses a little
    and never exceeds the mean rate of these images, as I(z_j; class) ≤ I(z_j; x) ≤ KL_j. Few images
    inflate it, by (bins - 1)(classes - 1) / 2n nats where posteriors are narrow: compare with
    permuted labels.
    """
    drawn = sample_aggregate(mean, log_var, 10_000, 0)  # any edges will do: about equal shares
    edges = np.quantile(drawn, np.arange(1, bins) / bins, axis=0)
    is_class, terms = np.unique(labels)[:, np.newaxis] == labels, []
    for centre, scale, edge in zip(mean.T, np.exp(log_var / 2).T, edges.T, strict=True):
        below = norm.cdf(edge, centre[:, np.newaxis], scale[:, np.newaxis])
        cells = np.diff(below, axis=1, prepend=0, append=1) / len(labels)
        joint = np.stack([is_class @ cells, ~is_class @ cells])  # of each class, of the rest
        terms.append(rel_entr(joint, joint.sum(axis=2, keepdims=True) * cells.sum(axis=0)))
    each = np.sum(terms, axis=3)  # axes, class or rest, classes
    return each.sum(axis=1).T, each[:, 0].sum(axis=1)


def shuffled(model, seed: int) -> Any:
    """A control for `smoothness`: the model's images, but each for an unrelated point."""
    rng = np.random.default_rng(seed)
    return SimpleNamespace(decode=lambda points: model.decode(rng.permutation(points)))


def smoothness(model, points, step: float, seed: int) -> dict[str, float]:
    """Mean squared change of the decoded image's pixels for a step of given length from each point.

    Directions are random. "half_change": for half the step; "pair_change": between random pairs of
    points; "relative": change / pair_change; "exponent": log2 change / half_change, 2 where the
    decoder is smooth at this scale, 1 where it has jumps, 0 where neighbours share nothing.
    """
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(points.shape)
    direction *= step / np.linalg.norm(direction, axis=1, keepdims=True)
    order = rng.permutation(len(points))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    here = model.decode(points)
    there = [model.decode((points + part * direction).astype("float32")) for part in (1, 0.5)]
    images = (*there, here[partner])
    change, half, pair = (np.square(image - here, dtype="float64").mean() for image in images)
    with np.errstate(divide="ignore", invalid="ignore"):  # a decoder that ignores z: not a number
        relative, exponent = change / pair, np.log2(change / half)
    names = "change", "half_change", "pair_change", "relative", "exponent"
    return dict(zip(names, map(float, (change, half, pair, relative, exponent)), strict=True))


def congestion(mean, log_var) -> dict[str, float]:
    """How crowded the latent space is: areas of q(z|x) and of all codes, and their ratio in nats.

    "area": sqrt det of the covariance of all codes z ~ q(z|x), in units of the prior's;
    "posterior_area": that of a single q(z|x), its geometric mean; "distinguishable": ln of their
    ratio, an upper bound of a code's information about its image, exact for Gaussian codes.
    """
    within = np.exp(log_var, dtype="float64").mean(axis=0)
    covariance = np.cov(mean, rowvar=False, bias=True).reshape(len(within), -1) + np.diag(within)
    all_codes = 0.5 * np.linalg.slogdet(covariance)[1]
    one_code = 0.5 * log_var.sum(axis=1, dtype="float64").mean()
    areas = {"area": float(np.exp(all_codes)), "posterior_area": float(np.exp(one_code))}
    return areas | {"distinguishable": float(all_codes - one_code)}


# Two-dimensional maps
def tsne(points: np.ndarray, seed: int, perplexity: float = 30) -> np.ndarray:
    """A map of points, (n, 2) (van der Maaten & Hinton 2008; settings: Kobak & Berens 2019)."""
    settings = {"init": "pca", "learning_rate": "auto", "perplexity": perplexity}
    return TSNE(random_state=seed, **settings).fit_transform(points)


def neighbours(points: np.ndarray) -> np.ndarray:
    """Indices of the NEAREST other points of each point, nearest first: shape (n, NEAREST)."""
    return NearestNeighbors(n_neighbors=NEAREST).fit(points).kneighbors(return_distance=False)


def leave_one_out_accuracy(points: np.ndarray, labels: np.ndarray) -> float:
    """Share of points whose label their NEAREST others vote for; ties: smallest label."""
    return knn_accuracy(points, labels, None, labels)


def map_quality(points, labels, places: np.ndarray) -> dict[str, float]:
    """What a map, places (n, 2), keeps of points (n, d) with labels (n,); takes memory in n².

    "trustworthiness": 1 where all NEAREST on the map were near before, about ½ for random places
    (Venna & Kaski 2001); "accuracy_before", "accuracy_after": see `leave_one_out_accuracy`.
    """
    return {
        "trustworthiness": float(trustworthiness(points, places, n_neighbors=NEAREST)),
        "accuracy_before": leave_one_out_accuracy(points, labels),
        "accuracy_after": leave_one_out_accuracy(places, labels),
    }


def map_stability(maps: list[np.ndarray]) -> float:
    """How far maps (n, 2) of the same points agree on who is near whom, between 0 and 1.

    Jaccard's index of a point's NEAREST on two maps, averaged over points and pairs of maps.
    """
    found = []
    for one, other in combinations(map(neighbours, maps), 2):
        shared = (one[:, :, np.newaxis] == other[:, np.newaxis, :]).sum(axis=(1, 2))
        found.append((shared / (2 * NEAREST - shared)).mean())
    return float(np.mean(found))


def chance_stability(n: int) -> float:
    """`map_stability` to expect of n points placed at random: neighbours are drawn by lot."""
    shared = np.arange(NEAREST + 1)
    chance = hypergeom.pmf(shared, n - 1, NEAREST, NEAREST)
    return float(np.sum(chance * shared / (2 * NEAREST - shared)))
