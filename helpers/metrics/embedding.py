"""Two-dimensional maps of latent points, such as t-SNE's, judged: what they keep, and whether they come out again."""

from itertools import combinations

import numpy as np
from scipy.stats import hypergeom, mode
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors

from helpers.errors import check_integer


def neighbours(points: np.ndarray, k: int = 15) -> np.ndarray:
    """Indices of the k nearest other points of each of points (n, d), nearest first: shape (n, k).

    Raises ValueError unless 1 <= k < n.
    """
    check_integer("k", k, 1, len(points) - 1)
    return NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)


def leave_one_out_accuracy(points: np.ndarray, labels: np.ndarray, k: int = 15) -> float:
    """Share of points (n, d) whose label their k nearest other points vote for; the smallest label wins a tie."""
    votes = np.asarray(labels)[neighbours(points, k)]
    return float(np.mean(mode(votes, axis=1).mode == labels))


def judge(points: np.ndarray, labels: np.ndarray, embedding: np.ndarray, k: int = 15) -> dict[str, float]:
    """What an embedding (n, 2) keeps of points (n, d) with labels (n,).

    "trustworthiness": 1 where every one of the k nearest neighbours in the embedding was near before, about ½ for
    points strewn at random (Venna & Kaski 2001); "accuracy_before", "accuracy_after": of k nearest neighbours, leaving
    one out, in points and in the embedding. Takes memory and time in n². Raises ValueError unless k < n / 2 and the
    three have the same length.
    """
    if not len(points) == len(labels) == len(embedding):
        raise ValueError(
            f"{len(points)} points, {len(labels)} labels, {len(embedding)} places: there must be as many of each"
        )
    check_integer("k", k, 1, (len(points) - 1) // 2)
    return {
        "trustworthiness": float(trustworthiness(points, embedding, n_neighbors=k)),
        "accuracy_before": leave_one_out_accuracy(points, labels, k),
        "accuracy_after": leave_one_out_accuracy(embedding, labels, k),
    }


def stability(embeddings: list[np.ndarray], k: int = 15) -> float:
    """How far embeddings (n, 2) of the same points agree on who is near whom, between 0 and 1.

    The k nearest neighbours of a point in two embeddings, shared over all (Jaccard's index), averaged over points and
    over pairs of embeddings. Turning, mirroring and scaling change nothing; see `chance_stability` for the floor.
    Raises ValueError for fewer than two embeddings, or unequal lengths.
    """
    if len(embeddings) < 2 or len({len(embedding) for embedding in embeddings}) > 1:
        raise ValueError("stability needs two embeddings or more, of equally many points")
    near = [neighbours(embedding, k) for embedding in embeddings]
    return float(np.mean([_overlap(one, other) for one, other in combinations(near, 2)]))


def _overlap(one, other):
    """Jaccard's index of two sets of k neighbours, (n, k) each, averaged over the n points."""
    shared = (one[:, :, np.newaxis] == other[:, np.newaxis, :]).sum(axis=(1, 2))
    return (shared / (2 * one.shape[1] - shared)).mean()


def chance_stability(n: int, k: int = 15) -> float:
    """The `stability` to expect of n points strewn anew every time: neighbours are then k of n - 1 drawn by lot."""
    check_integer("k", k, 1, n - 1)
    shared = np.arange(k + 1)
    return float(np.sum(hypergeom.pmf(shared, n - 1, k, k) * shared / (2 * k - shared)))
