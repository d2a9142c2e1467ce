"""Sentences and tables that notebooks share follow the numbers, and say where there are none."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.config import PUBLISHED
from helpers.evidence import tables, text
from helpers.evidence.claims import claim_rows
from helpers.evidence.statistics import Column, Evidence, RecipeEvidence, Runs
from helpers.evidence.text import Difference
from helpers.results import write_json


def recipe(**losses):
    rows = [
        {"model": model, "seed": seed, "loss": x}
        for model, values in losses.items()
        for seed, x in enumerate(values)
    ]
    return RecipeEvidence(Runs(pd.DataFrame(rows)), Runs(pd.DataFrame()), pd.DataFrame())


EVIDENCE = Evidence(recipe(a=[1.0, 2.0, 3.0], b=[3.0, 4.1, 4.9]), recipe(a=[1.0]))
COLUMNS = [Column("loss", "loss", 1), Column("PSNR", "psnr")]


def test_a_table_over_seeds_may_be_turned():
    table = text.seed_table(EVIDENCE, ["a"], COLUMNS, {"a": "model A"})
    assert table["model"].tolist() == ["model A"] * 2 and table["loss"].tolist() == [
        "2.0 ± 2.5",
        "1.0 (one run)",
    ]
    turned = text.seed_table(EVIDENCE, ["a"], COLUMNS, transposed=True)
    assert list(turned) == ["measure", "plain", "fast"]
    assert turned.to_numpy().tolist()[1] == ["loss", "2.0 ± 2.5", "1.0 (one run)"]
    assert text.seed_table(EVIDENCE, ["c"], COLUMNS).to_numpy().tolist() == [[text.NOTHING]]


def test_differences_are_listed_by_pair_and_recipe():
    kinds = [
        Difference("loss", "loss", "nats", 1),
        Difference("PSNR", "psnr"),
        Difference("", "loss", "%", 0, 100, ("up", "down")),
    ]
    listed = text.seed_differences(
        EVIDENCE, [("b", "a"), ("c", "a")], kinds, shown={"b": "model B"}, time=True
    )
    assert listed.splitlines() == [
        "Compared with the baseline of the same recipe:",
        "",
        "- **model B, plain**: loss 2.0 nats higher (95 % interval over 3 seeds: 1.8 to 2.2); "
        "200 % up (95 % interval over 3 seeds: 175 to 225).",
    ]
    assert text.seed_differences(EVIDENCE, [("c", "a")], kinds) == text.NOTHING


def test_a_sentence_without_its_numbers_is_another_sentence():
    assert text.when_stored(lambda: EVIDENCE.fast.runs.mean("a", "loss").text(0)) == "1 (one run)"
    assert text.when_stored(lambda: EVIDENCE.fast.runs.mean("b", "loss").text(0)) == text.NOTHING
    with pytest.raises(ZeroDivisionError):
        text.when_stored(lambda: str(1 / 0))


def test_the_report_says_which_tables_are_exploratory(tmp_path):
    assert text.status(tmp_path) == ""
    for name in tables.TABLES:
        (tmp_path / "exploratory").mkdir(exist_ok=True)
        (tmp_path / "exploratory" / name).touch()
    assert text.status(tmp_path).startswith("All tables of runs are exploratory")
    (tmp_path / "plain.csv").touch()
    said = text.status(tmp_path)
    assert (
        said.startswith("Of the tables of runs, seeds.csv, dimensions.csv") and "plain" not in said
    )


def test_the_abstract_warns_of_trial_runs_and_of_exploratory_tables(monkeypatch):
    claims = claim_rows(EVIDENCE)
    trial, whole = (
        text.abstract_text(EVIDENCE, claims, profile) for profile in ("smoke", "report")
    )
    assert trial.startswith("**This is a trial run") and trial.endswith("mean nothing.** " + whole)
    assert whole.startswith("Of the original's 24 claims") and whole.endswith(text.status())
    assert "held-out ELBO" not in whole  # nothing of the kind is stored here
    assert "44.7 ± 2.0 nats ahead" in text.abstract_text(Evidence.load(), claims, "report")


SUMMARY = {
    "parameters": 134_165,
    "seconds_per_epoch": 12.34,
    "loss": 148.9,
    "distortion": 142.7,
    "rate": 6.2,
}
SUMMARY |= {"val_elbo": -148.47, "val_elbo_se": 0.31, "knn_accuracy": 0.7209}
SUMMARY |= {"val_distortion": 142.1, "val_rate": 6.37}


def test_a_summary_shows_what_was_published_where_something_was():
    table = text.summary_table(
        {"baseline": SUMMARY, "wide": SUMMARY}, text.SUMMARY, {"wide": "a wide one"}
    )
    assert table.iloc[0].tolist() == [
        "baseline",
        "134,165",
        "12.3",
        "151.50",
        "148.90",
        "142.70",
        "6.20",
        "−148.47 ± 0.31",
        "142.10",
        "6.37",
        "72.1%",
    ]
    assert (
        table["published loss"].tolist() == ["151.50", "–"]
        and table["model"].tolist()[1] == "a wide one"
    )


def test_pairs_of_images_differ_where_their_noise_allows_it():
    noise = np.random.default_rng(0).normal(0, 1, 400)
    values = 10 + noise
    assert text.mean_error(values) == f"{values.mean():.2f} ± {values.std(ddof=1) / 20:.2f}"
    common = np.random.default_rng(1).normal(
        0, 50, 400
    )  # of each image, for both models: it cancels
    assert text.paired_text(common + 10 + noise, common, "dB", 1).endswith("dB higher")
    assert text.paired_text(common, common + 10 + noise, words=("ahead", "behind")).endswith(
        "behind"
    )
    assert (
        stats.ttest_ind(common + 10 + noise, common).pvalue > 0.001
    )  # control: unpaired, hardly to be seen
    assert (
        text.paired_text(common + noise - noise.mean(), common, "dB")
        == "within the noise of the images (0.00 dB)"
    )


def test_a_claim_whose_notebook_is_gone_leads_to_the_chapter_on_claims(tmp_path):
    (tmp_path / "04_loss.ipynb").touch()
    links = {claim.link for claim in text.claims_here(EVIDENCE, tmp_path)}
    assert links == {"04_loss.ipynb", "08_claims.ipynb"}
    assert {claim.link for claim in text.claims_here(EVIDENCE)} == {
        claim.link for claim in claim_rows(EVIDENCE)
    }


def test_published_losses_stand_beside_repeated_ones_and_this_runs():
    repeated = pd.DataFrame(
        {"model": "1-D", "seed": seed, "training_loss": 160.0 + seed, "total_seconds": 1000.4}
        for seed in (1, 0)
    )
    here = {"baseline": {"loss": 150.126, "seconds": 7.6}, "dense": {"loss": 1.0, "seconds": 1.0}}
    table = text.reproduction_table(repeated, here).set_index("model")
    assert list(table.index) == list(PUBLISHED)
    assert table.loc["1-D"].tolist() == ["163.25", "160.00", "–", "164", "1,000", "–"]
    assert table.loc["baseline", "loss, this run"] == "150.13"
    assert table.loc["baseline", "time, this run"] == "8"


def test_the_models_of_a_run_are_listed_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_OUTPUT", str(tmp_path))
    assert text.runs_table().to_numpy().tolist() == [["none"]]
    config = {"recipe": "fast", "n_train": None, "split": "all", "epochs": 3, "seed": 0}
    origin = {"threads": 2, "date": "2026-01-02T03:04:05", "commit": "abc"}
    runs = [{"model": "1-D", "config": config, "seconds": 61, "provenance": origin}]
    for section in ("02_latent_1d", "07_discussion"):
        write_json(tmp_path / "results" / f"{section}.json", {"runs": runs})
    (row,) = text.runs_table().to_numpy().tolist()
    assert row[:6] == ["1-D", "fast", "MNIST", "70,000", 3, 0]
    assert row[6:] == ["1 min 01 s", 2, "2026-01-02 03:04", "abc"]
