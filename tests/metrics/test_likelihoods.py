"""Each likelihood of one model against SciPy's, with readings that must come out different."""

import numpy as np
import pytest
import scipy.special
import scipy.stats
from scipy.optimize import brentq

from helpers import data, losses
from helpers.metrics import bounds, likelihoods
from helpers.models import VAE


class Blurred:
    """Means that are the digits, smeared: for given images, whatever z is."""

    def __init__(self, images, loss="bce"):
        self.images, self.pixel_loss = images, losses.PIXEL_LOSSES[loss]
        self.means = (0.2 + 0.6 * (0.6 * images + 0.4 * np.roll(images, 1, axis=2))).astype(
            "float32"
        )

    def encode(self, x):
        return np.zeros((len(x), 2), "float32"), np.zeros((len(x), 2), "float32")

    def decode(self, z):
        if self.pixel_loss.key == "cb":
            return likelihoods.continuous_bernoulli_parameter(self.means)
        return self.means


@pytest.fixture(scope="module")
def digits():
    return data.test_set(20)[0]


def per_image(values):
    return values.reshape(len(values), -1).sum(axis=1)


def continuous_bernoulli_mean(logit):
    """Of the density exp(logit · x) on [0, 1]: a truncated exponential, perhaps mirrored."""
    mean = scipy.stats.truncexpon.mean(abs(logit), scale=1 / abs(logit))
    return mean if logit < 0 else 1 - mean


def test_every_likelihood_is_scipys_at_the_same_mean(digits):
    model = Blurred(digits)
    found = likelihoods.score(model, digits, seed=3, known=digits)
    assert tuple(found) == likelihoods.LIKELIHOODS
    binary, mean = likelihoods.binarise(digits, 3), model.means.astype("float64")
    variance = np.mean((digits - mean) ** 2)
    logit = [
        brentq(lambda t, m=m: continuous_bernoulli_mean(t) - m, -50, 50, xtol=1e-9)
        for m in mean[0].ravel()
    ]
    rate, x = np.abs(logit), digits[0].ravel().astype("float64")
    x = np.clip(np.where(np.less(logit, 0), x, 1 - x), 0, 1 - 1e-9)
    assert np.allclose(
        found["grey cross-entropy"],
        per_image(-digits * np.log(mean) - (1 - digits) * np.log(1 - mean)),
    )
    assert np.allclose(
        found["Bernoulli of binarised digits"],
        per_image(-scipy.stats.bernoulli.logpmf(binary, mean)),
    )
    assert np.allclose(
        found["Gaussian, variance 1/2"], per_image(-scipy.stats.norm.logpdf(digits, mean, 0.5**0.5))
    )
    assert np.allclose(
        found["calibrated Gaussian"],
        per_image(-scipy.stats.norm.logpdf(digits, mean, variance**0.5)),
    )
    expected = -scipy.stats.truncexpon.logpdf(x, rate, scale=1 / rate).sum()
    assert found["continuous Bernoulli"][0] == pytest.approx(expected, rel=1e-5)


def test_the_output_taken_for_the_parameter_is_another_number(digits):
    """Negative control: a decoder's mean is not the λ of a continuous Bernoulli."""
    model = Blurred(digits)
    slip = bounds.to_numpy(losses.continuous_bernoulli, digits, model.means)
    right = likelihoods.score(model, digits, seed=0, known=digits)["continuous Bernoulli"]
    assert np.all(np.abs(slip - right) > 10)


def test_equal_mean_images_score_equally_whatever_the_decoder_gives(digits):
    by_mean = likelihoods.score(Blurred(digits), digits, seed=0, known=digits)
    by_parameter = likelihoods.score(Blurred(digits, "cb"), digits, seed=0, known=digits)
    for name in likelihoods.LIKELIHOODS:
        np.testing.assert_allclose(by_parameter[name], by_mean[name], rtol=1e-4, err_msg=name)


def test_decoded_mean_is_the_output_but_for_the_continuous_bernoulli(digits):
    model, z = Blurred(digits, "cb"), np.zeros((20, 2))
    np.testing.assert_allclose(likelihoods.decoded_mean(model, z), model.means, atol=1e-5)
    assert np.abs(model.decode(z) - model.means).max() > 0.1  # negative control
    squared = Blurred(digits, "mse")
    np.testing.assert_array_equal(likelihoods.decoded_mean(squared, z), squared.decode(z))


def test_the_parameter_of_a_mean_has_that_mean():
    means = np.concatenate([np.linspace(0.07, 0.88, 500), [0.5, 0.5 - 1e-5, 0.5 + 1e-5]])
    parameter = likelihoods.continuous_bernoulli_parameter(means)
    np.testing.assert_allclose(
        bounds.to_numpy(losses.continuous_bernoulli_mean, parameter), means, atol=2e-5
    )
    logit = brentq(lambda t: continuous_bernoulli_mean(t) - 0.2, -50, -1e-3)
    assert likelihoods.continuous_bernoulli_parameter(0.2) == pytest.approx(
        1 / (1 + np.exp(-logit)), rel=1e-5
    )


