"""Points, codes and maps of the latent space, each against a second way, with controls."""

import numpy as np
import pytest
import scipy.stats
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import ks_2samp, kstest, norm
from sklearn.decomposition import PCA
from sklearn.metrics import mutual_info_score, pairwise_distances

from helpers import data
from helpers.metrics import latent
from helpers.metrics.bounds import draw

RNG = np.random.default_rng(0)
PIXELS, LATENT = 6, 2
LOADINGS = np.array([[1.0, -0.5, 0.6, 0.1, -0.5, 0.4], [1.3, 0.9, 0.7, -1.2, -0.6, 0.1]])


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
    below = [
        quad(density, -10, value)[0] for value in values
    ]  # by integration, without SciPy's normal
    assert np.allclose(below, (np.arange(n) + 0.5) / n, atol=1e-7)


def test_quantiles_meet_the_sorted_middle_of_many_draws():
    draws = np.random.default_rng(0).standard_normal(1_000_000)
    assert np.allclose(
        latent.prior_quantiles(20), np.quantile(draws, (np.arange(20) + 0.5) / 20), atol=0.01
    )
    assert not np.allclose(
        np.linspace(-2, 2, 20), latent.prior_quantiles(20), atol=0.1
    )  # negative control


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
    assert not np.allclose(
        images[-1, -1], corner, atol=0.05
    )  # negative control: the opposite corner
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
    assert (
        kstest(1.05 * samples.ravel(), norm.cdf).pvalue < 1e-3
    )  # negative control: five per cent too wide


def blobs(n=6_000):
    """Means in two long blobs, a quarter and three quarters of them, and their covariances."""
    rng = np.random.default_rng(0)
    shapes = [np.array([[1.0, 0.9], [0.9, 1.0]]), np.array([[2.0, -0.6], [-0.6, 0.3]])]
    sizes = n // 4, n - n // 4
    points = [
        rng.multivariate_normal(c, s, k)
        for c, s, k in zip([[-6, 0], [6, 3]], shapes, sizes, strict=True)
    ]
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
    covariance = np.einsum(
        "k,kij->ij", mixture.weights_, mixture.covariances_ + apart[:, :, None] * apart[:, None]
    )
    assert np.allclose(draws.mean(0), mean, atol=0.15)
    assert np.allclose(np.cov(draws.T), covariance, rtol=0.03)
    theirs = mixture.sample(40_000)[0]
    for direction in ([1, 0], [0, 1], [1, -1], [1, 2]):
        assert ks_2samp(draws @ direction, theirs @ direction).pvalue > 1e-3
    gaussian = np.random.default_rng(1).multivariate_normal(
        mean, covariance, 40_000
    )  # negative control
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
    draws = latent.sample_aggregate(
        mean.astype("float32"), log_var.astype("float32"), 60_000, seed=1
    )
    assert draws.shape == (60_000, 3) and draws.dtype == np.float32
    assert np.allclose(draws.mean(0), mean.mean(0), atol=0.05)
    expected = np.cov(mean.T, bias=True) + np.diag(np.exp(log_var).mean(0))
    assert np.allclose(np.cov(draws.T), expected, atol=0.1)
    assert not np.allclose(
        np.cov(mean.T), expected, atol=0.1
    )  # negative control: the means alone are too narrow


def test_draws_of_the_aggregate_posterior_stay_with_their_images():
    mean = np.array([[-10.0, 10.0], [10.0, -10.0]])
    log_var = np.log([[1e-4, 4.0], [4.0, 1e-4]])
    draws = latent.sample_aggregate(mean, log_var, 4_000, seed=1)
    first = draws[:, 0] < 0
    assert first.mean() == pytest.approx(0.5, abs=0.05)
    for chosen, image in ((first, 0), (~first, 1)):
        assert draws[chosen].std(0) == pytest.approx(np.exp(log_var[image] / 2), rel=0.1)
    wrong = latent.sample_aggregate(
        mean, log_var[::-1], 4_000, seed=1
    )  # negative control: variances of the other
    assert wrong[wrong[:, 0] < 0].std(0) != pytest.approx(np.exp(log_var[0] / 2), rel=0.1)


