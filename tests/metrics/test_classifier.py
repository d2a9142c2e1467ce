"""The classifier: what it reads, that it is trained once and always alike, how it is kept."""

import json
import os
import random
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score

from helpers import data
from helpers.metrics import classifier
from helpers.metrics.classifier import (
    Classifier,
    build_network,
    classifier_folder,
    confident,
    label_preserved,
)
from helpers.training import Digits

FEW = 100  # digits, where how well it reads does not matter
AT_ONCE = 500  # images that `in_batches` takes


@pytest.fixture(scope="module")
def reader():
    """A classifier that learned from 2,000 digits, as it is given when it is there."""
    classifier.classifier(2_000)
    return classifier.classifier(2_000)


@pytest.fixture(scope="module")
def digits():
    return data.test_set(AT_ONCE + 3)


@pytest.fixture
def quick(own_cache, monkeypatch):
    """A training that takes no time, and how often it was called: for what is kept of it."""
    calls = []

    def taught(n_train, arrays, progress):
        calls.append(n_train)
        progress.start(0)
        network = build_network()
        network.weights[0].assign(network.weights[0] + 0.01 * len(calls))
        return {"model": network, "accuracy": 0.5, "history": {"loss": [1.0]}}

    monkeypatch.setattr(classifier, "train", taught)
    monkeypatch.setattr(classifier.provenance, "code_digest", lambda *a, **k: ("code", []))
    return calls


def weights(found):
    return found.network.get_weights()


def equal(first, second):
    return all(map(np.array_equal, weights(first), weights(second)))


def test_it_reads_digits_as_well_as_it_says(reader):
    images, labels = data.test_set()
    assert reader.accuracy == accuracy_score(labels, reader.read(images)) > 0.85
    assert reader.n_train == 2_000
    ignorant = Classifier(build_network(), 0.0, 0)  # negative control: initial weights
    assert accuracy_score(labels[:1_000], ignorant.read(images[:1_000])) < 0.4


def test_probabilities_are_a_softmax_over_the_features(reader, digits):
    images, _ = digits
    features, probabilities = reader.features(images), reader.probabilities(images)
    assert features.shape == (len(images), 64) and probabilities.shape == (len(images), 10)
    kernel, bias = weights(reader)[-2:]
    np.testing.assert_allclose(probabilities, softmax(features @ kernel + bias, axis=1), atol=1e-5)
    np.testing.assert_array_equal(reader.read(images), np.argmax(features @ kernel + bias, axis=1))
    assert features.min() == 0 and features.std() > 0.1


