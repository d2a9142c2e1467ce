"""Training is deterministic, kept, resumed, repaired and never done twice."""

import json
import os
import platform
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from helpers import data, definitions, models
from helpers.config import TrainingConfig
from helpers.errors import Refusal
from helpers.metrics import bounds
from helpers.models import VAE, hidden_values
from helpers.training import ENCODED, Digits, build_model, fit_or_load, load_model, model_folder

CONFIG = TrainingConfig(epochs=3, n_train=1_500, latent_dim=3)
TRAIN = """
from helpers.config import TrainingConfig
from helpers.training import fit_or_load
fit_or_load(TrainingConfig(**{config!r}))
"""


def start(config, **environment):
    """A process of its own that trains the config; its stderr tells the epochs."""
    code, env = TRAIN.format(config=config.as_dict()), os.environ | environment
    return subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, env=env
    )


def lines_until(process, words):
    """Read the process's stderr up to the line that holds the words."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"{words!r} never came: {lines}")


def without_seconds(history):
    return {name: values for name, values in history.items() if name != "seconds"}


@pytest.fixture(scope="module")
def reference():
    """CONFIG trained without a break, in its own process, into the cache that all tests share."""
    process = start(CONFIG)
    process.communicate()
    assert process.returncode == 0
    return fit_or_load(CONFIG)


def test_history_holds_true_epoch_means(reference):
    history = reference.history
    assert {len(values) for values in history.values()} == {CONFIG.epochs}
    for part in ("", "val_"):
        total = np.add(history[f"{part}rate"], history[f"{part}distortion"])
        np.testing.assert_allclose(history[f"{part}loss"], total, rtol=1e-4)
    assert history["val_loss"][-1] < history["val_loss"][0]
    assert reference.seconds == pytest.approx(sum(history["seconds"]))
    assert {"date", "commit", "processor", "training_code"} <= set(reference.provenance)
    assert reference.folder == model_folder(CONFIG).folder


def test_a_second_call_loads_the_same_model_and_trains_nothing(reference):
    again = fit_or_load(CONFIG)
    assert again.history == reference.history  # seconds too: nothing was trained
    for here, there in zip(reference.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)


def test_another_process_gets_the_same_history_to_the_last_bit_even_after_kill_9(
    reference, own_cache
):
    process = start(CONFIG)
    lines_until(process, "epoch 1/3")
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    entry = model_folder(CONFIG)
    finished = len(json.loads(entry.checkpoint.read_text())["history"]["loss"])
    assert 1 <= finished < 3 and not entry.product.exists()
    process = start(CONFIG)
    assert "epoch 1/3" not in "".join(lines_until(process, "epoch 3/3"))
    process.communicate()
    assert process.returncode == 0
    resumed = fit_or_load(CONFIG)
    assert without_seconds(resumed.history) == without_seconds(reference.history)
    for here, there in zip(reference.model.get_weights(), resumed.model.get_weights(), strict=True):
        np.testing.assert_array_equal(here, there)


def test_another_seed_gives_another_history(reference):
    other = fit_or_load(TrainingConfig(epochs=1, n_train=1_500, latent_dim=3, seed=1))
    assert other.history["loss"][0] != reference.history["loss"][0]


@pytest.mark.parametrize("harm", ["model", "state", "missing"])
def test_a_damaged_entry_is_noticed_and_made_again(own_cache, harm, capfd):
    config = TrainingConfig(epochs=1, n_train=200)
    first = fit_or_load(config)
    entry = model_folder(config)
    (model,) = entry.folder.glob("*.keras")
    if harm == "model":
        content = bytearray(model.read_bytes())
        content[len(content) // 2] ^= 1  # one bit
        model.write_bytes(content)
    elif harm == "state":
        entry.product.write_text(entry.product.read_text()[:-50])
    else:
        model.unlink()
    capfd.readouterr()
    again = fit_or_load(config)
    assert "damaged" in capfd.readouterr().err
    assert without_seconds(again.history) == without_seconds(first.history)
    assert fit_or_load(config).history == again.history


def test_code_hidden_in_a_cached_model_is_not_run(own_cache, tmp_path, capfd):
    config, trace = TrainingConfig(epochs=1, n_train=200), tmp_path / "ran"
    fit_or_load(config)
    entry = model_folder(config)
    (model,) = entry.folder.glob("*.keras")
    layer = keras.layers.Lambda(lambda x, file=str(trace): (open(file, "w"), x)[1])
    planted = keras.Sequential([keras.Input((1,)), layer])
    trace.unlink()  # building it runs the code, as loading it would
    planted.save(model)
    content = json.loads(entry.product.read_text()) | {"sha256": definitions.sha256(model)}
    entry.product.write_text(json.dumps(content))
    capfd.readouterr()
    assert fit_or_load(config).model.encode(np.zeros((1, 28, 28, 1), "float32"))
    assert "damaged" in capfd.readouterr().err and not trace.exists()


def test_a_damaged_checkpoint_means_a_fresh_start(own_cache, capfd):
    config = TrainingConfig(epochs=1, n_train=200)
    entry = model_folder(config)
    entry.folder.mkdir(parents=True)
    entry.checkpoint.write_text('{"config": ')
    assert len(fit_or_load(config).history["loss"]) == 1
    assert "damaged" in capfd.readouterr().err


def test_two_processes_that_want_one_model_train_it_once(own_cache, tmp_path):
    config = TrainingConfig(epochs=2, n_train=1_500)
    events = tmp_path / "events"
    processes = [start(config, HELPERS_PROGRESS=str(events)) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    happened = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert happened.count("start") == happened.count("done") == 1
    assert happened.count("cached") == 1


def test_the_lock_of_a_killed_process_does_not_block(own_cache):
    config = TrainingConfig(epochs=2, n_train=1_500)
    process = start(config)
    lines_until(process, "epoch 1/2")
    process.kill()
    process.wait()
    began = time.monotonic()
    assert len(fit_or_load(config).history["loss"]) == 2
    assert time.monotonic() - began < 600


def test_a_disk_that_refuses_is_named(own_cache, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("helpers.models.VAE.save", full)
    with pytest.raises(OSError, match="No space left.*kept.*HELPERS_CACHE"):
        fit_or_load(TrainingConfig(epochs=1, n_train=200))


def test_batches_hold_every_digit_once_in_an_order_that_seed_and_epoch_decide():
    images = np.arange(10, dtype="uint8").reshape(10, 1, 1) * np.ones((1, 28, 28), "uint8")

    def order(seed, epoch):
        digits = Digits(images, 4, seed)
        digits.shuffle(epoch)
        return (
            np.concatenate([digits[i][0][:, 0, 0, 0] * 255 for i in range(len(digits))])
            .round()
            .astype(int)
        )

    assert sorted(order(0, 0)) == list(range(10))
    assert np.array_equal(order(0, 1), order(0, 1))
    assert not np.array_equal(order(0, 0), order(0, 1))
    assert not np.array_equal(order(0, 0), order(1, 0))


THREADS = """
import tensorflow as tf
from helpers.config import TrainingConfig
from helpers.training import build_model, prepare_backend
print(tf.config.threading.get_intra_op_parallelism_threads())  # 0: nothing on import
build_model(TrainingConfig())
prepare_backend()  # the second time it does nothing
print(tf.config.threading.get_intra_op_parallelism_threads())
"""


def test_threads_are_set_by_a_call_before_the_first_operation():
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", THREADS],
        env=os.environ | {"HELPERS_THREADS": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-2:] == ["0", "3"]


FREED = """
import resource, sys, threading
import keras
import numpy as np
from helpers.training import keep_memory

