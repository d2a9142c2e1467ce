"""Every term of the ELBO computed a second way."""

import keras
import numpy as np
import pytest
import scipy.stats
from keras import ops
from scipy.integrate import quad
from scipy.special import logit

from helpers import data, losses
from helpers.models import VAE

RNG = np.random.default_rng(0)
MEAN, LOG_VAR = RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))


@pytest.fixture(scope="module")
def digits():
    return data.test_set(8)[0]


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def applied(function, *arrays):
    """A function of the backend's tensors in float32, as in training, from NumPy to NumPy."""
    return numpy(function(*(ops.convert_to_tensor(array, "float32") for array in arrays)))


def gradient(loss, x, decoded):
    """That of the mean loss by each decoded pixel, read off one step of gradient descent."""

    class Images(keras.Model):
        def __init__(self):
            super().__init__()
            self.images = self.add_weight(shape=decoded.shape, initializer="zeros")
            self.images.assign(decoded)
            self.built = True

        def call(self, x):
            return self.images

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return ops.mean(loss(x, y_pred))

    model = Images()
    model.compile(optimizer=keras.optimizers.SGD(1.0))
    model.train_on_batch(x)
    return decoded - numpy(model.images)


def truncated_exponential(x, parameter):
    """SciPy's ln of the continuous Bernoulli's density, λ not ½; x is mirrored where λ > ½."""
    rate = -logit(np.minimum(parameter, 1 - parameter))
    inside = np.minimum(
        np.where(parameter < 0.5, x, 1 - x), 1 - 1e-9
    )  # rounding puts the upper end beyond the support
    return scipy.stats.truncexpon.logpdf(inside, rate, scale=1 / rate)


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
    np.testing.assert_allclose(
        numpy(losses.gaussian_log_density(z, MEAN, LOG_VAR)), expected, rtol=1e-5
    )


def test_cross_entropy_is_the_bernoulli_log_probability_of_binary_pixels(digits):
    binary = (digits > 0.5).astype("float32")
    p = RNG.uniform(0.01, 0.99, digits.shape).astype("float32")
    expected = -scipy.stats.bernoulli.logpmf(binary, p).reshape(8, -1).sum(-1)
    np.testing.assert_allclose(
        numpy(losses.bernoulli_cross_entropy(binary, p)), expected, rtol=1e-5
    )


def test_cross_entropy_is_keras_mean_times_the_number_of_pixels(digits):
    import keras

    p = RNG.uniform(0.01, 0.99, digits.shape).astype("float32")
    per_pixel = numpy(keras.losses.binary_crossentropy(digits.reshape(8, -1), p.reshape(8, -1)))
    np.testing.assert_allclose(
        numpy(losses.bernoulli_cross_entropy(digits, p)), 784 * per_pixel, rtol=1e-5
    )


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
    np.testing.assert_allclose(
        numpy(losses.squared_error(digits, mean)), -log_density - constant, rtol=1e-4
    )


PARAMETERS = [
    1e-6,
    1e-3,
    0.1,
    0.3,
    0.4499,
    0.4501,
    0.48,
    0.4999,
    0.5,
    0.50001,
    0.52,
    0.5499,
    0.5501,
    0.7,
    0.999,
]


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_the_continuous_bernoulli_integrates_to_one_and_has_its_mean(parameter):
    def unscaled(x):
        return parameter**x * (1 - parameter) ** (1 - x)

    total = quad(unscaled, 0, 1)[0]
    mean = quad(lambda x: x * unscaled(x), 0, 1)[0] / total
    assert applied(losses.continuous_bernoulli_log_constant, parameter) == pytest.approx(
        -np.log(total), abs=2e-6
    )
    assert applied(losses.continuous_bernoulli_mean, parameter) == pytest.approx(mean, abs=5e-6)
    # negative control: without the constant, as cross-entropy has it, it is no density
    assert total < 0.7


def test_continuous_bernoulli_is_scipys_truncated_exponential(digits):
    parameter = RNG.uniform(1e-5, 1 - 1e-5, digits.shape).astype("float32")
    expected = (
        -truncated_exponential(digits.astype("float64"), parameter.astype("float64"))
        .reshape(8, -1)
        .sum(-1)
    )
    np.testing.assert_allclose(
        applied(losses.continuous_bernoulli, digits, parameter), expected, rtol=1e-5
    )
    cross_entropy = applied(losses.bernoulli_cross_entropy, digits, parameter)
    assert np.all(
        cross_entropy - expected > 784 * np.log(2)
    )  # negative control: the constant is at least 2 per pixel


