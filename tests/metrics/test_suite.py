"""One row of measures for a trained model: complete, declared, kept, and easy to add to."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy, norm
from sklearn.metrics import pairwise_distances

from helpers import paths, provenance
from helpers.config import TrainingConfig
from helpers.data import test_set as held_out_set
from helpers.data import training_set
from helpers.evidence import tables
from helpers.evidence.claims import UNMEASURED, claim_rows
from helpers.evidence.statistics import Evidence, RecipeEvidence, Runs
from helpers.evidence.tables import PROVENANCE, merge, read
from helpers.losses import PIXEL_LOSSES
from helpers.metrics import bounds, suite
from helpers.metrics.classifier import classifier
from helpers.training import model_folder

CONFIG = TrainingConfig(architecture="dense", latent_dim=3, n_train=600, epochs=2)


@pytest.fixture(scope="module")
def row():
    return suite.measured(CONFIG)[1]


def test_every_measure_is_a_finite_number_with_a_declared_column(row):
    assert all(np.isfinite(value) for value in row.values()), {
        k: v for k, v in row.items() if not np.isfinite(v)
    }
    declared = {*tables.COLUMNS["history"], *tables.COLUMNS["measures"]} - {"seconds"}
    assert set(row) == declared  # neither more nor fewer


def test_no_rule_asks_for_a_measure_that_nobody_takes(row):
    models = ("baseline", "deeper", "deeper 10-D", "1-D", "10-D", "squared error", "32-D")
    runs = Runs(
        pd.DataFrame([row | {"model": model, "seed": seed} for model in models for seed in (0, 1)])
    )
    steps = Runs(
        pd.DataFrame(
            {"model": model, "seed": 0, "seconds_per_step": 1.0, "floor_seconds": 0.5}
            for model in models
        )
    )
    courses = pd.DataFrame(
        {"model": model, "seed": 0, "eval_loss": loss}
        for model in ("squared error", "10-D, squared error")
        for loss in (3.0, 1.0, 2.0)
    )
    side = RecipeEvidence(runs, steps, courses, runs)
    assert not [
        claim.id for claim in claim_rows(Evidence(side, side)) if claim.plain.verdict == UNMEASURED
    ]


def test_shares_are_shares_and_bounds_are_ordered(row):
    shares = [
        name
        for name in row
        if name.endswith(("accuracy", "kept", "confident", "coverage")) or name == "copies"
    ]
    assert len(shares) > 8 and all(0 <= row[name] <= 1 for name in shares)
    assert row["bound_k"] > row["bound_1"] - 0.5  # the tighter bound, on the same images
    assert row["amortisation_gap"] > 0 and row["kl_least"] <= row["kl_most"]
    assert row["val_elbo"] == pytest.approx(
        -row["val_loss"], rel=0.02
    )  # measured by another loop, with other noise


def test_measures_are_kept_until_the_code_that_measures_changes(row, monkeypatch):
    file = model_folder(CONFIG).folder / f"measures-{provenance.measuring_code()}.json"
    file.write_text(json.dumps(row | {"psnr": -1.0}))
    assert suite.measured(CONFIG)[1]["psnr"] == -1.0  # read, not measured again
    file.write_text(json.dumps(row))
    monkeypatch.setattr(suite, "measure", lambda subject: {"psnr": 2.0})
    monkeypatch.setattr(provenance, "measuring_code", lambda: "other")
    assert suite.measured(CONFIG)[1] == {"psnr": 2.0}


def test_a_new_measure_is_one_function_and_one_column(monkeypatch, tmp_path):
    """Added for real: registered, measured of a tiny model, and a column of a table."""
    monkeypatch.setattr(suite, "METRICS", {})
    monkeypatch.setitem(tables.COLUMNS["measures"], "ink", "mean grey value of samples")

    @suite.metric("ink")
    def ink(subject):
        return {"ink": subject.model.decode(np.zeros((1, CONFIG.latent_dim), "float32")).mean()}

    found = suite.measured(CONFIG)[1]  # and not what was kept without it
    about = dict.fromkeys(PROVENANCE, "1") | {"commit": "0123456789"}
    merge(tmp_path / "table.csv", [{"model": CONFIG.label} | CONFIG.as_dict() | found | about])
    (value,) = read(tmp_path / "table.csv")["ink"]
    assert 0 < value < 1 and value == found["ink"]


def test_an_axis_that_is_one_class_is_found():
    labels = np.random.default_rng(0).integers(0, 10, 5_000)
    noise = np.random.default_rng(1).standard_normal((5_000, 2))
    mean = np.stack([3 * (labels == 7) + 0.1 * noise[:, 0], noise[:, 1]], axis=1)
    known = suite.class_information(mean, np.full_like(mean, np.log(0.01)), labels)
    assert known[7, 0] > 0.9 and known[7, 1] < 0.05 and known[3, 0] < 0.2
    unsure = suite.class_information(mean, np.full_like(mean, np.log(100)), labels)
    assert unsure.max() < 0.1  # negative control: draws too wide to tell


def test_no_axis_tells_more_than_its_rate(row):
    share = np.bincount(held_out_set(600)[1]) / 600
    rarest = entropy([share, 1 - share]).min()  # nats to know of the rarest class
    assert 0 < row["axis_information_most"] * rarest <= row["kl_most"]


def test_easy_images_are_those_near_a_training_image(row):
    """By distances of all pairs; the first and the last third of the images are other ones."""
    model, (x, _) = suite.fit_or_load(CONFIG).model, held_out_set(600)
    flat = [part.reshape(600, -1) for part in (x, training_set(600)[0])]
    order = pairwise_distances(*flat).min(axis=1).argsort()
    each = bounds.elbo(model, x, suite.SEED)["elbo"]
    assert row["elbo_easy"] == pytest.approx(each[order[:200]].mean(), rel=1e-5)
    assert row["elbo_hard"] == pytest.approx(each[order[400:]].mean(), rel=1e-5)
    (file,) = (paths.cache() / "distances").glob(f"mnist-600-{provenance.measuring_code()}.json")
    assert len(json.loads(file.read_text())["nearest"]) == 600  # for the next model
    gap, other = row["elbo_easy"] - row["elbo_hard"], each[:200].mean() - each[400:].mean()
    assert gap > 0 and abs(gap - other) > 1


class Threshold:
    """Encoder and decoder of one number: z ~ N(m, s²) whatever the image, and an image of z."""

    pixel_loss = PIXEL_LOSSES["mse"]

    def __init__(self, m, s):
        self.m, self.s = m, s

    def encode(self, x):
        return np.full((len(x), 1), self.m), np.full((len(x), 1), 2 * np.log(self.s))

    def decode(self, z):
        return np.broadcast_to(z[:, :, np.newaxis, np.newaxis], (len(z), 28, 28, 1))


@pytest.mark.parametrize("m, s", [(0.7, 1.0), (0.0, 1.0), (2.0, 1e-3)])
def test_whole_images_are_counted_as_the_normal_distribution_says(m, s, monkeypatch):
    """Kept: P(z > 0); agreement: that two draws fall on one side; a sure draw always agrees."""
    monkeypatch.setattr(suite, "IMAGES", 20_000)
    model, x = Threshold(m, s), np.zeros((20_000, 28, 28, 1), "float32")
    judge = SimpleNamespace(probabilities=lambda images: judged(images[:, 0, 0, 0]))
    subject = SimpleNamespace(model=model, test=(x, np.ones(20_000, int)), classifier=judge)
    found, right = suite.decoded(subject), norm.cdf(m / s)
    assert found["decoded_label_kept"] == pytest.approx(right, abs=0.015)
    assert found["decoded_agreement"] == pytest.approx(right**2 + (1 - right) ** 2, abs=0.015)
    sure = norm.cdf((m - 1) / s) + norm.cdf((-1 - m) / s)
    assert found["decoded_confident"] == pytest.approx(sure, abs=0.015)


def judged(z):
    """Probabilities of classes 0 and 1: class 1 for z > 0, at least 0.9 where |z| > 1."""
    sure = np.where(np.abs(z) > 1, 0.95, 0.6)
    return np.stack([np.where(z > 0, 1 - sure, sure), np.where(z > 0, sure, 1 - sure)], axis=1)


def test_the_whole_image_is_read_and_not_its_hole_alone():
    """A decoder that ignores what it sees loses the label, though the visible pixels show it."""
    images, labels = held_out_set(200)
    one = np.repeat(images[labels == 1][:1], 200, axis=0)
    found = []
    for decoded in (images, one):
        model = Threshold(0, 1)
        model.decode = lambda z, decoded=decoded: decoded
        subject = SimpleNamespace(model=model, test=(images, labels), classifier=classifier(600))
        found.append(suite.decoded(subject))
    assert found[0]["decoded_label_kept"] > 0.7 and found[0]["decoded_agreement"] == 1
    assert found[1]["decoded_label_kept"] in (np.mean(labels == k) for k in range(10))
    assert found[1]["decoded_label_kept"] < 0.3


def test_controls_come_out_as_controls(row):
    """A decoder without neighbours is not smooth, and noise is no digit."""
    assert row["step_control_change"] == pytest.approx(1, abs=0.1)
    assert row["step_change"] < 0.2 < 1.5 < row["step_exponent"]
    assert abs(row["step_control_exponent"]) < 0.2 and row["uniform_confident"] <= 1


def test_a_summary_states_the_last_epoch_and_the_held_out_bound(row):
    run, (x, y), (x_test, y_test) = suite.fit_or_load(CONFIG), training_set(600), held_out_set(600)
    found = suite.model_summary(run, x, y, x_test, y_test, seed=suite.SEED)
    assert found["loss"] == row["training_loss"] == run.history["loss"][-1]
    assert (
        found["val_elbo"] == pytest.approx(row["val_elbo"])
        and found["knn_accuracy"] == row["knn_accuracy"]
    )
    assert found["val_elbo"] == pytest.approx(
        -found["val_rate"] - found["val_distortion"], rel=1e-5
    )
    assert found["parameters"] == row["parameters"] and found["seconds"] == pytest.approx(
        run.seconds
    )
