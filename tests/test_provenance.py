"""A digest changes with the code that decides a number alone; patched code is noticed."""

import functools
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import types
from pathlib import Path

import pytest

from helpers import definitions, losses, models, paths, provenance, training
from helpers.config import TrainingConfig
from helpers.errors import ParameterError, Refusal
from helpers.training import fit_or_load

PACKAGE = paths.ROOT / "helpers"
TRAINING = ["helpers.training.train"]
BASELINE = TrainingConfig()
KINDS = {
    "baseline": BASELINE,
    "deeper": TrainingConfig(architecture="deeper"),
    "squared error": TrainingConfig(loss="mse"),
    "plain": TrainingConfig(recipe="keras"),
}
EVERY = {"measuring", "any", *KINDS}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A copy of the package, whose files are read."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    package = PACKAGE
    shutil.copytree(package, tmp_path / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def digests():
    found = {name: provenance.training_code(config) for name, config in KINDS.items()}
    return found | {"any": provenance.training_code(), "measuring": provenance.measuring_code()}


def changed_by(root, module, old, new):
    """Which digests a replacement in a module changes."""
    file, before = root / "helpers" / f"{module}.py", digests()
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return {name for name, value in digests().items() if value != before[name]}


ADDED = '\n\n@architecture("mine")\ndef mine(activation):\n    return dense(activation)\n'
LOSS = '\n\n@pixel_loss("l1", "absolute error")\ndef absolute(x, mean):\n    return x - mean\n'


@pytest.mark.parametrize(
    ("module", "old", "new", "what"),
    [
        ("models", "distortion + self.beta * rate", "distortion + rate", EVERY - {"measuring"}),
        ("training", "DRAWS_PER_EPOCH = 100_000", "DRAWS_PER_EPOCH = 99", EVERY - {"measuring"}),
        ("training", "shuffle=False", "shuffle=True", EVERY - {"measuring"}),
        ("data", "np.newaxis], 255", "np.newaxis], 256", EVERY),
        (
            "models",
            "for filters in (32, 64, 128)",
            "for filters in (32, 64, 96)",
            {"deeper", "any"},
        ),
        ("models", "DENSE_UNITS = 83", "DENSE_UNITS = 84", {"any"}),
        ("models", '\n\n@architecture("dense")', ADDED + '\n\n@architecture("dense")', {"any"}),
        ("losses", "\n\ndef gaussian_loss", LOSS + "\n\ndef gaussian_loss", {"any"}),
        (
            "losses",
            "ops.square(x - mean))\n",
            "ops.abs(x - mean))\n",
            EVERY - {"baseline", "deeper", "plain"},
        ),
        ("optimizers", "1e-7", "1e-6", EVERY - {"measuring"}),
        ("metrics/classifier", "0.002, 0", "0.003, 0", {"measuring"}),
        ("metrics/bounds", '"kl_least": mean.min()', '"kl_least": mean.max()', {"measuring"}),
        ("progress", "SECONDS_BETWEEN = 0.5", "SECONDS_BETWEEN = 5", set()),
        ("results", "made again", "made anew", set()),
        ("data", "could not be obtained", "cannot be found", set()),
        ("errors", "is not one of", "is none of", set()),
    ],
)
def test_what_a_change_changes(root, module, old, new, what):
    assert changed_by(root, module, old, new) == what


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    # the", "    # so the"),
        ("self.digits.shuffle(epoch)", "self.digits.shuffle(\n            epoch)  # x"),
        ("The order of the epoch", "The epoch's order"),
        ("def shuffle(self, epoch: int) -> None", "def shuffle(self, epoch)"),
    ],
)
def test_comments_docstrings_annotations_and_layout_never_retrain(root, old, new):
    file = root / "helpers/training.py"
    if old not in file.read_text():
        file.write_text(file.read_text().replace("Take the order of the epoch", old.strip()))
    assert changed_by(root, "training", old.strip(), new.strip()) == set()


