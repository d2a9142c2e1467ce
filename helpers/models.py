"""Encoders, decoders, the sampling layer and the variational autoencoder, on any Keras backend."""

from collections.abc import Callable
from functools import reduce

import keras
import numpy as np
from keras import layers, ops

from helpers.losses import PIXEL_LOSSES, gaussian_kl, gaussian_kl_per_dimension

IMAGE_SHAPE = (28, 28, 1)
ACTIVE = 0.01  # a latent dimension is in use when its mean varies more (Burda et al. 2016)
DENSE_UNITS = 83  # gives the fully connected model the baseline's number of weights, within 0.3 %


Layers = tuple[list[layers.Layer], list[layers.Layer]]  # of an encoder and of a decoder
ARCHITECTURES: dict[str, Callable[[str], Layers]] = {}  # what TrainingConfig.architecture may be


def architecture(name: str) -> Callable:
    """Register the decorated function as an architecture: it gives the layers for an activation.

    Encoder: from an image (28, 28, 1) to a vector; decoder: from a latent point to an image in
    [0, 1]. In a notebook too: decorate a function, then train TrainingConfig(architecture=name).
    """

    def register(function: Callable[[str], Layers]) -> Callable[[str], Layers]:
        ARCHITECTURES[name] = function
        return function

    return register


def _halve(filters, activation):
    """A convolution that halves the image."""
    return layers.Conv2D(filters, 3, strides=2, padding="same", activation=activation)


def _double(filters, activation, kernel=3, **more):
    """A transposed convolution that doubles the image."""
    shape = {"strides": 2, "padding": "same", "activation": activation} | more
    return layers.Conv2DTranspose(filters, kernel, **shape)


@architecture("convolutional")
def convolutional(activation: str) -> Layers:
    """Layers of the keras.io example: 28 → 14 → 7, and back."""
    encoder = [_halve(32, activation), _halve(64, activation), layers.Flatten()]
    decoder = [layers.Dense(7 * 7 * 64, activation=activation), layers.Reshape((7, 7, 64))]
    decoder += [_double(64, activation), _double(32, activation), _double(1, "sigmoid", strides=1)]
    return encoder, decoder


@architecture("deeper")
def deeper(activation: str) -> Layers:
    """One more convolution each way: 28 → 14 → 7 → 4, and back.

    The added transposed convolution has a 4x4 kernel, stride 2, padding 2 and output padding 1:
    (4 - 1)·2 + 4 - 2·2 + 1 = 7, so that the output is exactly 28x28.
    """
    encoder = [_halve(filters, activation) for filters in (32, 64, 128)]
    decoder = [layers.Dense(4 * 4 * 128, activation=activation), layers.Reshape((4, 4, 128))]
    decoder += [_double(128, activation, kernel=4, output_padding=1)]
    decoder += [_double(64, activation), _double(32, activation), _double(1, "sigmoid", strides=1)]
    return [*encoder, layers.Flatten()], decoder


@architecture("dense")
def dense(activation: str) -> Layers:
    """Fully connected layers only, with about as many weights as the baseline."""
    encoder = [layers.Flatten(), layers.Dense(DENSE_UNITS, activation=activation)]
    decoder = [layers.Dense(units, activation=activation) for units in (16, DENSE_UNITS)]
    decoder += [layers.Dense(28 * 28, activation="sigmoid"), layers.Reshape(IMAGE_SHAPE)]
    return encoder, decoder


def build_encoder_decoder(
    architecture: str, latent_dim: int, hidden_units: int = 16, activation: str = "relu"
) -> tuple[keras.Model, keras.Model]:
    """An encoder, image (28, 28, 1) → z_mean, z_log_var (latent_dim,), and a decoder, back."""
    encoder_stack, decoder_stack = ARCHITECTURES[architecture](activation)
    image, z = keras.Input(IMAGE_SHAPE), keras.Input((latent_dim,))
    hidden = layers.Dense(hidden_units, activation=activation)
    features = reduce(lambda x, layer: layer(x), [*encoder_stack, hidden], image)
    moments = [layers.Dense(latent_dim, name=name)(features) for name in ("z_mean", "z_log_var")]
    decoded = reduce(lambda x, layer: layer(x), decoder_stack, z)
    return keras.Model(image, moments, name="encoder"), keras.Model(z, decoded, name="decoder")


def in_batches(function: Callable, values: np.ndarray, size: int = 500) -> list[np.ndarray]:
    """NumPy arrays: each of the several tensors that a function gives, for `size` rows at once."""
    parts = [function(values[start : start + size]) for start in range(0, len(values), size)]
    arrays = [[ops.convert_to_numpy(tensor) for tensor in part] for part in parts]
    return [np.concatenate(column) for column in zip(*arrays, strict=True)]


def active_dimensions(means: np.ndarray) -> np.ndarray:
    """Which latent dimensions are in use, from the images' means (n, latent_dim): (latent_dim,)."""
    return means.var(axis=0) > ACTIVE


def hidden_values(model: "VAE", x: np.ndarray) -> np.ndarray:
    """What the encoder's last hidden layer gives for images: (n, hidden_units)."""
    hidden = keras.Model(model.encoder.inputs[0], model.encoder.get_layer("z_mean").input)
    return in_batches(lambda part: [hidden(part)], x)[0]


