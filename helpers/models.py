"""Encoders, decoders, the sampling layer and the variational autoencoder, on any Keras backend."""

import keras
import numpy as np
from keras import layers, ops

from helpers.losses import PIXEL_LOSSES, gaussian_kl

IMAGE_SHAPE = (28, 28, 1)
DENSE_UNITS = 83  # gives the fully connected model the baseline's number of weights, within 0.3 %


def _convolution(filters, kernel=3):
    """A convolution that halves the image."""
    return layers.Conv2D(filters, kernel, strides=2, padding="same", activation="relu")


def _transposed(filters, kernel=3, **kwargs):
    """A transposed convolution that doubles the image."""
    return layers.Conv2DTranspose(
        filters, kernel, strides=2, padding="same", activation="relu", **kwargs
    )


def _to_image():
    """The last layer of the convolutional decoders: 32 channels to one grey value in [0, 1]."""
    return layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")


def _convolutional():
    """Layers of the keras.io example: 28 → 14 → 7, and back."""
    encoder = [_convolution(32), _convolution(64), layers.Flatten()]
    decoder = [layers.Dense(7 * 7 * 64, activation="relu"), layers.Reshape((7, 7, 64))]
    return encoder, decoder + [_transposed(64), _transposed(32), _to_image()]


def _deeper():
    """One more convolution each way: 28 → 14 → 7 → 4, and back.

    The added transposed convolution has a 4x4 kernel, stride 2, padding 2 and output padding 1:
    (4 - 1)·2 + 4 - 2·2 + 1 = 7, so that the output is exactly 28x28.
    """
    encoder = [_convolution(32), _convolution(64), _convolution(128), layers.Flatten()]
    decoder = [layers.Dense(4 * 4 * 128, activation="relu"), layers.Reshape((4, 4, 128))]
    first = _transposed(128, kernel=4, output_padding=1)
    return encoder, decoder + [first, _transposed(64), _transposed(32), _to_image()]


def _dense():
    """Fully connected layers only, with about as many weights as the baseline."""
    encoder = [layers.Flatten(), layers.Dense(DENSE_UNITS, activation="relu")]
    decoder = [
        layers.Dense(16, activation="relu"),
        layers.Dense(DENSE_UNITS, activation="relu"),
        layers.Dense(28 * 28, activation="sigmoid"),
        layers.Reshape(IMAGE_SHAPE),
    ]
    return encoder, decoder


ARCHITECTURES = {"convolutional": _convolutional, "deeper": _deeper, "dense": _dense}


def _chain(x, stack):
    """Apply layers one after the other."""
    for layer in stack:
        x = layer(x)
    return x


def build_encoder_decoder(architecture, latent_dim):
    """An encoder, image (28, 28, 1) → z_mean, z_log_var (latent_dim,), and a decoder, back.

    Raises KeyError for an unknown architecture (TrainingConfig refuses it earlier).
    """
    encoder_stack, decoder_stack = ARCHITECTURES[architecture]()
    image = keras.Input(IMAGE_SHAPE)
    hidden = layers.Dense(16, activation="relu")(_chain(image, encoder_stack))
    z_mean = layers.Dense(latent_dim, name="z_mean")(hidden)
    z_log_var = layers.Dense(latent_dim, name="z_log_var")(hidden)
    z = keras.Input((latent_dim,))
    encoder = keras.Model(image, [z_mean, z_log_var], name="encoder")
    return encoder, keras.Model(z, _chain(z, decoder_stack), name="decoder")


def _batches(values, size):
    """An array in pieces of at most `size` rows."""
    return [values[start : start + size] for start in range(0, len(values), size)]


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

    `fit`, `evaluate` and `predict` take images alone, shape (batch, 28, 28, 1), values in [0, 1].
    Calling it gives a dictionary: reconstruction (batch, 28, 28, 1), z_mean, z_log_var and z
    (batch, latent_dim). Metrics, means over images in nats: loss = distortion + rate.
    """

    def __init__(self, architecture="convolutional", latent_dim=2, pixel_loss="bce", seed=0, **kwargs):
        super().__init__(**kwargs)
        self.settings = {
            "architecture": architecture,
            "latent_dim": latent_dim,
            "pixel_loss": pixel_loss,
            "seed": seed,
        }
        self.pixel_loss = PIXEL_LOSSES[pixel_loss]
        self.encoder, self.decoder = build_encoder_decoder(architecture, latent_dim)
        self.sampling = Sampling(seed)
        self.rate_metric = keras.metrics.Mean(name="rate")
        self.distortion_metric = keras.metrics.Mean(name="distortion")
        self._draw_kernels(seed)
        self.built = True

    def _draw_kernels(self, seed):
        """Initial kernels, uniform with Glorot & Bengio's (2010) limits as Keras has them, from the seed alone.

        Keras would take the seeds from Python's global generator, which other threads may use meanwhile.
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
        """The negative ELBO, averaged over the batch: a scalar in nats per image."""
        distortion = self.pixel_loss(x, y_pred["reconstruction"])
        rate = gaussian_kl(y_pred["z_mean"], y_pred["z_log_var"])
        self.distortion_metric.update_state(distortion)
        self.rate_metric.update_state(rate)
        return ops.mean(distortion + rate)

    def encode(self, x, batch_size=500):
        """z_mean and z_log_var of images, NumPy arrays of shape (n, latent_dim)."""
        parts = [self.encoder(batch) for batch in _batches(x, batch_size)]
        return tuple(np.concatenate([ops.convert_to_numpy(part) for part in output]) for output in zip(*parts, strict=True))

    def decode(self, z, batch_size=500):
        """Images decoded from latent points z (n, latent_dim): NumPy, shape (n, 28, 28, 1)."""
        return np.concatenate([ops.convert_to_numpy(self.decoder(part)) for part in _batches(z, batch_size)])

    def get_config(self):
        return self.settings | {"name": self.name}
