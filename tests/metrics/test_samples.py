"""Measures of samples, each against a second way, with samples that must come out badly."""

from collections import Counter

import numpy as np
import pytest
from scipy.linalg import sqrtm
from scipy.stats import ks_2samp, kstest
from sklearn.metrics import pairwise_distances

from helpers import data, losses
from helpers.metrics import samples


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def digits():
    return data.training_set(1_000)[0]


def by_square_root(a, b):
    """The Fréchet distance as it is written, through the root of the product."""
    first, second = np.cov(a.T), np.cov(b.T)
    trace = np.trace(first + second - 2 * np.real(sqrtm(first @ second)))
    return np.sum((a.mean(0) - b.mean(0)) ** 2) + trace


def test_frechet_distance_is_the_papers_formula(rng):
    a = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 6))
    b = rng.standard_normal((200, 6)) @ rng.standard_normal((6, 6)) + 1
    assert samples.frechet_distance(a, b) == pytest.approx(by_square_root(a, b), rel=1e-9)
    assert samples.frechet_distance(a, b) == pytest.approx(samples.frechet_distance(b, a), rel=1e-9)
    turn = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    assert samples.frechet_distance(a @ turn, b @ turn) == pytest.approx(
        samples.frechet_distance(a, b), rel=1e-9
    )


def test_frechet_distance_of_known_gaussians(rng):
    x = rng.standard_normal((50, 1))
    assert samples.frechet_distance(x, 3 * x + 2) == pytest.approx(
        (2 + 2 * x.mean()) ** 2 + 4 * x.var(ddof=1)
    )
    points = rng.standard_normal((100, 5))
    assert samples.frechet_distance(points, points + [3, 0, 4, 0, 0]) == pytest.approx(25)
    assert samples.frechet_distance(points, points) == pytest.approx(0, abs=1e-12)
    same_mean = 2 * points - points.mean(0)  # negative control: it sees more than the mean
    assert samples.frechet_distance(points, same_mean) == pytest.approx(np.trace(np.cov(points.T)))


def test_frechet_distance_without_full_rank(rng):
    few, many = (
        rng.standard_normal((10, 40)),
        rng.standard_normal((20, 40)),
    )  # fewer points than dimensions
    few[:, 30:] = many[:, 30:] = 0  # and units that are never on
    found = samples.frechet_distance(few, many)
    root = sqrtm(np.cov(few.T) + 1e-10 * np.eye(40))
    trace = np.trace(sqrtm(root @ np.cov(many.T) @ root + 1e-14 * np.eye(40))).real
    expected = (
        np.sum((few.mean(0) - many.mean(0)) ** 2)
        + few.var(0, ddof=1).sum()
        + many.var(0, ddof=1).sum()
    )
    assert found == pytest.approx(expected - 2 * trace, rel=1e-3)
    assert samples.frechet_distance(few, few) == pytest.approx(0, abs=1e-12)
    apart = np.zeros((20, 40))
    apart[:, 30:] = rng.standard_normal((20, 10))  # nothing in common but zeros: the spreads add up
    total = sum(np.trace(np.cov(points.T)) for points in (few, apart))
    between = np.sum((few.mean(0) - apart.mean(0)) ** 2)
    assert samples.frechet_distance(few, apart) == pytest.approx(between + total)


def test_frechet_distance_grows_as_samples_get_worse(rng):
    real, alike = rng.standard_normal((2, 2_000, 8))
    floor = samples.frechet_distance(real, alike)
    shifted = [samples.frechet_distance(real, alike + shift) for shift in (0.1, 0.5, 1)]
    assert floor < 0.1 and floor < shifted[0] < shifted[1] < shifted[2] == pytest.approx(8, abs=1)
    correlated = alike.copy()
    correlated[:, 1] = correlated[:, 0]  # every unit for itself is distributed as before
    assert samples.frechet_distance(real, correlated) > 10 * floor


def test_frechet_distance_refuses_what_has_no_covariance(rng):
    with pytest.raises(ValueError, match="2 or more"):
        samples.frechet_distance(np.zeros((1, 3)), np.zeros((5, 3)))


