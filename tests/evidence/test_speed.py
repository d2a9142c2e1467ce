"""The benchmark's tables: the shortest run that reaches a loss, time, medians, the factorial."""

import numpy as np
import pandas as pd
import pytest

from helpers.config import PUBLISHED
from helpers.evidence import speed
from helpers.evidence.tables import stored

PLAIN_STEP, ADAM_STEP, FAST_STEP = 0.04, 0.02, 0.01  # medians of the made-up timings


def run(recipe, epochs, eval_loss, *, model="baseline", seed=0, epoch=None, batch_size=64):
    """A row of the table of runs; its last epoch unless told otherwise."""
    size = 128 if recipe == "keras" else batch_size
    about = {"model": model, "seed": seed, "recipe": recipe, "epochs": epochs, "split": "train"}
    about |= {"batch_size": size, "n_train": pd.NA, "epoch": epoch or int(np.ceil(epochs))}
    return about | {"eval_loss": eval_loss, "val_loss": eval_loss + 1}


ABOUT = {"model": "baseline", "batch_size": 64, "images_per_second": 3000.0, "peak_memory_gb": 0.8}
TIMES = [("plain", 0.03), ("Adam", ADAM_STEP), ("fast", 0.02), ("plain", 0.05)]
TIMES += [("fast", FAST_STEP), ("plain", PLAIN_STEP), ("fast", FAST_STEP)]
STEPS = pd.DataFrame([
    ABOUT | {"form": form, "seconds_per_step": seconds, "floor_seconds": 0.005}
    for form, seconds in TIMES
])  # fmt: skip
RUNS = [
    run("keras", 30, 160.0), run("keras", 30, 155.0, epoch=20),  # the same run, earlier
    run("keras", 30, 150.0, seed=1), run("keras", 30, 149.5, seed=1, epoch=25),  # the target
    run("fast", 4, 148.0, seed=7), run("fast", 2.4, 151.0, seed=7), run("fast", 3, 150.0, seed=7),
    run("fast", 2.4, 140.0, seed=8), run("fast", 2.4, 130.0, seed=8, epoch=1),  # not its end
    run("adam", 8, 150.0, seed=7), run("adam", 12, 150.1, seed=8),
]  # fmt: skip


def compared(*runs, steps=STEPS):
    return speed.comparison(pd.DataFrame(runs), steps)


def test_the_target_is_where_the_best_plain_seed_ends():
    assert speed.targets(pd.DataFrame(RUNS))["eval_loss"].to_dict() == {"baseline": 150.0}
    assert set(compared(*RUNS)["target"]) == {150.0}


def test_the_shortest_run_that_reaches_the_target_counts():
    rows = compared(*RUNS).set_index(["rival", "seed"])
    plain = 25 * 469 * PLAIN_STEP  # it is there after 25 of its epochs
    assert rows.loc[("plain", 1), "seconds"] == pytest.approx(plain)
    assert rows.loc[("fast", 7), ["epochs", "loss", "gain"]].tolist() == [3, 150, 0]
    assert rows.loc[("fast", 7), "ratio"] == pytest.approx(plain / (3 * 938 * FAST_STEP))
    assert rows.loc[("fast", 8), "seconds"] == pytest.approx(round(2.4 * 938) * FAST_STEP)
    assert rows.loc[("Adam", 7), "ratio"] == pytest.approx(plain / (8 * 938 * ADAM_STEP))


def test_a_run_that_does_not_reach_the_target_has_no_speed_up():
    rows = compared(*RUNS).set_index(["rival", "seed"])
    for missing in (("plain", 0), ("Adam", 8)):
        assert rows.loc[missing, "ratio"] == 0 and np.isnan(rows.loc[missing, "seconds"])
    table = speed.recipe_table(compared(*RUNS)).set_index("recipe")
    assert table["seeds there"].to_dict() == {"plain": "1 of 2", "Adam": "1 of 2", "fast": "2 of 2"}
    assert table.loc["fast", "epochs"] == "2.7 (2.4 to 3.0)"
    assert table.loc["fast", "test loss − plain"] == "−5.0 (−10.0 to 0.0)"


def test_models_whose_steps_were_not_timed_are_left_out_and_unknown_ones_come_last():
    wide = [run("keras", 30, 150.0, model="wide"), run("fast", 3, 149.0, model="wide")]
    assert set(compared(*wide, *RUNS)["model"]) == {"baseline"}
    timed = pd.concat([STEPS.assign(model="wide"), STEPS])
    order = compared(*wide, *RUNS, steps=timed)["model"].drop_duplicates()
    assert order.tolist() == ["baseline", "wide"]


def test_steps_have_medians_over_rounds():
    assert speed.step_table(STEPS).to_numpy().tolist()[2] == [
        "baseline", "fast", 64, "10.0 (10.0 to 20.0)", "5.0", "3,000", "0.80",
    ]  # fmt: skip


