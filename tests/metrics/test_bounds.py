"""Every measure against a second way of computing it, with negative controls."""

import keras
import numpy as np
import pytest
import scipy.stats
from keras import ops
from scipy.integrate import quad
from scipy.special import logsumexp
from sklearn.metrics import pairwise_distances

from helpers import data
from helpers.metrics import bounds as metrics

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


def test_a_better_q_brings_the_importance_weighted_bound_nearer(points):
    model, exact = LinearGaussian(widen=9), LinearGaussian().exact(points).mean()
    own = metrics.importance_weighted_bound(model, points, 5, seed=1).mean()
    better = metrics.importance_weighted_bound(model, points, 5, seed=1, q=LinearGaussian().encode(points)).mean()
    assert own < better - 0.1 and better < exact


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


class Searchable(LinearGaussian):
    """The same with its decoder in Keras, and an encoder that is `shift` standard deviations off in every mean."""

    def __init__(self, widen, shift):
        super().__init__(widen)
        self.shift = shift
        self.decoder = keras.Sequential([keras.Input((LATENT,)), keras.layers.Dense(PIXELS, use_bias=False)])
        self.decoder.set_weights([LOADINGS])

    def encode(self, x):
        mean, log_var = super().encode(x)
        return (mean + self.shift * np.exp(log_var / 2)).astype("float32"), log_var

    def pixel_loss(self, x, mean):
        return ops.sum(ops.square(x - mean), axis=-1) + PIXELS / 2 * np.log(np.pi)


def test_the_optimised_bound_finds_the_best_gaussian(points, monkeypatch):
    monkeypatch.setattr(metrics, "SEARCHED", 200)  # in two parts
    model, best, x = Searchable(widen=3, shift=1.5), LinearGaussian(), points[:300]
    before = [weight.copy() for weight in model.decoder.get_weights()]
    found = metrics.optimised_bound(model, x, steps=300, seed=2, samples=50)
    gap = model.exact(x) - metrics.elbo(best, x, seed=3, samples=50)["elbo"]
    assert (model.exact(x) - found["optimised"]).mean() == pytest.approx(gap.mean(), abs=0.05)
    assert found["encoder"].mean() < found["optimised"].mean() - 1
    mean, log_var = best.encode(x)
    assert np.abs((found["mean"] - mean) / np.exp(log_var / 2)).mean() < 0.15
    assert np.abs(found["log_var"] - log_var).mean() < 0.25
    assert all(map(np.array_equal, before, model.decoder.get_weights())) and model.decoder.trainable


def test_nothing_is_gained_where_the_encoder_is_best(points):
    """Negative control: an optimal encoder has no amortisation gap, and the search invents none."""
    found = metrics.optimised_bound(Searchable(widen=1, shift=0), points[:200], steps=300, seed=2, samples=50)
    assert (found["optimised"] - found["encoder"]).mean() == pytest.approx(0, abs=0.05)
    with pytest.raises(ValueError, match="steps=0 must be an integer from 1"):
        metrics.optimised_bound(Searchable(1, 0), points[:2], steps=0, seed=0)


def test_the_optimised_bound_starts_from_the_elbo(points):
    found = metrics.optimised_bound(Searchable(widen=2, shift=1), points[:50], steps=1, seed=2, samples=3)
    expected = metrics.elbo(Searchable(widen=2, shift=1), points[:50], seed=2, samples=3)["elbo"]
    np.testing.assert_allclose(found["encoder"], expected, rtol=1e-5)


def test_axis_information_against_quadrature():
    """Two classes at ±1 with unit noise, an axis that says nothing, and one that says it all."""

    def entropy_summand(z):
        density = (scipy.stats.norm.pdf(z, -1) + scipy.stats.norm.pdf(z, 1)) / 2
        return -density * np.log(density)

    expected = quad(entropy_summand, -12, 12)[0] - 0.5 * np.log(2 * np.pi * np.e)
    labels = RNG.integers(2, size=40_000)
    noise = RNG.normal(size=(40_000, 3))
    codes = noise * [1, 1, 1e-3] + labels[:, np.newaxis] * [2, 0, 1] - [1, 0, 0]
    found = metrics.axis_information(codes, labels)
    np.testing.assert_allclose(found, [expected, 0, np.log(2)], atol=0.01)
    np.testing.assert_allclose(metrics.axis_information(np.exp(codes), labels), found, atol=1e-3)  # order alone counts


