"""One row of measures for a trained model: complete, kept, and the same for everybody."""

import json

import numpy as np
import pytest

from helpers import provenance as digests
from helpers.metrics import suite as measures
from helpers.checkpoints import Entry
from helpers.evidence.claims import UNMEASURED, claim_rows
from helpers.config import TrainingConfig
from helpers.evidence.statistics import Evidence, Runs, Side
from helpers.runner.sweep import sweep
from helpers.evidence.tables import read_table
from helpers.errors import Refusal

CONFIG = TrainingConfig(architecture="dense", latent_dim=3, n_train=600, epochs=2)


@pytest.fixture(scope="module")
def row():
    return measures.measured(CONFIG)[1]


def test_every_measure_is_a_finite_number(row):
    assert all(np.isfinite(value) for value in row.values()), {k: v for k, v in row.items() if not np.isfinite(v)}


def test_no_rule_asks_for_a_measure_that_nobody_takes(row):
    models = ("baseline", "deeper", "1-D", "10-D", "squared error", "32-D")
    runs = Runs([row | {"model": model, "seed": seed} for model in models for seed in (0, 1)])
    steps = Runs([{"model": model, "seed": 0, "seconds_per_step": 1.0} for model in models])
    courses = [
        {"model": model, "seed": 0, "eval_loss": loss}
        for model in ("squared error", "10-D, squared error")
        for loss in (3.0, 1.0, 2.0)
    ]
    side = Side(runs, steps, courses)
    assert not [row.id for row in claim_rows(Evidence(side, side)) if row.plain.verdict == UNMEASURED]


def test_shares_are_shares_and_bounds_are_ordered(row):
    shares = [name for name in row if name.endswith(("accuracy", "kept", "confident", "coverage")) or name == "copies"]
    assert len(shares) > 8 and all(0 <= row[name] <= 1 for name in shares)
    assert row["bound_k"] > row["bound_1"] - 0.5  # the tighter bound, on the same digits
    assert row["amortisation_gap"] > 0 and row["kl_least"] <= row["kl_most"]
    assert row["val_elbo"] == pytest.approx(-row["val_loss"], rel=0.02)  # measured by another loop, with other noise


def test_measures_are_kept_until_the_code_that_measures_changes(row, monkeypatch):
    file = Entry(CONFIG).folder / f"measures-{digests.measuring_code()}.json"
    file.write_text(json.dumps(row | {"psnr": -1.0}))
    assert measures.measured(CONFIG)[1]["psnr"] == -1.0  # read, not measured again
    file.write_text(json.dumps(row))
    monkeypatch.setattr(measures, "measure", lambda subject: {"psnr": 2.0})
    monkeypatch.setattr(digests, "measuring_code", lambda: "other")
    assert measures.measured(CONFIG)[1] == {"psnr": 2.0}


def test_a_sweep_can_measure(row, tmp_path):
    table = tmp_path / "table.csv"
    sweep([CONFIG], table, measure=True)
    (found,) = read_table(table)
    assert found["model"] == "dense 3-D" and found["epochs"] == 2 and "epoch" not in found
    assert found["psnr"] == pytest.approx(row["psnr"], rel=1e-5)
    with pytest.raises(Refusal, match="holds measures of trainings, not courses"):
        sweep([CONFIG], table)


def test_an_axis_that_is_one_digit_is_found():
    labels = np.random.default_rng(0).integers(0, 10, 5_000)
    noise = np.random.default_rng(1).standard_normal((5_000, 2))
    codes = np.stack([(labels == 7) + 0.01 * noise[:, 0], noise[:, 1]], axis=1)
    known = measures.digit_information(codes, labels)
    assert known[7, 0] > 0.9 and known[7, 1] < 0.05 and known[3, 0] < 0.2
