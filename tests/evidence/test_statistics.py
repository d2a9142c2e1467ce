"""Means over seeds and differences, against SciPy's own tests and by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from helpers.errors import Refusal
from helpers.evidence.statistics import (
    Evidence,
    Interval,
    Missing,
    RecipeEvidence,
    Runs,
    differs,
    interval,
    select,
)

RNG = np.random.default_rng(0)


def rows(model, values, measure="loss"):
    return [{"model": model, "seed": seed, measure: value} for seed, value in enumerate(values)]


def runs_of(*parts):
    return Runs(pd.DataFrame([row for part in parts for row in part]))


def test_an_interval_is_students():
    values = RNG.normal(3, 2, 7)
    found, expected = interval(values), stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.n == 7 and found.mean == pytest.approx(values.mean())


def test_an_interval_covers_the_truth_as_often_as_it_says():
    covered = [(i := interval(draws)).low <= 1 <= i.high for draws in RNG.normal(1, 3, (2_000, 5))]
    assert np.mean(covered) == pytest.approx(0.95, abs=0.02)


def test_one_run_decides_nothing():
    single = interval([1e6])
    assert single.sign == 0 and math.isinf(single.high)
    assert single.text(1) == "1,000,000.0 (one run)"
    with pytest.raises(Missing):
        interval([])


def test_the_sign_is_that_of_the_whole_interval():
    signs = [interval(v).sign for v in ([1, 1.1, 0.9], [-1, -1.1, -0.9], [1, -1.1, 0.4])]
    assert signs == [1, -1, 0]


def test_a_change_has_a_size_and_a_direction():
    rise, fall = Interval(0.02, -0.01, 0.05, 3), Interval(-0.02, -0.05, 0.01, 3)
    assert rise.change("higher", "lower", unit=" nats") == "0.02 ± 0.03 nats higher"
    less = fall.change("more often", "less often", 1, 100, " points")
    assert less == "2.0 ± 3.0 points less often"
    assert interval([-1.5]).change("up", "down") == "1.50 (one run) down"


def test_differences_of_models_are_welchs_and_pair_no_seeds():
    one, other = RNG.normal(2, 1, 6), RNG.normal(0, 3, 9)
    found = runs_of(rows("a", one), rows("b", other)).difference("a", "b", "loss")
    expected = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx(one.mean() - other.mean()) and found.n == 6
    again = runs_of(rows("a", one), rows("b", other[::-1])).difference("a", "b", "loss")
    assert again == pytest.approx(found)


def test_a_difference_with_one_run_shows_nothing():
    found = runs_of(rows("a", [9.0]), rows("b", [0, 0.1])).difference("a", "b", "loss")
    assert found.sign == 0 and found.n == 1 and math.isinf(found.high)


def test_what_is_not_stored_is_named():
    runs = runs_of(rows("a", [1.0]), [{"model": "b", "seed": 0, "loss": np.nan}])
    for model, measure in (("a", "psnr"), ("b", "loss"), ("c", "loss")):
        with pytest.raises(Missing, match=f"{model}.*{measure}"):
            runs.values(model, measure)


def test_a_seed_that_is_stored_twice_is_refused():
    runs = runs_of(rows("a", [1.0, 2.0]), [{"model": "a", "seed": 1, "loss": 2.0}])
    with pytest.raises(Refusal, match="a, seed 1: loss is stored twice"):
        runs.mean("a", "loss")


def test_two_measures_of_one_model_are_compared_within_its_runs():
    both = [{"model": "a", "seed": s, "train": 2.0 + s, "test": 1.5 + s} for s in range(3)]
    found = runs_of(both).difference("a", "a", "train", "test")
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    assert runs_of(both).lead("a", "train", "test").tolist() == [0.5] * 3


def test_runs_that_lost_a_dimension_are_known_by_either_count():
    seeds = [{"model": "a", "seed": s, "latent_dim": 2, "loss": 1.0} for s in range(3)]
    for measure in ("active_units", "val_active"):
        runs = runs_of([row | {measure: 2 - (row["seed"] == 1)} for row in seeds])
        assert runs.collapsed("a").tolist() == [False, True, False] and runs.heaps("a")
    assert not len(runs_of(seeds).collapsed("a")) and not runs_of(seeds).heaps("a")
    with pytest.raises(Missing, match="how many latent dimensions"):
        runs_of(seeds).active("a")


def test_rows_are_selected_by_their_fields():
    table = pd.DataFrame({"seed": [0, 1, 1], "n_train": pd.array([None, None, 600], "Int64")})
    assert len(select(table, seed=1)) == 2
    assert select(table, seed=1, n_train=None).index.tolist() == [1]
    assert select(table, n_train=600).index.tolist() == [2] and not len(select(table, seed=5))


def recipe(*parts, steps=(), courses=()):
    return RecipeEvidence(runs_of(*parts), runs_of(steps), pd.DataFrame(list(courses)))


def test_steps_are_compared_with_the_baselines_of_the_same_round():
    machine = np.array([1.0, 3.0, 0.5])  # its speed in each round
    steps = rows("baseline", 0.02 * machine, "seconds_per_step")
    steps += rows("deeper", 0.03 * machine, "seconds_per_step")
    found = recipe(steps=steps).time("deeper")
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5)) and found.n == 3


def test_roughness_is_what_rises_again_of_what_fell():
    course = [
        {"model": "a", "seed": seed, "eval_loss": x}
        for seed in (0, 1)
        for x in (10.0, 6.0, 7.0, 2.0, 3.0 + seed)
    ]
    assert recipe(courses=course).roughnesses("a") == pytest.approx([2 / 8, 3 / 8])
    assert recipe(courses=course).roughness("a").mean == pytest.approx((2 / 8 + 3 / 8) / 2)
    with pytest.raises(Missing, match="no course of b"):
        recipe(courses=course).roughness("b")


def test_a_difference_is_one_only_where_its_interval_excludes_zero():
    said = differs(Interval(1.5, 1.0, 2.0, 4), "nats")
    assert said == "1.50 nats higher (95 % interval over 4 seeds: 1.00 to 2.00)"
    said = differs(Interval(-1.5, -2.0, -1.0, 4), "", 1)
    assert said == "1.5 lower (95 % interval over 4 seeds: 1.0 to 2.0)"
    said = differs(Interval(0.5, -1.0, 2.0, 4), "dB")
    assert said == "not shown to differ (−1.00 to 2.00 dB over 4 seeds)"
    said = differs(interval([2.0]), "dB")
    assert said == "2.00 dB higher in the only run there is, which shows no difference"


def test_evidence_is_of_one_data_set_and_of_models_that_never_saw_the_test_images():
    mnist, other = Evidence.load(), Evidence.load("fashion_mnist")
    for side in mnist.by_recipe().values():
        table = side.runs.table
        assert set(table["dataset"]) == {"mnist"} and set(table["split"]) == {"train"}
        assert table["n_train"].isna().all() and len(side.steps.table) and len(side.courses)
        assert set(side.whole.table["split"]) == {"all"}
    assert mnist.fashion.dataset == "fashion_mnist" and mnist.plain.form == "plain"
    assert not len(other.plain.runs.table) and not other.fast.runs.models()