def test_courses_are_plain_epochs_and_ends_of_the_rivals_runs():
    seen = [(0, 1, 9), (0, 2, 8), (1, 1, 7), (1, 2, 6)]
    runs = [run("keras", 2, loss, seed=seed, epoch=epoch) for seed, epoch, loss in seen]
    runs += [run("fast", 2, 5, epoch=1), run("fast", 2, 4, epoch=2), run("fast", 1, 6)]
    found = speed.courses(pd.DataFrame(runs), STEPS, "baseline")
    assert [losses for _, losses in found["plain"]] == [[9, 8], [7, 6]] and "Adam" not in found
    assert found["plain"][0][0] == pytest.approx([n * 469 * PLAIN_STEP / 60 for n in (1, 2)])
    ((minutes, ends),) = found["fast"]
    assert ends == [6, 4] and minutes == pytest.approx([n * 938 * FAST_STEP / 60 for n in (1, 2)])


def test_the_stored_tables_are_compared_as_a_loop_over_them_would():
    runs, steps = stored(speed.RUNS), stored(speed.STEPS)
    for row in speed.comparison(runs, steps).to_dict("records"):
        mine = [
            (each["epoch"], each["epochs"], each["eval_loss"]) for each in runs.to_dict("records")
            if (each["model"], each["seed"]) == (row["model"], row["seed"])
            and each["recipe"] == speed.RIVALS[row["rival"]]
        ]  # fmt: skip
        whole = row["rival"] != "plain"
        there = [epoch for epoch, epochs, loss in mine
                 if loss <= row["target"] and (epoch == epochs or not whole)]  # fmt: skip
        assert min(there) == row["epochs"] if there else row["ratio"] == 0


def test_a_seed_that_was_not_trained_long_enough_says_nothing():
    rows = compared(*RUNS, run("fast", 8, 160.0, seed=9), run("adam", 12, 160.0, seed=9))
    assert not len(rows.query("rival == 'fast' and seed == 9"))
    assert rows.query("rival == 'Adam' and seed == 9")["ratio"].tolist() == [0]


def test_without_a_benchmark_the_tables_are_empty(tmp_path):
    runs, steps = (stored(name, folder=tmp_path) for name in (speed.RUNS, speed.STEPS))
    rows = speed.comparison(runs, steps)
    assert rows.empty and speed.recipe_table(rows).empty and speed.step_table(steps).empty


def test_every_rival_and_cell_gets_as_many_trials_of_as_many_steps():
    configs = speed.trials(PUBLISHED)
    assert {config.seed for config in configs} == {speed.TUNING_SEED}
    assert len(set(configs)) == len(configs) == 3 * 8 * 5 + 2 * 2 * 5
    assert {config.steps for config in configs} == {2_814}
    peaks = {config: config.optimisation.peak for config in configs}
    for model in PUBLISHED:
        for cell in speed.CELLS:
            own = [config for config in configs if config.label == model
                   and config.recipe.startswith(f"{cell[0]} schedule={cell[1]} ")
                   and config.batch_size == cell[2]]  # fmt: skip
            assert sorted(peaks[config] for config in own) in ([], sorted(speed.SPACES[cell[1]]))


def trial_rows():
    """Trials whose loss is least at the middle rate; Muon, cosine and 64 each gain so much."""
    gains = {"fast": 4, "cosine": 2, 64: 1}
    rows = []
    for config in speed.trials(PUBLISHED):
        recipe, schedule, _ = config.recipe.split()
        space = speed.SPACES[schedule.partition("=")[2]]
        off = abs(space.index(config.optimisation.peak) - 2)
        levels = recipe, schedule.partition("=")[2], config.batch_size
        gain = sum(gains.get(level, 0) for level in levels)
        about = config.as_dict() | {"model": config.label, "epoch": config.epochs}
        about["val_active"] = config.latent_dim - (recipe == "adam")
        rows.append(about | {"eval_loss": 150 - gain + off})
    return pd.DataFrame(rows)


def test_the_factorial_takes_the_best_rate_of_each_cell_and_gives_every_factors_gain():
    rows = trial_rows()
    configs = speed.factorial(rows, speed.CROSSED, seeds=[1, 2])
    assert len(configs) == 3 * 8 * 2 and not {speed.TUNING_SEED} & {one.seed for one in configs}
    middle = {schedule: space[2] for schedule, space in speed.SPACES.items()}
    for config in configs:
        assert config.optimisation.peak == middle[config.optimisation.schedule]
    chosen = {(config.label, config.recipe, config.batch_size) for config in configs}
    assert speed.factorial(rows, ["deeper"], [1]) == [
        config for config in configs if (config.label, config.seed) == ("deeper", 1)
    ]
    points = zip(rows["model"], rows["recipe"], rows["batch_size"], strict=True)
    final = rows[[point in chosen for point in points]]
    final = pd.concat([final.assign(seed=1), final.assign(seed=2)])
    table = speed.factorial_table(final)
    assert table["model"].tolist() == list(speed.CROSSED)
    for row in table.to_dict("records"):
        assert row["all three"] == "7.00 ± 0.00"
        for factor, gain in {"optimiser": 4, "schedule": 2, "batch": 1}.items():
            assert row[factor] == f"{gain:.2f} ± 0.00"
            assert row[f"its share, {factor}"] == f"{100 * gain / 7:.0f} ± 0 %"
    lost = speed.collapse_table(final)
    assert (lost.loc["adam schedule=cosine"] == 2).all(axis=None) and len(lost) == 8
    assert (lost.loc["fast schedule=cosine"] == 0).all(axis=None)


def test_missing_trials_are_named():
    with pytest.raises(ValueError, match="lacks trials of baseline"):
        speed.best_peak(trial_rows().iloc[1:], "baseline", speed.CELLS[0])
