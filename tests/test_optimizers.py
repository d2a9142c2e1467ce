"""The fast recipe's optimiser is Keras's Muon on every matrix, kernels included; schedules."""

import keras
import numpy as np
import pytest
from keras import ops

from helpers.config import RECIPES, Recipe, read_recipe
from helpers.models import VAE
from helpers.optimizers import KernelMuon, build_optimizer


def gradient(shape, seed=0):
    """A gradient whose columns differ in size by a factor of a thousand."""
    values = np.random.default_rng(seed).normal(size=shape) * np.geomspace(1, 1e-3, shape[-1])
    return values.astype("float32")


def after_steps(optimizer, start, gradients):
    """Where an optimiser takes a variable."""
    variable = keras.Variable(start)
    optimizer.build([variable])
    for value in gradients:
        optimizer.apply([ops.convert_to_tensor(value)], [variable])
    return ops.convert_to_numpy(variable)


@pytest.mark.parametrize("shape", [(40, 6), (6, 40), (16, 16)])
def test_orthogonalisation_is_the_polynomial_of_the_singular_values(shape):
    matrix = gradient(shape)
    ours = KernelMuon().zeropower_via_newtonschulz5(ops.convert_to_tensor(matrix), 5)
    left, values, right = np.linalg.svd(
        matrix.astype("float64") / np.linalg.norm(matrix), full_matrices=False
    )
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    np.testing.assert_allclose(ops.convert_to_numpy(ours), left * values @ right, atol=1e-3)


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_on_a_matrix_it_is_keras_own(shape):
    start, gradients = np.zeros(shape, "float32"), [gradient(shape, seed) for seed in range(3)]
    ours = after_steps(KernelMuon(0.01), start, gradients)
    theirs = after_steps(keras.optimizers.Muon(0.01), start, gradients)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
    assert np.abs(theirs).max() > 0.01


def test_a_kernel_is_trained_as_the_matrix_that_it_stands_for():
    shape, matrix = (3, 3, 8, 6), (72, 6)
    gradients = [gradient(shape, seed) for seed in range(3)]
    ours = after_steps(KernelMuon(0.01), np.zeros(shape, "float32"), gradients)
    flat = [value.reshape(matrix) for value in gradients]
    theirs = after_steps(keras.optimizers.Muon(0.01), np.zeros(matrix, "float32"), flat)
    np.testing.assert_allclose(ours.reshape(matrix), theirs, rtol=1e-3, atol=1e-5)
    adams = after_steps(
        keras.optimizers.Muon(0.01), np.zeros(shape, "float32"), gradients
    )  # leaves kernels to Adam
    assert np.abs(ours - adams).max() > 0.01


@pytest.mark.parametrize("shape", [(3, 3, 1, 6), (3, 3, 6, 1), (6,)])
def test_what_is_no_matrix_is_adams(shape):
    start, gradients = np.zeros(shape, "float32"), [gradient(shape, seed) for seed in range(3)]
    ours = after_steps(KernelMuon(0.01), start, gradients)
    np.testing.assert_allclose(
        ours, after_steps(keras.optimizers.Adam(0.01), start, gradients), rtol=1e-2, atol=1e-4
    )


def test_a_models_weights_go_to_the_right_rule():
    model = VAE("deeper")
    model.compile(optimizer=KernelMuon(0.01))
    model.optimizer.build(model.trainable_variables)
    adam = [v.path for v in model.trainable_variables if model.optimizer._should_use_adamw(v)]
    assert all(path.endswith("bias") for path in adam[1:-2] + adam[-1:])
    assert {adam[0].split("/")[-1], adam[-2].split("/")[-1]} == {
        "kernel"
    }  # from the grey image and to it


def rates(optimizer, steps):
    """The learning rate before each step."""
    schedule = optimizer._learning_rate
    return np.array([float(schedule(step)) for step in range(steps + 1)])


def test_the_rate_climbs_to_the_peak_and_falls_to_nothing():
    found = rates(build_optimizer(Recipe(peak=0.02, warmup=0.25), 80), 80)
    assert found[0] == 0 and found[20] == pytest.approx(0.02) == found.max()
    assert found[10] == pytest.approx(0.01) and found[50] == pytest.approx(0.01)
    assert found[-1] == pytest.approx(0, abs=1e-9)
    assert np.isfinite(rates(build_optimizer(Recipe(), 1), 1)).all()


def test_a_rising_rate_stays_at_its_peak():
    found = rates(build_optimizer(read_recipe("keras schedule=rising warmup=0.25"), 80), 80)
    np.testing.assert_allclose(found, 1e-3 * np.minimum(np.arange(81) / 20, 1), rtol=1e-5)


def test_the_plain_recipe_is_the_published_one():
    plain = build_optimizer(RECIPES["keras"], 80)
    assert isinstance(plain, keras.optimizers.Adam) and float(plain.learning_rate) == pytest.approx(
        1e-3
    )
    assert (
        plain.get_config() | {"name": "adam"}
        == keras.optimizers.Adam(1e-3, name="adam").get_config()
    )


def test_recipes_are_read_with_their_variations():
    assert read_recipe("fast") == RECIPES["fast"]
    assert read_recipe("fast peak=0.02 kernels=False") == Recipe(peak=0.02, kernels=False)
    assert isinstance(
        build_optimizer(read_recipe("fast optimizer=adam"), 10), keras.optimizers.Adam
    )
    dense_alone = build_optimizer(read_recipe("fast kernels=False"), 10)
    assert dense_alone._should_use_adamw(keras.Variable(np.zeros((3, 3, 8, 6))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fsat", "did you mean 'fast'"),
        ("", "'fast'"),
        ("fast peek=0.1", "did you mean 'peak'"),
        ("fast peak=-1", "peak=-1 must be a number above 0"),
        ("fast peak=high", "peak='high' must be a number"),
        ("fast optimizer=sgd", "optimizer='sgd' is not one of 'muon', 'adam'"),
        ("fast kernels=2", "kernels=2 is not one of True, False"),
        ("fast warmup=1.5", "warmup=1.5 must be a number above 0, up to 1"),
    ],
)
def test_recipes_that_cannot_be_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_recipe(text)
