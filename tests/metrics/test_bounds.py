"""Every measure against a second way of computing it, with negative controls."""

import keras
import numpy as np
import pytest
import scipy.stats
from keras import ops

from helpers import data
from helpers.metrics import bounds

RNG = np.random.default_rng(0)
PIXELS, LATENT = 6, 2
LOADINGS = np.array(
    [[1.0, -0.5, 0.6, 0.1, -0.5, 0.4], [1.3, 0.9, 0.7, -1.2, -0.6, 0.1]]
)  # correlated posteriors


class LinearGaussian:
    """p(z) = N(0, I), p(x|z) = N(z W, ½ I): everything about it is known in closed form.

    Its pixel loss is that of a Gaussian with its constant, so that bounds are bounds on ln p(x).
    """

    def __init__(self, widen=1.0):
        precision = np.eye(LATENT) + 2 * LOADINGS @ LOADINGS.T
        self.covariance = np.linalg.inv(precision)
        self.widen = widen

    def encode(self, x):
        """The mean-field posterior; exact means, variances `widen` times the optimal ones."""
        mean = 2 * x @ LOADINGS.T @ self.covariance
        variances = self.widen / np.diag(np.linalg.inv(self.covariance))
        return mean.astype("float32"), np.log(np.tile(variances, (len(x), 1))).astype("float32")

    def decode(self, z):
        return z @ LOADINGS

    def pixel_loss(self, x, mean):
        return np.square(x - mean).sum(-1) + PIXELS / 2 * np.log(np.pi)

    def exact(self, x):
        return scipy.stats.multivariate_normal.logpdf(
            x, np.zeros(PIXELS), LOADINGS.T @ LOADINGS + np.eye(PIXELS) / 2
        )


@pytest.fixture(scope="module")
def points():
    z = RNG.standard_normal((4_000, LATENT))
    return (z @ LOADINGS + np.sqrt(0.5) * RNG.standard_normal((4_000, PIXELS))).astype("float32")


def test_elbo_is_below_the_importance_weighted_bound_is_below_the_likelihood(points):
    model = LinearGaussian(widen=3)
    elbo = bounds.elbo(model, points, seed=1, samples=20)["elbo"].mean()
    tighter = [
        bounds.importance_weighted_bound(model, points, k, seed=1).mean() for k in (1, 5, 50)
    ]
    exact = model.exact(points).mean()
    assert elbo == pytest.approx(tighter[0], abs=0.05)
    assert elbo < tighter[1] < tighter[2] < exact
    assert exact - tighter[2] < 0.05 < 0.5 < exact - elbo  # it converges to the likelihood


def test_a_better_q_brings_the_importance_weighted_bound_nearer(points):
    model, exact = LinearGaussian(widen=9), LinearGaussian().exact(points).mean()
    own = bounds.importance_weighted_bound(model, points, 5, seed=1).mean()
    better = bounds.importance_weighted_bound(
        model, points, 5, seed=1, q=LinearGaussian().encode(points)
    ).mean()
    assert own < better - 0.1 and better < exact


def test_the_gap_of_the_bound_is_the_divergence_to_the_true_posterior(points):
    model = LinearGaussian()
    gap = (model.exact(points) - bounds.elbo(model, points, seed=1, samples=50)["elbo"]).mean()
    precision = np.linalg.inv(model.covariance)
    expected = 0.5 * (np.log(np.prod(np.diag(precision))) - np.linalg.slogdet(precision)[1])
    assert expected > 0.05 and gap == pytest.approx(expected, abs=0.01)


def test_at_the_posterior_mean_it_is_no_bound(points):
    """Negative control: evaluated at the posterior mean it exceeds the bound."""
    model = LinearGaussian(widen=1.5)
    mean, log_var = model.encode(points)
    rate = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    slip = -(model.pixel_loss(points, model.decode(mean)) + rate).mean()
    assert slip > bounds.elbo(model, points, seed=1, samples=5)["elbo"].mean() + 0.2


def test_elbo_agrees_with_keras_evaluate(trained):
    images = data.test_set(500)[0]
    found = bounds.elbo(trained.model, images, seed=4, samples=4)
    keras = trained.model.evaluate(images, verbose=0, return_dict=True)
    assert found["rate"].mean() == pytest.approx(keras["rate"], rel=1e-4)
    assert -found["elbo"].mean() == pytest.approx(keras["loss"], rel=0.01)
    np.testing.assert_allclose(-found["elbo"], found["rate"] + found["distortion"], rtol=1e-5)


def test_kl_per_dimension_and_active_units():
    class Fixed:
        def encode(self, x):
            mean = np.stack([np.linspace(-2, 2, len(x)), np.zeros(len(x))], axis=1)
            return mean, np.tile([[-3.0, 0.0]], (len(x), 1))

    images = np.zeros((100, 28, 28, 1))
    kl = bounds.kl_per_dimension(Fixed(), images)
    mean = np.linspace(-2, 2, 100)
    assert kl[0] == pytest.approx(0.5 * np.mean(mean**2 + np.exp(-3) - 1 + 3), rel=1e-5)
    assert kl[1] == pytest.approx(0, abs=1e-6)  # negative control: an unused dimension
    active = bounds.active_units(Fixed(), images) > bounds.ACTIVE
    assert active.tolist() == [True, False]