def balls(real, fake, k):
    """Density and coverage from their definitions, ball by ball."""
    inside = np.zeros((len(real), len(fake)), bool)
    for i, centre in enumerate(real):
        others = sorted(np.linalg.norm(centre - other) for j, other in enumerate(real) if j != i)
        inside[i] = [np.linalg.norm(centre - sample) < others[k - 1] for sample in fake]
    return {"density": inside.sum() / (k * len(fake)), "coverage": inside.any(axis=1).mean()}


@pytest.mark.parametrize("k", [1, 3, 7])
def test_density_and_coverage_are_their_definitions(rng, k, monkeypatch):
    real, fake = rng.standard_normal((60, 4)), 0.7 * rng.standard_normal((45, 4)) + 0.3
    expected = balls(real, fake, k)
    assert 0.1 < expected["coverage"] < 0.95
    assert samples.density_coverage(real, fake, k) == pytest.approx(expected)
    monkeypatch.setattr(samples, "AT_ONCE", 7)  # in pieces
    assert samples.density_coverage(real, fake, k) == pytest.approx(expected)


@pytest.mark.parametrize("n, m, k", [(1_000, 1_000, 5), (400, 100, 3), (100, 800, 2)])
def test_density_and_coverage_of_sets_drawn_alike(rng, n, m, k):
    found = [
        samples.density_coverage(*(rng.standard_normal((size, 3)) for size in (n, m)), k)
        for _ in range(20)
    ]
    density, coverage = np.mean([[one["density"], one["coverage"]] for one in found], axis=0)
    j = np.arange(k)
    assert density == pytest.approx(1, abs=0.05)
    assert coverage == pytest.approx(1 - np.prod((n - 1 - j) / (n - 1 + m - j)), abs=0.02)


def test_bad_samples_lose_density_or_coverage(rng):
    real, alike = rng.standard_normal((2, 500, 3))
    assert samples.density_coverage(real, alike + 50) == {"density": 0, "coverage": 0}
    collapsed = samples.density_coverage(
        real, 0.05 * alike
    )  # all samples nearly the same, in the middle
    assert collapsed["density"] > 0.5 and collapsed["coverage"] < 0.1
    half = samples.density_coverage(real, np.abs(alike) * [1, -1, 1])  # one octant of eight
    assert half["coverage"] < 0.4
    wide = samples.density_coverage(real, 3 * alike)
    assert wide["density"] < 0.5


class Isometry:
    """Codes of d dimensions as the first pixels of an image; the encoder reads them off again."""

    pixel_loss = losses.PIXEL_LOSSES["mse"]

    def __init__(self, d, blur=0.0):
        self.d, self.blur, self.rng = d, blur, np.random.default_rng(3)

    def encode(self, x):
        z = x[:, 0, : self.d, 0] + self.blur * self.rng.standard_normal((len(x), self.d))
        return z, np.zeros_like(z)

    def decode(self, z):
        images = np.zeros((len(z), 28, 28, 1))
        images[:, 0, : self.d, 0] = z
        return images


@pytest.mark.parametrize("d", [1, 2, 4, 7])
def test_the_copy_test_finds_planted_copies_and_is_wrong_by_chance_as_geometry_says(rng, d):
    """Uniform codes on a torus have no edge: the nearer of two is half as far with 2⁻ᵈ."""
    codes, model = rng.random((4_000, d)), Isometry(d)
    planted = samples.recited(model, model.decode(codes[:1_000]), codes)
    assert planted.mean() == 1
    inner = 0.25 + 0.5 * rng.random((2_000, d))  # away from the edges
    chance = samples.recited(model, model.decode(inner), codes).mean()
    assert chance == pytest.approx(0.5**d, abs=4 * np.sqrt(0.5**d / 2_000))


def test_the_copy_test_by_hand_and_without_power(rng):
    codes, model = rng.standard_normal((300, 3)), Isometry(3)
    images = model.decode(rng.standard_normal((200, 3)))
    squares = ((images[:, 0, :3, 0][:, None] - codes) ** 2).sum(-1)
    first, second = np.sort(np.sqrt(squares), axis=1)[:, :2].T
    found = samples.recited(model, images, codes)
    assert found.tolist() == (first < second / 2).tolist() and 0.05 < found.mean() < 0.25
    blind = samples.recited(Isometry(3, blur=100), model.decode(codes), codes)
    assert blind.mean() < 0.2  # negative control: an encoder that does not find the place again
    twice = np.repeat(codes, 3, axis=0)  # of equal images none is the one that was copied
    assert samples.recited(model, model.decode(codes), twice).mean() == 0


