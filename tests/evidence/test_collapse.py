"""Dead units by change of the recipe: made-up rows give the right groups, gains and sentences."""

import pandas as pd

from helpers import paths
from helpers.config import MODELS
from helpers.evidence import collapse
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
    assert "leaky" not in collapse.summary({"10-D": {"as published": found["as published"]}})
    assert "units of deeper die early is not measured yet" in collapse.summary({"deeper": {}})


def test_a_change_that_is_worse_is_not_called_lower():
    worse = [(1, {}, 0, 100.0), (1, {"activation": "leaky_relu"}, 0, 105.0)]
    said = collapse.summary({"10-D": collapse.runs("10-D", made(worse))})
    assert "5.0 nats (one run) higher" in said


def test_the_stored_runs_are_one_epoch_of_mnist_by_one_code():
    rows = read(paths.REFERENCE / "results" / collapse.TABLE)
    assert set(rows["epochs"]) == {1} and set(rows["dataset"]) == {"mnist"}
    assert rows["training_code"].nunique() == 1 and not rows["commit"].str.endswith("+").any()
    found = [collapse.runs(model, rows) for model in collapse.STUDIED]
    assert sum(len(those) for groups in found for those in groups.values()) == len(rows)