@keras.saving.register_keras_serializable("helpers")
class Sampling(layers.Layer):
    """z = mean + exp(log_var / 2) · noise, noise ~ N(0, I): the reparameterisation trick.

    Kingma & Welling 2014, section 2.4. The noise comes from a generator that the layer owns.
    """

    def __init__(self, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, mean, log_var):
        noise = keras.random.normal(ops.shape(mean), seed=self.generator)
        return mean + ops.exp(0.5 * log_var) * noise

    def restart(self, count):
        """Put the generator in the state that it has after `count` draws."""
        self.generator.state.assign([self.seed, count])

    def get_config(self):
        return super().get_config() | {"seed": self.seed}


@keras.saving.register_keras_serializable("helpers")
class VAE(keras.Model):
    """A variational autoencoder (Kingma & Welling 2014) that minimises the negative ELBO.

    With another beta than 1 it is a β-VAE (Higgins et al. 2017), whose loss is no bound. Two cures
    of posterior collapse change the loss in training only: `warmup_steps`, over which the KL's
    weight rises from 0 (Bowman et al. 2016), and `free_bits`, nats of each dimension's KL, averaged
    over the batch, that cost nothing (Kingma et al. 2016).
    `fit`, `evaluate` and `predict` take images alone, shape (batch, 28, 28, 1), values in [0, 1].
    Calling it gives a dictionary: reconstruction (batch, 28, 28, 1), z_mean, z_log_var and z
    (batch, latent_dim). Metrics, means over images in nats: loss = distortion + beta · rate.
    """

    def __init__(
        self, architecture="convolutional", latent_dim=2, pixel_loss="bce", seed=0, *,
        beta=1.0, hidden_units=16, activation="relu", warmup_steps=0, free_bits=0.0, **kwargs,
    ):
        super().__init__(**kwargs)
        self.settings = {
            "architecture": architecture, "latent_dim": latent_dim, "pixel_loss": pixel_loss,
            "seed": seed, "beta": beta, "hidden_units": hidden_units, "activation": activation,
            "warmup_steps": warmup_steps, "free_bits": free_bits,
        }
        self.pixel_loss, self.beta = PIXEL_LOSSES[pixel_loss], beta
        self.warmup_steps, self.free_bits = warmup_steps, free_bits
        if warmup_steps:
            self.trained_steps = self.add_weight((), "zeros", trainable=False)
        shape = architecture, latent_dim, hidden_units, activation
        self.encoder, self.decoder = build_encoder_decoder(*shape)
        self.sampling = Sampling(seed)
        self.rate_metric = keras.metrics.Mean(name="rate")
        self.distortion_metric = keras.metrics.Mean(name="distortion")
        self._draw_kernels(seed)
        self.built = True

    def _draw_kernels(self, seed):
        """Initial kernels from the seed alone, uniform with Glorot & Bengio's (2010) limits.

        Keras would take the seeds from Python's global generator, which other threads may use.
        """
        rng = np.random.default_rng(seed)
        for kernel in (weight for weight in self.trainable_weights if len(weight.shape) > 1):
            *taps, first, second = kernel.shape
            limit = np.sqrt(6 / (np.prod(taps) * (first + second)))
            kernel.assign(rng.uniform(-limit, limit, kernel.shape))

    def call(self, x):
        z_mean, z_log_var = self.encoder(x)
        z = self.sampling(z_mean, z_log_var)
        return {"reconstruction": self.decoder(z), "z_mean": z_mean, "z_log_var": z_log_var, "z": z}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The negative ELBO with its KL weighted by beta, averaged over the batch: a scalar."""
        distortion = self.pixel_loss(x, y_pred["reconstruction"])
        rate = gaussian_kl(y_pred["z_mean"], y_pred["z_log_var"])
        self.distortion_metric.update_state(distortion)
        self.rate_metric.update_state(rate)
        if training and (self.warmup_steps or self.free_bits):
            kl = gaussian_kl_per_dimension(y_pred["z_mean"], y_pred["z_log_var"])
            return ops.mean(distortion) + self.beta * self._eased(ops.mean(kl, axis=0))
        return ops.mean(distortion + self.beta * rate)

    def _eased(self, kl):
        """The KL term of a training step, from the batch's mean KL per dimension (latent_dim,)."""
        rate = ops.sum(ops.maximum(kl, self.free_bits))
        if not self.warmup_steps:
            return rate
        weight = ops.minimum(self.trained_steps / self.warmup_steps, 1.0)
        self.trained_steps.assign(self.trained_steps + 1)
        return weight * rate

    def encode(self, x, batch_size=500):
        """z_mean and z_log_var of images, NumPy arrays of shape (n, latent_dim)."""
        return tuple(in_batches(self.encoder, x, batch_size))

    def decode(self, z, batch_size=500):
        """Images decoded from latent points z (n, latent_dim): NumPy, shape (n, 28, 28, 1)."""
        return in_batches(lambda part: [self.decoder(part)], z, batch_size)[0]

    def get_config(self):
        return self.settings | {"name": self.name}
