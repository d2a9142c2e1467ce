"""The benchmark's tables: the shortest run that reaches a loss, time, medians over seeds."""

import numpy as np
import pandas as pd
import pytest

from helpers.evidence import speed
from helpers.evidence.tables import stored


def run(recipe, epochs, eval_loss, *, model="baseline", seed=0, epoch=None, batch_size=128):
    """A row of the table of runs; its last epoch unless told otherwise."""
    about = {
        "model": model,
        "seed": seed,
        "recipe": recipe,
        "epochs": epochs,
        "batch_size": batch_size,
        "split": "train",
    }
    return about | {
        "epoch": epoch or epochs,
        "n_train": pd.NA,
        "eval_loss": eval_loss,
        "val_loss": eval_loss + 1,
    }


ABOUT = {"model": "baseline", "batch_size": 64, "images_per_second": 3000.0, "peak_memory_gb": 0.8}
TIMES = [
    ("plain", 0.03),
    ("fast", 0.02),
    ("plain", 0.05),
    ("fast", 0.01),
    ("plain", 0.04),
    ("fast", 0.01),
]
STEPS = pd.DataFrame(
    [
        ABOUT | {"form": form, "seconds_per_step": seconds, "floor_seconds": 0.005}
        for form, seconds in TIMES
    ]
)
RUNS = [
    run("keras", 30, 150.0),
    run("keras", 30, 140.0, epoch=29),  # not its last epoch
    run("fast", 4, 148.0, batch_size=64),
    run("fast", 2, 151.0, batch_size=64),
    run("fast", 3, 150.0, batch_size=64),
    run("fast", 3, 120.0, seed=1, batch_size=64),  # of a seed without a plain run
]


def compared(*runs, steps=STEPS):
    return speed.comparison(pd.DataFrame(runs), steps)


def test_the_shortest_run_that_reaches_the_loss_counts():
    table = compared(*RUNS)
    assert len(table) == 1
    row = table.iloc[0]
    assert (row["target"], row["epochs"], row["loss"], row["val_loss"]) == (150.0, 3, 150.0, 151.0)
    assert row["plain_seconds"] == pytest.approx(
        30 * 469 * 0.04
    )  # 469 batches of 128 hold 60,000 images
    assert row["fast_seconds"] == pytest.approx(3 * 938 * 0.01)
    assert row["ratio"] == pytest.approx(30 * 469 * 0.04 / (3 * 938 * 0.01))


def test_a_loss_that_is_not_reached_has_no_ratio():
    table = compared(RUNS[0], RUNS[3])
    assert table[["ratio", "epochs", "fast_seconds"]].isna().all(axis=None) and table[
        "target"
    ].tolist() == [150.0]
    assert speed.recipe_table(table)["speed-up"].tolist() == ["–"]


def test_models_whose_steps_were_not_timed_are_left_out_and_unknown_ones_come_last():
    wide = [
        run("keras", 30, 150.0, model="wide"),
        run("fast", 3, 149.0, model="wide", batch_size=64),
    ]
    assert compared(*wide, *RUNS)["model"].tolist() == ["baseline"]
    timed = pd.concat([STEPS.assign(model="wide"), STEPS])
    assert compared(*wide, *RUNS, steps=timed)["model"].tolist() == ["baseline", "wide"]


def test_the_reports_table_has_medians_over_seeds():
    rows = compared(
        *RUNS, run("keras", 30, 149.0, seed=1), run("fast", 2, 100.0, seed=1, batch_size=64)
    )
    (found,) = speed.recipe_table(rows).to_dict("records")
    assert (found["model"], found["seeds"], found["fast: epochs"]) == ("baseline", 2, "2 (2 to 3)")
    assert (
        found["plain: loss"] == "149.5 (149.0 to 150.0)"
        and found["test loss, fast − plain"] == "−24.5 (−49.0 to 0.0)"
    )
    assert found["plain: minutes"] == f"{30 * 469 * 0.04 / 60:.1f}"
    fast, slow = sorted(30 * 469 * 0.04 / (length * 938 * 0.01) for length in (2, 3))
    assert found["speed-up"] == f"{(fast + slow) / 2:.1f} ({fast:.1f} to {slow:.1f})"
    assert found["fast: minutes"].startswith(f"{2.5 * 938 * 0.01 / 60:.1f}")


def test_steps_have_medians_over_rounds():
    assert speed.step_table(STEPS).to_numpy().tolist()[1] == [
        "baseline",
        "fast",
        64,
        "10.0 (10.0 to 20.0)",
        "5.0",
        "3,000",
        "0.80",
    ]


def test_the_best_seed_and_those_far_from_it():
    models, targets = ["deeper"] * 3 + ["1-D"], [160.0, 141.0, 146.0, 165.0]
    rows = pd.DataFrame({"model": models, "target": targets})
    assert speed.best_seeds(rows).index.tolist() == [1, 3]
    assert speed.far_from_best(rows).index.tolist() == [0]


def test_models_one_after_the_other_take_the_sum_of_their_times():
    rows = pd.DataFrame(
        [
            ("1-D", 0, 100, 10),
            ("10-D", 0, 300, 10),
            ("1-D", 1, 100, np.nan),
            ("10-D", 1, 300, 10),
            ("1-D", 2, 9, 1),
        ],
        columns=["model", "seed", "plain_seconds", "fast_seconds"],
    )
    assert speed.together(rows.assign(ratio=rows["plain_seconds"] / rows["fast_seconds"])) == [20]


def test_courses_are_plain_epochs_and_ends_of_fast_runs():
    plain = [
        run("keras", 2, loss, seed=seed, epoch=epoch)
        for seed, epoch, loss in [(0, 1, 9), (0, 2, 8), (1, 1, 7), (1, 2, 6)]
    ]
    fast = [run("fast", 2, 5, epoch=1), run("fast", 2, 4, epoch=2), run("fast", 1, 6)]
    (minutes, losses), (lengths, ends) = speed.courses(
        pd.DataFrame(plain + fast), STEPS, "baseline"
    )
    assert minutes == pytest.approx([469 * 0.04 / 60, 2 * 469 * 0.04 / 60])
    assert losses == [[9, 8], [7, 6]]
    assert ends == [6, 4] and lengths == pytest.approx([469 * 0.01 / 60, 2 * 469 * 0.01 / 60])


def test_the_stored_tables_are_compared_as_a_loop_over_them_would():
    runs, steps = stored(speed.RUNS), stored(speed.STEPS)
    table = speed.comparison(runs, steps)
    assert table["ratio"].notna().all() and len(table) == len(table.groupby(["model", "seed"]))
    for row in table.to_dict("records"):
        mine = [
            each
            for each in runs.to_dict("records")
            if (each["model"], each["seed"]) == (row["model"], row["seed"])
        ]
        last = {
            (each["recipe"], each["epochs"]): each["eval_loss"]
            for each in mine
            if each["epoch"] == each["epochs"]
        }
        assert last["keras", row["plain_epochs"]] == row["target"]
        reached = [
            epochs
            for (recipe, epochs), loss in last.items()
            if recipe == "fast" and loss <= row["target"]
        ]
        assert min(reached) == row["epochs"]


def test_without_a_benchmark_the_tables_are_empty(tmp_path):
    runs, steps = (stored(name, folder=tmp_path) for name in (speed.RUNS, speed.STEPS))
    rows = speed.comparison(runs, steps)
    assert rows.empty and speed.recipe_table(rows).empty and speed.step_table(steps).empty
    assert (
        speed.together(rows) == []
        and speed.best_seeds(rows).empty
        and speed.far_from_best(rows).empty
    )
