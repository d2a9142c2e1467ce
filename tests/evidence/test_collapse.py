"""Dead units by change of the recipe: made-up rows give the right groups, gains and sentences."""

import pandas as pd

from helpers import paths
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
    usual = collapse.USUAL | {"latent_dim": 10}
    return pd.DataFrame(
        usual | change | {"seed": seed, "val_dead": dead, "val_loss": loss}
        for seed, change, dead, loss in rows
    )


def test_runs_are_grouped_by_what_differs_and_paired_by_seed():
    found = collapse.runs(made())
    assert {name: len(rows) for name, rows in found.items()} == {
        "as published": 2, "leaky ReLU": 2, "64 hidden units": 1,
    }  # fmt: skip
    gain = collapse.gain(found, "leaky ReLU")
    assert (gain.mean, gain.n) == (21.0, 2)
    alone = collapse.gain(found, "64 hidden units")
    assert (alone.mean, alone.n) == (-1.0, 1)  # with seed 2 alone, and worse


def test_the_table_and_the_sentences_say_what_the_rows_hold():
    found = collapse.runs(made())
    shown = collapse.table(found)
    assert shown.loc["as published", "dead units"] == "10 (9 to 11)"
    assert shown.loc["64 hidden units", "of"] == 64
    said = collapse.summary(found)
    assert said.startswith("In 2 runs of one epoch") and "10 (9 to 11) of 16" in said
    assert "it is 0 in 2 runs" in said and "21.0 ± 12.7 nats lower" in said
    assert "leaky" not in collapse.summary({"as published": found["as published"]})
    assert "not measured yet" in collapse.summary({})


def test_a_change_that_is_worse_is_not_called_lower():
    worse = [(1, {}, 0, 100.0), (1, {"activation": "leaky_relu"}, 0, 105.0)]
    assert "5.0 nats (one run) higher" in collapse.summary(collapse.runs(made(worse)))


def test_the_stored_runs_are_one_epoch_of_mnist_by_one_code():
    rows = read(paths.REFERENCE / "results" / collapse.TABLE)
    assert set(rows["epochs"]) == {1} and set(rows["dataset"]) == {"mnist"}
    assert rows["training_code"].nunique() == 1 and not rows["commit"].str.endswith("+").any()
    wide = rows[rows["latent_dim"] == 10]
    assert sum(map(len, collapse.runs(rows).values())) == len(wide)