def work():
    for _ in range(100):
        held = [np.ones(2**21, "float32") for _ in range(20)]
        del held

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

if sys.argv[1] == "keep":
    keep_memory()
before = faults()
thread = threading.Thread(target=work)  # the main thread's memory is another kind
thread.start()
thread.join()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone has the option")
def test_memory_that_a_step_frees_is_kept_for_the_next():
    faults = {}
    for how in ("keep", "as it is"):
        command = [sys.executable, "-c", FREED, how]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        faults[how] = int(done.stdout)
    assert faults["as it is"] > 4 * faults["keep"]


GROWTH = """
import gc
import psutil
from helpers.config import TrainingConfig
from helpers.training import fit_or_load

for seed in range(6):
    fit_or_load(TrainingConfig(epochs=1, n_train=64, seed=seed))
    gc.collect()
    print(psutil.Process().memory_info().rss / 1e6)
"""


def test_a_process_that_trains_many_models_hardly_grows():
    """Less than 12 MB a model; Keras alone would keep 35 MB of each one's graph."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH], env=os.environ | {"HELPERS_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    megabytes = [float(line) for line in done.stdout.split()]
    growth = (megabytes[-1] - megabytes[1]) / 4
    assert growth < 12 and megabytes[-1] + 34 * growth < 1_500  # so would be forty


def test_settings_reach_the_model():
    config = TrainingConfig(
        beta=4, hidden_units=32, activation="tanh", latent_dim=3, kl_warmup=0.5, free_bits=0.25
    )
    model = build_model(config)
    assert model.settings == {
        "architecture": "convolutional", "latent_dim": 3, "pixel_loss": "bce", "seed": 0,
        "beta": 4.0, "hidden_units": 32, "activation": "tanh", "warmup_steps": 469,
        "free_bits": 0.25,
    }  # fmt: skip
    assert model.encoder.get_layer("z_mean").kernel.shape == (32, 3)


LOAD = """
import sys
from helpers.training import load_model
model = load_model(sys.argv[1])
print(model.beta, model.optimizer.name, float(model.decode(model.encode(model_input)[0]).sum()))
""".replace("model_input", "__import__('numpy').full((2, 28, 28, 1), 0.5, 'float32')")


def test_a_saved_model_is_loaded_in_a_fresh_process(tmp_path):
    run = fit_or_load(
        TrainingConfig(epochs=1, n_train=200, beta=2, hidden_units=8, activation="elu")
    )
    run.model.save(tmp_path / "mine.keras")
    command = [sys.executable, "-c", LOAD, str(tmp_path / "mine.keras")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    beta, optimizer, total = done.stdout.split()
    images = np.full((2, 28, 28, 1), 0.5, "float32")
    expected = run.model.decode(run.model.encode(images)[0]).sum()
    assert float(beta) == 2 and optimizer.startswith("kernel_muon")
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    assert load_model(tmp_path / "mine.keras").settings == run.model.settings


def test_a_saved_model_of_an_unknown_architecture_is_refused_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setitem(models.ARCHITECTURES, "my own", models.ARCHITECTURES["dense"])
    models.VAE("my own").save(tmp_path / "mine.keras")
    monkeypatch.delitem(models.ARCHITECTURES, "my own")
    with pytest.raises(Refusal, match="mine.keras has 'my own', which .*: run the cell"):
        load_model(tmp_path / "mine.keras")


def test_beta_weighs_the_rate_alone():
    one, four = (fit_or_load(TrainingConfig(epochs=1, n_train=300, beta=beta)) for beta in (1, 4))
    assert four.history["rate"][0] < one.history["rate"][0]
    total = four.history["distortion"][0] + 4 * four.history["rate"][0]
    assert four.history["loss"][0] == pytest.approx(total, rel=1e-5)


def weights(run):
    return np.concatenate([np.ravel(value) for value in run.model.get_weights()[:8]])


def test_free_bits_above_every_kl_leave_no_pressure_of_it():
    short = {"epochs": 1, "n_train": 300}
    free, none, usual = (
        fit_or_load(TrainingConfig(**short, **more))
        for more in ({"free_bits": 900}, {"beta": 0}, {})
    )
    np.testing.assert_array_equal(weights(free), weights(none))  # bit for bit: no gradient
    assert np.abs(weights(usual) - weights(none)).max() > 1e-4
    rate = free.history["val_rate"][0]  # evaluation counts all of the KL
    assert free.history["val_loss"][0] == pytest.approx(free.history["val_distortion"][0] + rate)
    assert free.history["loss"][0] == pytest.approx(free.history["distortion"][0] + 1800, rel=1e-5)


def test_the_weight_of_the_kl_rises_from_nothing_over_the_warm_up():
    config = TrainingConfig(epochs=2, n_train=320, kl_warmup=1.6)  # 8 of 10 steps
    model = build_model(config)
    images = data.as_input(data.split_images("train", 64))
    y_pred = model(images)
    y_pred |= {"z_mean": y_pred["z_mean"] + 30}  # a KL as large as the distortion
    rate, distortion = model.rate_metric, model.distortion_metric
    seen = []
    for _ in range(10):
        rate.reset_state(), distortion.reset_state()
        loss = float(model.compute_loss(images, y_pred=y_pred, training=True))
        seen.append((loss - float(distortion.result())) / float(rate.result()))
        model.compute_loss(images, y_pred=y_pred, training=False)  # evaluation is no step
    np.testing.assert_allclose(seen, [min(step / 8, 1) for step in range(10)], atol=1e-3)
    run = fit_or_load(config)
    assert float(run.model.trained_steps) == 10  # kept with the weights, for what resumes


def test_dead_units_are_those_that_give_all_images_the_same(monkeypatch):
    def kill(self, seed):
        draw(self, seed)
        bias = next(v for v in self.encoder.layers[-3].weights if len(v.shape) == 1)
        bias.assign(np.where(np.arange(16) < 3, -1e6, 0))  # a ReLU that never wakes

    draw = VAE._draw_kernels
    monkeypatch.setattr(VAE, "_draw_kernels", kill)
    run = fit_or_load(TrainingConfig(epochs=1, n_train=128))
    images = data.as_input(data.load()["test-images"][:128])
    dead = (hidden_values(run.model, images).max(axis=0) <= 0).sum()
    assert run.history["val_dead"] == [dead] and dead >= 3
    kernel, bias = run.model.encoder.get_layer("z_mean").get_weights()
    by_hand = hidden_values(run.model, images) @ kernel + bias
    np.testing.assert_allclose(by_hand, run.model.encode(images)[0], rtol=1e-4, atol=1e-5)


class Told:
    """A progress of one's own."""

    def __init__(self):
        self.events = []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.events.append("exit")

    def __getattr__(self, name):
        return lambda *arguments: self.events.append(name)


