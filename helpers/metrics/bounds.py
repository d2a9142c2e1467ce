"""Measurements of a trained model on given digits: plain NumPy out, nats per image.

`model` is a `helpers.models.VAE` or anything with encode(x) → mean, log variance (n, d) and
decode(z) → image; x has shape (n, 28, 28, 1) with values in [0, 1].
"""

import keras
import numpy as np
from keras import ops
from scipy.special import logsumexp
from sklearn.metrics import confusion_matrix, mutual_info_score
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from helpers import losses
from helpers.errors import check_integer, check_number

ACTIVE = 0.01  # Burda et al. 2016: a unit is active when the variance of its mean exceeds this
SEARCH_RATE = 0.5  # Adam's first step in `optimised_bound`, in posterior standard deviations
SEARCHED = 500  # images that `optimised_bound` holds at a time


def to_numpy(function, *arrays) -> np.ndarray:
    """A function of the backend's tensors, from NumPy to NumPy: not every backend mixes the two."""
    return ops.convert_to_numpy(function(*(ops.convert_to_tensor(array, "float32") for array in arrays)))


def draw(mean, log_var, rng) -> np.ndarray:
    """One z per image from q(z|x): shape (n, latent_dim)."""
    return (mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape)).astype("float32")


def _distortion(model, x, z):
    """The pixel loss that the model was trained with: shape (n,)."""
    return to_numpy(model.pixel_loss, x, model.decode(z))


def elbo(model, x, seed: int, samples: int = 1) -> dict[str, np.ndarray]:
    """The evidence lower bound and its two parts, elbo = -(distortion + rate), each of shape (n,).

    z is sampled from q(z|x), `samples` times per image: at the posterior mean it is not a bound.
    For the squared error, "elbo" leaves out the Gaussian's constant (Kingma & Welling 2014, eq. 3).
    """
    return _bound(model, x, *model.encode(x), seed, samples)


def _bound(model, x, mean, log_var, seed, samples):
    """`elbo` with q(z|x) of the given means and log variances (n, latent_dim)."""
    rng = np.random.default_rng(seed)
    rate = to_numpy(losses.gaussian_kl, mean, log_var)
    distortion = np.mean([_distortion(model, x, draw(mean, log_var, rng)) for _ in range(samples)], axis=0)
    return {"elbo": -(distortion + rate), "rate": rate, "distortion": distortion}


def importance_weighted_bound(model, x, k: int, seed: int, q=None) -> np.ndarray:
    """L_k = E ln (1/k) Σ p(x, z_i) / q(z_i|x) with z_i ~ q(z|x): shape (n,).

    L_1 is the ELBO; L_k never falls with k and never exceeds ln p(x) (Burda et al. 2016, eq. 8). How near it comes
    depends on q: the encoder's, or another's mean and log variance (n, latent_dim), such as `optimised_bound` finds.
    """
    rng = np.random.default_rng(seed)
    mean, log_var = model.encode(x) if q is None else q
    return logsumexp([_log_weight(model, x, mean, log_var, rng) for _ in range(k)], axis=0) - np.log(k)


def _log_weight(model, x, mean, log_var, rng):
    """ln p(x|z) p(z) / q(z|x) for one z per image: shape (n,)."""
    z = draw(mean, log_var, rng)
    zero = np.zeros_like(z)
    prior, posterior = (to_numpy(losses.gaussian_log_density, z, *of) for of in ((zero, zero), (mean, log_var)))
    return prior - posterior - _distortion(model, x, z)


def frozen_decoder(model) -> keras.Model:
    """A copy of the model's decoder that training does not change, so that a search around it disturbs nothing."""
    decoder = keras.models.clone_model(model.decoder)
    decoder.set_weights(model.decoder.get_weights())
    decoder.trainable = False
    return decoder


