"""Judgements of two-dimensional maps against scikit-learn, brute force and chance."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances

from helpers import data
from helpers.metrics import embedding, latent

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def digits():
    images, labels = data.test_digits(150)
    return images.reshape(150, -1), labels


@pytest.fixture(scope="module")
def maps(digits):
    return [latent.tsne(PCA(10, random_state=0).fit_transform(digits[0]), seed=0, perplexity=p) for p in (15, 30)]


def trustworthiness_by_hand(points, places, k):
    """Venna & Kaski 2001, equation 1: 1 less the scaled ranks of those who are neighbours on the map only."""
    n = len(points)
    before, after = (np.argsort(np.argsort(pairwise_distances(p), axis=1), axis=1) for p in (points, places))
    intruders = (after <= k) & (after > 0) & (before > k)
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * np.sum((before - k)[intruders])


def votes_by_hand(points, labels, k):
    """Share of points whose label the k nearest others vote for."""
    distances = pairwise_distances(points)
    np.fill_diagonal(distances, np.inf)
    voted = [np.bincount(labels[row]).argmax() for row in np.argsort(distances, axis=1)[:, :k]]
    return np.mean(voted == labels)


def test_judgements_against_a_second_way(digits, maps):
    points, labels = digits
    found = embedding.judge(points, labels, maps[0], k=7)
    assert found["trustworthiness"] == pytest.approx(trustworthiness_by_hand(points, maps[0], 7), abs=1e-9)
    assert found["accuracy_before"] == pytest.approx(votes_by_hand(points, labels, 7))
    assert found["accuracy_after"] == pytest.approx(votes_by_hand(maps[0], labels, 7))


def test_a_faithful_map_is_trusted_and_a_random_one_is_not(digits):
    points, labels = digits
    plane = RNG.normal(size=(150, 2))
    assert embedding.judge(plane, labels, 3 * plane[:, ::-1])["trustworthiness"] == 1
    random = embedding.judge(points, labels, plane)
    assert random["trustworthiness"] == pytest.approx(0.5, abs=0.05)
    assert random["accuracy_after"] < 0.3 and random["accuracy_before"] > 0.6


def test_leave_one_out_does_not_ask_the_point_itself():
    labels = RNG.integers(10, size=1_000)
    assert embedding.leave_one_out_accuracy(RNG.normal(size=(1_000, 2)), labels, k=1) == pytest.approx(0.1, abs=0.04)
    assert embedding.leave_one_out_accuracy(np.eye(10)[labels] + 1e-3 * RNG.normal(size=(1_000, 10)), labels) == 1


def test_stability_against_sets_counted_one_by_one(maps):
    distances = [pairwise_distances(places) for places in maps]
    near = [[set(np.argsort(row)[1:16]) for row in table] for table in distances]
    expected = np.mean([len(a & b) / len(a | b) for a, b in zip(*near, strict=True)])
    assert embedding.stability(maps) == pytest.approx(expected)


def test_stability_is_one_for_a_turned_map_and_chance_for_random_ones(maps):
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert embedding.stability([maps[0], 5 * maps[0] @ turn + 2]) == pytest.approx(1, abs=0.001)
    chance = embedding.chance_stability(150)
    assert embedding.stability(list(RNG.normal(size=(4, 150, 2)))) == pytest.approx(chance, abs=0.01)
    assert chance < 0.1 and 0.3 < embedding.stability(maps) < 0.95


def test_chance_against_sets_drawn_by_lot():
    draws = [set(RNG.choice(99, 15, replace=False)) for _ in range(4_000)]
    overlaps = [len(a & b) / len(a | b) for a, b in zip(draws[::2], draws[1::2], strict=True)]
    error = np.std(overlaps) / np.sqrt(len(overlaps))
    assert abs(np.mean(overlaps) - embedding.chance_stability(100)) < 5 * error
    assert embedding.chance_stability(16) == 1  # everyone is near everyone


def test_what_does_not_fit_is_refused(maps):
    labels = np.zeros(150)
    with pytest.raises(ValueError, match="k=75 must be an integer from 1 to 74"):
        embedding.judge(maps[0], labels, maps[1], k=75)
    with pytest.raises(ValueError, match="as many of each"):
        embedding.judge(maps[0], labels[:-1], maps[1])
    with pytest.raises(ValueError, match="two embeddings or more"):
        embedding.stability(maps[:1])
    with pytest.raises(ValueError, match="equally many points"):
        embedding.stability([maps[0], maps[1][:-1]])
    with pytest.raises(ValueError, match="from 1 to 149"):
        embedding.stability(maps, k=150)