def test_the_error_of_a_range_is_that_of_images_drawn_again():
    """By the variance of a difference, and by a bootstrap; unpaired errors are another number."""
    shared = RNG.gamma(2, 1, size=(400, 1))  # images that cost much cost much in both
    kl = shared * [1.0, 0.3, 2.0] + RNG.gamma(1, 0.1, size=(400, 3))
    found = bounds.kl_range(kl)
    assert found["kl_least"] == pytest.approx(kl[:, 1].mean())
    assert found["kl_most"] == pytest.approx(kl[:, 2].mean())
    cov = np.cov(kl.T)
    by_hand = np.sqrt((cov[1, 1] + cov[2, 2] - 2 * cov[1, 2]) / 400)
    again = [kl[RNG.integers(400, size=400)].mean(axis=0) for _ in range(2_000)]
    assert found["kl_range_error"] == pytest.approx(by_hand)
    assert np.std([mean[2] - mean[1] for mean in again]) == pytest.approx(by_hand, rel=0.1)
    assert np.hypot(*(bounds.standard_error(kl[:, k]) for k in (1, 2))) > 1.15 * by_hand
    assert bounds.kl_range(kl[:, :1])["kl_range_error"] == 0  # one dimension has no range


def test_the_integral_on_a_grid_is_the_likelihood_that_the_bound_approaches(points):
    model, few = LinearGaussian(widen=3), points[:60]
    exact, found = model.exact(few), bounds.grid_log_likelihood(model, few, points=80)
    np.testing.assert_allclose(found, exact, atol=1e-3)
    elbo = bounds.elbo(model, few, seed=1, samples=50)["elbo"]
    tight = bounds.importance_weighted_bound(model, few, k=500, seed=1)
    assert elbo.mean() < found.mean() - 0.3 and np.abs(tight - found).mean() < 0.05
    small = bounds.grid_log_likelihood(model, few, points=80, reach=0.5)
    coarse = bounds.grid_log_likelihood(model, few, points=6)
    assert np.abs(small - exact).max() > 1 < np.abs(coarse - exact).max()  # negative controls


class Ink:
    """Five pixels of ink with probabilities that depend on two latent numbers."""

    def decode(self, z):
        return 1 / (1 + np.exp(-np.tanh(z) @ np.array([[3, -2, 1, 4, 0.5], [1, 2, -4, 0.3, 2]])))

    def pixel_loss(self, x, p):
        x, p = np.asarray(x), np.asarray(p)
        return -(x * np.log(p) + (1 - x) * np.log(1 - p)).sum(-1)


def test_ln_p_of_grey_pixels_is_below_the_mean_ln_p_of_binarised_ones():
    """Over all 2⁵ images of black and white, by their probabilities; equal where none is grey."""
    binary = np.array(np.meshgrid(*[[0.0, 1.0]] * 5)).reshape(5, -1).T
    exact = bounds.grid_log_likelihood(Ink(), binary, points=60)
    assert np.exp(exact).sum() == pytest.approx(1, abs=1e-4)  # a distribution
    for grey in RNG.uniform(0, 1, (4, 5)):
        shares = np.prod(np.where(binary == 1, grey, 1 - grey), axis=1)
        assert bounds.grid_log_likelihood(Ink(), grey[np.newaxis], 60)[0] < shares @ exact - 0.01


class Searchable(LinearGaussian):
    """The same with a Keras decoder, and means that are `shift` standard deviations off."""

    def __init__(self, widen, shift):
        super().__init__(widen)
        self.shift = shift
        self.decoder = keras.Sequential(
            [keras.Input((LATENT,)), keras.layers.Dense(PIXELS, use_bias=False)]
        )
        self.decoder.set_weights([LOADINGS])

    def encode(self, x):
        mean, log_var = super().encode(x)
        return (mean + self.shift * np.exp(log_var / 2)).astype("float32"), log_var

    def pixel_loss(self, x, mean):
        return ops.sum(ops.square(x - mean), axis=-1) + PIXELS / 2 * np.log(np.pi)


def test_the_optimised_bound_finds_the_best_gaussian(points, monkeypatch):
    monkeypatch.setattr(bounds, "SEARCHED", 200)  # in two parts
    model, best, x = Searchable(widen=3, shift=1.5), LinearGaussian(), points[:300]
    before = [weight.copy() for weight in model.decoder.get_weights()]
    found = bounds.optimised_bound(model, x, steps=300, seed=2, samples=50)
    gap = model.exact(x) - bounds.elbo(best, x, seed=3, samples=50)["elbo"]
    assert (model.exact(x) - found["optimised"]).mean() == pytest.approx(gap.mean(), abs=0.05)
    assert found["encoder"].mean() < found["optimised"].mean() - 1
    mean, log_var = best.encode(x)
    assert np.abs((found["mean"] - mean) / np.exp(log_var / 2)).mean() < 0.15
    assert np.abs(found["log_var"] - log_var).mean() < 0.25
    assert all(map(np.array_equal, before, model.decoder.get_weights())) and model.decoder.trainable


def test_nothing_is_gained_where_the_encoder_is_best(points):
    """Negative control: an optimal encoder has no amortisation gap, and the search invents none."""
    found = bounds.optimised_bound(
        Searchable(widen=1, shift=0), points[:200], steps=300, seed=2, samples=50
    )
    assert (found["optimised"] - found["encoder"]).mean() == pytest.approx(0, abs=0.05)
    with pytest.raises(ValueError, match="steps=0 must be an integer from 1"):
        bounds.optimised_bound(Searchable(1, 0), points[:2], steps=0, seed=0)


def test_the_optimised_bound_starts_from_the_elbo(points):
    found = bounds.optimised_bound(
        Searchable(widen=2, shift=1), points[:50], steps=1, seed=2, samples=3
    )
    expected = bounds.elbo(Searchable(widen=2, shift=1), points[:50], seed=2, samples=3)["elbo"]
    np.testing.assert_allclose(found["encoder"], expected, rtol=1e-5)


def test_standard_error_is_scipys():
    values = RNG.normal(size=50)
    assert bounds.standard_error(values) == pytest.approx(scipy.stats.sem(values))