class _OwnPosteriors(keras.Model):
    """A q(z|x) for each image around a frozen copy of a decoder.

    Its only trainable weights say how far each q is from the encoder's: the mean in the encoder's standard deviations,
    the log variance as it stands.
    """

    def __init__(self, model, shape):
        super().__init__(name="own_posteriors")  # TensorFlow takes no leading underscore, as the class's name has
        self.decoder = frozen_decoder(model)
        self.shift = self.add_weight(shape=shape, initializer="zeros", name="shift")
        self.widening = self.add_weight(shape=shape, initializer="zeros", name="widening")
        self.distortion = model.pixel_loss
        self.built = True

    def call(self, inputs):
        mean, log_var, noise = inputs
        mean, log_var = mean + ops.exp(0.5 * log_var) * self.shift, log_var + self.widening
        return {"image": self.decoder(mean + ops.exp(0.5 * log_var) * noise), "mean": mean, "log_var": log_var}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The negative ELBO, summed over images."""
        rate = losses.gaussian_kl(y_pred["mean"], y_pred["log_var"])
        return ops.sum(self.distortion(y, y_pred["image"]) + rate)


def _own_posteriors(model, x, mean, log_var, steps, rng):
    """Means and log variances (n, latent_dim) after gradient steps on each image's negative ELBO."""
    search = _OwnPosteriors(model, mean.shape)
    schedule = keras.optimizers.schedules.CosineDecay(SEARCH_RATE, steps)
    search.compile(optimizer=keras.optimizers.Adam(schedule))
    for _ in range(steps):
        search.train_on_batch((mean, log_var, rng.standard_normal(mean.shape).astype("float32")), x)
    shift, widening = (ops.convert_to_numpy(weight) for weight in (search.shift, search.widening))
    return mean + np.exp(log_var / 2) * shift, log_var + widening


def optimised_bound(model, x, steps: int, seed: int, samples: int = 20) -> dict[str, np.ndarray]:
    """The ELBO under the encoder's q(z|x) and under the best Gaussian found for each image by itself.

    "encoder" and "optimised", (n,), in nats, with the same fresh noise in both, `samples` draws each; "mean" and
    "log_var" (n, latent_dim) of what was found. The difference is the amortisation gap (Cremer, Li & Duvenaud 2018,
    section 3). Adam with a cosine decay, from the encoder's answer; it moves each coordinate by its own scale, so that
    images do not disturb one another. Needs model.decoder, a keras.Model, of which it works on a copy. Costs a gradient
    of the decoder per step, and 2 · samples decodes, for each image. Raises ValueError unless steps and samples are
    positive integers.
    """
    check_integer("steps", steps, 1, 1_000_000)
    check_integer("samples", samples, 1, 1_000_000)
    rng = np.random.default_rng((seed, 1))  # not the noise of the evaluation
    mean, log_var = model.encode(x)
    parts = [slice(start, start + SEARCHED) for start in range(0, len(x), SEARCHED)]
    found = [_own_posteriors(model, x[part], mean[part], log_var[part], steps, rng) for part in parts]
    own = [np.concatenate(part) for part in zip(*found, strict=True)]
    before, after = (_bound(model, x, *q, seed, samples)["elbo"] for q in ((mean, log_var), own))
    return {"encoder": before, "optimised": after, "mean": own[0], "log_var": own[1]}


def kl_per_dimension(model, x) -> np.ndarray:
    """The rate of each latent dimension, averaged over images: shape (latent_dim,)."""
    return to_numpy(losses.gaussian_kl_per_dimension, *model.encode(x)).mean(axis=0)


def active_units(model, x) -> np.ndarray:
    """Variance over images of each dimension's posterior mean, (latent_dim,): active above ACTIVE.

    Burda et al. 2016, section 5.2.
    """
    return model.encode(x)[0].var(axis=0)


def knn_votes(train_points, train_labels, points, k: int = 15) -> np.ndarray:
    """The label that the k nearest training points vote for, for each of points (n, d): shape (n,)."""
    return KNeighborsClassifier(k).fit(train_points, train_labels).predict(points)


def knn_accuracy(train_points, train_labels, points, labels, k: int = 15) -> float:
    """Share of points (n, d) whose label the k nearest training points vote for."""
    return float(np.mean(knn_votes(train_points, train_labels, points, k) == labels))


