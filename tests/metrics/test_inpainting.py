"""Ways to fill holes, each against a second way, with negative controls."""

import dataclasses
from functools import partial

import keras
import numpy as np
import pytest
import scipy.stats
from keras import ops
from sklearn.metrics import pairwise_distances

from helpers import data, losses
from helpers.metrics import bounds, holes, inpainting, likelihoods
from helpers.models import VAE


def test_filling_is_encode_sample_decode(trained):
    hidden = holes.hide(data.test_set(5)[0], holes.square_mask())
    first, again = (bounds.encode_decode(trained.model, hidden, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == hidden.shape
    mean, log_var = trained.model.encode(hidden)
    z = mean + np.exp(log_var / 2) * np.random.default_rng(1).standard_normal(mean.shape)
    np.testing.assert_allclose(first, trained.model.decode(z), atol=1e-5)
    assert not np.allclose(first, bounds.encode_decode(trained.model, hidden, seed=2))


MASK = holes.square_mask()
TASK_METHODS = list(inpainting.METHODS)
GRID = np.linspace(-6, 6, 3_001)[:, np.newaxis]
SMALL = holes.square_mask()[
    8:14, 8:14
]  # 16 of 36 pixels: nothing depends on the size of the images
FAINT, BOLD = np.random.default_rng(1).uniform(-0.25, 0.25, SMALL.shape), 0.4


class Curve:
    """p(z) = N(0, 1), grey images ½ + a tanh(z - ½), a faint where visible, bold in the hole.

    Its encoder looks at the hole alone, with a wrong mean and a wrong spread.
    """

    pixel_loss = losses.PIXEL_LOSSES["bce"]

    def decode(self, z):
        bold = np.where(SMALL, BOLD, FAINT) * np.tanh(z - 0.5)[:, :, np.newaxis]
        return (0.5 + bold).astype("float32")[..., np.newaxis]

    def encode(self, x):
        bold = (x[:, SMALL].mean(axis=1) - 0.5) / BOLD
        return 0.9 * bold + 0.3, -0.8 - 0.3 * bold

    def posterior(self, hidden):
        """p(z|visible) of one digit on GRID, by quadrature, from the visible pixels one by one."""
        p, x = (images[:, ~SMALL, 0].astype(float) for images in (self.decode(GRID), hidden))
        log_density = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum(axis=1) - GRID[:, 0] ** 2 / 2
        density = np.exp(log_density - log_density.max())
        return density / density.sum()

    def hole(self, hidden):
        """Mean and standard deviation of the hole's grey value under `posterior`."""
        value, weight = 0.5 + BOLD * np.tanh(GRID[:, 0] - 0.5), self.posterior(hidden)
        mean = (value * weight).sum()
        return mean, np.sqrt((weight * (value - mean) ** 2).sum())


def grey_values(filled):
    """The hole's grey value in each of the Curve's images."""
    return filled[..., 3, 3, 0]


@pytest.fixture(scope="module")
def damaged():
    """One digit of the Curve, 1,000 times, with its hole."""
    pixels = np.random.default_rng(2).random((1, 6, 6, 1)) < Curve().decode(np.array([[1.2]]))
    return holes.hide(np.repeat(pixels, 1_000, axis=0).astype("float32"), SMALL)


def is_exact(filled, hidden):
    """Whether draws have the posterior's mean and spread, within four standard errors."""
    (mean, deviation), values = Curve().hole(hidden[:1]), grey_values(filled)
    error = deviation / np.sqrt(len(values))
    return abs(values.mean() - mean) < 4 * error and abs(values.std() - deviation) < 4 * error


def test_the_posterior_of_the_curve_is_worth_sampling(damaged):
    mean, deviation = Curve().hole(damaged[:1])
    assert (
        deviation > 0.1 and abs(mean - 0.5 - BOLD * np.tanh(-0.5)) > 0.05
    )  # neither a point nor the prior's centre


def test_metropolis_within_gibbs_samples_the_posterior(damaged):
    filled, acceptance = inpainting.metropolis_gibbs(Curve(), damaged, SMALL, steps=40, seed=0)
    assert is_exact(filled, damaged)
    assert acceptance.shape == (1_000,) and 0.3 < acceptance.mean() < 0.95


def without_the_proposal(now, new):
    """A wrong acceptance: the target's ratio alone, as if the proposal were symmetric."""
    return new["target"] - now["target"]


def with_one_proposal(now, new):
    """A wrong acceptance: both densities from the encoder's answer for the present filling."""
    densities = [
        inpainting._log_normal(state["z"], now["mean"], now["log_var"]) for state in (now, new)
    ]
    return new["target"] - now["target"] + densities[0] - densities[1]


@pytest.mark.parametrize(
    "wrong", [without_the_proposal, with_one_proposal, lambda now, new: new["target"] * 0]
)
def test_a_wrong_acceptance_is_found_out(damaged, monkeypatch, wrong):
    monkeypatch.setattr(inpainting, "_log_acceptance", wrong)
    assert not is_exact(
        inpainting.metropolis_gibbs(Curve(), damaged, SMALL, steps=40, seed=0)[0], damaged
    )


def test_the_methods_without_a_correction_are_biased(damaged):
    """Negative control: what the exact methods are for."""
    assert not is_exact(bounds.encode_decode(Curve(), damaged, seed=0), damaged)
    assert not is_exact(inpainting.pseudo_gibbs(Curve(), damaged, SMALL, steps=40, seed=0), damaged)


def test_an_averaged_chain_has_the_mean_and_less_spread(damaged):
    few = damaged[:200]
    (mean, deviation), (one, _) = (
        Curve().hole(few[:1]),
        inpainting.metropolis_gibbs(Curve(), few, SMALL, 100, seed=0),
    )
    many, _ = inpainting.metropolis_gibbs(Curve(), few, SMALL, 100, seed=0, average=80)
    assert grey_values(many).mean() == pytest.approx(mean, abs=0.1 * deviation)
    assert grey_values(many).std() < 0.5 * grey_values(one).std()


def test_importance_weights_give_the_posterior_mean(damaged):
    mean, deviation = Curve().hole(damaged[:1])
    filled, size = inpainting.importance_fill(Curve(), damaged[:50], SMALL, k=400, seed=0)
    assert grey_values(filled).mean() == pytest.approx(mean, abs=0.03 * deviation)
    assert grey_values(filled).std() < 0.2 * deviation
    assert size.shape == (50,) and 100 < size.mean() < 400
    alone, size = inpainting.importance_fill(Curve(), damaged[:50], SMALL, k=1, seed=0)
    assert (
        np.allclose(size, 1) and grey_values(alone).std() > 0.5 * deviation
    )  # negative control: one point


def test_importance_weights_are_needed(damaged, monkeypatch):
    """Negative control: equal weights give the mean of the proposal, not of the posterior."""
    mean, deviation = Curve().hole(damaged[:1])
    monkeypatch.setattr(
        inpainting, "_visible_loss", lambda model, mask, x, decoded: np.zeros(len(x))
    )
    filled, _ = inpainting.importance_fill(Curve(), damaged[:50], SMALL, k=400, seed=0)
    assert abs(grey_values(filled).mean() - mean) > 0.2 * deviation


def test_importance_draws_have_the_posteriors_mean_and_spread(damaged):
    draws, _ = inpainting.importance_fill(Curve(), damaged[:200], SMALL, k=200, draws=5, seed=0)
    assert draws.shape == (5, 200, 6, 6, 1)
    assert is_exact(draws.reshape(-1, 6, 6, 1), damaged)


def test_split_rhat_is_its_formula_and_about_1_for_chains_of_one_distribution():
    draws = np.random.default_rng(5).standard_normal((4, 2_000, 3))
    found = inpainting.split_rhat(draws)
    for k in range(3):
        halves = [half for chain in draws[:, :, k] for half in np.split(chain, 2)]
        within = np.mean([np.var(half, ddof=1) for half in halves])
        between = 1_000 * np.var([np.mean(half) for half in halves], ddof=1)
        pooled = 999 / 1_000 * within + between / 1_000
        assert found[k] == pytest.approx(np.sqrt(pooled / within)) and 0.99 < found[k] < 1.01
    np.testing.assert_allclose(inpainting.split_rhat(7 * draws - 3), found)
    odd = inpainting.split_rhat(draws[:, :1_999])  # the middle draw is left out
    assert odd.shape == (3,) and np.all(odd < 1.01)


def test_split_rhat_finds_chains_that_disagree_drift_or_stand_still():
    """Negative controls: by how much is known, as the means differ by 3 or the drift is linear."""
    noise = np.random.default_rng(6).standard_normal((4, 1_000))
    apart = inpainting.split_rhat(noise + 3 * np.array([[0], [0], [1], [1]]))
    assert apart == pytest.approx(np.sqrt(1 + 9 / 4 * 8 / 7), rel=0.05)
    drift = inpainting.split_rhat(noise + np.linspace(-3, 3, 1_000))  # all alike
    assert drift == pytest.approx(np.sqrt(1 + 9 / 4 * 8 / 7 / (1 + 9 / 12)), rel=0.05)
    assert np.isinf(inpainting.split_rhat(np.arange(4.0)[:, np.newaxis] * np.ones(10)))


class Creeping(Curve):
    """The same with an encoder that knows its own image and proposes to stay there."""

    def encode(self, x):
        bold = np.clip((x[:, SMALL].mean(axis=1) - 0.5) / BOLD, -0.999, 0.999)
        return np.arctanh(bold) + 0.5, np.full((len(x), 1), np.log(1e-4))


def test_convergence_tells_a_chain_that_mixes_from_one_that_creeps(damaged):
    mixed = inpainting.convergence(Curve(), damaged[:5], SMALL, chains=8, steps=400, seed=0)
    assert mixed.shape == (5, 1) and np.all(mixed < 1.1)
    stuck = inpainting.convergence(Creeping(), damaged[:5], SMALL, chains=8, steps=40, seed=0)
    assert np.all(stuck > 1.5)


def test_convergence_is_of_the_chains_of_one_image(damaged):
    """Against chains run image by image: no other image's chain is mixed in."""
    hidden = np.stack([damaged[0], 1 - damaged[1]])
    rows = np.tile(hidden, (3, 1, 1, 1))
    states = list(inpainting.metropolis_states(Curve(), rows, SMALL, 30, seed=1))
    z = np.stack([now["z"][:, 0] for now, _ in states])  # steps by rows, images within chains
    found = inpainting.convergence(Curve(), hidden, SMALL, chains=3, steps=30, seed=1)[:, 0]
    for image in (0, 1):
        chains = np.stack([z[:, 2 * chain + image] for chain in range(3)])
        assert found[image] == pytest.approx(inpainting.split_rhat(chains))


class Line:
    """Images z · faint where visible, z in the hole; pixels of variance ½: a closed form."""

    pixel_loss = losses.PIXEL_LOSSES["mse"]
    loadings = np.where(SMALL, 1, FAINT)
    precision = 1 + 2 * np.square(FAINT[~SMALL]).sum()

    def decode(self, z):
        return (z[:, :, np.newaxis] * self.loadings)[..., np.newaxis].astype("float32")

    def encode(self, x):
        return 0.5 * x[:, SMALL].mean(axis=1) + 0.4, np.full((len(x), 1), np.log(0.3))


def test_pseudo_gibbs_ends_in_its_own_stationary_law():
    """The step z' = a z + b + noise of variance s²: mean b / (1 - a), variance s² / (1 - a²)."""
    hidden = np.zeros((2_000, 6, 6, 1), "float32")
    values = grey_values(inpainting.pseudo_gibbs(Line(), hidden, SMALL, steps=20, seed=0))
    assert values.mean() == pytest.approx(0.4 / (1 - 0.5), abs=0.05)
    assert values.var() == pytest.approx(0.3 / (1 - 0.25), rel=0.12)
    once = grey_values(inpainting.pseudo_gibbs(Line(), hidden, SMALL, steps=1, seed=0))
    assert once.mean() == pytest.approx(
        0.4, abs=0.05
    )  # negative control: one step is not there yet


def test_one_step_of_pseudo_gibbs_is_the_naive_filling(damaged):
    naive = holes.paste(damaged, SMALL, bounds.encode_decode(Curve(), damaged, seed=3))
    np.testing.assert_array_equal(
        inpainting.pseudo_gibbs(Curve(), damaged, SMALL, steps=1, seed=3), naive
    )
    further = inpainting.pseudo_gibbs(Curve(), damaged, SMALL, steps=2, seed=3)
    assert np.abs(further - naive).max() > 0.1


@pytest.mark.parametrize("level", [0.9, 0.5])
def test_the_interval_holds_truths_that_the_model_draws(level, monkeypatch):
    """With truths from p(z|visible) the exact methods reach the level; naive filling does not."""
    monkeypatch.setattr(holes, "LEVEL", level)
    rng = np.random.default_rng(4)
    z = rng.standard_normal((400, 1))
    seen = Line().decode(z) + np.sqrt(0.5) * rng.standard_normal((400, 6, 6, 1))
    hidden = holes.hide(seen.astype("float32"), SMALL)
    task = inpainting.Task(Line(), hidden, SMALL, x_train=hidden, effort=100)
    names = ["Metropolis-within-Gibbs", "importance weights", "encode and decode"]
    stacks = [inpainting.plausible_fillings(name, task, draws=39) for name in names]
    found = [holes.coverage(Line().decode(z), stack, SMALL) for stack in stacks]
    exact, weighted, naive = (each["coverage"].mean() for each in found)
    assert exact == pytest.approx(level, abs=0.05) and weighted == pytest.approx(level, abs=0.06)
    assert naive < level - 0.1
    quantile = scipy.stats.norm.ppf((1 + level) / 2) / np.sqrt(Line.precision)
    assert found[0]["width"].mean() == pytest.approx(2 * quantile, rel=0.15)


def test_the_interval_of_fillings_with_pixel_noise_holds_drawn_pixels():
    """Truths are black or white as the model draws them; means alone never are, and hold none.

    A range of two values holds both: the expected share follows from each pixel's probability p,
    as a 90 % range leaves a value out where the fillings have less than a twentieth of it.
    """
    rng = np.random.default_rng(4)
    z = rng.standard_normal((300, 1))
    x = likelihoods.binarise(Curve().decode(z), seed=1)
    hidden = holes.hide(x, SMALL)
    task = inpainting.Task(Curve(), hidden, SMALL, x_train=hidden, effort=40)
    codes = inpainting.plausible_fillings("Metropolis-within-Gibbs", task, draws=39)
    noisy = holes.coverage(x, likelihoods.binarise(codes, seed=2), SMALL)
    share = grey_values(codes).mean(axis=0)
    expected = 1 - np.mean([min(p, 1 - p) if min(p, 1 - p) < 0.05 else 0 for p in share])
    assert noisy["coverage"].mean() == pytest.approx(expected, abs=0.03) and expected >= 0.9
    assert holes.coverage(x, codes, SMALL)["coverage"].mean() < 0.1  # negative control


def continuous_bernoulli(x, p):
    """-ln density of one pixel, straight from the definition."""
    return -(
        x * np.log(p) + (1 - x) * np.log(1 - p) + np.log(2 * np.arctanh(1 - 2 * p) / (1 - 2 * p))
    )


PER_PIXEL = {
    "bce": lambda x, p: -(x * np.log(p) + (1 - x) * np.log(1 - p)),
    "mse": lambda x, p: (x - p) ** 2,
    "cb": continuous_bernoulli,
    "calibrated": lambda x, p: -scipy.stats.norm.logpdf(x, p, np.sqrt(0.07)),
}


class Known:
    """A model of which only the pixel loss is asked."""

    def __init__(self, name):
        fixed = losses.PixelLoss(name, "", partial(losses.gaussian_loss, variance=0.07))
        self.pixel_loss = losses.PIXEL_LOSSES.get(name, fixed)


@pytest.mark.parametrize("name", PER_PIXEL)
@pytest.mark.parametrize("mask", [MASK, holes.half_mask()[::-1], holes.random_mask(0.9, 0)])
def test_the_visible_loss_is_the_sum_over_visible_pixels(name, mask):
    rng = np.random.default_rng(7)
    x, decoded = rng.uniform(0, 1, (3, 28, 28, 1)), rng.uniform(0.05, 0.45, (3, 28, 28, 1))
    model = Known(name)
    pixels = PER_PIXEL[name](x, decoded)
    found = inpainting._visible_loss(model, mask, holes.hide(x, mask), decoded)
    np.testing.assert_allclose(found, pixels[:, ~mask].sum(axis=(1, 2)), rtol=1e-4, atol=2e-3)
    blank = PER_PIXEL[name](holes.hide(x, mask), decoded).sum(axis=(1, 2, 3))
    assert np.abs(found - blank).min() > 1  # negative control: the hole counted as background


def test_a_loss_that_mixes_images_is_refused_until_calibrated():
    x = np.random.default_rng(8).random((20, 28, 28, 1), "float32")
    model = VAE("dense", 2, "sigma")
    with pytest.raises(ValueError, match=r"'calibrated Gaussian' .* use calibrated"):
        inpainting._visible_loss(model, MASK, x, x)
    found = inpainting.calibrated(model, x)
    assert found.variance == pytest.approx(
        np.mean((bounds.encode_decode(model, x, 0) - x) ** 2)
    )
    together = bounds.to_numpy(found.pixel_loss, x, model.decode(found.encode(x)[0]))
    alone = bounds.to_numpy(found.pixel_loss, x[:1], model.decode(found.encode(x[:1])[0]))
    assert together[0] == pytest.approx(alone[0], rel=1e-4)


def test_a_continuous_bernoulli_is_filled_with_its_mean():
    model, hidden = VAE("dense", 2, "cb"), np.zeros((4, 28, 28, 1), "float32")
    parameter = bounds.encode_decode(model, hidden, seed=0)[:, MASK].astype(float)
    mean = parameter / (2 * parameter - 1) + 1 / (2 * np.arctanh(1 - 2 * parameter))
    found = inpainting.pseudo_gibbs(model, hidden, MASK, steps=1, seed=0)[:, MASK]
    np.testing.assert_allclose(found, mean, atol=1e-3)
    assert np.abs(found - parameter).max() > 0.01


class Wave:
    """A Keras decoder of one dimension whose objective has several minima."""

    pixel_loss = losses.PIXEL_LOSSES["mse"]

    def __init__(self):
        z = keras.Input((1,))
        self.decoder = keras.Model(
            z, keras.layers.Reshape((6, 6, 1))(ops.sin(keras.layers.Dense(36)(z)))
        )
        rng = np.random.default_rng(9)
        self.decoder.set_weights([rng.uniform(1, 3, (1, 36)), rng.uniform(-0.5, 0.5, 36)])

    def decode(self, z):
        return ops.convert_to_numpy(self.decoder(z))

    def encode(self, x):
        return np.full((len(x), 1), -2.0, "float32"), np.zeros((len(x), 1), "float32")

    def objective(self, hidden):
        """-ln p(visible|z) - ln p(z) of every digit on GRID: (grid, n)."""
        decoded = self.decode(GRID.astype("float32"))[:, ~SMALL, 0]
        squares = np.square(hidden[:, ~SMALL, 0] - decoded[:, np.newaxis]).sum(axis=-1)
        return squares - scipy.stats.norm.logpdf(GRID)


def test_optimisation_finds_what_a_grid_finds():
    model = Wave()
    truth = model.decode(np.linspace(-1, 2, 5, dtype="float32")[:, np.newaxis])
    hidden = holes.hide(truth, SMALL)
    before, layers = (
        model.decoder.get_weights(),
        [layer.trainable for layer in model.decoder.layers],
    )
    filled, reached = inpainting.optimise_latent(
        model, hidden, SMALL, restarts=12, steps=50, seed=0
    )
    grid = model.objective(hidden)
    np.testing.assert_allclose(reached, grid.min(axis=0), atol=0.05)
    best = model.decode(GRID[grid.argmin(axis=0)].astype("float32"))
    np.testing.assert_allclose(filled[:, SMALL], best[:, SMALL], atol=0.05)
    alone = inpainting.optimise_latent(model, hidden, SMALL, restarts=1, steps=50, seed=0)[1]
    assert np.max(alone - reached) > 10  # negative control: one start ends in the wrong valley
    assert np.min(alone - reached) >= 0
    assert model.decoder.trainable and [layer.trainable for layer in model.decoder.layers] == layers
    assert all(map(np.array_equal, model.decoder.get_weights(), before))


def test_images_are_optimised_independently(monkeypatch):
    model = Wave()
    hidden = holes.hide(model.decode(np.linspace(-1, 2, 3, dtype="float32")[:, np.newaxis]), SMALL)
    together = inpainting.optimise_latent(model, hidden, SMALL, restarts=1, steps=20, seed=0)
    monkeypatch.setattr(bounds, "SEARCHED", 2)
    for one, other in zip(
        together, inpainting.optimise_latent(model, hidden, SMALL, 1, 20, seed=0), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-3)


class Counting:
    """A model that counts the images it is given."""

    def __init__(self, model):
        self.model, self.pixel_loss, self.decoder = model, model.pixel_loss, model.decoder
        self.counted = dict.fromkeys(("encodes", "decodes"), 0)

    def encode(self, x):
        self.counted["encodes"] += len(x)
        return self.model.encode(x)

    def decode(self, z):
        self.counted["decodes"] += len(z)
        return self.model.decode(z)


@pytest.fixture(scope="module")
def task():
    """Six digits with a hole, for an untrained model."""
    hidden = holes.hide(data.test_set(6)[0], MASK)
    return inpainting.Task(
        VAE("dense", 2), hidden, MASK, data.training_set(300)[0], seed=1, effort=12
    )


@pytest.mark.parametrize("name", TASK_METHODS)
def test_every_method_keeps_the_visible_pixels_at_its_stated_cost(task, monkeypatch, name):
    gradients, step = [], bounds.LatentSearch.train_on_batch
    monkeypatch.setattr(
        bounds.LatentSearch,
        "train_on_batch",
        lambda self, x: gradients.append(len(x)) or step(self, x),
    )
    counting, method = Counting(task.model), inpainting.METHODS[name]
    filled = method(dataclasses.replace(task, model=counting))
    assert filled.shape == task.hidden.shape and filled.dtype == np.float32
    np.testing.assert_array_equal(filled[:, ~MASK], task.hidden[:, ~MASK])
    assert (
        name == "zeros"
        or filled[:, MASK].min() > 0
        or name == "nearest images"
        and filled[:, MASK].max() > 0
    )
    spent = counting.counted | {"gradients": sum(gradients)}
    stated = {"encodes": 0, "decodes": 0, "gradients": 0} | method.cost(task.effort)
    assert {kind: count / 6 for kind, count in spent.items()} == stated


@pytest.mark.parametrize("name", [name for name in TASK_METHODS if inpainting.METHODS[name].draws])
def test_plausible_fillings_differ_in_the_hole_alone_and_repeat_with_their_seed(task, name):
    stack = inpainting.plausible_fillings(name, task, 3)
    assert stack.shape == (3, *task.hidden.shape)
    assert np.all(stack[:, :, ~MASK] == task.hidden[:, ~MASK])
    assert np.ptp(stack[:, :, MASK], axis=0).max() > 0
    np.testing.assert_array_equal(stack, inpainting.plausible_fillings(name, task, 3))
    if name != "nearest images":
        assert np.any(
            stack != inpainting.plausible_fillings(name, dataclasses.replace(task, seed=2), 3)
        )


@pytest.mark.parametrize("loss", ["cb", "sigma"])
def test_every_pixel_loss_can_be_filled(task, loss):
    other = dataclasses.replace(task, model=VAE("dense", 2, loss), effort=10)
    for name in ("Metropolis-within-Gibbs", "latent optimisation", "importance weights"):
        filled = inpainting.METHODS[name](other)
        assert np.all(np.isfinite(filled)) and filled[:, MASK].std() > 0


def test_a_method_with_one_answer_has_no_draws(task):
    with pytest.raises(ValueError, match="'latent optimisation' is not one of 'nearest images'"):
        inpainting.plausible_fillings("latent optimisation", task, 3)


@pytest.mark.parametrize(
    "mask", [np.zeros((28, 28), bool), np.ones((28, 28), bool), MASK.astype(int)]
)
def test_a_mask_that_asks_nothing_is_refused(mask):
    for function in (
        inpainting.pseudo_gibbs,
        inpainting.metropolis_gibbs,
        inpainting.importance_fill,
    ):
        with pytest.raises(ValueError, match="at least one hidden"):
            function(Curve(), np.zeros((1, 28, 28, 1)), mask, 2, 0)


def test_counts_out_of_range_are_refused(task, damaged):
    with pytest.raises(ValueError, match="steps=0 must be"):
        inpainting.pseudo_gibbs(Curve(), damaged[:1], SMALL, 0, 0)
    with pytest.raises(ValueError, match="effort=9 must be"):
        dataclasses.replace(task, effort=9)


def test_the_nearest_images_are_those_of_a_search_by_hand():
    x, train = data.test_set(5)[0], data.training_set(200)[0]
    hidden = holes.hide(x, MASK)
    distances = pairwise_distances(x[:, ~MASK, 0], train[:, ~MASK, 0])
    nearest = np.argsort(distances, axis=1)[:, : inpainting.NEIGHBOURS]
    task = inpainting.Task(None, hidden, MASK, train)
    stack = inpainting.plausible_fillings("nearest images", task, 4)
    np.testing.assert_array_equal(stack[2][:, MASK], train[nearest[:, 2]][:, MASK])
    filled = inpainting.METHODS["nearest images"](task)
    np.testing.assert_allclose(filled[:, MASK], train[nearest].mean(axis=1)[:, MASK], atol=1e-6)
    turned = dataclasses.replace(task, x_train=train[:, ::-1])
    other = inpainting.METHODS["nearest images"](turned)
    assert np.abs(other - filled).max() > 0.1  # negative control: other neighbours


def test_the_mean_image_fills_every_hole(task):
    filled = inpainting.METHODS["mean image"](task)
    expected = np.broadcast_to(task.x_train.mean(axis=0)[MASK], (6, 100, 1))
    np.testing.assert_allclose(filled[:, MASK], expected, rtol=1e-6)


def test_a_trained_model_fills_better_than_the_original_did(trained):
    x, mask = data.test_set(200)[0], holes.half_mask()
    task = inpainting.Task(
        trained.model, holes.hide(x, mask), mask, data.training_set(1_000)[0], effort=24
    )
    error = {
        name: np.square(holes.rmse(x, method(task), mask))
        for name, method in inpainting.METHODS.items()
    }
    better = (
        "pseudo-Gibbs",
        "Metropolis-within-Gibbs",
        "latent optimisation",
        "importance weights",
    )
    gains = [error["encode and decode"] - error[name] for name in better]
    assert all(gain.mean() > 3 * bounds.standard_error(gain) for gain in gains)
    assert error["encode and decode"].mean() < error["zeros"].mean()
    other = inpainting.METHODS["pseudo-Gibbs"](dataclasses.replace(task, hidden=task.hidden[::-1]))
    mixed = np.square(holes.rmse(x, other, mask))
    assert (
        mixed.mean() > error["encode and decode"].mean()
    )  # negative control: fillings for other digits