def test_the_gradient_of_the_continuous_bernoulli_is_mean_less_target():
    """-d ln p / d logit λ = μ(λ) - x, as in every exponential family."""
    parameter = np.linspace(0.02, 0.98, 784).reshape(1, 28, 28, 1)
    x = RNG.uniform(0, 1, parameter.shape).astype("float32")
    mean = applied(losses.continuous_bernoulli_mean, parameter)
    expected = (mean - x) / (parameter * (1 - parameter))
    found = gradient(losses.continuous_bernoulli, x, parameter.astype("float32"))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert (
        np.abs(found - (parameter - x) / (parameter * (1 - parameter))).max() > 0.1
    )  # cross-entropy's


def test_the_gradient_of_the_continuous_bernoulli_is_finite_everywhere():
    edges = np.array(
        [0, 1e-30, 1e-7, 0.45, 0.5, np.nextafter(np.float32(0.5), 1), 0.55, 1 - 1e-7, 1], "float32"
    )
    parameter, x = (array.reshape(-1, 1, 1, 1) for array in np.meshgrid(edges, [0, 0.5, 1]))
    parameter, x = parameter.astype("float32"), x.astype("float32")
    assert np.all(np.isfinite(applied(losses.continuous_bernoulli, x, parameter)))
    assert np.all(np.isfinite(gradient(losses.continuous_bernoulli, x, parameter)))


def test_a_gaussian_with_any_variance_is_scipys(digits):
    mean = RNG.uniform(0, 1, digits.shape).astype("float32")
    expected = -scipy.stats.norm.logpdf(digits, mean, np.sqrt(0.07)).reshape(8, -1).sum(-1)
    found = applied(lambda x, mean: losses.gaussian_loss(x, mean, 0.07), digits, mean)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_calibrated_gaussian_has_the_best_variance_of_all(digits):
    mean = np.clip(digits + 0.3 * RNG.standard_normal(digits.shape), 0, 1).astype("float32")
    candidates = np.linspace(0.01, 0.2, 96)
    means = [
        -scipy.stats.norm.logpdf(digits, mean, np.sqrt(variance)).sum() / 8
        for variance in candidates
    ]
    found = applied(losses.calibrated_gaussian, digits, mean)
    assert candidates[np.argmin(means)] == pytest.approx(np.mean((digits - mean) ** 2), abs=0.002)
    assert min(means) - 1 < found.mean() <= min(means) + 0.01
    fixed = applied(lambda x, mean: losses.gaussian_loss(x, mean, 0.5), digits, mean)
    assert (
        fixed.mean() > found.mean() + 100
    )  # negative control: the squared error's variance of one half


def test_no_gradient_is_lost_by_holding_the_calibrated_variance(digits):
    mean = np.clip(digits + 0.2 * RNG.standard_normal(digits.shape), 0, 1).astype("float32")
    through = gradient(
        lambda x, m: losses.gaussian_loss(x, m, losses.calibrated_variance(x, m)), digits, mean
    )
    held = gradient(losses.calibrated_gaussian, digits, mean)
    np.testing.assert_allclose(held, through, atol=1e-5)
    assert (
        np.abs(held - gradient(losses.squared_error, digits, mean)).max() > 0.1
    )  # negative control


def test_a_perfect_reconstruction_has_a_finite_calibrated_loss(digits):
    assert np.all(np.isfinite(applied(losses.calibrated_gaussian, digits, digits)))
    assert np.all(gradient(losses.calibrated_gaussian, digits, digits) == 0)


@pytest.mark.parametrize("loss", ["cb", "sigma"])
def test_a_model_learns_by_it(loss):
    model = VAE("dense", 2, loss, seed=0)
    model.compile(optimizer=keras.optimizers.Adam(0.003))
    images = data.test_set(256)[0]
    history = model.fit(images, batch_size=64, epochs=6, verbose=0, shuffle=False).history
    assert history["loss"][-1] < history["loss"][0] - 200


def test_a_pixel_loss_says_what_others_need_to_know(digits):
    found = losses.PIXEL_LOSSES
    assert [key for key, loss in found.items() if loss.per_batch] == ["sigma"]
    assert [key for key, loss in found.items() if loss.mean is not losses.decoded_image] == ["cb"]
    assert found["bce"].mean(digits) is digits
    half = np.full_like(digits, 0.3)
    np.testing.assert_array_equal(
        applied(found["cb"].mean, half), applied(losses.continuous_bernoulli_mean, half)
    )
    for loss in found.values():
        alone, beside = (applied(loss, digits[:n], half[:n])[:1] for n in (1, 8))
        assert loss.per_batch == (not np.allclose(alone, beside, rtol=1e-4))
    assert VAE(pixel_loss="cb").pixel_loss is found["cb"]
