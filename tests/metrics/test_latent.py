"""Points of the latent space, against what they should be and against decoders that show their input."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import ks_2samp, kstest, norm

from helpers.metrics import latent


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


def blobs(n=6_000):
    """Latent means in two long blobs, a quarter and three quarters of them, and their covariances."""
    rng = np.random.default_rng(0)
    shapes = [np.array([[1.0, 0.9], [0.9, 1.0]]), np.array([[2.0, -0.6], [-0.6, 0.3]])]
    sizes = n // 4, n - n // 4
    points = [rng.multivariate_normal(c, s, k) for c, s, k in zip([[-6, 0], [6, 3]], shapes, sizes, strict=True)]
    return np.concatenate(points), shapes


def test_a_mixture_finds_the_blobs_that_the_means_lie_in():
    points, shapes = blobs()
    mixture = latent.fit_mixture(points.astype("float32"), 2, seed=0)
    first, second = np.argsort(mixture.means_[:, 0])
    assert mixture.weights_[[first, second]] == pytest.approx([0.25, 0.75], abs=1e-3)
    assert np.allclose(mixture.means_[[first, second]], [[-6, 0], [6, 3]], atol=0.1)
    assert np.allclose(mixture.covariances_[[first, second]], shapes, atol=0.15)


def test_a_mixture_of_one_is_mean_and_covariance_and_fits_blobs_worse():
    points, _ = blobs()
    one, two = (latent.fit_mixture(points, components, seed=0) for components in (1, 2))
    assert one.means_[0] == pytest.approx(points.mean(0))
    assert np.allclose(one.covariances_[0], np.cov(points.T, bias=True), atol=1e-4)
    assert two.score(points) > one.score(points) + 0.5


def test_draws_of_a_mixture_have_its_moments_and_scikit_learns_distribution():
    mixture = latent.fit_mixture(blobs()[0], 2, seed=0)
    draws = latent.sample_mixture(mixture, 40_000, seed=1)
    assert draws.shape == (40_000, 2) and draws.dtype == np.float32
    mean = mixture.weights_ @ mixture.means_
    apart = mixture.means_ - mean
    covariance = np.einsum("k,kij->ij", mixture.weights_, mixture.covariances_ + apart[:, :, None] * apart[:, None])
    assert np.allclose(draws.mean(0), mean, atol=0.15)
    assert np.allclose(np.cov(draws.T), covariance, rtol=0.03)
    theirs = mixture.sample(40_000)[0]
    for direction in ([1, 0], [0, 1], [1, -1], [1, 2]):
        assert ks_2samp(draws @ direction, theirs @ direction).pvalue > 1e-3
    gaussian = np.random.default_rng(1).multivariate_normal(mean, covariance, 40_000)  # negative control
    assert ks_2samp(draws[:, 0], gaussian[:, 0]).pvalue < 1e-10
    assert mixture.score(draws) == pytest.approx(mixture.score(theirs), abs=0.03)
    assert mixture.score(gaussian) < mixture.score(draws) - 0.5


def test_draws_of_a_mixture_come_in_no_order():
    draws = latent.sample_mixture(latent.fit_mixture(blobs()[0], 2, seed=0), 4_000, seed=1)
    assert np.mean(draws[:500, 0] < 0) == pytest.approx(0.25, abs=0.08)
    assert abs(np.corrcoef(draws[1:, 0], draws[:-1, 0])[0, 1]) < 0.08


@pytest.mark.parametrize("components", [0, 4, 1.5])
def test_a_mixture_of_more_gaussians_than_points_is_refused(components):
    with pytest.raises(ValueError, match="components=.* must be an integer from 1 to 3"):
        latent.fit_mixture(np.eye(3), components, seed=0)


def test_draws_of_the_aggregate_posterior_have_its_moments():
    rng = np.random.default_rng(0)
    mean, log_var = 2 * rng.standard_normal((300, 3)), rng.normal(-1, 0.7, (300, 3))
    draws = latent.sample_aggregate(mean.astype("float32"), log_var.astype("float32"), 60_000, seed=1)
    assert draws.shape == (60_000, 3) and draws.dtype == np.float32
    assert np.allclose(draws.mean(0), mean.mean(0), atol=0.05)
    expected = np.cov(mean.T, bias=True) + np.diag(np.exp(log_var).mean(0))
    assert np.allclose(np.cov(draws.T), expected, atol=0.1)
    assert not np.allclose(np.cov(mean.T), expected, atol=0.1)  # negative control: the means alone are too narrow


def test_draws_of_the_aggregate_posterior_stay_with_their_images():
    mean = np.array([[-10.0, 10.0], [10.0, -10.0]])
    log_var = np.log([[1e-4, 4.0], [4.0, 1e-4]])
    draws = latent.sample_aggregate(mean, log_var, 4_000, seed=1)
    first = draws[:, 0] < 0
    assert first.mean() == pytest.approx(0.5, abs=0.05)
    for chosen, image in ((first, 0), (~first, 1)):
        assert draws[chosen].std(0) == pytest.approx(np.exp(log_var[image] / 2), rel=0.1)
    wrong = latent.sample_aggregate(mean, log_var[::-1], 4_000, seed=1)  # negative control: variances of the other
    assert wrong[wrong[:, 0] < 0].std(0) != pytest.approx(np.exp(log_var[0] / 2), rel=0.1)


def test_draws_of_the_aggregate_posterior_need_an_image():
    for mean, log_var in ((np.zeros((0, 2)), np.zeros((0, 2))), (np.zeros((3, 2)), np.zeros((3, 1)))):
        with pytest.raises(ValueError, match="both must be"):
            latent.sample_aggregate(mean, log_var, 5, seed=0)


@pytest.mark.parametrize("draw", ["mixture", "aggregate"])
def test_draws_repeat_with_their_seed_alone(draw):
    points, _ = blobs(400)

    def drawn(seed):
        if draw == "aggregate":
            return latent.sample_aggregate(points, np.zeros_like(points), 50, seed)
        return latent.sample_mixture(latent.fit_mixture(points, 3, seed=0), 50, seed)

    first = drawn(1)
    np.random.default_rng(9).random()
    assert np.array_equal(first, drawn(1))
    assert not np.array_equal(first, drawn(2))


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
