"""Sentences and tables that notebooks share follow the numbers, and say where there are none."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.evidence import order, text
from helpers.evidence.statistics import Column, Evidence, RecipeEvidence, Runs

NONE = pd.DataFrame(columns=["model", "seed"])


def recipe(**losses):
    rows = [
        {"model": model, "seed": seed, "loss": x}
        for model, values in losses.items()
        for seed, x in enumerate(values)
    ]
    return RecipeEvidence(Runs(pd.DataFrame(rows)), Runs(NONE), NONE)


EVIDENCE = Evidence(recipe(a=[1.0, 2.0, 3.0], b=[5.0, 6.1, 6.9]), recipe(a=[1.0]))
COLUMNS = [Column("loss", "loss", 1), Column("loss (%)", "loss", 0, 100, "%"), Column("SSIM", "x")]


def test_a_table_over_seeds_has_a_row_for_each_model_and_recipe_that_has_runs():
    table = text.seed_table(EVIDENCE, ["b", "a", "c"], COLUMNS, {"a": "model A"})
    assert list(table) == ["model", "recipe", "seeds", "loss", "loss (%)", "SSIM"]
    assert table.to_numpy().tolist() == [
        ["b", "plain", 3, "6.0 ± 2.4", "600 ± 237%", "–"],
        ["model A", "plain", 3, "2.0 ± 2.5", "200 ± 248%", "–"],
        ["model A", "fast", 1, "1.0 (one run)", "100% (one run)", "–"],
    ]
    assert text.seed_table(EVIDENCE, ["c"], COLUMNS).to_numpy().tolist() == [[text.NOTHING]]


def test_a_table_over_seeds_may_be_turned():
    turned = text.seed_table(EVIDENCE, ["a"], COLUMNS, transposed=True)
    assert list(turned) == ["measure", "plain", "fast"]
    assert turned.to_numpy().tolist()[1] == ["loss", "2.0 ± 2.5", "1.0 (one run)"]


def test_differences_are_listed_by_pair_and_recipe():
    kinds = [Column("loss", "loss", 1, unit="nats"), COLUMNS[2], Column("it is", "loss", 0, 100)]
    listed = text.seed_differences(
        EVIDENCE, [("b", "a"), ("c", "a")], kinds, shown={"b": "model B"}
    )
    assert listed.splitlines() == [
        "Compared with the baseline of the same recipe:",
        "",
        "- **model B, plain**: Loss 4.0 nats higher (95 % interval over 3 seeds: 1.8 to 6.2). "
        "It is 400 higher (95 % interval over 3 seeds: 178 to 622).",
    ]
    assert text.seed_differences(EVIDENCE, [("c", "a")], kinds) == text.NOTHING


def test_a_sentence_without_its_numbers_is_another_sentence():
    assert text.when_stored(lambda: EVIDENCE.fast.runs.mean("a", "loss").text(0)) == "1 (one run)"
    assert text.when_stored(lambda: EVIDENCE.fast.runs.mean("b", "loss").text(0)) == text.NOTHING
    with pytest.raises(ZeroDivisionError):
        text.when_stored(lambda: str(1 / 0))


def test_the_report_says_which_tables_are_exploratory(tmp_path):
    assert text.status(tmp_path) == ""
    (tmp_path / "exploratory").mkdir()
    for name in order.JUDGED:
        (tmp_path / "exploratory" / name).touch()
    assert text.status(tmp_path).startswith("All verdicts are provisional")
    (tmp_path / "plain.csv").touch()
    said = text.status(tmp_path)
    assert said.startswith("Verdicts from seeds.csv, dimensions.csv")
    assert "plain" not in said


def test_a_summary_shows_what_was_published_where_something_was():
    summary = {
        "parameters": 134_165, "seconds_per_epoch": 12.34, "loss": 148.9, "distortion": 142.7,
        "rate": 6.2, "val_elbo": -148.47, "val_elbo_se": 0.31, "knn_accuracy": 0.7209,
        "val_distortion": 1142.1, "val_rate": 6.37,
    }  # fmt: skip
    both = {"baseline": summary, "wide": summary}
    table = text.summary_table(both, text.SUMMARY, {"wide": "a wide one"})
    assert table.iloc[0].tolist() == [
        "baseline", "134,165", "12.3", "151.50", "148.90", "142.70", "6.20", "−148.47 ± 0.31",
        "1,142.10", "6.37", "72.1%",
    ]  # fmt: skip
    assert table["published loss"].tolist() == ["151.50", "–"]
    assert table["model"].tolist()[1] == "a wide one"


def test_pairs_of_images_differ_where_their_noise_allows_it():
    noise = np.random.default_rng(0).normal(0, 1, 400)
    values = 10 + noise
    assert text.mean_error(values) == f"{values.mean():.2f} ± {values.std(ddof=1) / 20:.2f}"
    common = np.random.default_rng(1).normal(0, 50, 400)  # of each image, for both models
    better, words = common + 10 + noise, ("ahead", "behind")
    assert text.paired_text(better, common, "dB", 1).endswith("dB higher")
    assert text.paired_text(common, better, words=words).endswith("behind")
    assert stats.ttest_ind(better, common).pvalue > 0.001  # control: unpaired, hardly to be seen
    equal = text.paired_text(common + noise - noise.mean(), common, "dB")
    assert equal == "within the noise of the images (0.00 dB)"
