"""Every term of the ELBO computed a second way."""

import numpy as np
import pytest
import scipy.stats
from keras import ops

from helpers import data, losses

RNG = np.random.default_rng(0)
MEAN, LOG_VAR = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


@pytest.fixture(scope="module")
def digits():
    return data.test_digits(8)[0]


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def test_closed_form_kl_meets_monte_carlo():
    z = MEAN + np.exp(LOG_VAR / 2) * RNG.standard_normal((200_000, 3, 4))
    posterior = scipy.stats.norm.logpdf(z, MEAN, np.exp(LOG_VAR / 2)).sum(-1)
    prior = scipy.stats.norm.logpdf(z).sum(-1)
    draws = posterior - prior
    error = draws.std(0) / np.sqrt(len(z))
    assert np.all(np.abs(numpy(losses.gaussian_kl(MEAN, LOG_VAR)) - draws.mean(0)) < 5 * error)
    # negative control: the common slip of averaging over latents instead of summing
    assert np.any(np.abs(numpy(losses.gaussian_kl(MEAN, LOG_VAR)) / 4 - draws.mean(0)) > 5 * error)


def test_kl_is_zero_at_the_prior_alone():
    zero = np.zeros((1, 4))
    assert numpy(losses.gaussian_kl(zero, zero)) == pytest.approx(0)
    assert np.all(numpy(losses.gaussian_kl(MEAN, LOG_VAR)) > 0)


def test_kl_per_dimension_sums_to_kl():
    parts = numpy(losses.gaussian_kl_per_dimension(MEAN, LOG_VAR))
    assert parts.shape == (3, 4)
    np.testing.assert_allclose(parts.sum(-1), numpy(losses.gaussian_kl(MEAN, LOG_VAR)), rtol=1e-6)


def test_log_density_is_scipys():
    z = RNG.normal(size=(3, 4))
    expected = scipy.stats.norm.logpdf(z, MEAN, np.exp(LOG_VAR / 2)).sum(-1)
    np.testing.assert_allclose(numpy(losses.gaussian_log_density(z, MEAN, LOG_VAR)), expected, rtol=1e-5)


def test_cross_entropy_is_the_bernoulli_log_probability_of_binary_pixels(digits):
    binary = (digits > 0.5).astype("float32")
    p = RNG.uniform(0.01, 0.99, digits.shape).astype("float32")
    expected = -scipy.stats.bernoulli.logpmf(binary, p).reshape(8, -1).sum(-1)
    np.testing.assert_allclose(numpy(losses.bernoulli_cross_entropy(binary, p)), expected, rtol=1e-5)


def test_cross_entropy_is_keras_mean_times_the_number_of_pixels(digits):
    import keras

    p = RNG.uniform(0.01, 0.99, digits.shape).astype("float32")
    per_pixel = numpy(keras.losses.binary_crossentropy(digits.reshape(8, -1), p.reshape(8, -1)))
    np.testing.assert_allclose(numpy(losses.bernoulli_cross_entropy(digits, p)), 784 * per_pixel, rtol=1e-5)


def test_cross_entropy_of_grey_pixels_is_that_of_binarised_ones_in_expectation(digits):
    p = RNG.uniform(0.1, 0.9, (1, 28, 28, 1)).astype("float32")
    image = digits[:1]
    binary = (RNG.uniform(size=(4_000, 28, 28, 1)) < image).astype("float32")
    draws = numpy(losses.bernoulli_cross_entropy(binary, np.repeat(p, 4_000, 0)))
    grey = numpy(losses.bernoulli_cross_entropy(image, p))[0]
    assert abs(draws.mean() - grey) < 5 * draws.std() / np.sqrt(4_000)


def test_the_entropy_is_the_floor_of_cross_entropy(digits):
    floor = numpy(losses.bernoulli_entropy(digits))
    assert np.all(floor > 0)
    for shift in (-0.02, 0.02):
        other = np.clip(digits + shift, 0, 1)
        assert np.all(numpy(losses.bernoulli_cross_entropy(digits, other)) > floor)


def test_squared_error_is_a_gaussian_with_variance_one_half(digits):
    mean = RNG.uniform(0, 1, digits.shape)
    log_density = scipy.stats.norm.logpdf(digits, mean, np.sqrt(0.5)).reshape(8, -1).sum(-1)
    constant = 784 / 2 * np.log(2 * np.pi * 0.5)
    assert constant == pytest.approx(448.7, abs=0.05)
    np.testing.assert_allclose(numpy(losses.squared_error(digits, mean)), -log_density - constant, rtol=1e-4)
