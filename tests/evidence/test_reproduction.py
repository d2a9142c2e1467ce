"""What came back under the original protocol, and what long training leaves of each gain."""

import pandas as pd
import pytest

from helpers.config import PUBLISHED
from helpers.evidence import reproduction
from helpers.evidence.published import published
from helpers.evidence.reproduction import (
    convergence_table,
    gains,
    gains_text,
    headline,
    longer_text,
    reproduction_table,
    reproduction_text,
    runs_table,
)
from helpers.results import write_json

NONE = pd.DataFrame(columns=["model", "seed", "training_loss", "val_loss", "epochs"])


def repeated(*losses):
    return pd.DataFrame({"model": "10-D", "seed": range(len(losses)), "training_loss": losses})


def test_sentences_follow_the_numbers():
    assert "No run of the original protocol" in reproduction_text(NONE)
    assert "- **10-D**: 125.0, 151.0 (published: 124.3)" in reproduction_text(repeated(151, 125))


def long_runs(epochs=20, **losses):
    """Long runs of the fast recipe, a seed for each loss."""
    return pd.DataFrame(
        {"model": model, "seed": seed, "training_loss": loss, "val_loss": loss + 1,
         "epochs": epochs}
        for model, values in losses.items()
        for seed, loss in enumerate(values)
    )


def test_a_gain_that_goes_was_due_to_the_recipe():
    halved = published("baseline")["loss"] - published("deeper")["loss"]
    noise = [0.1, 0.0, -0.1]
    baseline, deeper = ([start + e for e in noise] for start in (145.0, 145.0 - halved / 2))
    stored = long_runs(baseline=baseline, deeper=deeper)
    (gain,) = gains(stored)
    assert gain.published == pytest.approx(halved)
    assert gain.converged.mean == pytest.approx(halved / 2)
    half = 2.776 * 0.1 * (2 / 3) ** 0.5  # Student's factor for 4 degrees of freedom, as Welch's
    assert gain.converged.high - gain.converged.mean == pytest.approx(half, rel=1e-3)
    assert gain.optimisers.mean == pytest.approx(0.5) and gain.optimisers.sign == 1
    text = gains_text(stored)
    assert text.startswith(
        f"**deeper**: published {halved:.1f} nats below the baseline, "
        f"after long training {halved / 2:.1f} ± 0.2 below,"
    )
    share = f"50 ± {100 * half / halved:.0f}%"
    assert f"{share} of the published difference is due to the recipe" in text
    start = f"In the original, one more layer gains {halved:.1f} nats. After "
    assert headline(stored).startswith(start) and "so 50 ±" in headline(stored)


def test_a_gain_that_grows_was_hidden():
    gap = published("baseline")["loss"] - published("10-D")["loss"]
    stored = long_runs(baseline=[140.0, 141.0], **{"10-D": [140.0 - 2 * gap, 141.1 - 2 * gap]})
    assert gains(stored)[0].optimisers.mean == pytest.approx(-1, abs=0.01)
    assert "had hidden 100 ± 12% on top" in gains_text(stored)


def test_seeds_that_scatter_show_no_share_of_the_optimiser():
    for stored in (
        long_runs(baseline=[140.0], deeper=[135.0]),
        long_runs(baseline=[140.0, 150.0], deeper=[135.0, 130.0]),
    ):
        assert "no share of the published difference is shown" in gains_text(stored)
        assert headline(stored) == ""


def test_without_long_runs_nothing_is_said_of_the_optimiser():
    assert gains(NONE) == gains(long_runs(deeper=[140.0])) == [] and convergence_table(NONE).empty
    assert gains_text(NONE).startswith("No long runs") and longer_text(NONE) == ""


def test_longer_runs_tell_what_is_left_to_gain_and_change_no_gain():
    short = long_runs(baseline=[140.0, 150.0], deeper=[130.0, 138.0])
    longer = long_runs(40, baseline=[138.5], deeper=[130.2])
    assert longer_text(short) == ""
    text = longer_text(pd.concat([short, longer]))
    assert "for 40 epochs instead of 20" in text
    assert "baseline −1.5 (−1.5), deeper 0.2 (0.2)" in text
    assert gains_text(pd.concat([short, longer])) == gains_text(short)


def test_the_table_of_long_training_has_every_model_and_gains_where_they_mean_something():
    stored = long_runs(baseline=[140.0, 142.0], deeper=[138.0], **{"squared error": [36.0]})
    baseline, deeper, squared = convergence_table(stored).to_numpy().tolist()
    assert baseline == ["baseline", 2, "151.50", "141.0 ± 12.7", "142.0 ± 12.7", "–", "–"]
    assert deeper[:3] == ["deeper", 1, "141.42"]
    assert deeper[3:] == ["138.0 (one run)", "139.0 (one run)", "10.1", "3.0 (one run)"]
    assert squared[-2:] == ["–", "–"]


def test_longer_runs_of_a_model_that_the_report_does_not_name_are_told_of_too():
    short = long_runs(wide=[140.0], baseline=[150.0])
    longer = long_runs(40, wide=[139.0], baseline=[150.0])
    assert "baseline 0.0 (0.0), wide −1.0 (−1.0)" in longer_text(pd.concat([short, longer]))


def test_a_finished_run_has_its_last_loss_and_its_whole_time():
    name = reproduction.ORIGINAL
    runs, courses = reproduction.finished_runs(name), reproduction.stored(name)
    assert len(runs) == len(courses) / 30 and (runs["epoch"] == 30).all()
    first = courses[(courses["model"] == "baseline") & (courses["seed"] == 0)]
    row = runs[(runs["model"] == "baseline") & (runs["seed"] == 0)].iloc[0]
    assert row["seconds"] == pytest.approx(first["seconds"].sum())
    assert row["training_loss"] == first["training_loss"].iloc[-1]


def test_published_losses_stand_beside_repeated_ones_and_this_runs():
    repeated = pd.DataFrame(
        {"model": "1-D", "seed": seed, "training_loss": 160.0 + seed, "seconds": 1000.4}
        for seed in (1, 0)
    )
    here = {"baseline": {"loss": 150.126, "seconds": 7.6}, "dense": {"loss": 1.0, "seconds": 1.0}}
    table = reproduction_table(repeated, here).set_index("model")
    assert list(table.index) == list(PUBLISHED)
    assert table.loc["1-D"].tolist() == ["163.25", "160.00", "–", "164", "1,000", "–"]
    assert table.loc["baseline", "loss, this run"] == "150.13"
    assert table.loc["baseline", "time, this run"] == "8"


def test_the_models_of_a_run_are_listed_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUT", str(tmp_path))
    assert runs_table().to_numpy().tolist() == [["none"]]
    config = {"recipe": "fast", "n_train": None, "split": "all", "epochs": 3, "seed": 0}
    origin = {"threads": 2, "date": "2026-01-02T03:04:05", "commit": "abc"}
    runs = [{"model": "1-D", "config": config, "seconds": 61, "provenance": origin}]
    for section in ("02_latent_1d", "07_discussion"):
        write_json(tmp_path / "results" / f"{section}.json", {"runs": runs})
    (row,) = runs_table().to_numpy().tolist()
    assert row[:6] == ["1-D", "fast", "MNIST", "70,000", 3, 0]
    assert row[6:] == ["1 min 01 s", 2, "2026-01-02 03:04", "abc"]
