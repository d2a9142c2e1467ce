"""One row of measures for a trained model: complete, declared, kept, and easy to add to."""

import json

import numpy as np
import pandas as pd
import pytest

from helpers import provenance
from helpers.config import TrainingConfig
from helpers.data import test_set as held_out_set
from helpers.data import training_set
from helpers.evidence import tables
from helpers.evidence.claims import UNMEASURED, claim_rows
from helpers.evidence.statistics import Evidence, RecipeEvidence, Runs
from helpers.evidence.tables import PROVENANCE, merge, read
from helpers.metrics import suite
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
    models = ("baseline", "deeper", "1-D", "10-D", "squared error", "32-D")
    runs = Runs(
        pd.DataFrame([row | {"model": model, "seed": seed} for model in models for seed in (0, 1)])
    )
    steps = Runs(
        pd.DataFrame([{"model": model, "seed": 0, "seconds_per_step": 1.0} for model in models])
    )
    courses = pd.DataFrame(
        {"model": model, "seed": 0, "eval_loss": loss}
        for model in ("squared error", "10-D, squared error")
        for loss in (3.0, 1.0, 2.0)
    )
    side = RecipeEvidence(runs, steps, courses)
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
    codes = np.stack([(labels == 7) + 0.01 * noise[:, 0], noise[:, 1]], axis=1)
    known = suite.class_information(codes, labels)
    assert known[7, 0] > 0.9 and known[7, 1] < 0.05 and known[3, 0] < 0.2


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
