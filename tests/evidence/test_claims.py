"""Verdicts follow stored tables by rules, twice, and never guess."""

import math

import pandas as pd
import pytest

from helpers.config import MODELS, PUBLISHED, TrainingConfig
from helpers.evidence import claims
from helpers.evidence.claims import CONFIRMED, PARTLY, REFUTED, UNDECIDED, UNMEASURED, claim_rows
from helpers.evidence.published import published
from helpers.evidence.statistics import RECIPES, Evidence, RecipeEvidence, Runs
from helpers.evidence.tables import PROVENANCE, merge

SEEDS = range(5)
GOOD = {  # every claim holds
    "baseline": {
        "training_loss": 151.5, "val_elbo": -152.0, "psnr": 15.0, "ssim": 0.6,
        "knn_accuracy": 0.75, "rank_of_3_and_5": 2,
        "step_change": 0.01, "step_exponent": 1.95, "class_gap": 0.02, "classes_separated": 6,
        "parameters": 130_000,
        "naive_label_kept": 0.5, "sharpness": 0.5, "train_elbo": -151.0,
    },
    "deeper": {"training_loss": 141.4, "val_elbo": -144.0, "psnr": 15.5, "class_gap": 0.015},
    "1-D": {
        "training_loss": 163.2, "val_elbo": -164.0, "knn_accuracy": 0.5, "prior_confident": 0.7,
        "sharpness": 0.4,
    },
    "10-D": {
        "training_loss": 124.3, "val_elbo": -125.0, "knn_accuracy": 0.95, "axes_of_one_digit": 10,
        "axis_information_most": 0.9,
        "kl_least": 0.1, "kl_most": 2.0, "naive_confident": 0.8, "naive_label_kept": 0.7,
        "copies": 0.0, "nearest_ratio": 1.1,
        "step_change": 0.01, "step_exponent": 1.95, "prior_confident": 0.7,
        "noise_confident": 0.1, "sharpness": 0.8,
        "train_elbo": -124.5, "naive_error": 0.9, "naive_error_training": 0.8,
        "parameters": 160_000,
    },
    "squared error": {"training_loss": 37.5, "psnr": 15.1, "ssim": 0.61, "classes_separated": 4},
    "32-D": {"active_units": 20, "train_elbo": -100.0, "val_elbo": -103.0},
}  # fmt: skip
STEP = {"baseline": 0.030, "deeper": 0.0426, "1-D": 0.030, "10-D": 0.030, "squared error": 0.030}


def jitter(seed):
    """What is common to all models of a seed: paired differences are nearly without it."""
    return 1e-3 * math.sin(1 + seed)


def side(numbers=GOOD, steps=STEP, courses=None):
    rows = [
        {"model": model, "seed": seed}
        | {name: value * (1 + jitter(seed) * 1e-3) for name, value in values.items()}
        for model, values in numbers.items()
        for seed in SEEDS
    ]
    timed = [
        {"model": model, "seed": turn, "seconds_per_step": value * (1 + jitter(turn))}
        for model, value in steps.items()
        for turn in range(3)
    ]
    courses = course() if courses is None else courses
    return RecipeEvidence(Runs(pd.DataFrame(rows)), Runs(pd.DataFrame(timed)), courses)


def course(two=(60, 50, 40), ten=(60, 40, 45)):
    return pd.DataFrame(
        {"model": model, "seed": seed, "eval_loss": loss + jitter(seed)}
        for model, losses in (("squared error", two), ("10-D, squared error", ten))
        for seed in SEEDS
        for loss in losses
    )


def changed(model, **values):
    return {**GOOD, model: GOOD[model] | values}


def verdict(claim, one):
    return {row.id: row for row in claim_rows(Evidence(one, NOTHING))}[claim].plain.verdict


NONE = pd.DataFrame(columns=["model", "seed"])
NOTHING = RecipeEvidence(Runs(NONE), Runs(NONE), NONE)


def test_all_24_claims_are_listed_in_order_with_a_rule():
    rows = claim_rows(Evidence(NOTHING, NOTHING))
    assert [row.id for row in rows] == [f"C{number}" for number in range(1, 25)]
    assert all(row.text and row.published and "confirmed" in row.rule for row in rows)


def test_without_numbers_nothing_is_claimed():
    rows = claim_rows(Evidence(NOTHING, NOTHING))
    assert {row.plain.verdict for row in rows} == {row.fast.verdict for row in rows} == {UNMEASURED}
    assert all(row.plain.ours.startswith("—") for row in rows)


def test_each_side_has_its_own_verdict():
    rows = {row.id: row for row in claim_rows(Evidence(side(), NOTHING))}
    assert rows["C3"].plain.verdict == CONFIRMED and rows["C3"].fast.verdict == UNMEASURED
    assert "151.50" in rows["C3"].plain.ours


def test_a_table_in_which_everything_holds_confirms_everything():
    assert {row.plain.verdict for row in claim_rows(Evidence(side(), side()))} == {CONFIRMED}