def test_axis_information_by_counting():
    labels = np.arange(600) % 3
    codes = 2 * RNG.normal(size=(600, 1)) + labels[:, np.newaxis]
    order = np.argsort(np.argsort(codes[:, 0]))
    joint = np.zeros((4, 3))
    np.add.at(joint, (order * 4 // 600, labels), 1 / 600)
    product = joint.sum(1, keepdims=True) * joint.sum(0)
    assert metrics.axis_information(codes, labels, bins=4)[0] == pytest.approx(np.sum(joint * np.log(joint / product)))


def test_the_control_of_axis_information_is_what_counting_alone_gives():
    labels = np.arange(5_000) % 10
    codes = np.stack([labels + 0.5 * RNG.normal(size=5_000), RNG.normal(size=5_000)], axis=1)
    control = np.mean([metrics.axis_information_control(codes, labels, seed) for seed in range(20)], axis=0)
    np.testing.assert_allclose(control, 19 * 9 / (2 * 5_000), rtol=0.2)
    found = metrics.axis_information(codes, labels)
    assert found[0] > 50 * control[0] and found[1] < 2 * control[1]
    with pytest.raises(ValueError, match="as many of each"):
        metrics.axis_information(codes, labels[:-1])
    with pytest.raises(ValueError, match="bins=1 must be an integer from 2 to 5,000"):
        metrics.axis_information(codes, labels, bins=1)


def test_confused_pairs_against_votes_counted_by_hand():
    images, labels = data.test_digits(600)
    flat = images.reshape(600, -1)
    votes = labels[:400][np.argsort(pairwise_distances(flat[400:], flat[:400]), axis=1)[:, :15]]
    voted, true = np.array([np.bincount(vote).argmax() for vote in votes]), labels[400:]
    expected = {}
    for a in range(10):
        for b in range(a + 1, 10):
            wrong = np.sum((true == a) & (voted == b)) + np.sum((true == b) & (voted == a))
            expected[a, b] = wrong / np.sum((true == a) | (true == b))
    found = metrics.confused_pairs(true, metrics.knn_votes(flat[:400], labels[:400], flat[400:]))
    assert {pair[:2]: pair[2] for pair in found} == pytest.approx(expected)
    assert [pair[2] for pair in found] == sorted(expected.values(), reverse=True) and found[0][2] > 0


def test_the_confused_pair_is_the_one_that_overlaps():
    centres = np.arange(10)[:, np.newaxis] * np.array([[10.0, 0.0]])
    centres[7] = centres[2] + 0.5  # 2 and 7 share a place, all others are far apart
    labels = np.arange(2_000) % 10
    codes = centres[labels] + RNG.normal(size=(2_000, 2))
    votes = metrics.knn_votes(codes[:1_000], labels[:1_000], codes[1_000:])
    first, *others = metrics.confused_pairs(labels[1_000:], votes)
    assert first[:2] == (2, 7) and 0.2 < first[2] < 0.6
    assert len(others) == 44 and all(share == 0 for _, _, share in others)  # negative control


def test_class_gap_against_all_distances():
    labels = np.arange(500) % 5
    codes = RNG.normal(size=(500, 2)) + 3 * np.stack([np.cos(labels), np.sin(labels)], axis=1)
    distances = np.where(labels[:, np.newaxis] == labels, np.inf, pairwise_distances(codes))
    extent = np.sqrt(np.mean(np.sum((codes - codes.mean(axis=0)) ** 2, axis=1)))
    found = metrics.class_gap(codes, labels)
    assert found == pytest.approx(np.median(distances.min(axis=1)) / extent)
    assert metrics.class_gap(7 * codes[:, ::-1] + 2, labels) == pytest.approx(found)  # turned, scaled and moved


def test_class_gap_falls_when_classes_mix():
    labels = np.arange(1_000) % 2
    apart = RNG.normal(size=(1_000, 2)) + 20 * labels[:, np.newaxis]
    assert metrics.class_gap(apart, labels) > 1 > 20 * metrics.class_gap(apart, RNG.permutation(labels))
    with pytest.raises(ValueError, match="at least two kinds"):
        metrics.class_gap(apart, np.zeros(1_000))


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
    found = metrics.smoothness(Decoder(lambda z: z @ LOADINGS), points, step=0.4, seed=1)
    per_pixel = np.sum(LOADINGS**2) / PIXELS
    assert found["change"] == pytest.approx(0.4**2 * per_pixel / LATENT, rel=0.05)
    assert found["pair_change"] == pytest.approx(2 * per_pixel, rel=0.05)
    assert found["relative"] == pytest.approx(found["change"] / found["pair_change"])
    assert found["exponent"] == pytest.approx(2, abs=1e-3)


def test_rough_decoders_come_out_rough():
    """Negative controls: cells with jumps between them, no neighbourhood at all, and a decoder that ignores z."""
    points = RNG.standard_normal((4_000, LATENT)).astype("float32")
    cells = metrics.smoothness(Decoder(lambda z: np.round(z) @ LOADINGS), points, step=0.1, seed=1)
    assert cells["exponent"] == pytest.approx(1, abs=0.15)
    chaos = metrics.smoothness(Decoder(noise_of), points, step=0.1, seed=1)
    assert chaos["exponent"] == pytest.approx(0, abs=0.1) and chaos["relative"] == pytest.approx(1, abs=0.05)
    flat = metrics.smoothness(Decoder(lambda z: np.zeros((len(z), PIXELS))), points, step=0.1, seed=1)
    assert flat["change"] == 0 and np.isnan(flat["exponent"])
    with pytest.raises(ValueError, match="step=0 must be a number above 0"):
        metrics.smoothness(Decoder(noise_of), points, step=0, seed=1)


def information(mean, log_var):
    """What a code tells about its image, by draws: E ln q(z|x) - ln of the average q(z|x') (Hoffman & Johnson 2016)."""
    scale, found = np.exp(log_var / 2), []
    for seed in range(3):
        z = metrics.draw(mean, log_var, np.random.default_rng(seed))
        densities = scipy.stats.norm.logpdf(z[:, np.newaxis], mean, scale).sum(axis=-1)
        found.append(np.diag(densities) - logsumexp(densities, axis=1) + np.log(len(z)))
    return np.mean(found)


def test_congestion_is_the_information_of_gaussian_codes():
    axis = scipy.stats.norm.ppf((np.arange(30) + 0.5) / 30)
    mean = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2) @ np.array([[1.0, 0.6], [0.0, 0.5]])
    log_var = np.log(np.tile([[0.05, 0.2]], (900, 1)))
    found = metrics.congestion(mean, log_var)
    expected = np.linalg.det(np.cov(mean, rowvar=False) + np.diag([0.05, 0.2])) ** 0.5
    assert found["area"] == pytest.approx(expected, rel=2e-3)
    assert found["posterior_area"] == pytest.approx(0.1)
    assert found["distinguishable"] == pytest.approx(np.log(expected / 0.1), abs=2e-3)
    assert found["distinguishable"] == pytest.approx(information(mean, log_var), abs=0.06)


def test_congestion_bounds_the_information_of_other_codes_and_is_nothing_at_the_prior():
    mean = np.repeat([[-2.0, 0.0], [2.0, 0.0]], 500, axis=0)  # two places only: ln 2 nats
    log_var = np.full((1_000, 2), np.log(0.01))
    assert information(mean, log_var) == pytest.approx(np.log(2), abs=0.05)
    assert metrics.congestion(mean, log_var)["distinguishable"] > 2 * np.log(2)
    collapsed = metrics.congestion(np.zeros((100, 2)), np.zeros((100, 2)))
    assert collapsed["area"] == 1 and collapsed["distinguishable"] == pytest.approx(0, abs=1e-9)
    line = metrics.congestion(RNG.standard_normal((5_000, 1)) * np.sqrt(0.75), np.full((5_000, 1), np.log(0.25)))
    assert line["distinguishable"] == pytest.approx(np.log(2), abs=0.03)  # one dimension: ½ ln 1 / ¼


def test_standard_error_is_scipys():
    values = RNG.normal(size=50)
    assert metrics.standard_error(values) == pytest.approx(scipy.stats.sem(values))


def test_the_summary_states_what_was_measured(trained):
    from helpers.metrics.summary import model_summary

    train, test = data.training_digits(1_000), data.test_digits(500)
    summary = model_summary(trained, *train, *test, seed=0)
    assert summary["loss"] == trained.history["loss"][-1]
    assert summary["parameters"] == 134_165
    assert -summary["val_elbo"] == pytest.approx(summary["val_rate"] + summary["val_distortion"], rel=1e-5)
    assert summary["knn_accuracy"] > 0.2  # chance is 0.1
    assert summary["seconds_per_epoch"] == sorted(trained.history["seconds"])[1]