@pytest.mark.parametrize("source", ["mixture", "aggregate"])
def test_draws_repeat_with_their_seed_alone(source):
    points, _ = blobs(400)

    def drawn(seed):
        if source == "aggregate":
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
    radius = max(
        np.linalg.norm(first[labels == label] - centres[label], axis=1).max() for label in range(3)
    )
    assert (
        min(np.linalg.norm(centres[i] - centres[j]) for i, j in [(0, 1), (0, 2), (1, 2)])
        > 2 * radius
    )
    assert np.array_equal(first, latent.tsne(points, seed=0, perplexity=15))
    # negative control: labels that have nothing to do with the points
    assert nearest_share(first, np.random.default_rng(1).permutation(labels)) < 0.6


# Geometry of the codes


def test_knn_accuracy_against_distances_by_hand():
    images, labels = data.test_set(600)
    flat = images.reshape(600, -1)
    distances = pairwise_distances(flat[500:], flat[:500])
    votes = labels[:500][np.argsort(distances, axis=1)[:, :15]]
    expected = np.mean([np.bincount(vote).argmax() for vote in votes] == labels[500:])
    assert latent.knn_accuracy(flat[:500], labels[:500], flat[500:], labels[500:]) == pytest.approx(
        expected
    )


def test_knn_accuracy_is_chance_for_noise_and_one_for_labels():
    labels = RNG.integers(10, size=3_000)
    noise, one_hot = RNG.normal(size=(3_000, 2)), np.eye(10)[labels]
    parts = [
        (points[:2_000], labels[:2_000], points[2_000:], labels[2_000:])
        for points in (noise, one_hot)
    ]
    assert latent.knn_accuracy(*parts[0]) == pytest.approx(0.1, abs=0.04)
    assert latent.knn_accuracy(*parts[1]) == 1


def mixture_codes(centres, deviation, n=3_000):
    """Posteriors of n images of as many classes as centres: one of the centres each, one width."""
    labels = np.arange(n) % len(centres)
    return np.array(centres)[labels][:, np.newaxis], np.full((n, 1), 2 * np.log(deviation)), labels


@pytest.mark.parametrize("centres, deviation", [([-0.6, 0.6], 0.8), ([-1.0, 0.0, 0.5], 0.3)])
def test_axis_information_is_that_of_a_gaussian_mixture(centres, deviation):
    """By quadrature, and by counting many draws: the class is all that an image has."""
    mean, log_var, labels = mixture_codes(centres, deviation)
    parts = [norm(centre, deviation).pdf for centre in centres]

    def integrand(z, each, rest):
        """p(z|c) ln p(z|c) / p(z), for a class and what is not it."""
        whole = sum(part(z) for part in parts) / len(parts)
        return each(z) * np.log(each(z) / whole) * rest

    def others(z, k):
        return sum(part(z) for j, part in enumerate(parts) if j != k) / (len(parts) - 1)

    share = 1 / len(parts)
    expected = sum(quad(integrand, -6, 6, (part, share), limit=200)[0] for part in parts)
    alone = [quad(integrand, -6, 6, (part, share), limit=200)[0]
             + quad(integrand, -6, 6, (lambda z, k=k: others(z, k), 1 - share), limit=200)[0]
             for k, part in enumerate(parts)]  # fmt: skip
    one, every = latent.axis_information(mean, log_var, labels, bins=400)
    assert every == pytest.approx([expected], abs=1e-3) and one[:, 0] == pytest.approx(
        alone, abs=1e-3
    )
    z, repeated = draw(*(np.repeat(each, 100, axis=0) for each in (mean, log_var)), RNG), labels
    cells = np.digitize(z[:, 0], np.quantile(z, np.arange(1, 50) / 50))
    counted = mutual_info_score(np.repeat(repeated, 100), cells)
    fewer = latent.axis_information(mean, log_var, labels)[1][0]
    assert fewer == pytest.approx(counted, abs=2e-3) and fewer <= expected + 1e-6


def test_axis_information_never_exceeds_the_rate_whatever_the_posteriors():
    """I(z_j; class) ≤ KL_j for every axis of posteriors of all kinds; binned means break that."""
    labels, n = np.arange(1_000) % 10, 1_000
    scale = np.array([3.0, 1.0, 0.3, 0.1, 0.01, 0.0])
    mean = scale * (RNG.normal(size=(n, 6)) + labels[:, np.newaxis] / 3)
    log_var = np.log(1 / (1 + scale**2)) + 0.3 * RNG.normal(size=(n, 6)) * (scale > 0)
    rate = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).mean(axis=0)
    one, every = latent.axis_information(mean, log_var, labels)
    assert np.all(every <= rate + 1e-9) and np.all(one <= every + 1e-9) and every[0] > 0.3
    _, binned = latent.axis_information(mean, np.full_like(mean, -60), labels)
    assert np.any(binned > 10 * rate)  # negative control: means alone


