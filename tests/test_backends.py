"""Another backend of Keras trains, resumes and measures with the same code."""

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from test_optimizers import after_steps, gradient

from helpers import data, paths
from helpers.config import TrainingConfig
from helpers.metrics import bounds
from helpers.models import Sampling
from helpers.optimizers import KernelMuon
from helpers.progress import Progress
from helpers.training import EVALUATION_DRAWS, fit_or_load, load_model, model_folder

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="compares TensorFlow with the others"
)

CONFIG = TrainingConfig(architecture="dense", epochs=3, n_train=300)
LARGEST_SEED = 2**31 - 1
TORCH = pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch: pip install torch")


def train_one_epoch():
    """Train CONFIG, and die of kill -9 as soon as the first epoch is in the cache."""
    Progress.epoch = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    fit_or_load(CONFIG)


def measure():
    """Train CONFIG to its end, and once more without a break elsewhere; print what came of it."""
    left = json.loads(model_folder(CONFIG).checkpoint.read_text())["history"]["loss"]
    resumed = fit_or_load(CONFIG)
    weights = resumed.model.get_weights()
    os.environ["HELPERS_CACHE"] = os.environ["UNBROKEN_CACHE"]
    unbroken = fit_or_load(CONFIG)
    found = {
        "epochs before": len(left),
        "histories": [resumed.history, unbroken.history],
        "same weights": all(map(np.array_equal, weights, unbroken.model.get_weights())),
        "provenance": resumed.provenance,
        "folder": str(resumed.folder),
        "elbo": measured_elbo(resumed.model).tolist(),
        "update": muon_update().tolist(),
        "state": state_of_evaluation(),
    }
    print(json.dumps(found))


def measured_elbo(model, seed=0):
    """The ELBO of each of 100 test digits; NumPy draws the noise."""
    return bounds.elbo(model, data.test_set(100)[0], seed)["elbo"]


def muon_update():
    """Where three steps of Muon take a kernel from 0."""
    shape = (3, 3, 8, 6)
    return after_steps(
        KernelMuon(0.01), np.zeros(shape, "float32"), [gradient(shape, seed) for seed in range(3)]
    )


def state_of_evaluation():
    """The generator's state one draw into an evaluation, with the largest seed."""
    layer = Sampling(LARGEST_SEED)
    layer.restart(EVALUATION_DRAWS)
    layer(np.zeros((1, 2), "float32"), np.zeros((1, 2), "float32"))
    return keras.ops.convert_to_numpy(layer.generator.state.value).tolist()


def in_own_process(function, **environment):
    """Run one of the functions above in a process where TensorFlow cannot be imported."""
    code = "import sys; sys.modules['tensorflow'] = None; import test_backends as tests; "
    code += f"tests.{function.__name__}()"
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parent)} | environment
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)


@pytest.fixture(scope="module", params=["jax", pytest.param("torch", marks=TORCH)])
def backend(request):
    """Its name."""
    return request.param


@pytest.fixture(scope="module")
def found(backend, tmp_path_factory):
    """What `measure` prints on the backend, after a training that was killed."""
    caches = [tmp_path_factory.mktemp(name) for name in ("broken", "unbroken")]
    for cache in caches:
        shutil.copytree(paths.cache() / "mnist", cache / "mnist")
    environment = {
        "KERAS_BACKEND": backend,
        "HELPERS_CACHE": str(caches[0]),
        "UNBROKEN_CACHE": str(caches[1]),
    }
    killed = in_own_process(train_one_epoch, **environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-3000:]
    done = in_own_process(measure, **environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_killed_training_ends_as_an_unbroken_one(found):
    resumed, unbroken = found["histories"]
    assert found["epochs before"] == 1 and len(resumed["loss"]) == CONFIG.epochs
    assert resumed.pop("seconds") != unbroken.pop("seconds")  # they are two trainings
    assert resumed == unbroken and found["same weights"]
    assert resumed["val_loss"][-1] < resumed["val_loss"][0]


def test_tensorflow_loads_its_models_and_measures_the_same(found):
    (file,) = Path(found["folder"]).glob("*.keras")
    model = load_model(file)
    np.testing.assert_allclose(measured_elbo(model), found["elbo"], atol=1e-3)
    assert (
        np.abs(measured_elbo(model, seed=1) - found["elbo"]).max() > 0.01
    )  # other noise would be noticed


def test_muon_takes_the_same_steps(found):
    ours = muon_update()
    np.testing.assert_allclose(found["update"], ours, rtol=1e-3, atol=1e-6)
    assert np.abs(ours).max() > 0.01


def test_evaluation_has_noise_of_its_own_whatever_the_seed(found):
    assert found["state"] == [LARGEST_SEED, EVALUATION_DRAWS + 1]


def test_its_models_are_kept_apart_from_tensorflows(found, monkeypatch):
    folder = Path(found["folder"])
    monkeypatch.setenv("HELPERS_CACHE", str(folder.parents[1]))
    assert (folder / "run.json").exists() and model_folder(CONFIG).folder.parent == folder.parent
    assert model_folder(CONFIG).folder != folder and not model_folder(CONFIG).product.exists()


def test_it_is_named_with_its_version(found, backend):
    about = found["provenance"]
    assert (about["backend"], about["backend_version"]) == (backend, version(backend))