def test_a_reference_is_followed_through_imports_and_modules(root):
    (root / "helpers/extra.py").write_text(
        "from helpers import extra2 as e\ndef f():\n    return e.g()\ndef h(): 1\n"
    )
    (root / "helpers/extra2.py").write_text("N = 1\ndef g():\n    return N\nM = 2\n")
    found = definitions.closure(["helpers.extra.f"])
    assert {name: set(code) - {""} for name, code in found.items() if name != "helpers"} == {
        "helpers.extra": {"f"}, "helpers.extra2": {"g", "N"},
    }  # fmt: skip
    (root / "helpers/extra.py").write_text(
        "from helpers.extra2 import g as k\ndef f():\n    return k()\n"
    )
    assert set(definitions.closure(["helpers.extra.k"])["helpers.extra2"]) == {"g", "N", ""}
    assert definitions.closure(["numpy.sum", "helpers.extra.absent", "helpers.none"]) == {}


def test_parts_of_a_notebook_are_what_its_imports_reach(root):
    names = ["helpers.losses.gaussian_kl", "helpers.config.model_config"]
    before = provenance.code_parts(names)
    assert {"helpers/losses.py", "helpers/config.py", "helpers/errors.py"} <= set(before)
    assert not {"helpers/plots.py", "helpers/training.py", "helpers/report/html.py"} & set(before)

    def changed():
        after = provenance.code_parts(names)
        return {name for name in before | after if before.get(name) != after.get(name)}

    losses_file = root / "helpers/losses.py"
    losses_file.write_text(losses_file.read_text().replace("KL(N", "the KL(N"))
    assert changed() == set()
    losses_file.write_text(
        losses_file.read_text().replace("ops.exp(log_var) - 1", "ops.exp(log_var) - 2")
    )
    assert changed() == {"helpers/losses.py"}
    (root / "helpers/table.json").write_text("{}")
    assert changed() == {"helpers/losses.py", "helpers/table.json"}
    trains = provenance.code_parts(["helpers.training.fit_or_load"])
    models_file = root / "helpers/models.py"
    models_file.write_text(models_file.read_text().replace("(32, 64, 128)", "(32, 64, 96)"))
    assert (
        trains["helpers/models.py"]
        != provenance.code_parts(["helpers.training"])["helpers/models.py"]
    )


def test_keras_and_the_backend_count(root, monkeypatch):
    versions = {"keras": "1", "tensorflow": "1", "jax": "1"}
    monkeypatch.setattr(provenance, "version", versions.get)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    found = [provenance.training_code()]
    for name in ("keras", "tensorflow"):
        versions[name] = "2"
        found.append(provenance.training_code())
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert len({*found, provenance.training_code()}) == 4


def test_a_data_set_counts_by_its_check_sums():
    assert provenance.training_code(BASELINE) != provenance.training_code(
        TrainingConfig(dataset="fashion_mnist")
    )


def test_a_backend_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "pytorch")
    with pytest.raises(Refusal, match="KERAS_BACKEND=pytorch.*install jax or torch"):
        provenance.training_code()


def test_about_says_where_a_number_comes_from(monkeypatch):
    keys = "date commit training_code measuring_code keras backend backend_version python"
    about, any_model = provenance.about(), provenance.training_code()
    assert list(about) == [*keys.split(), "processor", "threads"]
    assert re.fullmatch(r".+, \d+ cores", about["processor"])
    if "avx2" in (info := Path("/proc/cpuinfo").read_text()):
        assert ("(AVX-512)" if "avx512f" in info else "(AVX2)") in about["processor"]
    assert about["measuring_code"] is None and about["training_code"] == any_model
    assert any_model != provenance.training_code(BASELINE)
    for bad in ("", "abc", "-1", "0", "1.5"):
        monkeypatch.setenv("HELPERS_THREADS", bad)
        with pytest.raises(ParameterError, match="HELPERS_THREADS"):
            provenance.about()


def test_what_runs_make_is_no_change_of_the_code(tmp_path, monkeypatch):
    def git(*words):
        who = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    def commit(change):
        """What is said of the code after a change of a file."""
        (tmp_path / change).write_text("changed")
        return provenance._commit.__wrapped__()

    monkeypatch.setattr(paths, "ROOT", tmp_path)
    git("init", "-q")
    files = ["report/results/plain.csv", "figures/a.svg", "helpers/models.py"]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("before")
    git("add", "--all"), git("commit", "-qm", "m")
    table, figure, code = map(commit, files)
    assert len(table) == 10 and table == figure and code == f"{table}+"
    assert commit("new.txt") == code  # what git does not track does not count