def test_an_axis_without_rate_tells_nothing_though_its_means_name_the_class():
    labels = np.arange(2_000) % 10
    mean = np.stack([0.01 * labels, 10.0 * labels, np.zeros(2_000)], axis=1)
    mean[:, :2] += 1e-4 * RNG.normal(size=(2_000, 2))
    log_var = np.zeros((2_000, 3))
    _, every = latent.axis_information(mean, log_var, labels)
    assert every[0] < 1e-3 and every[2] == pytest.approx(0, abs=1e-12)
    assert every[1] == pytest.approx(np.log(10), rel=0.03)  # far apart: all, but for the intervals
    _, binned = latent.axis_information(mean, log_var - 60, labels)
    assert binned[0] == pytest.approx(np.log(10), rel=0.03)  # negative control: its binned means


def test_axis_information_of_permuted_labels_is_what_few_images_give():
    labels, mean = np.arange(5_000) % 10, RNG.normal(size=(5_000, 1))
    drawn = [latent.axis_information(mean, np.full((5_000, 1), -60.0), RNG.permutation(labels), 20)
             for _ in range(10)]  # fmt: skip
    assert np.mean([every for _, every in drawn]) == pytest.approx(19 * 9 / 10_000, rel=0.2)
    wide = latent.axis_information(mean, np.zeros((5_000, 1)), RNG.permutation(labels))[1]
    assert wide < 19 * 9 / 20_000  # wide posteriors share their intervals


def test_axis_information_of_a_trained_model_keeps_below_its_rates(trained):
    images, labels = data.test_set(500)
    mean, log_var = trained.model.encode(images)
    rate = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).mean(axis=0)
    _, every = latent.axis_information(mean, log_var, labels)
    assert np.all(every <= rate) and every.max() > 0.2


def test_confused_pairs_against_votes_counted_by_hand():
    images, labels = data.test_set(600)
    flat = images.reshape(600, -1)
    votes = labels[:400][np.argsort(pairwise_distances(flat[400:], flat[:400]), axis=1)[:, :15]]
    voted, true = np.array([np.bincount(vote).argmax() for vote in votes]), labels[400:]
    expected = {}
    for a in range(10):
        for b in range(a + 1, 10):
            wrong = np.sum((true == a) & (voted == b)) + np.sum((true == b) & (voted == a))
            expected[a, b] = wrong / np.sum((true == a) | (true == b))
    found = latent.confused_pairs(true, latent.knn_votes(flat[:400], labels[:400], flat[400:]))
    assert {pair[:2]: pair[2] for pair in found} == pytest.approx(expected)
    assert [pair[2] for pair in found] == sorted(expected.values(), reverse=True) and found[0][
        2
    ] > 0


def test_the_confused_pair_is_the_one_that_overlaps():
    centres = np.arange(10)[:, np.newaxis] * np.array([[10.0, 0.0]])
    centres[7] = centres[2] + 0.5  # 2 and 7 share a place, all others are far apart
    labels = np.arange(2_000) % 10
    codes = centres[labels] + RNG.normal(size=(2_000, 2))
    votes = latent.knn_votes(codes[:1_000], labels[:1_000], codes[1_000:])
    first, *others = latent.confused_pairs(labels[1_000:], votes)
    assert first[:2] == (2, 7) and 0.2 < first[2] < 0.6
    assert len(others) == 44 and all(share == 0 for _, _, share in others)  # negative control


def test_class_gap_against_all_distances():
    labels = np.arange(500) % 5
    codes = RNG.normal(size=(500, 2)) + 3 * np.stack([np.cos(labels), np.sin(labels)], axis=1)
    distances = np.where(labels[:, np.newaxis] == labels, np.inf, pairwise_distances(codes))
    extent = np.sqrt(np.mean(np.sum((codes - codes.mean(axis=0)) ** 2, axis=1)))
    found = latent.class_gap(codes, labels)
    assert found == pytest.approx(np.median(distances.min(axis=1)) / extent)
    assert latent.class_gap(7 * codes[:, ::-1] + 2, labels) == pytest.approx(
        found
    )  # turned, scaled and moved


