"""Filling a hidden part of digits with a trained VAE, and judging what was filled in.

Digits are float32 (n, 28, 28, 1) in [0, 1]; `hidden` are digits whose hidden pixels are 0 (see `hide`), `mask` is bool
(28, 28), True where hidden. Every filling keeps the visible pixels as given. `model` is a `helpers.models.VAE` or
anything with encode(x) → mean, log variance (n, d), decode(z) → (n, 28, 28, 1) and pixel_loss(x, decoded) → (n,).
"""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import keras
import numpy as np
from keras import ops
from scipy.special import logsumexp
from scipy.stats import norm
from skimage.metrics import structural_similarity
from sklearn.neighbors import NearestNeighbors

from helpers import losses
from helpers.metrics import bounds as metrics
from helpers.errors import check_choice, check_integer, check_number
from helpers.metrics.likelihoods import mean_image

SIDES = {"bottom": np.s_[14:], "top": np.s_[:14], "left": np.s_[:, :14], "right": np.s_[:, 14:]}
HALF_A_LEVEL = 0.5 / 255  # half a step between the grey levels of the data
NEIGHBOURS = 15  # training digits that the filling without a model averages
LEARNING_RATE = 0.2  # of the search for the best latent point, at its start
ROWS = 500  # latent points that are sought at a time
SPREAD = 2  # standard deviations of the encoder that importance sampling takes for one
PRIOR_EVERY = 10  # one in so many of its points comes from the prior
WARM_UP = 20  # steps of pseudo-Gibbs before an exact method begins


def original_choice() -> list[int]:
    """The three test digits of the original report, chosen exactly as it chose them."""
    return random.Random(471).sample(range(10_000), 3)