@pytest.mark.parametrize(
    ("claim", "model", "values", "expected"),
    [
        ("C1", "baseline", {"knn_accuracy": 0.4}, PARTLY),
        ("C1", "baseline", {"knn_accuracy": 0.4, "rank_of_3_and_5": 20}, REFUTED),
        ("C2", "baseline", {"step_exponent": 1.0}, PARTLY),
        ("C2", "baseline", {"step_exponent": 0.1, "step_change": 0.9}, REFUTED),
        ("C3", "baseline", {"training_loss": 155.4}, CONFIRMED),
        ("C3", "baseline", {"training_loss": 155.7}, REFUTED),
        ("C3", "baseline", {"training_loss": 147.0}, REFUTED),
        ("C4", "deeper", {"training_loss": 160.0}, PARTLY),
        ("C5", "deeper", {"psnr": 14.0}, PARTLY),
        ("C5", "deeper", {"psnr": 14.0, "val_elbo": -160.0}, REFUTED),
        ("C5", "deeper", {"psnr": 15.0, "val_elbo": -152.0}, UNDECIDED),
        ("C6", "deeper", {"class_gap": 0.03}, REFUTED),
        ("C6", "deeper", {"class_gap": 0.02}, UNDECIDED),
        ("C7", "1-D", {"prior_confident": 0.3}, PARTLY),
        ("C7", "1-D", dict(prior_confident=0.3, training_loss=140.0, knn_accuracy=0.9), REFUTED),
        ("C9", "10-D", {"knn_accuracy": 0.6}, PARTLY),
        ("C9", "10-D", {"training_loss": 150.0, "knn_accuracy": 0.6}, REFUTED),
        ("C9", "10-D", {"training_loss": 100.0}, CONFIRMED),
        ("C10", "10-D", {"axes_of_one_digit": 0}, REFUTED),
        ("C10", "10-D", {"axes_of_one_digit": 3}, PARTLY),
        ("C11", "10-D", {"kl_least": 1.5}, REFUTED),
        ("C12", "squared error", {"training_loss": 42.0}, PARTLY),
        ("C14", "squared error", {"psnr": 18.0}, PARTLY),
        ("C14", "squared error", {"psnr": 18.0, "ssim": 0.3}, REFUTED),
        ("C15", "squared error", {"classes_separated": 7}, REFUTED),
        ("C15", "baseline", {"classes_separated": 4}, PARTLY),
        ("C16", "10-D", {"parameters": 130_000}, REFUTED),
        ("C17", "deeper", {"val_elbo": -120.0}, REFUTED),
        ("C17", "deeper", {"val_elbo": -125.0}, UNDECIDED),
        ("C18", "10-D", {"naive_label_kept": 0.99}, PARTLY),
        ("C18", "10-D", {"naive_label_kept": 0.99, "naive_confident": 0.2}, REFUTED),
        ("C19", "10-D", {"naive_label_kept": 0.3}, REFUTED),
        ("C20", "10-D", {"copies": 0.2}, REFUTED),
        ("C21", "10-D", {"step_change": 0.5}, PARTLY),
        ("C22", "10-D", {"noise_confident": 0.9}, REFUTED),
        ("C23", "10-D", {"sharpness": 0.3}, PARTLY),
        ("C23", "32-D", {"active_units": 32, "train_elbo": -103.0}, PARTLY),
        ("C24", "10-D", {"naive_error": 0.7}, REFUTED),
        ("C24", "10-D", {"naive_error": 0.8}, UNDECIDED),
    ],
)
def test_a_verdict_follows_the_numbers(claim, model, values, expected):
    assert verdict(claim, side(changed(model, **values))) == expected


@pytest.mark.parametrize(
    ("claim", "model", "step", "expected"),
    [
        ("C4", "deeper", 0.09, PARTLY),
        ("C8", "10-D", 0.036, REFUTED),
        ("C12", "squared error", 0.06, PARTLY),
        ("C8", "10-D", 0.032, CONFIRMED),
    ],
)
def test_times_come_from_the_timed_steps(claim, model, step, expected):
    assert verdict(claim, side(steps=STEP | {model: step})) == expected


@pytest.mark.parametrize(
    ("ten", "expected"),
    [((60, 40, 45), CONFIRMED), ((60, 50, 40), UNDECIDED), ((60, 59, 40), UNDECIDED)],
)
def test_c13_follows_the_courses(ten, expected):
    assert verdict("C13", side(courses=course(ten=ten))) == expected
    assert verdict("C13", side(courses=course(two=(60, 40, 45), ten=(60, 50, 40)))) == REFUTED


def with_values(one, model, measure, values):
    """The same evidence with other values of a measure of a model, one for each seed."""
    table = one.runs.table.copy()
    chosen = table["model"] == model
    table.loc[chosen, measure] = table.loc[chosen, "seed"].map(dict(zip(SEEDS, values)))
    return one._replace(runs=Runs(table))


