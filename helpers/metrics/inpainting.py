"""Filling a hole in images with a trained VAE; masks and scores are in `holes`.

`hidden` are images (n, 28, 28, 1) whose hidden pixels are 0 (`holes.hide`), `mask` is bool
(28, 28), True where hidden. Every filling keeps the visible pixels as given. `model`: a VAE or the
like, as in `bounds`.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from keras import ops
from scipy.special import logsumexp
from scipy.stats import norm
from sklearn.neighbors import NearestNeighbors

from helpers import losses
from helpers.errors import check_choice, check_integer
from helpers.metrics.bounds import draw, search, to_numpy
from helpers.metrics.holes import check, paste
from helpers.metrics.likelihoods import fitted_variance, mean_image

NEIGHBOURS = 15  # training images that the filling without a model averages
LEARNING_RATE = 0.2  # of the search for the best latent point, at its start
SPREAD = 2  # standard deviations of the encoder that importance sampling takes for one
PRIOR_EVERY = 10  # one in so many of its points comes from the prior
WARM_UP = 20  # steps of pseudo-Gibbs before an exact method begins
Scored = tuple[np.ndarray, np.ndarray]  # fillings (n, 28, 28, 1), and a number (n,) of each
States = tuple[dict[str, np.ndarray], np.ndarray]  # see `_state`, and whether each has moved, (n,)


def calibrated(model, images: np.ndarray, seed: int = 0) -> Any:
    """The model; where its loss calibrates a variance on each batch, with one for all images.

    That is its mean squared error on them (σ-VAE: Rybkin et al. 2021).
    """
    if not model.pixel_loss.per_batch:
        return model
    variance = fitted_variance(model, images, seed)
    gaussian = partial(losses.gaussian_loss, variance=variance)
    loss = losses.PixelLoss("gaussian", f"Gaussian, variance {variance:.2g}", gaussian)
    parts = {name: getattr(model, name) for name in ("encode", "decode", "decoder")}
    return SimpleNamespace(**parts, pixel_loss=loss, variance=variance)


def visible_loss(model, mask: np.ndarray, x, decoded):
    """-ln p(visible pixels | z) by the model's pixel loss, up to a constant: nats, (n,), a tensor.

    Hidden pixels become 0 on both sides; what the loss gives for these is subtracted (not 0 for the
    continuous Bernoulli). A squared error counts as a Gaussian with variance ½.
    """
    if (loss := model.pixel_loss).per_batch:
        uses = "depends on the whole batch: use calibrated(model, …)"
        raise ValueError(f"the loss {loss.label!r} {uses}")
    seen = ops.convert_to_tensor(~mask[..., np.newaxis], "float32")
    blank = ops.zeros((1, *mask.shape, 1), "float32")
    return loss(x * seen, decoded * seen) - loss(blank, blank) * mask.mean()


def _visible_loss(model, mask, x, decoded):
    """`visible_loss` from NumPy to NumPy."""
    return to_numpy(partial(visible_loss, model, mask), x, decoded)


def _log_normal(z, mean, log_var):
    """ln N(z; mean, diag exp log_var) in nats: shape z.shape[:-1]."""
    return norm.logpdf(z, mean, np.exp(np.float64(log_var) / 2)).sum(axis=-1)


def _rows(values, array):
    """Values (n,) in a shape that scales or chooses the rows of an array (n, …)."""
    return values.reshape(-1, *[1] * (array.ndim - 1))


def pseudo_gibbs(model, hidden, mask, steps: int, seed, average: int = 1) -> np.ndarray:
    """Draw z from q(z|filled image), decode, refill the hole, `steps` times: (n, 28, 28, 1).

    Rezende, Mohamed & Wierstra 2014, appendix F, with the decoder's mean in the hole in place of a
    draw of grey pixels. Nothing corrects for q not being the posterior. average: the result is the
    mean of the last so many fillings; 1 gives a draw.
    """
    check(mask, steps=steps)
    rng, filled, total = np.random.default_rng(seed), hidden, np.zeros_like(hidden)
    for step in range(steps):
        mean, log_var = model.encode(filled)
        decoded = model.decode(draw(mean, log_var, rng))
        filled = paste(hidden, mask, mean_image(model, decoded))
        if step >= steps - average:
            total = total + filled
    return paste(hidden, mask, total / average)


def _state(model, hidden, mask, z):
    """Points z (n, d) with all that the Metropolis-Hastings ratio needs: arrays of n rows."""
    decoded = model.decode(z)
    filled = paste(hidden, mask, mean_image(model, decoded))
    mean, log_var = model.encode(filled)
    target = _log_normal(z, 0, 0) - _visible_loss(model, mask, hidden, decoded)
    return {"z": z, "filled": filled, "mean": mean, "log_var": log_var, "target": target}


def _log_acceptance(now, new):
    """The ratio ln [p(z'|visible) q(z|z')] / [p(z|visible) q(z'|z)]: shape (n,)."""
    there = _log_normal(new["z"], now["mean"], now["log_var"])
    back = _log_normal(now["z"], new["mean"], new["log_var"])
    return new["target"] - now["target"] + back - there


def metropolis_states(model, hidden, mask, steps, seed, warm_up=WARM_UP) -> Iterator[States]:
    """`pseudo_gibbs` with accepted or rejected proposals: after each step, points and who moved.

    After Mattei & Frellsen 2018, algorithm 1, but with the decoder's mean f(z) in the hole, so that
    the proposal q(z'|visible, f(z)) depends on z alone. Metropolis-Hastings accepts with
    min{1, [p(visible|z') p(z') q(z|visible, f(z'))] / [p(visible|z) p(z) q(z'|visible, f(z))]},
    which leaves p(z|visible) invariant for every pixel loss. warm_up: steps of `pseudo_gibbs`
    before; from the zeroed hole itself the chain would hardly move.
    """
    check(mask, steps=steps)
    rng = np.random.default_rng(seed)
    mean, log_var = model.encode(pseudo_gibbs(model, hidden, mask, warm_up, rng))
    now = _state(model, hidden, mask, draw(mean, log_var, rng))
    for _ in range(steps):
        new = _state(model, hidden, mask, draw(now["mean"], now["log_var"], rng))
        accept = -rng.standard_exponential(len(hidden)) < _log_acceptance(now, new)
        now = {key: np.where(_rows(accept, now[key]), new[key], now[key]) for key in now}
        yield now, accept


def metropolis_gibbs(model, hidden, mask, steps, seed, average=1, warm_up=WARM_UP) -> Scored:
    """Fillings by the chains of `metropolis_states`, and their acceptance rates (n,)."""
    total, accepted = np.zeros_like(hidden), np.zeros(len(hidden), int)
    chain = metropolis_states(model, hidden, mask, steps, seed, warm_up)
    for step, (now, accept) in enumerate(chain):
        accepted += accept
        if step >= steps - average:
            total = total + now["filled"]
    return paste(hidden, mask, total / average), accepted / steps


def split_rhat(draws: np.ndarray) -> np.ndarray:
    """Potential scale reduction of draws (chains, steps, …), each chain cut into halves: (…).

    sqrt of (W (n - 1)/n + B/n) / W, with W the mean variance within halves of n steps and B/n the
    variance of their means (Gelman et al. 2013, section 11.4). About 1 where all halves sample one
    distribution, more where chains disagree or still drift. It cannot see what none has visited.
    """
    n = draws.shape[1] // 2
    halves = np.concatenate([draws[:, :n], draws[:, -n:]])
    within = halves.var(axis=1, ddof=1).mean(axis=0)
    between = halves.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore"):  # chains that never move have not converged: infinite
        return np.sqrt((n - 1) / n + between / within)


def convergence(model, hidden, mask, chains: int, steps, seed, warm_up=WARM_UP) -> np.ndarray:
    """`split_rhat` of each image's latent coordinates over `chains` chains: (n, latent_dim)."""
    task = model, np.tile(hidden, (chains, 1, 1, 1)), mask, steps, seed, warm_up
    z = np.stack([now["z"] for now, _ in metropolis_states(*task)], axis=1)  # rows, steps, dims
    return split_rhat(z.reshape(chains, len(hidden), steps, -1).swapaxes(1, 2))


def optimise_latent(model, hidden, mask, restarts: int, steps: int, seed: int) -> Scored:
    """The most probable code of the visible pixels: fillings, and the objective reached, (n,).

    Minimises -ln p(visible|z) - ln p(z), nats per image, by gradient descent (Bora et al. 2017,
    with the prior's own penalty). The first start is the encoder's mean for the zeroed hole, the
    others are drawn from the prior; the best end counts.
    """
    check(mask, restarts=restarts, steps=steps)
    mean, _ = model.encode(hidden)
    size = (restarts - 1) * len(hidden), mean.shape[1]
    prior = np.random.default_rng(seed).standard_normal(size).astype("float32")
    starts, images = np.concatenate([mean, prior]), np.tile(hidden, (restarts, 1, 1, 1))

    def outputs(decode, points, x):
        return decode(*points), *points

    def objective(x, outputs):
        """Less the prior's constant."""
        decoded, z = outputs
        return visible_loss(model, mask, x, decoded) + ops.sum(ops.square(z), axis=-1) / 2

    task = [starts], outputs, objective, images.__getitem__
    (z,) = search(model, *task, LEARNING_RATE, steps)
    decoded = model.decode(z)
    reached = _visible_loss(model, mask, images, decoded) - _log_normal(z, 0, 0)
    objectives = reached.reshape(restarts, -1)
    best = objectives.argmin(axis=0) * len(hidden) + np.arange(len(hidden))
    return paste(hidden, mask, mean_image(model, decoded[best])), objectives.min(axis=0)


def importance_fill(model, hidden, mask, k, seed, warm_up=WARM_UP, draws=None) -> Scored:
    """The expected hidden pixels by importance weights: fillings, and effective sample sizes (n,).

    E[x|visible] = Σ w_i E[x|z_i] / Σ w_i with w = p(visible|z) p(z) / r(z), z_i ~ r (MIWAE: Mattei
    & Frellsen 2019). Here r is the encoder's Gaussian, SPREAD times as wide, for images that
    `warm_up` steps of `pseudo_gibbs` have filled, and the prior for one point in PRIOR_EVERY, which
    bounds the weights. The effective sample size (Σ w)² / Σ w² is between 1, where a single point
    counts, and k. draws: fillings (draws, n, 28, 28, 1) from points drawn by their weights instead
    of the mean, with repeats (Rubin 1987).
    """
    check(mask, k=k)
    rng = np.random.default_rng(seed)
    mean, log_var = model.encode(pseudo_gibbs(model, hidden, mask, warm_up, rng))
    log_var = log_var + 2 * np.log(SPREAD)
    noise = rng.standard_normal((k, *mean.shape))
    from_prior = np.arange(k) % PRIOR_EVERY == PRIOR_EVERY - 1
    near = mean + np.exp(log_var / 2) * noise
    z = np.where(_rows(from_prior, noise), noise, near).astype("float32")
    # All k count as draws from the mixture of encoder and prior, with their shares among the k.
    densities = np.stack([_log_normal(z, 0, 0), _log_normal(z, mean, log_var)])
    shares = np.reshape([from_prior.mean(), 1 - from_prior.mean()], (2, 1, 1))
    log_weights = densities[0] - logsumexp(densities, axis=0, b=shares)
    total, peak = 0, -np.inf
    for points, log_weight in zip(z, log_weights, strict=True):
        decoded = model.decode(points)
        log_weight -= _visible_loss(model, mask, hidden, decoded)
        before, peak = peak, np.maximum(peak, log_weight)
        pixels = mean_image(model, decoded)
        total = total * _rows(np.exp(before - peak), pixels)
        total = total + _rows(np.exp(log_weight - peak), pixels) * pixels
    size = np.exp(2 * logsumexp(log_weights, axis=0) - logsumexp(2 * log_weights, axis=0))
    if not draws:
        filling = total / _rows(np.exp(log_weights - peak).sum(axis=0), total)
        return paste(hidden, mask, filling), size
    taken = np.argmax(log_weights + rng.gumbel(size=(draws, *log_weights.shape)), axis=1)
    drawn = (mean_image(model, model.decode(each)) for each in z[taken, np.arange(len(hidden))])
    return np.stack([paste(hidden, mask, image) for image in drawn]), size


@dataclass(frozen=True)
class Task:
    """Holes to fill, and what a method may use; effort: about the decodes that it may spend."""

    model: Any
    hidden: np.ndarray
    mask: np.ndarray
    x_train: np.ndarray
    seed: int = 0
    effort: int = 100

    def __post_init__(self):
        check_integer("effort", self.effort, 10, 1_000_000)

    def holes(self, draws: int | None = None) -> tuple[Any, np.ndarray, np.ndarray]:
        """Model, hidden, every image `draws` times, and mask; the model's variance calibrated."""
        model = calibrated(self.model, self.x_train[:1_000], self.seed)
        return model, np.tile(self.hidden, (draws or 1, 1, 1, 1)), self.mask


def _nearest(task: Task, draws: int | None = None):
    """The hole of the training images nearest on the visible pixels: their mean, or one by one."""
    near = NearestNeighbors(n_neighbors=draws or NEIGHBOURS, algorithm="brute")
    near.fit(task.x_train[:, ~task.mask, 0])
    found = near.kneighbors(task.hidden[:, ~task.mask, 0], return_distance=False)
    images = task.x_train[found.T]
    return paste(task.hidden, task.mask, images if draws else images.mean(axis=0))


def _encode_decode(task: Task, draws: int | None = None):
    return pseudo_gibbs(*task.holes(draws), 1, task.seed)


def _pseudo_gibbs(task: Task, draws: int | None = None):
    last = 1 if draws else task.effort // 2
    return pseudo_gibbs(*task.holes(draws), task.effort, task.seed, last)


def _metropolis(task: Task, draws: int | None = None):
    warm_up = task.effort // 3
    steps = task.effort - warm_up - 1
    last = 1 if draws else steps // 2
    return metropolis_gibbs(*task.holes(draws), steps, task.seed, last, warm_up)[0]


def _descents(effort: int) -> tuple[int, int]:
    """Restarts and steps of `optimise_latent`: a gradient takes as long as two decodes."""
    restarts = max(1, effort // 100)
    return restarts, effort // (2 * restarts)


def _optimise(task: Task):
    return optimise_latent(*task.holes(), *_descents(task.effort), task.seed)[0]


def _importance(task: Task, draws: int | None = None):
    warm_up = task.effort // 5
    return importance_fill(*task.holes(), task.effort - warm_up, task.seed, warm_up, draws)[0]


@dataclass(frozen=True)
class Method:
    """A way to fill holes: called with a Task, it gives one filling per image, (n, 28, 28, 1).

    fill: given a number of draws too, it gives so many plausible fillings of each image, where
    `draws` is true. A chain's filling is the mean over its second half, a draw its last point.
    counts: from an effort to encodes, decodes and gradients per image.
    """

    fill: Callable[..., np.ndarray]
    counts: Callable[[int], tuple[int, ...]] = lambda effort: ()
    draws: bool = True

    def __call__(self, task: Task) -> np.ndarray:
        return self.fill(task)

    def cost(self, effort: int) -> dict[str, int]:
        """The encodes, decodes and gradients per image that a filling takes, where any."""
        return dict(zip(("encodes", "decodes", "gradients"), self.counts(effort), strict=False))


METHODS = {
    "zeros": Method(lambda task: task.hidden, draws=False),
    "mean image": Method(lambda t: paste(t.hidden, t.mask, t.x_train.mean(axis=0)), draws=False),
    "nearest images": Method(_nearest),
    "encode and decode": Method(_encode_decode, lambda n: (1, 1)),
    "pseudo-Gibbs": Method(_pseudo_gibbs, lambda n: (n, n)),
    "Metropolis-within-Gibbs": Method(_metropolis, lambda n: (n + 1, n)),
    "latent optimisation": Method(
        _optimise, lambda n: (1, _descents(n)[0], math.prod(_descents(n))), draws=False),
    "importance weights": Method(_importance, lambda n: (n // 5 + 1, n)),
}  # fmt: skip


def plausible_fillings(name: str, task: Task, draws: int) -> np.ndarray:
    """Several fillings per image by one of METHODS: (draws, n, 28, 28, 1).

    Raises ValueError for a method that knows only one filling.
    """
    check_choice("method", name, [known for known, method in METHODS.items() if method.draws])
    check_integer("draws", draws, 1, 10_000)
    return METHODS[name].fill(task, draws).reshape(draws, *task.hidden.shape)