def test_unchanged_code_is_seen_as_unchanged():
    from helpers.metrics import suite

    reached = definitions.closure([suite.__name__, training.__name__, "helpers.metrics.classifier"])
    assert definitions.changed_live(reached) == {}


def twenty_fold(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
    rate = losses.gaussian_kl(y_pred["z_mean"], y_pred["z_log_var"])
    return losses.ops.mean(self.pixel_loss(x, y_pred["reconstruction"]) + 20 * rate)


def rebound(function):
    """A copy of a function with another constant in its code, where the file name stays."""
    consts = tuple(2 if const == 1 else const for const in function.__code__.co_consts)
    return types.FunctionType(function.__code__.replace(co_consts=consts), function.__globals__)


def wrapped(function):
    """A patch that bears the name of the function inside it."""
    return functools.wraps(function)(lambda *args, **more: 20 * function(*args, **more))


class Twentyfold(models.VAE):
    """A subclass in the place of the model."""

    compute_loss = twenty_fold


PATCHES = {
    "VAE.compute_loss": lambda patch: patch.setattr(models.VAE, "compute_loss", twenty_fold),
    "VAE.train_step": lambda patch: patch.setattr(
        models.VAE, "train_step", twenty_fold, raising=False),
    "Digits.shuffle": lambda patch: patch.setattr(
        training.Digits, "shuffle", lambda self, epoch: None),
    "gaussian_kl_per_dimension": lambda patch: patch.setattr(
        losses, "gaussian_kl_per_dimension", rebound(losses.gaussian_kl_per_dimension)),
    "helpers.training.build_optimizer": lambda patch: patch.setattr(
        training, "build_optimizer", twenty_fold),
    "EVALUATED": lambda patch: patch.setattr(training, "EVALUATED", 9),
    "VAE": lambda patch: patch.setattr(models, "VAE", twenty_fold),
    "helpers.training.VAE": lambda patch: patch.setattr(training, "VAE", Twentyfold),
    "VAE.call": lambda patch: patch.setattr(models.VAE, "call", wrapped(models.VAE.call)),
    "gaussian_kl": lambda patch: patch.setattr(
        losses, "gaussian_kl", functools.partial(losses.gaussian_kl)),
    "VAE._draw_kernels": lambda patch: patch.setattr(
        models.VAE, "_draw_kernels", wrapped(models.VAE._draw_kernels)),
    "VAE.__init__": lambda patch: patch.setattr(
        inspect.unwrap(models.VAE.__init__), "__defaults__", ("dense", 2, "bce", 0)),
    "Digits.__init__": lambda patch: patch.setattr(
        training.Digits.__init__, "__defaults__", (1, None)),
    "architecture 'convolutional'": lambda patch: patch.setitem(
        models.ARCHITECTURES, "convolutional", models.dense),
    "loss 'bce'": lambda patch: patch.setitem(
        losses.PIXEL_LOSSES, "bce", losses.PixelLoss("bce", "mine", losses.squared_error)),
}  # fmt: skip


@pytest.mark.parametrize("what", PATCHES)
def test_patched_code_has_a_digest_of_its_own_and_is_named(what, monkeypatch):
    before = provenance.training_code(BASELINE)
    with monkeypatch.context() as patch:
        PATCHES[what](patch)
        assert what in provenance.patches(BASELINE)
        patched = provenance.training_code(BASELINE)
        assert patched.startswith("patched-") and patched == provenance.training_code(BASELINE)
    assert provenance.training_code(BASELINE) == before and provenance.patches(BASELINE) == []


def test_subclasses_with_other_bases_are_other_code():
    def subclass(factor):
        class Base(models.VAE):
            def compute_loss(self, *args, **more):
                return super().compute_loss(*args, **more) * factor

        return type("Mine", (Base,), {"__module__": __name__})

    first, again, other = (definitions.live_code(subclass(n)) for n in (2, 2, 3))
    assert first == again != other


def test_a_module_of_ones_own_goes_by_its_text(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for text in ("units = 8", "units = 8", "units = 16\n"):
        (tmp_path / "mylayers.py").write_text(text)
        monkeypatch.delitem(sys.modules, "mylayers", raising=False)
        found.append(definitions.live_code(importlib.import_module("mylayers")))
    assert found[0] == found[1] != found[2]


def test_rows_of_a_model_of_ones_own_say_so(monkeypatch):
    monkeypatch.setitem(models.ARCHITECTURES, "convolutional", models.dense)
    assert provenance.about(config=BASELINE)["training_code"].startswith("patched-")
    monkeypatch.setitem(models.ARCHITECTURES, "mine", lambda activation: models.dense(activation))
    mine = provenance.about(config=TrainingConfig(architecture="mine"))["training_code"]
    assert mine.startswith("own-")
    ours = provenance.about(config=TrainingConfig(architecture="deeper"))["training_code"]
    assert ours == provenance.training_code()


def test_the_other_architectures_are_not_patched_with_one(monkeypatch):
    monkeypatch.setattr(models, "deeper", models.dense)
    assert provenance.patches(BASELINE) == [] and provenance.patches(KINDS["deeper"])


def test_a_file_that_was_edited_since_its_import_is_noticed(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    code = """
import pathlib
from helpers import models, provenance, training
from helpers.config import TrainingConfig
file = pathlib.Path(models.__file__)
for old, new in (("minimises the", "lessens the"), ("self.beta * rate", "2 * rate")):
    file.write_text(file.read_text().replace(old, new))
    print(provenance.patches(TrainingConfig()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "['VAE.compute_loss']"]


PATCHED = """
import json
from helpers.config import TrainingConfig
from helpers import losses, models
from helpers.training import fit_or_load
def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
    rate = losses.gaussian_kl(y_pred["z_mean"], y_pred["z_log_var"])
    distortion = self.pixel_loss(x, y_pred["reconstruction"])
    self.rate_metric.update_state(rate)
    self.distortion_metric.update_state(distortion)
    return models.ops.mean(distortion + 20 * rate)
models.VAE.compute_loss = compute_loss
run = fit_or_load(TrainingConfig(latent_dim=3, n_train=300, epochs=1))
print(json.dumps([run.history["loss"], run.folder.name, run.provenance["training_code"]]))
"""


def patched():
    done = subprocess.run(
        [sys.executable, "-c", PATCHED], env=os.environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_a_patched_process_neither_fills_nor_reads_the_ordinary_cache(own_cache):
    first, words = patched()
    loss, folder, code = first
    assert "VAE.compute_loss changed in this process" in words
    assert "patched-" in folder and code.startswith("patched-")  # and so in every row made of it
    ours = fit_or_load(TrainingConfig(latent_dim=3, n_train=300, epochs=1))
    assert ours.history["loss"] != loss and "patched" not in ours.folder.name
    assert ours.history["loss"][0] == pytest.approx(
        ours.history["rate"][0] + ours.history["distortion"][0]
    )
    again, words = patched()
    assert again == first and "trained before" in words


def test_an_architecture_of_ones_own_goes_by_its_code(monkeypatch):
    def registered(units):
        def mine(activation):
            encoder = [models.layers.Flatten(), models.layers.Dense(units, activation=activation)]
            return encoder, [models.layers.Dense(784), models.layers.Reshape((28, 28, 1))]

        monkeypatch.setitem(models.ARCHITECTURES, "mine", None)
        models.architecture("mine")(mine)
        return provenance.code_digest(TRAINING, {"architecture": "mine", "loss": "bce"})

    with pytest.raises(ValueError, match="'dense'"):
        TrainingConfig(architecture="mine")
    first, again, other = registered(8), registered(8), registered(9)
    assert first == again != other and first[1] == []
    assert provenance.training_code(TrainingConfig(architecture="mine")) == other[0]
    assert provenance.training_code(BASELINE) == provenance.training_code(TrainingConfig())