def test_a_single_run_decides_no_difference():
    lone = side()._replace(runs=Runs(side().runs.table.query("seed == 0")))
    assert [verdict(claim, lone) for claim in ("C6", "C17", "C19", "C22", "C24")] == [UNDECIDED] * 5


def test_a_difference_within_the_variance_of_seeds_is_none():
    loud = [0.52 + 0.2 * math.sin(10 * seed) for seed in SEEDS]
    assert verdict("C19", with_values(side(), "10-D", "naive_label_kept", loud)) == UNDECIDED


@pytest.mark.parametrize(
    ("claim", "model", "measure", "mean", "swing", "others"),
    [
        ("C4", "deeper", "training_loss", 170, 60, {}),
        ("C9", "10-D", "training_loss", 170, 60, {"knn_accuracy": 0.6}),
        ("C14", "squared error", "ssim", 1.0, 1.0, {"psnr": 18.0}),
        ("C20", "10-D", "copies", 0.2, 0.5, {}),
    ],
)
def test_seeds_that_lie_far_apart_refute_nothing(claim, model, measure, mean, swing, others):
    """Seeds that lie close together, with the same mean, do."""
    for width, expected in ((0, REFUTED), (swing, UNDECIDED)):
        one = side(changed(model, **others), STEP | {"deeper": 0.09})
        values = [mean + width * math.sin(10 * seed) for seed in SEEDS]
        assert verdict(claim, with_values(one, model, measure, values)) == expected


def test_a_claim_whose_notebook_is_gone_leads_to_the_chapter_on_claims(tmp_path):
    (tmp_path / "04_loss.ipynb").touch()
    evidence = Evidence(NOTHING, NOTHING)
    links = {claim.link for claim in claim_rows(evidence, tmp_path)}
    assert links == {"04_loss.ipynb", "08_claims.ipynb"}
    assert {"00_baseline.ipynb", "07_discussion.ipynb"} < {c.link for c in claim_rows(evidence)}


def test_a_missing_number_is_named():
    lacking = side({model: values for model, values in GOOD.items() if model != "32-D"})
    row = {row.id: row for row in claim_rows(Evidence(lacking, lacking))}["C23"]
    assert row.plain.verdict == UNMEASURED and "32-D" in row.plain.ours


def test_published_numbers():
    assert published("baseline")["loss"] == 151.5002
    assert published("deeper")["seconds"] == 3 * 60 + 48.5
    assert all(published(name)["loss"] > 0 for name in PUBLISHED)
    with pytest.raises(KeyError, match="nothing is published for 'dense'.*10-D"):
        published("dense")


def test_the_tally_counts_each_side():
    rows = claim_rows(Evidence(side(), NOTHING))
    assert claims.tally(rows, "plain") == "24 confirmed"
    assert claims.tally(rows, "fast") == "24 not measured yet"
    listed = claims.tally(rows, "plain", links=True)
    assert listed.startswith('**24 confirmed** ([C1](00_baseline.ipynb "as it is"), [C2]')
    assert listed.count("](") == 24


def test_recipes_contradict_each_other_only_where_a_part_holds_and_fails():
    def row(numbers, claim):
        return {row.id: row for row in claim_rows(Evidence(side(numbers), side()))}[claim]

    assert row(changed("deeper", class_gap=0.03), "C6").contrary()
    assert not row(GOOD, "C6").contrary()
    assert row(changed("deeper", psnr=14.0), "C5").contrary()  # in part
    open_ = row(changed("deeper", psnr=15.0), "C5")  # this part is not decided: no contradiction
    assert open_.settled() and not open_.contrary() and not row(GOOD, "C5").settled()


def test_a_changed_table_changes_the_verdict(tmp_path):
    """Stored tables, as a reader would edit them."""
    fields = TrainingConfig(latent_dim=10, batch_size=128, **RECIPES["plain"]).as_dict()
    about = dict.fromkeys(PROVENANCE, "1") | {"commit": "0123456789"}
    rows = [fields | GOOD["10-D"] | about | {"model": "10-D", "seed": seed} for seed in SEEDS]
    for copies, expected in ((0.0, CONFIRMED), (0.5, REFUTED)):
        merge(tmp_path / "plain.csv", [row | {"copies": copies} for row in rows])
        found = {row.id: row.plain.verdict for row in claim_rows(Evidence.load(folder=tmp_path))}
        assert (found["C11"], found["C20"], found["C3"]) == (CONFIRMED, expected, UNMEASURED)


def test_another_architecture_changes_no_verdict(monkeypatch):
    monkeypatch.setitem(MODELS, "wide", {"architecture": "wide", "latent_dim": 2, "loss": "bce"})
    stored = side(GOOD | {"wide": {"training_loss": 140.0, "val_elbo": -141.0}})
    assert {row.plain.verdict for row in claim_rows(Evidence(stored, stored))} == {CONFIRMED}
