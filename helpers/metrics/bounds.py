"""Bounds on the log-likelihood of a trained model: plain NumPy out, nats per image.

`model` is a `helpers.models.VAE` or anything with encode(x) → mean, log variance (n, d),
decode(z) → image and pixel_loss(x, decoded) → (n,); x has shape (n, 28, 28, 1), values in [0, 1].
"""

import keras
import numpy as np
from keras import ops
from scipy.special import logsumexp

from helpers import losses
from helpers.errors import check_integer

ACTIVE = 0.01  # Burda et al. 2016: a unit is active when the variance of its mean exceeds this
SEARCH_RATE = 0.5  # Adam's first step in `optimised_bound`, in posterior standard deviations
SEARCHED = 500  # images that `optimised_bound` holds at a time


def to_numpy(function, *arrays) -> np.ndarray:
    """Apply a function of the backend's tensors to NumPy arrays: float32 in, NumPy out."""
    tensors = (ops.convert_to_tensor(array, "float32") for array in arrays)
    return ops.convert_to_numpy(function(*tensors))


def draw(mean: np.ndarray, log_var: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One z per image from q(z|x): shape (n, latent_dim)."""
    return (mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape)).astype("float32")


def elbo(model, x, seed: int, samples: int = 1, q=None) -> dict[str, np.ndarray]:
    """The evidence lower bound and its two parts, elbo = -(distortion + rate): shape (n,) each.

    z is sampled from q(z|x), `samples` times per image: at the posterior mean it is not a bound.
    q: mean and log variance, (n, latent_dim) each; default: the encoder's. For the squared error,
    "elbo" leaves out the Gaussian's constant (Kingma & Welling 2014, eq. 3).
    """
    rng, (mean, log_var) = np.random.default_rng(seed), model.encode(x) if q is None else q
    rate = to_numpy(losses.gaussian_kl, mean, log_var)
    decoded = (model.decode(draw(mean, log_var, rng)) for _ in range(samples))
    distortion = np.mean([to_numpy(model.pixel_loss, x, image) for image in decoded], axis=0)
    return {"elbo": -(distortion + rate), "rate": rate, "distortion": distortion}


def importance_weighted_bound(model, x, k: int, seed: int, q=None) -> np.ndarray:
    """L_k = E ln (1/k) Σ p(x, z_i) / q(z_i|x) with z_i ~ q(z|x): shape (n,).

    L_1 is the ELBO; L_k never falls with k and never exceeds ln p(x) (Burda et al. 2016, eq. 8).
    q: see `elbo`; the nearer it is to the posterior, as that of `optimised_bound`, the tighter.
    """
    rng, log_weights = np.random.default_rng(seed), []
    mean, log_var = model.encode(x) if q is None else q
    for _ in range(k):
        z = draw(mean, log_var, rng)
        zero = np.zeros_like(z)
        prior = to_numpy(losses.gaussian_log_density, z, zero, zero)
        posterior = to_numpy(losses.gaussian_log_density, z, mean, log_var)
        log_weights.append(prior - posterior - to_numpy(model.pixel_loss, x, model.decode(z)))
    return logsumexp(log_weights, axis=0) - np.log(k)


def frozen_decoder(model) -> keras.Model:
    """A copy of the model's decoder with weights that training leaves alone."""
    decoder = keras.models.clone_model(model.decoder)
    decoder.set_weights(model.decoder.get_weights())
    decoder.trainable = False
    return decoder


def cosine_adam(rate: float, steps: int) -> keras.optimizers.Adam:
    """Adam with a rate that decays to zero over so many steps."""
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate, steps))


class _PosteriorSearch(keras.Model):
    """One Gaussian q(z|x) per image before a frozen decoder.

    Its weights are distances from the encoder's: of the mean in standard deviations, and in nats.
    """

    def __init__(self, model, shape):
        super().__init__(name="posterior_search")
        self.decoder = frozen_decoder(model)
        self.shift = self.add_weight(shape=shape, initializer="zeros", name="shift")
        self.widening = self.add_weight(shape=shape, initializer="zeros", name="widening")
        self.distortion = model.pixel_loss
        self.built = True

    def call(self, inputs):
        mean, log_var, noise = inputs
        mean, log_var = mean + ops.exp(0.5 * log_var) * self.shift, log_var + self.widening
        image = self.decoder(mean + ops.exp(0.5 * log_var) * noise)
        return {"image": image, "mean": mean, "log_var": log_var}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The negative ELBO, summed over images."""
        rate = losses.gaussian_kl(y_pred["mean"], y_pred["log_var"])
        return ops.sum(self.distortion(y, y_pred["image"]) + rate)


def optimised_bound(model, x, steps: int, seed: int, samples: int = 20) -> dict[str, np.ndarray]:
    """The ELBO under the encoder's q(z|x) and under a per-image optimised Gaussian posterior.

    "encoder" and "optimised", (n,), in nats, `samples` draws each with the same noise; "mean" and
    "log_var", (n, latent_dim), of the optimised posteriors. The difference of the two bounds is the
    amortisation gap (Cremer, Li & Duvenaud 2018, section 3). Adam starts at the encoder's q and
    scales each coordinate by itself, so that images do not disturb one another. Costs `steps`
    gradients of the decoder and 2 · samples decodes per image.
    """
    check_integer("steps", steps, 1, 1_000_000)
    check_integer("samples", samples, 1, 1_000_000)
    rng = np.random.default_rng((seed, 1))  # not the noise of the evaluation
    mean, log_var = model.encode(x)
    best = mean.copy(), log_var.copy()
    for start in range(0, len(x), SEARCHED):
        part = slice(start, start + SEARCHED)
        search = _PosteriorSearch(model, mean[part].shape)
        search.compile(cosine_adam(SEARCH_RATE, steps))
        for _ in range(steps):
            noise = rng.standard_normal(mean[part].shape).astype("float32")
            search.train_on_batch((mean[part], log_var[part], noise), x[part])
        best[0][part] += np.exp(log_var[part] / 2) * ops.convert_to_numpy(search.shift)
        best[1][part] += ops.convert_to_numpy(search.widening)
    before, after = (elbo(model, x, seed, samples, q)["elbo"] for q in ((mean, log_var), best))
    return {"encoder": before, "optimised": after, "mean": best[0], "log_var": best[1]}


def kl_per_dimension(model, x) -> np.ndarray:
    """The rate of each latent dimension, averaged over images: shape (latent_dim,)."""
    return to_numpy(losses.gaussian_kl_per_dimension, *model.encode(x)).mean(axis=0)


def active_units(model, x) -> np.ndarray:
    """Variance over images of each dimension's posterior mean, (latent_dim,); see ACTIVE."""
    return model.encode(x)[0].var(axis=0)


def standard_error(values) -> float:
    """Standard error of the mean of values (n,)."""
    return float(np.std(values, ddof=1) / np.sqrt(len(values)))