def test_means_out_of_reach_get_the_nearest():
    low, high = likelihoods.continuous_bernoulli_parameter(np.array([0.0, 1.0]))
    assert low == pytest.approx(losses.EPSILON) and 1 - high == pytest.approx(
        losses.EPSILON, rel=0.5
    )
    assert np.all(
        np.isfinite(
            bounds.to_numpy(losses.continuous_bernoulli, np.ones((1, 4)), np.full((1, 4), low))
        )
    )


def test_binarised_digits_cost_what_grey_ones_do_in_expectation(digits):
    model = Blurred(digits)
    scores = [likelihoods.score(model, digits, seed, known=digits) for seed in range(60)]
    draws = np.array([score["Bernoulli of binarised digits"] for score in scores])
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    assert np.all(np.abs(draws.mean(axis=0) - scores[0]["grey cross-entropy"]) < 5 * error)
    threshold = bounds.to_numpy(losses.bernoulli_cross_entropy, digits > 0.5, model.means)
    assert np.any(
        np.abs(threshold - scores[0]["grey cross-entropy"]) > 5 * error
    )  # another binarisation, another cost


def test_binarised_digits_follow_their_grey_values_and_their_seed(digits):
    draws = np.stack([likelihoods.binarise(digits, seed) for seed in range(200)])
    assert set(np.unique(draws)) == {0, 1} and draws.dtype == np.float32
    assert np.abs(draws.mean(axis=0) - digits).max() < 5 * 0.5 / np.sqrt(200)
    np.testing.assert_array_equal(likelihoods.binarise(digits, 7), draws[7])
    assert np.any(draws[7] != draws[8])


class Off:
    """Means that lie a given distance from the images, whatever z is; z holds the image."""

    pixel_loss = losses.PIXEL_LOSSES["mse"]

    def encode(self, x):
        return x.reshape(len(x), -1), np.full((len(x), 784), -60.0, "float32")

    def decode(self, z):
        return 0.9 * z.reshape(-1, 28, 28, 1)


def test_the_variance_is_fitted_on_other_images_than_it_is_scored_on(digits):
    """By SciPy with the training images' error; fitted on the scored ones it would be too good."""
    seen = data.training_set(50)[0]
    variance = np.mean((0.1 * seen.astype("float64")) ** 2)
    assert likelihoods.fitted_variance(Off(), seen, 0) == pytest.approx(variance, rel=1e-4)
    found = likelihoods.score(Off(), digits, 0, known=seen)["calibrated Gaussian"]
    expected = per_image(-scipy.stats.norm.logpdf(digits, 0.9 * digits, variance**0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    own = likelihoods.score(Off(), digits, 0, known=digits)["calibrated Gaussian"]
    assert own.mean() < found.mean() - 0.1  # negative control


def limited_loss(x, mean, limit):
    """-ln of the continuous Bernoulli, by its definition, with λ at least `limit` from 0."""
    logits = np.linspace(*np.log([limit, 0.5]), 200_000)[:-1]  # of means below one half
    means = 0.5 + 0.5 / np.tanh(logits / 2) - 1 / logits
    p = scipy.special.expit(np.interp(mean, means, logits))
    constant = 2 * np.arctanh(1 - 2 * p) / (1 - 2 * p)
    return -(x * np.log(p) + (1 - x) * np.log(1 - p) + np.log(constant))


def test_the_limits_effect_is_the_difference_between_two_limits(digits):
    model = Blurred(digits)
    x = np.minimum(digits, 0.01)
    for mean, per_pixel in ((0.01, True), (0.3, False)):  # beyond the limit, and well within
        model.means = np.full_like(digits, mean)
        found = likelihoods.limit_effect(model, x, seed=0)
        both = [per_image(limited_loss(x.astype(float), mean, e)) for e in (1e-7, 1e-8)]
        np.testing.assert_allclose(found, both[0] - both[1], rtol=0.01, atol=1e-6)
        assert (found.min() > 50) == per_pixel and (np.abs(found).max() > 0) == per_pixel


@pytest.mark.parametrize(
    ("loss", "name", "constant"),
    [
        ("bce", "grey cross-entropy", 0),
        ("mse", "Gaussian, variance 1/2", 448.7),
        ("cb", "continuous Bernoulli", 0),
        ("sigma", "calibrated Gaussian", 0),
    ],
)
def test_a_model_scores_its_own_distortion_under_its_own_likelihood(digits, loss, name, constant):
    model = VAE("dense", 2, loss, seed=1)
    model.decoder.layers[-2].bias.assign(np.linspace(-6, 6, 784))
    distortion = bounds.elbo(model, digits, seed=5)["distortion"] + constant
    scores = likelihoods.score(model, digits, seed=5, known=digits)
    np.testing.assert_allclose(scores[name], distortion, atol=0.05)
    for other in set(likelihoods.LIKELIHOODS) - {name, "Bernoulli of binarised digits"}:
        assert np.abs(scores[other] - distortion).max() > 1, other  # negative control