def confused_pairs(labels, votes) -> list[tuple[int, int, float]]:
    """Every pair of digits a < b, and the share of both that votes (n,) take for the other, most confused first.

    votes: of neighbours (`knn_votes`) or of a classifier, for the digits with the given labels (n,).
    """
    digits = np.union1d(labels, votes)
    counts = confusion_matrix(labels, votes, labels=digits)
    totals = counts.sum(axis=1)
    pairs = [
        (int(digits[a]), int(digits[b]), float((counts[a, b] + counts[b, a]) / max(totals[a] + totals[b], 1)))
        for a, b in zip(*np.triu_indices(len(digits), 1), strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def class_gap(points, labels) -> float:
    """How near another class is: the median distance from a point to the nearest one with another label.

    points: (n, latent_dim); labels: (n,), of at least two kinds. As a share of the points' extent, the root of their
    mean squared distance from their centre. More points lie nearer to one another: compare equal numbers only. Raises
    ValueError when all labels are the same.
    """
    kinds = np.unique(labels)
    if len(kinds) < 2:
        raise ValueError("a gap between classes needs labels of at least two kinds")
    nearest = np.empty(len(points))
    for kind in kinds:
        own = labels == kind
        nearest[own] = NearestNeighbors(n_neighbors=1).fit(points[~own]).kneighbors(points[own])[0][:, 0]
    return float(np.median(nearest) / np.sqrt(np.var(points, axis=0).sum()))


def axis_information(codes, labels, bins: int = 20) -> np.ndarray:
    """Mutual information of each latent axis, cut at its quantiles, and the digit: nats, shape (latent_dim,).

    codes: (n, latent_dim); labels: (n,). At most ln 10 for ten digits in equal numbers. Counting inflates it by about
    (bins - 1)(digits - 1) / 2n nats: see `axis_information_control`. Raises ValueError for fewer than 2 bins or more
    than n, or unequal lengths.
    """
    if len(codes) != len(labels):
        raise ValueError(f"{len(codes)} codes and {len(labels)} labels: there must be as many of each")
    check_integer("bins", bins, 2, len(codes))
    edges = np.quantile(codes, np.arange(1, bins) / bins, axis=0)
    cut = [np.digitize(axis, edge) for axis, edge in zip(np.transpose(codes), edges.T, strict=True)]
    return np.array([mutual_info_score(labels, axis) for axis in cut])


def axis_information_control(codes, labels, seed: int, bins: int = 20) -> np.ndarray:
    """`axis_information` with the labels permuted: what counting alone gives, where there is nothing to know."""
    return axis_information(codes, np.random.default_rng(seed).permutation(labels), bins)


def smoothness(model, points, step: float, seed: int) -> dict[str, float]:
    """How much the decoded image changes, mean squared over pixels, for a step of given length in the latent space.

    points: (n, latent_dim), n >= 2; each takes one step in a random direction. "change": for the step; "half_change":
    for half of it; "pair_change": between points in random pairs; "relative": change / pair_change; "exponent":
    log2 change / half_change, 2 where the decoder is smooth at this scale (half the step, a quarter of the change), 1
    where it jumps now and then, 0 where neighbours have nothing in common. Raises ValueError unless 0 < step <= 100.
    """
    check_number("step", step, 0, 100)
    rng = np.random.default_rng(seed)
    direction = rng.standard_normal(points.shape)
    direction *= step / np.linalg.norm(direction, axis=1, keepdims=True)
    order = rng.permutation(len(points))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, 1)
    here = model.decode(points)
    there = [model.decode((points + share * direction).astype("float32")) for share in (1, 0.5)]
    change, half, pair = (np.mean(np.square(image - here, dtype="float64")) for image in (*there, here[partner]))
    with np.errstate(divide="ignore", invalid="ignore"):  # a decoder that ignores z: not a number
        relative, exponent = change / pair, np.log2(change / half)
    found = {"change": change, "half_change": half, "pair_change": pair, "relative": relative, "exponent": exponent}
    return {name: float(value) for name, value in found.items()}


def congestion(mean, log_var) -> dict[str, float]:
    """How crowded the latent space is; mean, log_var: (n, latent_dim), n > latent_dim.

    "area": sqrt det of the covariance of all codes z ~ q(z|x), over images and noise, in units of the prior's;
    "posterior_area": that of a single q(z|x), its geometric mean; "distinguishable": ln of their ratio, in nats. The
    last is the entropy of a Gaussian with the codes' covariance less the mean entropy of q(z|x), so that it is never
    below the information that a code has about its image, and equals it where the codes are Gaussian. 0 where q(z|x) is
    the same for all.
    """
    within = np.exp(log_var, dtype="float64").mean(axis=0)
    covariance = np.cov(mean, rowvar=False, bias=True).reshape(len(within), -1) + np.diag(within)
    all_codes = 0.5 * np.linalg.slogdet(covariance)[1]
    one_code = 0.5 * log_var.sum(axis=1, dtype="float64").mean()
    areas = {"area": float(np.exp(all_codes)), "posterior_area": float(np.exp(one_code))}
    return areas | {"distinguishable": float(all_codes - one_code)}


def standard_error(values) -> float:
    """Standard error of the mean of values (n,)."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))
