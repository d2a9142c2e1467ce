"""Points of the latent space, against what they should be and against decoders that show their input."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest, norm

from helpers import latent


class Mirror:
    """A decoder that writes z into the pixels: pixel (0, k) holds z_k."""

    def decode(self, z):
        images = np.zeros((len(z), 28, 28, 1), "float32")
        images[:, 0, : z.shape[1], 0] = z
        return images


def density(z):
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_quantiles_cut_the_prior_at_the_middles_of_equal_slices(n):
    values = latent.prior_quantiles(n)
    assert values.shape == (n,)
    below = [quad(density, -10, value)[0] for value in values]  # by integration, without SciPy's normal
    assert np.allclose(below, (np.arange(n) + 0.5) / n, atol=1e-7)


def test_quantiles_meet_the_sorted_middle_of_many_draws():
    draws = np.random.default_rng(0).standard_normal(1_000_000)
    assert np.allclose(latent.prior_quantiles(20), np.quantile(draws, (np.arange(20) + 0.5) / 20), atol=0.01)
    assert not np.allclose(np.linspace(-2, 2, 20), latent.prior_quantiles(20), atol=0.1)  # negative control


def test_quantiles_grow_and_are_symmetric():
    values = latent.prior_quantiles(20)
    assert np.all(np.diff(values) > 0)
    assert np.allclose(values, -values[::-1])


def test_grid_has_small_z1_at_the_left_and_large_z2_on_top():
    images, values = latent.decode_grid(Mirror(), 5)
    assert images.shape == (5, 5, 28, 28)
    for row in range(5):
        for column in range(5):
            assert images[row, column, 0, :2] == pytest.approx([values[column], values[4 - row]])
    assert np.array_equal(values, latent.prior_quantiles(5))


def test_line_follows_the_quantiles():
    images, values = latent.decode_line(Mirror(), 7)
    assert images.shape == (7, 28, 28)
    assert images[:, 0, 0] == pytest.approx(values)
    assert np.array_equal(values, latent.prior_quantiles(7))


def test_grid_and_line_decode_with_a_real_model(trained):
    images, values = latent.decode_grid(trained.model, 3)
    corner = trained.model.decode(np.array([[values[0], values[-1]]], "float32"))[0, ..., 0]
    assert np.allclose(images[0, 0], corner, atol=1e-5)
    assert not np.allclose(images[-1, -1], corner, atol=0.05)  # negative control: the opposite corner
    assert images.min() >= 0 and images.max() <= 1


def test_prior_samples_repeat_with_their_seed_alone():
    first = latent.sample_prior(50, 3, seed=1)
    assert first.shape == (50, 3)
    assert first.dtype == np.float32
    np.random.default_rng(9).random()
    assert np.array_equal(first, latent.sample_prior(50, 3, seed=1))
    assert not np.array_equal(first, latent.sample_prior(50, 3, seed=2))


def test_prior_samples_are_standard_normal_and_independent():
    samples = latent.sample_prior(50_000, 4, seed=0)
    error = 5 / np.sqrt(50_000)
    assert np.abs(samples.mean(0)).max() < error
    assert np.allclose(np.cov(samples.T), np.eye(4), atol=2 * error)
    assert kstest(samples.ravel(), "norm").pvalue > 1e-3
    assert kstest(1.05 * samples.ravel(), norm.cdf).pvalue < 1e-3  # negative control: five per cent too wide


def test_interpolation_is_straight_even_and_ends_where_it_should():
    start, end = np.array([1.0, -2.0, 0.5], "float32"), np.array([-3.0, 4.0, 0.5], "float32")
    path = latent.interpolate(start, end, 9)
    assert path.shape == (9, 3)
    assert np.array_equal(path[0], start)
    assert np.array_equal(path[-1], end)
    assert np.allclose(path[4], (start + end) / 2)
    assert np.allclose(np.diff(path, axis=0), (end - start) / 8)


def nearest_share(points, labels):
    """The share of points whose nearest neighbour carries the same label."""
    squares = ((points[:, None] - points) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    return np.mean(labels[squares.argmin(1)] == labels)


def test_tsne_keeps_separate_blobs_apart_and_repeats():
    labels = np.repeat(np.arange(3), 60)
    points = np.random.default_rng(0).standard_normal((180, 10)) + 20 * np.eye(10)[labels]
    first = latent.tsne(points, seed=0, perplexity=15)
    assert first.shape == (180, 2)
    assert nearest_share(first, labels) == 1
    centres = np.array([first[labels == label].mean(0) for label in range(3)])
    radius = max(np.linalg.norm(first[labels == label] - centres[label], axis=1).max() for label in range(3))
    assert min(np.linalg.norm(centres[i] - centres[j]) for i, j in [(0, 1), (0, 2), (1, 2)]) > 2 * radius
    assert np.array_equal(first, latent.tsne(points, seed=0, perplexity=15))
    # negative control: labels that have nothing to do with the points
    assert nearest_share(first, np.random.default_rng(1).permutation(labels)) < 0.6