def test_images_are_read_alike_alone_and_in_batches(reader, digits):
    images, _ = digits
    together = reader.probabilities(images)
    for chosen in (0, AT_ONCE - 1, AT_ONCE, len(images) - 1):
        alone = reader.probabilities(images[chosen : chosen + 1])[0]
        np.testing.assert_allclose(alone, together[chosen], atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 0.1


@pytest.mark.parametrize("shape", [(28, 28, 1), (3, 28, 28), (3, 784)])
def test_other_shapes_are_refused(reader, shape):
    with pytest.raises(ValueError, match=r"takes \(n, 28, 28, 1\)"):
        reader.read(np.zeros(shape, "float32"))


def test_a_label_is_preserved_where_the_image_is_read_as_it(reader, digits):
    images, labels = digits
    found, digits_read = label_preserved(reader, images, labels), reader.read(images)
    assert found.dtype == bool and found.mean() > 0.8
    assert found.tolist() == [a == b for a, b in zip(digits_read, labels, strict=True)]
    assert label_preserved(reader, images, (labels + 1) % 10).mean() < 0.1  # negative control


def test_confidence_is_a_large_probability_of_any_digit():
    probabilities = np.full((3, 10), 0.01)
    probabilities[[0, 1, 2], [7, 0, 3]] = 0.91, 0.9, 0.89
    assert confident(probabilities).tolist() == [True, True, False]
    assert not confident(np.full((5, 10), 0.1)).any()  # negative control: it knows nothing


def test_it_is_trained_once(quick, monkeypatch, tmp_path):
    events = tmp_path / "events"
    monkeypatch.setenv("HELPERS_PROGRESS", str(events))
    first, again = classifier.classifier(FEW), classifier.classifier(FEW)
    assert quick == [FEW] and equal(first, again)
    assert (first.accuracy, first.n_train) == (again.accuracy, again.n_train)
    happened = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert happened == ["start", "cached"]
    assert not equal(first, classifier.classifier(FEW + 1))  # negative control
    assert quick == [FEW, FEW + 1]


CHILD = """
import random
random.seed(5)
from helpers.metrics.classifier import classifier
found = classifier({n})
print(found.accuracy, found.network.get_weights()[0].sum(), found.network.get_weights()[-2].sum())
"""


def in_own_process(own_cache, **environment):
    """What another process that trains on 500 digits prints, and the note that it leaves."""
    code, env = CHILD.format(n=500), os.environ | environment
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (note,) = (own_cache / "classifier").glob("*/run.json")
    return done.stdout.split(), note


def test_another_process_trains_the_same_to_the_last_bit(own_cache):
    theirs, note = in_own_process(own_cache)
    assert note == classifier_folder(500, "mnist").product
    note.unlink()
    ours = classifier.classifier(500)
    found = ours.accuracy, weights(ours)[0].sum(), weights(ours)[-2].sum()
    assert theirs == list(map(str, found))


def test_another_backend_trains_its_own(own_cache):
    other = "jax" if keras.backend.backend() == "tensorflow" else "tensorflow"
    theirs, note = in_own_process(own_cache, KERAS_BACKEND=other)
    assert float(theirs[0]) > 0.6 and note != classifier_folder(500, "mnist").product


def test_what_others_do_with_random_numbers_changes_nothing(own_cache, monkeypatch, tmp_path):
    events = tmp_path / "events"
    monkeypatch.setenv("HELPERS_PROGRESS", str(events))
    random.seed(1)
    first = classifier.classifier(FEW)
    classifier_folder(FEW, "mnist").product.unlink()
    random.seed(2)
    keras.utils.set_random_seed(3)
    keras.random.normal((2,))
    assert equal(first, classifier.classifier(FEW))
    happened = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert happened == 2 * ["start", *["epoch"] * (classifier.EPOCHS - 1), "done"]


@pytest.mark.parametrize("harm", ["weights", "note", "missing", "other note"])
def test_damaged_files_are_noticed_and_made_again(quick, harm, capfd):
    classifier.classifier(FEW)
    kept = classifier_folder(FEW, "mnist")
    (model,) = kept.folder.glob("*.keras")
    if harm == "weights":
        content = bytearray(model.read_bytes())
        content[len(content) // 2] ^= 1  # one bit
        model.write_bytes(content)
    elif harm == "missing":
        model.unlink()
    else:
        kept.product.write_text("[]" if harm == "other note" else kept.product.read_text()[:-50])
    capfd.readouterr()
    again = classifier.classifier(FEW)
    assert "damaged" in capfd.readouterr().err and quick == [FEW, FEW]
    assert equal(again, classifier.classifier(FEW)) and quick == [FEW, FEW]
    assert "damaged" not in capfd.readouterr().err


@pytest.mark.parametrize("failing", ["keras.Model.save", "helpers.results.write_json"])
def test_a_disk_that_refuses_is_named_and_leaves_no_classifier(quick, monkeypatch, failing):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(failing, full)
        with pytest.raises(OSError, match="digit classifier.*No space left.*HELPERS_CACHE"):
            classifier.classifier(FEW)
    classifier.classifier(FEW)
    assert quick == [FEW, FEW]


def test_who_comes_second_waits_and_takes_what_the_first_made(quick, monkeypatch, tmp_path):
    events, found, taught = tmp_path / "events", [], classifier.train
    monkeypatch.setenv("HELPERS_PROGRESS", str(events))
    begun, go = threading.Event(), threading.Event()

    def slow(*args):
        begun.set()
        assert go.wait(60)
        return taught(*args)

    monkeypatch.setattr(classifier, "train", slow)
    threads = [
        threading.Thread(target=lambda: found.append(classifier.classifier(FEW))) for _ in range(2)
    ]
    threads[0].start()
    assert begun.wait(60)
    threads[1].start()
    while not events.exists() or '"waiting"' not in events.read_text():
        threads[1].join(0.05)
        assert threads[1].is_alive()
    assert not found
    go.set()
    for thread in threads:
        thread.join(60)
    assert equal(*found) and quick == [FEW]
    happened = [json.loads(line)["event"] for line in events.read_text().splitlines()]
    assert [happened.count(event) for event in ("start", "waiting", "cached")] == [1, 1, 1]


def test_its_folder_says_what_it_is_made_from(monkeypatch):
    def folder(n_train=FEW, dataset="mnist"):
        return classifier_folder(n_train, dataset).folder

    folders = [folder(), folder(FEW + 1), folder(dataset="fashion_mnist")]
    assert folder() == folders[0] and "digit-classifier" in str(folders[0])
    assert "garment-classifier" in str(folders[2])
    monkeypatch.setattr(classifier, "PEAK", 0.5)
    assert len({*folders, folder()}) == 4 and "patched" in str(folder())


def test_how_many_images_it_learns_from(quick):
    for n, learned in {None: 60_000, 70_000: 60_000, 1: 1}.items():
        assert classifier.classifier(n).n_train == learned
    for n in (0, -1, 70_001, 2.5, True):
        with pytest.raises(ValueError, match="n_train=.* must be an integer from 1 to 70,000"):
            classifier.classifier(n)


def test_batches_carry_the_labels_of_their_images():
    images, labels = data.training_set(FEW)
    batches = Digits(data.load()["train-images"][:FEW], 64, 0, labels)
    batches.shuffle(3)
    first, second = (
        np.concatenate(part) for part in zip(*(batches[i] for i in range(2)), strict=True)
    )
    np.testing.assert_array_equal(first, images[batches.order])
    np.testing.assert_array_equal(second, labels[batches.order])
    assert sorted(batches.order) == list(range(FEW)) != list(batches.order)
