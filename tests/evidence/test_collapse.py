"""Dead units by change of the recipe: made-up rows give the right groups, gains and sentences."""

import pandas as pd

from helpers import paths
from helpers.config import MODELS
from helpers.evidence import collapse
from helpers.evidence.statistics import Evidence, RecipeEvidence, Runs
from helpers.evidence.tables import read

ROWS = [  # seed, what differs, dead units, loss
    (1, {}, 9, 150.0),
    (2, {}, 11, 160.0),
    (1, {"activation": "leaky_relu"}, 0, 130.0),
    (2, {"activation": "leaky_relu"}, 0, 138.0),
    (2, {"hidden_units": 64}, 50, 161.0),
    (1, {"latent_dim": 2}, 16, 200.0),
]


def made(rows=ROWS):
    usual = collapse.USUAL | MODELS["10-D"]
    return pd.DataFrame(
        usual | change | {"seed": seed, "val_dead": dead, "val_loss": loss}
        for seed, change, dead, loss in rows
    )


def test_runs_are_grouped_by_what_differs_and_paired_by_seed():
    found = collapse.runs("10-D", made())
    assert {name: len(rows) for name, rows in found.items()} == {
        "as published": 2, "leaky ReLU": 2, "64 hidden units": 1,
    }  # fmt: skip
    gain = collapse.gain(found, "leaky ReLU")
    assert (gain.mean, gain.n) == (21.0, 2)
    alone = collapse.gain(found, "64 hidden units")
    assert (alone.mean, alone.n) == (-1.0, 1)  # with seed 2 alone, and worse


def test_the_table_and_the_sentences_say_what_the_rows_hold():
    found = collapse.runs("10-D", made())
    shown = collapse.table({"10-D": found})
    assert shown.loc[("10-D", "as published"), "dead units"] == "10 (9 to 11)"
    assert shown.loc[("10-D", "64 hidden units"), "of"] == 64
    said = collapse.summary({"10-D": found})
    assert said.startswith("In 2 runs of 10-D, one epoch") and "10 (9 to 11) of 16" in said
    assert "it is 0 in 2 runs" in said and "21.0 ± 12.7 nats lower" in said
    assert said.endswith("No difference is shown with: 64 hidden units.")  # one run has no interval
    assert "leaky" not in collapse.summary({"10-D": {"as published": found["as published"]}})
    assert "units of deeper die early is not measured yet" in collapse.summary({"deeper": {}})


def test_a_change_that_is_worse_is_not_called_lower():
    worse = [(1, {}, 0, 100.0), (1, {"activation": "leaky_relu"}, 0, 105.0)]
    said = collapse.summary({"10-D": collapse.runs("10-D", made(worse))})
    assert "5.0 nats (one run) higher" in said
    change = {"free_bits": 0.1}
    for losses, word in (((103.0, 104.0), "higher"), ((96.0, 97.0), "lower")):
        rows = [(1, {}, 0, 99.0), (2, {}, 0, 100.0)]
        rows += [(n, change, 0, loss) for n, loss in enumerate(losses, start=1)]
        said = collapse.summary({"10-D": collapse.runs("10-D", made(rows))})
        size = abs(losses[0] - 99.0)
        assert f"also {word} with: 0.1 nats of each KL free ({size:.1f} ± 0.0 nats)." in said


def test_the_stored_runs_are_one_epoch_of_mnist_by_one_code():
    rows = read(paths.REFERENCE / "results" / collapse.TABLE)
    assert set(rows["epochs"]) == {1} and set(rows["dataset"]) == {"mnist"}
    assert rows["training_code"].nunique() == 1 and not rows["commit"].str.endswith("+").any()
    found = [collapse.runs(model, rows) for model in collapse.STUDIED]
    assert sum(len(those) for groups in found for those in groups.values()) == len(rows)


COLUMNS = ["model", "seed", "epoch", "recipe", "epochs", "n_train", "dataset"]


def course(seeds, active=None):
    """A table of plain 10-D runs, of which two epochs are given."""
    rows = [
        {"model": "10-D", "latent_dim": 10, "dataset": "mnist", "recipe": "keras", "epochs": 30,
         "n_train": None, "seed": seed, "epoch": epoch, "training_loss": 100.0 + seed - epoch,
         "val_rate": 5.0 * epoch, "val_distortion": 90.0 - epoch}
        | ({} if active is None else {"val_active": active - epoch})
        for seed in seeds for epoch in (2, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS if not rows else None)


def test_courses_are_those_of_the_table_with_the_most_seeds(tmp_path, monkeypatch):
    tables = {"original_protocol.csv": course([7]), "benchmark_runs.csv": course([0, 1])}
    monkeypatch.setattr(collapse, "read", lambda file: tables.get(file.name, course([])))
    measured = pd.DataFrame({"model": "10-D", "seed": [0, 1], "training_loss": [98.0, 1.0]})
    runs = Runs(measured.assign(active_units=[4.0, 5.0]))
    evidence = Evidence(RecipeEvidence(runs), RecipeEvidence())
    first, second = collapse.courses("10-D", evidence, tmp_path)
    assert first == {
        "name": "plain, seed 0", "recipe": "plain", "rate": [5.0, 10.0],
        "distortion": [89.0, 88.0], "active": [], "used": 4,
    }  # fmt: skip
    assert second["used"] is None  # measured was another run with this seed
    tables["original_protocol.csv"] = course([1, 2, 3], active=9)
    found = collapse.courses("10-D", evidence, tmp_path)
    assert [run["name"][-1] for run in found] == ["1", "2", "3"]
    assert (found[0]["active"], found[0]["used"]) == ([8, 7], 7)


def test_the_stored_courses_have_both_recipes_and_a_number_for_every_epoch():
    found = collapse.courses("10-D", Evidence.load())
    assert {run["recipe"] for run in found} == {"plain", "fast"}
    assert {len(run["rate"]) for run in found} == {12, 30}
    assert all(len(run["rate"]) == len(run["distortion"]) for run in found)
    assert not collapse.courses("none of these", Evidence.load())