def test_class_gap_falls_when_classes_mix():
    labels = np.arange(1_000) % 2
    apart = RNG.normal(size=(1_000, 2)) + 20 * labels[:, np.newaxis]
    mixed = latent.class_gap(apart, RNG.permutation(labels))
    assert latent.class_gap(apart, labels) > 1 > 20 * mixed


class Decoder:
    """A decoder of a given function of z."""

    def __init__(self, function):
        self.function = function

    def decode(self, z):
        return self.function(z.astype("float64")).reshape(len(z), 2, 3, 1)


def noise_of(z):
    """Six numbers that depend on z and on nothing near it."""
    return np.sin(z @ LOADINGS * 1e6)


def test_a_linear_decoder_is_smooth_as_its_closed_form_says():
    points = RNG.standard_normal((4_000, LATENT)).astype("float32")
    found = latent.smoothness(Decoder(lambda z: z @ LOADINGS), points, step=0.4, seed=1)
    per_pixel = np.sum(LOADINGS**2) / PIXELS
    assert found["change"] == pytest.approx(0.4**2 * per_pixel / LATENT, rel=0.05)
    assert found["pair_change"] == pytest.approx(2 * per_pixel, rel=0.05)
    assert found["relative"] == pytest.approx(found["change"] / found["pair_change"])
    assert found["exponent"] == pytest.approx(2, abs=1e-3)


def test_rough_decoders_come_out_rough():
    """Negative controls: cells with jumps, no neighbourhood at all, z ignored."""
    points = RNG.standard_normal((4_000, LATENT)).astype("float32")
    cells = latent.smoothness(Decoder(lambda z: np.round(z) @ LOADINGS), points, step=0.1, seed=1)
    assert cells["exponent"] == pytest.approx(1, abs=0.15)
    chaos = latent.smoothness(Decoder(noise_of), points, step=0.1, seed=1)
    assert chaos["exponent"] == pytest.approx(0, abs=0.1) and chaos["relative"] == pytest.approx(
        1, abs=0.05
    )
    flat = latent.smoothness(
        Decoder(lambda z: np.zeros((len(z), PIXELS))), points, step=0.1, seed=1
    )
    assert flat["change"] == 0 and np.isnan(flat["exponent"])


def test_the_control_of_smoothness_has_no_neighbours():
    """Unrelated images: all of the change at any length, exponent 0, for the smoothest decoder."""
    points, smooth = RNG.standard_normal((4_000, LATENT)), Decoder(lambda z: z @ LOADINGS)
    found = latent.smoothness(latent.shuffled(smooth, seed=2), points, step=0.1, seed=1)
    assert found["relative"] == pytest.approx(1, abs=0.05)
    assert found["exponent"] == pytest.approx(0, abs=0.08)
    same = latent.smoothness(smooth, points, step=0.1, seed=1)
    assert same["relative"] < 0.01 and same["exponent"] == pytest.approx(2, abs=1e-3)
    order = latent.shuffled(smooth, 2).decode(points)[:, 0, 0, 0]
    assert set(order) == set(smooth.decode(points)[:, 0, 0, 0])  # the same images, in another order


def information(mean, log_var):
    """E ln q(z|x) - ln of the average q(z|x'), by draws (Hoffman & Johnson 2016)."""
    scale, found = np.exp(log_var / 2), []
    for seed in range(3):
        z = draw(mean, log_var, np.random.default_rng(seed))
        densities = scipy.stats.norm.logpdf(z[:, np.newaxis], mean, scale).sum(axis=-1)
        found.append(np.diag(densities) - logsumexp(densities, axis=1) + np.log(len(z)))
    return np.mean(found)


def test_congestion_is_the_information_of_gaussian_codes():
    axis = scipy.stats.norm.ppf((np.arange(30) + 0.5) / 30)
    mean = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) @ np.array(
        [[1.0, 0.6], [0.0, 0.5]]
    )
    log_var = np.log(np.tile([[0.05, 0.2]], (900, 1)))
    found = latent.congestion(mean, log_var)
    expected = np.linalg.det(np.cov(mean, rowvar=False) + np.diag([0.05, 0.2])) ** 0.5
    assert found["area"] == pytest.approx(expected, rel=2e-3)
    assert found["posterior_area"] == pytest.approx(0.1)
    assert found["distinguishable"] == pytest.approx(np.log(expected / 0.1), abs=2e-3)
    assert found["distinguishable"] == pytest.approx(information(mean, log_var), abs=0.06)