def test_progress_is_told_to_whoever_is_given(own_cache, capfd):
    config, told = TrainingConfig(epochs=2, n_train=100), Told()
    fit_or_load(config, told)
    assert [event for event in told.events if event != "step"] == [
        "start",
        "epoch",
        "epoch",
        "exit",
    ]
    assert told.events.count("step") == 4
    again = Told()
    fit_or_load(config, again)
    assert again.events == ["tell", "exit"] and "epoch" not in capfd.readouterr().err


def test_the_last_epoch_may_be_cut_short(own_cache, capfd, monkeypatch):
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)  # another test's: lines, no bar
    config = TrainingConfig(epochs=1.5, n_train=640)
    run = fit_or_load(config)
    assert len(run.history["loss"]) == 2
    assert run.model.optimizer.iterations == config.steps == 15  # of 10 an epoch
    assert "epoch 1.5/1.5" in capfd.readouterr().err
    assert float(run.model.optimizer.learning_rate) == pytest.approx(0, abs=1e-4)


def test_dimensions_in_use_are_counted_as_the_measures_count_them(own_cache):
    run = fit_or_load(TrainingConfig(epochs=1, n_train=1_000, latent_dim=5))
    images = data.as_input(data.load("mnist")["test-images"][:ENCODED])
    counted = np.sum(bounds.active_units(run.model, images) > bounds.ACTIVE)
    assert run.history["val_active"] == [counted] and counted > 0