def square_mask(top: int = 10, left: int = 10, size: int = 10) -> np.ndarray:
    """A square hole: bool (28, 28), True where hidden; the default is rows and columns 10 to 19.

    Raises ValueError when the square does not lie within the image.
    """
    if size < 1 or min(top, left) < 0 or max(top, left) + size > 28:
        raise ValueError(f"a square of {size} pixels at row {top}, column {left} does not fit into 28 x 28")
    mask = np.zeros((28, 28), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def half_mask(side: str = "bottom") -> np.ndarray:
    """A hole of half the image: bool (28, 28), True where hidden.

    Raises ValueError unless side is "bottom", "top", "left" or "right".
    """
    check_choice("side", side, SIDES)
    mask = np.zeros((28, 28), bool)
    mask[SIDES[side]] = True
    return mask


def random_mask(share: float, seed: int) -> np.ndarray:
    """Scattered single pixels: bool (28, 28), True where hidden; share · 784 of them, rounded.

    Raises ValueError unless at least one pixel is hidden and one visible.
    """
    count = round(share * 784)
    if not 0 < count < 784:
        raise ValueError(f"share={share!r} must lie between 0 and 1, with a pixel left on either side")
    mask = np.arange(784) < count
    return np.random.default_rng(seed).permutation(mask).reshape(28, 28)


def hide(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Copies of images (n, 28, 28, 1) with the hidden pixels set to 0."""
    return np.where(mask[..., np.newaxis], 0, images).astype(images.dtype)


def paste(hidden: np.ndarray, mask: np.ndarray, filling: np.ndarray) -> np.ndarray:
    """The visible pixels of `hidden` with the hidden ones of `filling` (a shape that broadcasts): float32."""
    return np.where(mask[..., np.newaxis], filling, hidden).astype("float32")


def fill_mean(hidden: np.ndarray, mask: np.ndarray, mean_image: np.ndarray) -> np.ndarray:
    """The hole filled from one image (28, 28, 1), such as the mean training digit."""
    return paste(hidden, mask, mean_image)


def nearest_digits(hidden: np.ndarray, mask: np.ndarray, training_digits: np.ndarray, k: int) -> np.ndarray:
    """The hole filled from each of the k training digits that are nearest on the visible pixels: (k, n, 28, 28, 1).

    Euclidean distance, nearest first. Raises ValueError unless 1 ≤ k ≤ the number of training digits.
    """
    check_integer("k", k, 1, len(training_digits))
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(training_digits[:, ~mask, 0])
    nearest = search.kneighbors(hidden[:, ~mask, 0], return_distance=False)
    return paste(hidden, mask, training_digits[nearest.T])


def fill_nearest(hidden: np.ndarray, mask: np.ndarray, training_digits: np.ndarray, k: int) -> np.ndarray:
    """The hole filled with the mean of `nearest_digits`: what the training digits alone can say, without a model."""
    return paste(hidden, mask, nearest_digits(hidden, mask, training_digits, k).mean(axis=0))


def encode_decode(model, hidden: np.ndarray, seed: int) -> np.ndarray:
    """What the original does: encode the damaged digits, draw one z each, decode.

    hidden: (n, 28, 28, 1), holes set to 0. Returns images of the same shape.
    """
    mean, log_var = model.encode(hidden)
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    return model.decode((mean + np.exp(log_var / 2) * noise).astype("float32"))


@dataclass(frozen=True)
class Calibrated:
    """A model whose pixels are read as Gaussians of one fixed variance: -ln p(x|z) in nats, its constant included."""

    model: object
    variance: float

    @property
    def decoder(self):
        return self.model.decoder

    def encode(self, x):
        return self.model.encode(x)

    def decode(self, z):
        return self.model.decode(z)

    def pixel_loss(self, x, mean):
        return losses.gaussian_loss(x, mean, self.variance)


def calibrated(model, digits: np.ndarray, seed: int = 0) -> Calibrated:
    """The model with the variance that fits its reconstructions of complete digits best: their mean squared error.

    As in the σ-VAE (Rybkin et al. 2021). A model trained with "sigma" keeps no variance, those of its batches came and
    went, and needs this before it can tell how likely visible pixels are. For models of squared errors.
    """
    return Calibrated(model, float(np.square(encode_decode(model, digits, seed) - digits).mean()))


def _shares_variance(model):
    """Whether the pixel loss of an image depends on the other images of its batch."""
    return model.pixel_loss is losses.calibrated_gaussian


def visible_loss(model, x, decoded, mask: np.ndarray):
    """-ln p(visible pixels | z) by the model's own pixel loss, up to a constant: nats, (n,), a tensor of the backend.

    Hidden pixels become 0 on both sides, where every loss that is a sum over pixels has one and the same value, which
    is subtracted: it is not 0 for the continuous Bernoulli. A squared error is a Gaussian with variance ½ here.
    Raises ValueError for the loss "sigma", which depends on the other images of the batch.
    """
    if _shares_variance(model):
        raise ValueError('the loss "sigma" depends on the whole batch: use calibrated(model, training digits)')
    seen = ops.convert_to_tensor(~mask[..., np.newaxis], "float32")
    blank = ops.zeros((1, *mask.shape, 1), "float32")
    return model.pixel_loss(x * seen, decoded * seen) - model.pixel_loss(blank, blank) * mask.mean()


def _visible_loss(model, x, decoded, mask):
    """`visible_loss` from NumPy to NumPy."""
    return metrics.to_numpy(lambda *images: visible_loss(model, *images, mask), x, decoded)


def _check(mask, **counts):
    """Raise ValueError unless some pixels are hidden and some visible, and all counts are positive integers."""
    if mask.dtype != bool or mask.all() or not mask.any():
        raise ValueError("the mask must be of type bool, with at least one hidden (True) and one visible (False) pixel")
    for field, value in counts.items():
        check_integer(field, value, 1, 1_000_000)


def _log_normal(z, mean, log_var):
    """ln N(z; mean, diag exp log_var) in nats: shape z.shape[:-1]."""
    return norm.logpdf(z, mean, np.exp(np.float64(log_var) / 2)).sum(axis=-1)


def _refilled(model, hidden, mask, filled, steps, rng):
    """Each step of `pseudo_gibbs`: filled digits (n, 28, 28, 1)."""
    for _ in range(steps):
        decoded = model.decode(metrics.draw(*model.encode(filled), rng))
        filled = paste(hidden, mask, mean_image(model, decoded))
        yield filled


def _begin(model, hidden, mask, start, warm_up, rng):
    """Filled digits to begin with: those of `start`, or zeros, after `warm_up` steps of `pseudo_gibbs`."""
    check_integer("warm_up", warm_up, 0, 1_000_000)
    filled = hidden if start is None else paste(hidden, mask, start)
    return deque(_refilled(model, hidden, mask, filled, warm_up, rng), maxlen=1).pop() if warm_up else filled


def pseudo_gibbs(
    model, hidden: np.ndarray, mask: np.ndarray, steps: int, seed: int, start=None, average: int = 1
) -> np.ndarray:
    """Draw z from q(z|filled digit), decode, refill the hole, `steps` times: (n, 28, 28, 1).

    Rezende, Mohamed & Wierstra 2014, appendix F, with the decoder's mean in the hole in place of a draw of grey pixels.
    Nothing makes up for q not being the posterior. One step from the zeroed hole is `encode_decode`.
    start: images whose hidden pixels fill the hole at first, zeros by default. average: the result is the mean of the
    last so many fillings; 1 gives a draw. Costs `steps` encodes and decodes per image.
    """
    _check(mask, steps=steps)
    check_integer("average", average, 1, steps)
    filled = hidden if start is None else paste(hidden, mask, start)
    fillings = _refilled(model, hidden, mask, filled, steps, np.random.default_rng(seed))
    return paste(hidden, mask, sum(islice(fillings, steps - average, None)) / average)


def _rows(values, array):
    """values (n,) in a shape that scales or chooses the rows of an array (n, …)."""
    return values.reshape(-1, *[1] * (array.ndim - 1))


def _state(model, hidden, mask, z):
    """Points z (n, d) with all that the Metropolis-Hastings ratio needs: arrays of n rows."""
    decoded = model.decode(z)
    filled = paste(hidden, mask, mean_image(model, decoded))
    mean, log_var = model.encode(filled)
    target = _log_normal(z, 0, 0) - _visible_loss(model, hidden, decoded, mask)
    return {"z": z, "filled": filled, "mean": mean, "log_var": log_var, "target": target}


def _log_acceptance(now, new):
    """ln of [p(z'|visible) q(z|z')] / [p(z|visible) q(z'|z)]: shape (n,)."""
    there = _log_normal(new["z"], now["mean"], now["log_var"])
    back = _log_normal(now["z"], new["mean"], new["log_var"])
    return new["target"] - now["target"] + back - there


def _accepted(model, hidden, mask, now, steps, rng):
    """Each step of `metropolis_gibbs`: the state after it, and whether its proposal was accepted, (n,)."""
    for _ in range(steps):
        new = _state(model, hidden, mask, metrics.draw(now["mean"], now["log_var"], rng))
        accept = -rng.standard_exponential(len(hidden)) < _log_acceptance(now, new)
        now = {key: np.where(_rows(accept, now[key]), new[key], now[key]) for key in now}
        yield now, accept


def metropolis_gibbs(
    model,
    hidden: np.ndarray,
    mask: np.ndarray,
    steps: int,
    seed: int,
    start=None,
    average: int = 1,
    warm_up: int = WARM_UP,
) -> tuple[np.ndarray, np.ndarray]:
    """`pseudo_gibbs` made exact: `steps` proposals, each accepted or refused; fillings and acceptance rates (n,).

    After Mattei & Frellsen 2018, algorithm 1. The hole holds the decoder's mean f(z), not a draw as there, so that the
    proposal q(z'|visible, f(z)) is a density that depends on z alone. Metropolis-Hastings with target p(visible|z) p(z)
    then accepts with min{1, [p(visible|z') p(z') q(z|visible, f(z'))] / [p(visible|z) p(z) q(z'|visible, f(z))]}, which
    leaves p(z|visible) invariant for every pixel loss (see `visible_loss`), grey pixels or not.
    start, average: as for `pseudo_gibbs`. warm_up: so many of its steps come first; without them the chain begins
    where the zeroed hole leads, from where the way back is so improbable that it hardly moves.
    Costs warm_up + steps + 1 decodes and warm_up + steps + 2 encodes per image.
    """
    _check(mask, steps=steps)
    check_integer("average", average, 1, steps)
    rng = np.random.default_rng(seed)
    z = metrics.draw(*model.encode(_begin(model, hidden, mask, start, warm_up, rng)), rng)
    chain = _accepted(model, hidden, mask, _state(model, hidden, mask, z), steps, rng)
    total, accepted = 0, 0
    for step, (now, accept) in enumerate(chain):
        accepted = accepted + accept
        if step >= steps - average:
            total = total + now["filled"]
    return paste(hidden, mask, total / average), accepted / steps


class LatentSearch(keras.Model):
    """A copy of a model's decoder, frozen, at latent points (n, d) that are the only trainable weights."""

    def __init__(self, model, mask, points):
        super().__init__(name="latent_search")
        self.decoder = metrics.frozen_decoder(model)
        self.points = self.add_weight(shape=points.shape, initializer="zeros", name="points")
        self.points.assign(points)
        self.visible_loss = lambda x, decoded: visible_loss(model, x, decoded, mask)
        self.built = True

    def call(self, x):
        return self.decoder(self.points)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """-ln p(visible|z) - ln p(z), summed over images, less the prior's constant: a scalar in nats."""
        return ops.sum(self.visible_loss(x, y_pred)) + ops.sum(ops.square(self.points)) / 2


def _descend(model, hidden, mask, points, steps):
    """Where gradient descent leads from latent points (n, d)."""
    search = LatentSearch(model, mask, points)
    search.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)))
    for _ in range(steps):
        search.train_on_batch(hidden)
    return metrics.to_numpy(ops.copy, search.points)


def optimise_latent(
    model, hidden: np.ndarray, mask: np.ndarray, restarts: int, steps: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The z that explains the visible pixels best, by gradient descent: fillings, and the objective reached, (n,).

    Minimises -ln p(visible|z) - ln p(z), nats per image: the most probable code (Bora et al. 2017, with the prior's own
    penalty). The first start is the encoder's mean for the zeroed hole, the others are drawn from the prior; the best
    of the `restarts` ends counts. Adam, which scales each coordinate by itself, so that images do not disturb one
    another, with a cosine decay. Needs model.decoder, a keras.Model, of which it works on a copy.
    Costs one encode, restarts · steps gradients (a decode and the way back) and `restarts` decodes per image.
    """
    _check(mask, restarts=restarts, steps=steps)
    mean, _ = model.encode(hidden)
    prior = np.random.default_rng(seed).standard_normal(((restarts - 1) * len(hidden), mean.shape[1]))
    points, images = np.concatenate([mean, prior.astype("float32")]), np.tile(hidden, (restarts, 1, 1, 1))
    parts = [slice(row, row + ROWS) for row in range(0, len(points), ROWS)]
    z = np.concatenate([_descend(model, images[part], mask, points[part], steps) for part in parts])
    decoded = model.decode(z)
    objective = (_visible_loss(model, images, decoded, mask) - _log_normal(z, 0, 0)).reshape(restarts, -1)
    best = objective.argmin(axis=0) * len(hidden) + np.arange(len(hidden))
    return paste(hidden, mask, mean_image(model, decoded[best])), objective.min(axis=0)


def _proposals(model, filled, k, rng):
    """k points per image from encoder and prior, (k, n, d), and ln of the prior over their density, (k, n).

    All k count as draws from the mixture of the two, whose shares are the shares among the k.
    """
    mean, log_var = model.encode(filled)
    log_var = log_var + 2 * np.log(SPREAD)
    noise = rng.standard_normal((k, *mean.shape))
    from_prior = np.arange(k) % PRIOR_EVERY == PRIOR_EVERY - 1
    z = np.where(_rows(from_prior, noise), noise, mean + np.exp(log_var / 2) * noise).astype("float32")
    densities = np.stack([_log_normal(z, 0, 0), _log_normal(z, mean, log_var)])
    shares = np.reshape([from_prior.mean(), 1 - from_prior.mean()], (2, 1, 1))
    return z, densities[0] - logsumexp(densities, axis=0, b=shares)


def _weigh(model, hidden, mask, k, rng, start, warm_up):
    """Points (k, n, d), their log weights (k, n), and the weighted mean of what they decode to."""
    _check(mask, k=k)
    z, log_weights = _proposals(model, _begin(model, hidden, mask, start, warm_up, rng), k, rng)
    total, peak = 0, -np.inf
    for points, log_weight in zip(z, log_weights, strict=True):
        decoded = model.decode(points)
        log_weight -= _visible_loss(model, hidden, decoded, mask)
        before, peak = peak, np.maximum(peak, log_weight)
        pixels = mean_image(model, decoded)
        total = total * _rows(np.exp(before - peak), pixels) + _rows(np.exp(log_weight - peak), pixels) * pixels
    return z, log_weights, total / _rows(np.exp(log_weights - peak).sum(axis=0), total)


def importance_fill(
    model, hidden: np.ndarray, mask: np.ndarray, k: int, seed: int, start=None, warm_up: int = WARM_UP
) -> tuple[np.ndarray, np.ndarray]:
    """The expected hidden pixels by self-normalised importance weights: fillings, and effective sample sizes (n,).

    E[x|visible] = Σ w_i E[x|z_i] / Σ w_i with w = p(visible|z) p(z) / r(z), z_i ~ r (MIWAE: Mattei & Frellsen 2019).
    A VAE that was trained on complete digits needs a better r than MIWAE's encoder: here the encoder's Gaussian for
    digits that `warm_up` steps of `pseudo_gibbs` have filled (from `start`, zeros by default), with SPREAD times its
    standard deviations, and the prior for one point in PRIOR_EVERY, which bounds the weights. The effective sample size
    (Σ w)² / Σ w², between 1 and k, tells whether the answer is more than its best point.
    Costs warm_up + 1 encodes and warm_up + k decodes per image.
    """
    _, log_weights, filling = _weigh(model, hidden, mask, k, np.random.default_rng(seed), start, warm_up)
    size = np.exp(2 * logsumexp(log_weights, axis=0) - logsumexp(2 * log_weights, axis=0))
    return paste(hidden, mask, filling), size


def importance_draws(
    model, hidden: np.ndarray, mask: np.ndarray, k: int, draws: int, seed: int, start=None, warm_up: int = WARM_UP
) -> np.ndarray:
    """Fillings (draws, n, 28, 28, 1) from the k points of `importance_fill`, drawn by their weights, with repeats.

    Sampling-importance-resampling (Rubin 1987). Costs `draws` decodes per image more than `importance_fill`.
    """
    _check(mask, draws=draws)
    rng = np.random.default_rng(seed)
    z, log_weights, _ = _weigh(model, hidden, mask, k, rng, start, warm_up)
    taken = np.argmax(log_weights + rng.gumbel(size=(draws, *log_weights.shape)), axis=1)
    return np.stack([paste(hidden, mask, mean_image(model, model.decode(z[i, np.arange(len(hidden))]))) for i in taken])


def _squared_error(x, filled, mask):
    """Mean squared error over the hidden pixels: shape (n,)."""
    _check(mask)
    return np.square(np.float64(filled) - x)[:, mask].mean(axis=(1, 2))


def hole_rmse(x: np.ndarray, filled: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Root mean squared error over the hidden pixels, in grey levels from 0 to 1: shape (n,)."""
    return np.sqrt(_squared_error(x, filled, mask))


def hole_psnr(x: np.ndarray, filled: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio over the hidden pixels in decibels, peak 1: shape (n,); infinite without error."""
    with np.errstate(divide="ignore"):
        return -10 * np.log10(_squared_error(x, filled, mask))


def hole_ssim(x: np.ndarray, filled: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean of the structural similarity map over the hidden pixels, at most 1: shape (n,).

    Wang et al. 2004, with their Gaussian window (σ = 1.5, 11 pixels wide): near the rim it sees visible pixels too.
    """
    _check(mask)
    how = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "full": True}
    maps = [structural_similarity(*pair, **how)[1] for pair in zip(x[..., 0], filled[..., 0], strict=True)]
    return np.array([similarity[mask].mean() for similarity in maps])


def coverage(
    x: np.ndarray, fillings: np.ndarray, mask: np.ndarray, level: float = 0.9, tolerance: float = HALF_A_LEVEL
) -> dict[str, np.ndarray]:
    """How often the true hidden pixel lies in the interval that fillings (m, n, 28, 28, 1) span, and its width: (n,).

    The interval leaves out (1 - level) / 2 of the fillings on either side; by the quantiles of Weibull (order statistic
    i of m at i / (m + 1)) it holds another draw with probability `level`, however few the fillings. The tolerance
    counts a pixel as covered within half a grey level: paper is 0 exactly, and no decoder says so.
    Fillings that are means of pixels carry the doubt about z alone. Raises ValueError when m is too small for `level`.
    """
    _check(mask)
    check_number("level", level, 0, 0.999)
    least = int(np.ceil(2 / (1 - level) - 1 - 1e-9))
    if len(fillings) < least:
        raise ValueError(f"an interval of {level:.0%} takes at least {least} fillings, not {len(fillings)}")
    tails = (1 - level) / 2, (1 + level) / 2
    low, high = np.quantile(fillings[:, :, mask, 0], tails, axis=0, method="weibull")
    truth = x[:, mask, 0]
    inside = (low - tolerance <= truth) & (truth <= high + tolerance)
    return {"coverage": inside.mean(axis=1), "width": (high - low).mean(axis=1)}


@dataclass(frozen=True)
class Task:
    """Holes to fill, and what a method may use: `effort` is about the number of decodes per image that it may spend.

    Raises ValueError for an effort below 10.
    """

    model: object
    hidden: np.ndarray
    mask: np.ndarray
    x_train: np.ndarray
    seed: int = 0
    effort: int = 100

    def __post_init__(self):
        check_integer("effort", self.effort, 10, 1_000_000)

    @property
    def holes(self) -> tuple[object, np.ndarray, np.ndarray]:
        """Model, hidden and mask; a model trained with "sigma" gets the variance that fits the training digits."""
        model = calibrated(self.model, self.x_train[:1_000], self.seed) if _shares_variance(self.model) else self.model
        return model, self.hidden, self.mask


def _chain_plan(effort):
    """Steps of warm-up and proposals of `metropolis_gibbs`."""
    return effort // 3, effort - effort // 3 - 1


def _weights_plan(effort):
    """Steps of warm-up and points of `importance_fill`."""
    return effort // 5, effort - effort // 5


def _search_plan(effort):
    """Restarts and steps of `optimise_latent`: a gradient takes as long as two decodes."""
    restarts = max(1, effort // 100)
    return restarts, effort // (2 * restarts)


def _by_mean(task):
    return fill_mean(task.hidden, task.mask, task.x_train.mean(axis=0))


def _by_encoder(task):
    return paste(task.hidden, task.mask, mean_image(task.model, encode_decode(task.model, task.hidden, task.seed)))


def _by_pseudo_gibbs(task, average):
    return pseudo_gibbs(*task.holes, task.effort, task.seed, average=task.effort // 2 if average else 1)


def _by_metropolis(task, average):
    warm_up, steps = _chain_plan(task.effort)
    average = steps // 2 if average else 1
    return metropolis_gibbs(*task.holes, steps, task.seed, average=average, warm_up=warm_up)[0]


def _by_weights(task):
    warm_up, k = _weights_plan(task.effort)
    return importance_fill(*task.holes, k, task.seed, warm_up=warm_up)[0]


def _draws_by_weights(task, draws):
    warm_up, k = _weights_plan(task.effort)
    return importance_draws(*task.holes, k, draws, task.seed, warm_up=warm_up)


def _repeated(fill, **options):
    """A function (task, draws) → stack from a filling that is a draw: every digit is filled so many times."""

    def draw(task, draws):
        several = replace(task, hidden=np.tile(task.hidden, (draws, 1, 1, 1)))
        return fill(several, **options).reshape(draws, *task.hidden.shape)

    return draw


def _cost(encodes=0, decodes=0, gradients=0):
    return {"encodes": encodes, "decodes": decodes, "gradients": gradients}


@dataclass(frozen=True)
class Method:
    """A way to fill holes. Calling it with a Task gives one filling per image, (n, 28, 28, 1).

    cost: from an effort to the encodes, decodes and gradients per image that the filling takes. draw: from a Task and
    a number to as many plausible fillings, (draws, n, 28, 28, 1); None where the method knows only one.
    """

    fill: Callable[[Task], np.ndarray]
    cost: Callable[[int], dict[str, int]]
    draw: Callable[[Task, int], np.ndarray] | None = None

    def __call__(self, task: Task) -> np.ndarray:
        return self.fill(task)


# The fillings of the two chains are means over their second halves, their draws the last points of separate chains.
METHODS = {
    "zeros": Method(lambda task: task.hidden, lambda effort: _cost()),
    "mean digit": Method(_by_mean, lambda effort: _cost()),
    "nearest digits": Method(
        lambda task: fill_nearest(task.hidden, task.mask, task.x_train, NEIGHBOURS),
        lambda effort: _cost(),
        lambda task, draws: nearest_digits(task.hidden, task.mask, task.x_train, draws),
    ),
    "encode and decode": Method(_by_encoder, lambda effort: _cost(1, 1), _repeated(_by_encoder)),
    "pseudo-Gibbs": Method(
        lambda task: _by_pseudo_gibbs(task, average=True),
        lambda effort: _cost(effort, effort),
        _repeated(_by_pseudo_gibbs, average=False),
    ),
    "Metropolis-within-Gibbs": Method(
        lambda task: _by_metropolis(task, average=True),
        lambda effort: _cost(effort + 1, effort),
        _repeated(_by_metropolis, average=False),
    ),
    "latent optimisation": Method(
        lambda task: optimise_latent(*task.holes, *_search_plan(task.effort), task.seed)[0],
        lambda effort: _cost(1, _search_plan(effort)[0], math.prod(_search_plan(effort))),
    ),
    "importance weights": Method(
        _by_weights, lambda effort: _cost(_weights_plan(effort)[0] + 1, effort), _draws_by_weights
    ),
}


def plausible_fillings(name: str, task: Task, draws: int) -> np.ndarray:
    """Several fillings per image by one of METHODS: (draws, n, 28, 28, 1).

    Raises ValueError for a method that knows only one filling.
    """
    check_choice("method", name, [known for known, method in METHODS.items() if method.draw])
    check_integer("draws", draws, 1, 10_000)
    return METHODS[name].draw(task, draws)
