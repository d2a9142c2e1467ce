"""Configurations are validated when made, and their keys name them."""

import dataclasses
import subprocess
import sys

import pytest

from helpers import config as recipes
from helpers import paths
from helpers.config import MODELS, PROFILES, PUBLISHED, TrainingConfig, model_config
from helpers.errors import ParameterError
from helpers.losses import PIXEL_LOSSES


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("architecture", "convolutionl", "did you mean 'convolutional'"),
        ("loss", "l1", "'bce', 'mse', 'sigma', 'cb'"),
        ("loss", "sigmoid", "did you mean 'sigma'"),
        ("latent_dim", 0, "from 1 to 256"),
        ("latent_dim", 2.0, "integer"),
        ("latent_dim", True, "integer"),
        ("epochs", 0, "above 0, up to 10000"),
        ("epochs", float("nan"), "above 0"),
        ("seed", -1, "from 0"),
        ("n_train", 60_001, "from 1 to 60,000"),
        ("dataset", "fashion", "did you mean 'fashion_mnist'"),
        ("split", "test", "'train', 'all'"),
        ("recipe", "fast peak=0.1 peak=0.2", "gives peak twice"),
        ("beta", -1, "above 0, up to 1000"),
        ("beta", "4", "must be a number"),
        ("hidden_units", 0, "from 1 to 4,096"),
        ("activation", "rely", "did you mean 'relu'"),
        ("kl_warmup", -1, "above 0, up to 1000"),
        ("free_bits", float("nan"), "above 0"),
        ("recipe", "keras schedule=risen", "did you mean 'rising'"),
    ],
)
def test_a_bad_value_is_refused_with_what_is_allowed(field, value, words):
    with pytest.raises(ValueError, match=words) as error:
        TrainingConfig(**{field: value})
    assert field in str(error.value)


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'baseline'"):
        model_config("basline")
    with pytest.raises(ValueError, match="did you mean 'smoke'"):
        model_config("baseline", profile="smok")
    with pytest.raises(ValueError, match="did you mean 'latent_dim'"):
        model_config("baseline", latent_dims=3)


def test_every_field_changes_the_key():
    changes = {
        "architecture": "deeper",
        "latent_dim": 3,
        "loss": "mse",
        "split": "all",
        "recipe": "keras",
    }
    changes |= {"epochs": 7, "batch_size": 128, "n_train": 1000, "seed": 1}
    changes |= {"dataset": "fashion_mnist", "beta": 4.0, "hidden_units": 32, "activation": "tanh"}
    changes |= {"kl_warmup": 0.5, "free_bits": 0.1}
    keys = {TrainingConfig(**{name: value}).key for name, value in changes.items()}
    assert len(keys | {TrainingConfig().key}) == len(changes) + 1
    assert set(changes) == {field.name for field in dataclasses.fields(TrainingConfig)}
    assert TrainingConfig(beta=4).key == TrainingConfig(beta=4.0).key


def test_a_length_may_be_part_of_an_epoch():
    assert TrainingConfig(epochs=2.4).steps == round(2.4 * 938)
    assert TrainingConfig(epochs=1e-9).steps == 1
    whole = TrainingConfig(epochs=3.0)
    assert whole.key == TrainingConfig(epochs=3).key and type(whole.epochs) is int


def test_a_changed_recipe_changes_the_key_of_its_own_models_alone(monkeypatch):
    before = TrainingConfig(recipe="fast").key, TrainingConfig(recipe="keras").key
    monkeypatch.setitem(recipes.RECIPES, "fast", recipes.Recipe(peak=0.5))
    assert TrainingConfig(recipe="fast").key != before[0]
    assert TrainingConfig(recipe="keras").key == before[1]
    assert TrainingConfig(recipe="fast peak=0.4").key != TrainingConfig(recipe="fast").key


def test_the_original_protocol_is_the_published_one():
    config = model_config("10-D", profile="original")
    assert (config.split, config.recipe, config.epochs, config.batch_size) == (
        "all",
        "keras",
        30,
        128,
    )
    assert config.n_train is None and config.latent_dim == 10


def test_names_and_labels_agree():
    for name in MODELS:
        for profile in PROFILES:
            assert model_config(name, profile=profile).label == name
    assert model_config("10-D", latent_dim=5).label == "5-D"
    assert model_config("deeper", latent_dim=5).label == "deeper 5-D"
    assert model_config("squared error", latent_dim=5).label == "5-D, squared error"
    assert model_config("baseline", loss="cb").label == "2-D, continuous Bernoulli"
    assert model_config("deeper", loss="sigma").label == "deeper 2-D, calibrated Gaussian"
    assert model_config("baseline", beta=4).label == "baseline, β = 4"
    handles = {"hidden_units": 32, "activation": "tanh", "dataset": "fashion_mnist"}
    assert model_config("10-D", **handles).label == "10-D, 32 hidden units, tanh"
    assert set(PUBLISHED) < set(MODELS)


def test_every_pixel_loss_can_be_chosen_and_has_a_label_of_its_own():
    assert len({TrainingConfig(loss=loss).label for loss in PIXEL_LOSSES}) == len(PIXEL_LOSSES)


def test_none_leaves_the_default():
    assert model_config("baseline", epochs=None) == model_config("baseline")


def test_the_reports_models_need_no_keras():
    code = "import sys; from helpers.config import model_config; model_config('deeper').label; "
    code += "print('keras' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_folders_that_cannot_be_are_refused(monkeypatch, tmp_path):
    for value in ("", __file__):
        monkeypatch.setenv("HELPERS_CACHE", value)
        with pytest.raises(ParameterError, match="HELPERS_CACHE"):
            paths.cache()
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "new"))
    assert paths.cache() == tmp_path / "new"