def test_congestion_bounds_the_information_of_other_codes_and_is_nothing_at_the_prior():
    mean = np.repeat([[-2.0, 0.0], [2.0, 0.0]], 500, axis=0)  # two places only: ln 2 nats
    log_var = np.full((1_000, 2), np.log(0.01))
    assert information(mean, log_var) == pytest.approx(np.log(2), abs=0.05)
    assert latent.congestion(mean, log_var)["distinguishable"] > 2 * np.log(2)
    collapsed = latent.congestion(np.zeros((100, 2)), np.zeros((100, 2)))
    assert collapsed["area"] == 1 and collapsed["distinguishable"] == pytest.approx(0, abs=1e-9)
    line = latent.congestion(
        RNG.standard_normal((5_000, 1)) * np.sqrt(0.75), np.full((5_000, 1), np.log(0.25))
    )
    assert line["distinguishable"] == pytest.approx(
        np.log(2), abs=0.03
    )  # one dimension: ½ ln 1 / ¼


# Two-dimensional maps


@pytest.fixture(scope="module")
def digits():
    images, labels = data.test_set(150)
    return images.reshape(150, -1), labels


@pytest.fixture(scope="module")
def maps(digits):
    return [
        latent.tsne(PCA(10, random_state=0).fit_transform(digits[0]), seed=0, perplexity=p)
        for p in (15, 30)
    ]


def trustworthiness_by_hand(points, places, k):
    """Venna & Kaski 2001, equation 1: ranks of those who are neighbours on the map only."""
    n = len(points)
    before, after = (
        np.argsort(np.argsort(pairwise_distances(p), axis=1), axis=1) for p in (points, places)
    )
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
    found = latent.map_quality(points, labels, maps[0])
    trusted = trustworthiness_by_hand(points, maps[0], 15)
    assert found["trustworthiness"] == pytest.approx(trusted, abs=1e-9)
    assert found["accuracy_before"] == pytest.approx(votes_by_hand(points, labels, 15))
    assert found["accuracy_after"] == pytest.approx(votes_by_hand(maps[0], labels, 15))


def test_a_faithful_map_is_trusted_and_a_random_one_is_not(digits):
    points, labels = digits
    plane = RNG.normal(size=(150, 2))
    assert latent.map_quality(plane, labels, 3 * plane[:, ::-1])["trustworthiness"] == 1
    random = latent.map_quality(points, labels, plane)
    assert random["trustworthiness"] == pytest.approx(0.5, abs=0.05)
    assert random["accuracy_after"] < 0.3 and random["accuracy_before"] > 0.6


def test_leave_one_out_does_not_ask_the_point_itself(monkeypatch):
    labels = RNG.integers(10, size=1_000)
    separate = np.eye(10)[labels] + 1e-3 * RNG.normal(size=(1_000, 10))
    assert latent.leave_one_out_accuracy(separate, labels) == 1
    monkeypatch.setattr(latent, "NEAREST", 1)
    found = latent.leave_one_out_accuracy(RNG.normal(size=(1_000, 2)), labels)
    assert found == pytest.approx(0.1, abs=0.04)


def test_stability_against_sets_counted_one_by_one(maps):
    distances = [pairwise_distances(places) for places in maps]
    near = [[set(np.argsort(row)[1:16]) for row in table] for table in distances]
    expected = np.mean([len(a & b) / len(a | b) for a, b in zip(*near, strict=True)])
    assert latent.map_stability(maps) == pytest.approx(expected)


def test_stability_is_one_for_a_turned_map_and_chance_for_random_ones(maps):
    turn = np.array([[0.6, -0.8], [0.8, 0.6]])
    assert latent.map_stability([maps[0], 5 * maps[0] @ turn + 2]) == pytest.approx(1, abs=0.001)
    chance = latent.chance_stability(150)
    assert latent.map_stability(list(RNG.normal(size=(4, 150, 2)))) == pytest.approx(
        chance, abs=0.01
    )
    assert chance < 0.1 and 0.3 < latent.map_stability(maps) < 0.95


def test_chance_against_sets_drawn_by_lot():
    draws = [set(RNG.choice(99, 15, replace=False)) for _ in range(4_000)]
    overlaps = [len(a & b) / len(a | b) for a, b in zip(draws[::2], draws[1::2], strict=True)]
    error = np.std(overlaps) / np.sqrt(len(overlaps))
    assert abs(np.mean(overlaps) - latent.chance_stability(100)) < 5 * error
    assert latent.chance_stability(16) == 1  # everyone is near everyone
