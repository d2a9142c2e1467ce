"""Every measure against a second way of computing it, with negative controls."""

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import pairwise_distances

from helpers import data, metrics

RNG = np.random.default_rng(0)
PIXELS, LATENT = 6, 2
LOADINGS = np.array([[1.0, -0.5, 0.6, 0.1, -0.5, 0.4], [1.3, 0.9, 0.7, -1.2, -0.6, 0.1]])  # correlated posteriors


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
        return scipy.stats.multivariate_normal.logpdf(x, np.zeros(PIXELS), LOADINGS.T @ LOADINGS + np.eye(PIXELS) / 2)


@pytest.fixture(scope="module")
def points():
    z = RNG.standard_normal((4_000, LATENT))
    return (z @ LOADINGS + np.sqrt(0.5) * RNG.standard_normal((4_000, PIXELS))).astype("float32")


def test_elbo_is_below_the_importance_weighted_bound_is_below_the_likelihood(points):
    model = LinearGaussian(widen=3)
    elbo = metrics.elbo(model, points, seed=1, samples=20)["elbo"].mean()
    bounds = [metrics.importance_weighted_bound(model, points, k, seed=1).mean() for k in (1, 5, 50)]
    exact = model.exact(points).mean()
    assert elbo == pytest.approx(bounds[0], abs=0.05)
    assert elbo < bounds[1] < bounds[2] < exact
    assert exact - bounds[2] < 0.05 < 0.5 < exact - elbo  # it converges to the likelihood


def test_the_gap_of_the_bound_is_the_divergence_to_the_true_posterior(points):
    model = LinearGaussian()
    gap = (model.exact(points) - metrics.elbo(model, points, seed=1, samples=50)["elbo"]).mean()
    precision = np.linalg.inv(model.covariance)
    expected = 0.5 * (np.log(np.prod(np.diag(precision))) - np.linalg.slogdet(precision)[1])
    assert expected > 0.05 and gap == pytest.approx(expected, abs=0.01)


def test_at_the_posterior_mean_it_is_no_bound(points):
    """Negative control: the common slip of evaluating at the mean exceeds the true likelihood's bound."""
    model = LinearGaussian(widen=1.5)
    mean, log_var = model.encode(points)
    rate = 0.5 * (mean**2 + np.exp(log_var) - 1 - log_var).sum(-1)
    slip = -(model.pixel_loss(points, model.decode(mean)) + rate).mean()
    assert slip > metrics.elbo(model, points, seed=1, samples=5)["elbo"].mean() + 0.2


def test_elbo_agrees_with_keras_evaluate(trained):
    images = data.test_digits(500)[0]
    found = metrics.elbo(trained.model, images, seed=4, samples=4)
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
    kl = metrics.kl_per_dimension(Fixed(), images)
    mean = np.linspace(-2, 2, 100)
    assert kl[0] == pytest.approx(0.5 * np.mean(mean**2 + np.exp(-3) - 1 + 3), rel=1e-5)
    assert kl[1] == pytest.approx(0, abs=1e-6)  # negative control: an unused dimension
    active = metrics.active_units(Fixed(), images) > metrics.ACTIVE
    assert active.tolist() == [True, False]


def test_knn_accuracy_against_distances_by_hand():
    images, labels = data.test_digits(600)
    flat = images.reshape(600, -1)
    distances = pairwise_distances(flat[500:], flat[:500])
    votes = labels[:500][np.argsort(distances, axis=1)[:, :15]]
    expected = np.mean([np.bincount(vote).argmax() for vote in votes] == labels[500:])
    assert metrics.knn_accuracy(flat[:500], labels[:500], flat[500:], labels[500:]) == pytest.approx(expected)


def test_knn_accuracy_is_chance_for_noise_and_one_for_labels():
    labels = RNG.integers(10, size=3_000)
    noise, one_hot = RNG.normal(size=(3_000, 2)), np.eye(10)[labels]
    parts = [(points[:2_000], labels[:2_000], points[2_000:], labels[2_000:]) for points in (noise, one_hot)]
    assert metrics.knn_accuracy(*parts[0]) == pytest.approx(0.1, abs=0.04)
    assert metrics.knn_accuracy(*parts[1]) == 1


def test_standard_error_is_scipys():
    values = RNG.normal(size=50)
    assert metrics.standard_error(values) == pytest.approx(scipy.stats.sem(values))


def test_the_summary_states_what_was_measured(trained):
    from helpers.summary import model_summary

    train, test = data.training_digits(1_000), data.test_digits(500)
    summary = model_summary(trained, *train, *test, seed=0)
    assert summary["loss"] == trained.history["loss"][-1]
    assert summary["parameters"] == 134_165
    assert -summary["val_elbo"] == pytest.approx(summary["val_rate"] + summary["val_distortion"], rel=1e-5)
    assert summary["knn_accuracy"] > 0.2  # chance is 0.1
    assert summary["seconds_per_epoch"] == sorted(trained.history["seconds"])[1]
