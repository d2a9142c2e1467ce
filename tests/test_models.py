"""Architectures, layer by layer against the original's, and the VAE as a Keras model."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import ops

from helpers import data, losses
from helpers.config import TrainingConfig
from helpers.models import ARCHITECTURES, VAE, Sampling, architecture, build_encoder_decoder
from helpers.training import fit_or_load

SHAPES = {
    "convolutional": (
        [(14, 14, 32), (7, 7, 64), (3136,)],
        [(3136,), (7, 7, 64), (14, 14, 64), (28, 28, 32), (28, 28, 1)],
    ),
    "deeper": (
        [(14, 14, 32), (7, 7, 64), (4, 4, 128), (2048,)],
        [(2048,), (4, 4, 128), (7, 7, 128), (14, 14, 64), (28, 28, 32), (28, 28, 1)],
    ),
}


def shapes(model):
    return [
        tuple(layer.output.shape[1:])
        for layer in model.layers
        if not isinstance(layer, keras.layers.InputLayer)
    ]


def convolution(kernel, inputs, outputs):
    return kernel * kernel * inputs * outputs + outputs


def dense(inputs, outputs):
    return inputs * outputs + outputs


def heads(latent_dim):
    return dense(16, latent_dim) * 2


def expected_parameters(architecture, latent_dim):
    """The number of weights, by hand."""
    up = convolution(3, 64, 64) + convolution(3, 64, 32) + convolution(3, 32, 1)
    down = convolution(3, 1, 32) + convolution(3, 32, 64)
    if architecture == "convolutional":
        return down + dense(3136, 16) + heads(latent_dim) + dense(latent_dim, 3136) + up
    if architecture == "deeper":
        down, up = (
            down + convolution(3, 64, 128),
            up + convolution(4, 128, 128) - convolution(3, 64, 64),
        )
        return (
            down
            + dense(2048, 16)
            + heads(latent_dim)
            + dense(latent_dim, 2048)
            + up
            + convolution(3, 128, 64)
        )
    down, up = dense(784, 83) + dense(83, 16), dense(16, 83) + dense(83, 784)
    return down + heads(latent_dim) + dense(latent_dim, 16) + up


@pytest.mark.parametrize("architecture", SHAPES)
def test_shapes_are_the_originals(architecture):
    encoder, decoder = build_encoder_decoder(architecture, 2)
    down, up = SHAPES[architecture]
    assert shapes(encoder) == [*down, (16,), (2,), (2,)]
    assert shapes(decoder) == up


@pytest.mark.parametrize("architecture", ["convolutional", "deeper", "dense"])
@pytest.mark.parametrize("latent_dim", [1, 2, 10])
def test_parameters_counted_by_hand(architecture, latent_dim):
    assert VAE(architecture, latent_dim).count_params() == expected_parameters(
        architecture, latent_dim
    )


def test_the_dense_model_is_of_the_baselines_size():
    baseline = VAE("convolutional").count_params()
    assert abs(VAE("dense").count_params() / baseline - 1) < 0.003


def test_layers_are_the_originals():
    encoder, decoder = build_encoder_decoder("deeper", 2)
    added = decoder.layers[3]
    assert (added.kernel_size, added.strides, added.output_padding, added.filters) == (
        (4, 4),
        (2, 2),
        (1, 1),
        128,
    )
    assert [layer.activation.__name__ for layer in decoder.layers[3:]] == [
        "relu",
        "relu",
        "relu",
        "sigmoid",
    ]
    assert all(layer.padding == "same" for layer in encoder.layers[1:4])


@pytest.mark.parametrize("architecture", SHAPES)
def test_hidden_units_and_activation_are_those_asked_for(architecture):
    model = VAE(architecture, 2, hidden_units=24, activation="tanh")
    layers = [
        layer
        for layer in model.encoder.layers + model.decoder.layers
        if hasattr(layer, "activation")
    ]
    hidden = [
        layer.activation.__name__ for layer in layers if layer.name not in ("z_mean", "z_log_var")
    ]
    assert set(hidden[:-1]) == {"tanh"} and hidden[-1] == "sigmoid"
    assert model.encoder.get_layer("z_mean").kernel.shape == (24, 2)


def test_an_architecture_is_one_function_with_a_decorator(monkeypatch):
    monkeypatch.setattr("helpers.models.ARCHITECTURES", dict(ARCHITECTURES))

    @architecture("linear")
    def linear(activation):
        return [keras.layers.Flatten()], [
            keras.layers.Dense(784, "sigmoid"),
            keras.layers.Reshape((28, 28, 1)),
        ]

    config = TrainingConfig(architecture="linear", epochs=1, n_train=100)
    assert np.isfinite(fit_or_load(config).history["loss"][0])
    with pytest.raises(ValueError, match="'dense', 'linear'"):
        TrainingConfig(architecture="linea")


def test_sampling_has_the_moments_it_should():
    mean, log_var = (
        np.full((20_000, 1), 1.5, "float32"),
        np.full((20_000, 1), np.log(0.25), "float32"),
    )
    z = ops.convert_to_numpy(Sampling(seed=3)(mean, log_var))
    assert z.mean() == pytest.approx(1.5, abs=0.02)
    assert z.std() == pytest.approx(0.5, abs=0.02)


def test_sampling_owns_its_noise():
    def draw():
        return ops.convert_to_numpy(layer(np.zeros((2, 2)), np.zeros((2, 2))))

    layer = Sampling(seed=3)
    first, second = draw(), draw()
    assert not np.allclose(first, second)
    keras.utils.set_random_seed(99)  # another generator's affair
    layer.restart(0)
    assert np.array_equal(draw(), first)
    layer.restart(1)
    assert np.array_equal(draw(), second)


def kernels(model):
    return [weight for weight in model.get_weights() if weight.ndim > 1]


def test_initial_weights_come_from_the_seed_alone():
    keras.utils.set_random_seed(1)
    first = VAE("deeper", seed=3)
    keras.utils.set_random_seed(2)  # another thread's affair
    again, other = VAE("deeper", seed=3), VAE("deeper", seed=4)
    for here, there, elsewhere in zip(kernels(first), kernels(again), kernels(other), strict=True):
        assert np.array_equal(here, there) and not np.array_equal(here, elsewhere)


@pytest.mark.parametrize("architecture", ["convolutional", "deeper", "dense"])
def test_initial_weights_are_spread_as_keras_spreads_them(architecture):
    encoder, decoder = build_encoder_decoder(architecture, 2)
    theirs = [w for w in encoder.get_weights() + decoder.get_weights() if w.ndim > 1]
    model = VAE(architecture)
    for ours, theirs_ in zip(kernels(model), theirs, strict=True):
        assert ours.shape == theirs_.shape
        if ours.size > 1000:
            assert ours.std() == pytest.approx(theirs_.std(), rel=0.1)
            assert abs(ours).max() == pytest.approx(abs(theirs_).max(), rel=0.05)
            assert abs(ours.mean()) < 0.1 * ours.std()
    assert all((w == 0).all() for w in model.get_weights() if w.ndim == 1)


@pytest.mark.parametrize("pixel_loss", ["bce", "mse"])
def test_evaluate_is_the_mean_of_the_terms(pixel_loss):
    images = data.test_set(300)[0]
    model = VAE(pixel_loss=pixel_loss, seed=1)
    model.compile(optimizer="adam")
    found = model.evaluate(
        images, batch_size=128, verbose=0, return_dict=True
    )  # 128 + 128 + 44: unequal batches
    model.sampling.restart(0)
    out = [model(images[start : start + 128]) for start in (0, 128, 256)]
    z_mean, z_log_var, image = (
        np.concatenate([ops.convert_to_numpy(part[key]) for part in out])
        for key in ("z_mean", "z_log_var", "reconstruction")
    )
    rate = ops.convert_to_numpy(losses.gaussian_kl(z_mean, z_log_var)).mean()
    distortion = ops.convert_to_numpy(losses.PIXEL_LOSSES[pixel_loss](images, image)).mean()
    assert found["rate"] == pytest.approx(rate, rel=1e-4)
    assert found["distortion"] == pytest.approx(distortion, rel=1e-4)
    assert found["loss"] == pytest.approx(rate + distortion, rel=1e-4)


def test_predict_gives_all_parts():
    out = VAE(latent_dim=3).predict(data.test_set(5)[0], verbose=0)
    assert {name: value.shape for name, value in out.items()} == {
        "reconstruction": (5, 28, 28, 1),
        "z_mean": (5, 3),
        "z_log_var": (5, 3),
        "z": (5, 3),
    }


READ = """
import json, sys
import keras
from helpers import data, models
model = keras.models.load_model(sys.argv[1])
images = data.test_set(4)[0]
mean, log_var = model.encode(images)
print(json.dumps([mean.tolist(), log_var.tolist(), float(model.decode(mean).sum())]))
"""


def test_one_keras_file_is_enough_in_a_fresh_process(tmp_path):
    model = VAE("deeper", 3, "mse", seed=5, beta=2.0, hidden_units=20, activation="elu")
    model.compile(optimizer="adam")
    model.save(tmp_path / "model.keras")
    command = [sys.executable, "-c", READ, str(tmp_path / "model.keras")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    mean, log_var = model.encode(data.test_set(4)[0])
    expected = [mean.tolist(), log_var.tolist(), float(model.decode(mean).sum())]
    for found, here in zip(json.loads(done.stdout.splitlines()[-1]), expected, strict=True):
        np.testing.assert_allclose(found, here, rtol=1e-5, atol=1e-7)  # threads may differ


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="runs on the second backend already"
)
def test_this_file_and_the_losses_pass_on_a_second_backend():
    files = [__file__, __file__.replace("test_models", "test_losses")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        command, env=os.environ | {"KERAS_BACKEND": "jax"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout


def test_fit_lowers_the_loss():
    images = data.test_set(512)[0]
    model = VAE(seed=2)
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    history = model.fit(
        images, epochs=2, batch_size=64, verbose=0, validation_data=(images[:100],)
    ).history
    assert history["loss"][1] < history["loss"][0]
    assert history["loss"][1] == pytest.approx(
        history["rate"][1] + history["distortion"][1], rel=1e-4
    )
    assert set(history) >= {"val_loss", "val_rate", "val_distortion"}