def test_one_step_is_enough(own_cache):
    assert np.isfinite(fit_or_load(TrainingConfig(epochs=1, n_train=10)).history["loss"][0])


def test_another_data_set_trains_models_of_its_own(own_cache, monkeypatch):
    arrays = {part: 255 - array for part, array in data.load("mnist").items()}
    monkeypatch.setattr(data, "load", lambda key: arrays)
    digits, garments = (
        TrainingConfig(epochs=1, n_train=100, dataset=d) for d in ("mnist", "fashion_mnist")
    )
    assert model_folder(digits).folder != model_folder(garments).folder
    assert (
        len(fit_or_load(garments).history["loss"]) == 1 and not model_folder(digits).folder.exists()
    )


def test_a_model_of_own_arrays_is_kept_and_changed_arrays_have_another(own_cache, capfd):
    images = np.random.default_rng(0).integers(0, 256, (140, 28, 28), dtype=np.uint8)
    first = fit_or_load(TrainingConfig(dataset=data.from_arrays(images), epochs=1))
    again = fit_or_load(TrainingConfig(dataset=data.from_arrays(images / 255), epochs=1))
    assert "taken from the cache" in capfd.readouterr().err
    assert again.folder == first.folder and again.history == first.history
    images[3, 14, 14] ^= 1
    changed = fit_or_load(TrainingConfig(dataset=data.from_arrays(images), epochs=1))
    assert "taken from the cache" not in capfd.readouterr().err
    assert changed.folder != first.folder and "patched" not in changed.folder.name