def test_the_nearest_distance_is_that_of_all_pairs(digits):
    known, x = digits[:300], digits[300:340]
    expected = pairwise_distances(*(each.reshape(len(each), -1) for each in (x, known))).min(axis=1)
    np.testing.assert_allclose(samples.nearest_distance(known, x), expected, rtol=1e-4)
    assert samples.nearest_distance(known, known[:5]).max() < 1e-2 < expected.min()


def test_halves_by_lot_are_a_floor_that_halves_in_order_are_not(rng):
    """Features that drift with their place, as MNIST's test images do: easier ones come first."""
    drifting = rng.standard_normal((4_000, 8)) + np.linspace(-1, 1, 4_000)[:, np.newaxis]
    lot = rng.permutation(4_000)
    floor = samples.frechet_distance(drifting[lot[:2_000]], drifting[lot[2_000:]])
    ordered = samples.frechet_distance(drifting[:2_000], drifting[2_000:])
    assert floor < 0.1 < 5 < ordered == pytest.approx(8, abs=1)


def test_class_shares_count_labels():
    labels = data.training_set(1_000)[1]
    counted = Counter(labels.tolist())
    assert samples.class_shares(labels).tolist() == [counted[digit] / 1_000 for digit in range(10)]
    assert samples.class_shares([3, 3]).tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_balance_is_one_for_equal_shares_and_zero_for_a_single_class():
    assert samples.balance(np.full(10, 0.1)) == pytest.approx(1)
    assert samples.balance(np.eye(10)[4]) == 0
    shares = np.array([0.4, 0.3, 0.1, 0.1, 0.1, 0, 0, 0, 0, 0])
    by_hand = -sum(p * np.log(p) for p in shares if p) / np.log(10)
    assert samples.balance(shares) == pytest.approx(by_hand) and by_hand < 0.7
    assert samples.balance([0.5, 0.5]) == pytest.approx(1)


def neighbours(images):
    """The correlation of pixel (14, 14) with the one beside it."""
    return np.corrcoef(images[:, 14, 14, 0], images[:, 14, 15, 0])[0, 1]


def test_pixel_noise_keeps_each_pixels_distribution_and_nothing_else(digits):
    noise = samples.pixel_noise(digits, 5_000, seed=1)
    assert noise.shape == (5_000, 28, 28, 1) and noise.dtype == digits.dtype
    for pixel in ((14, 14), (7, 10), (20, 8)):
        drawn, real = noise[:, *pixel, 0], digits[:, *pixel, 0]
        assert set(drawn) <= set(real)
        assert ks_2samp(drawn, real).pvalue > 1e-3
        assert (
            ks_2samp(drawn, digits[:, 3, 14, 0]).pvalue < 1e-3
        )  # negative control: another pixel's
    assert np.all(noise[:, digits.max(axis=0) == 0] == 0)  # the empty border stays empty
    assert neighbours(digits) > 0.5 and abs(neighbours(noise)) < 0.06


def test_uniform_noise_is_uniform_and_independent():
    noise = samples.uniform_noise(2_000, seed=1)
    assert noise.shape == (2_000, 28, 28, 1) and noise.dtype == np.float32
    assert kstest(noise[:100].ravel(), "uniform").pvalue > 1e-3
    assert kstest(0.98 * noise[:100].ravel(), "uniform").pvalue < 1e-3  # negative control
    assert abs(neighbours(noise)) < 0.1


@pytest.mark.parametrize(
    "draw", [samples.uniform_noise, lambda n, seed: samples.pixel_noise(PATTERN, n, seed)]
)
def test_noise_repeats_with_its_seed_alone(draw):
    first = draw(5, seed=3)
    np.random.default_rng(9).random()
    assert np.array_equal(first, draw(5, seed=3))
    assert not np.array_equal(first, draw(5, seed=4))


PATTERN = np.random.default_rng(2).random((50, 28, 28, 1), "float32")
