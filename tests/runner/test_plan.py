"""The plan of the runs behind the verdicts: what is left of it, made, and published when whole."""

import io
from itertools import chain

import pandas as pd
import pytest

from helpers import provenance
from helpers.__main__ import main
from helpers.errors import Failure
from helpers.evidence import tables
from helpers.evidence.order import JUDGED
from helpers.evidence.statistics import Evidence
from helpers.runner import plan, sweep
from helpers.runner.plan import PLAN, Batch, file, listed
from helpers.runner.terminal import Terminal

SMALL = "n_train=500|epochs=1|architecture=dense"
SHORT = (
    Batch("seeds.csv", f"latent_dim=1,2|{SMALL}", range(2), measure=False),
    Batch("courses.csv", f"latent_dim=2|{SMALL}", range(2), measure=False),
    Batch("seeds.csv", f"latent_dim=3|{SMALL}", range(1), measure=False),
)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run of SHORT the tables that are named, in a folder of its own: the lines it printed."""

    def run_it(*names):
        stream = io.StringIO()
        chosen = tuple(batch for batch in SHORT if batch.table in names)
        plan.run(chosen, 1, None, Terminal(stream), SHORT, tmp_path, trial=True)
        return stream.getvalue()

    return run_it


def test_runs_wait_in_a_folder_that_nothing_reads_until_all_are_there(run, tmp_path, monkeypatch):
    made, train = [], sweep.tables.merge

    def third_fails(table, rows, trial):
        if len(made) == 2:
            raise Failure("the disk is full")
        made.append(rows)
        return train(table, rows, trial=trial)

    monkeypatch.setattr(sweep.tables, "merge", third_fails)
    with pytest.raises(Failure, match="full"):
        run("seeds.csv")
    monkeypatch.setattr(sweep.tables, "merge", train)
    unfinished = tmp_path / tables.UNFINISHED / "seeds.csv"
    assert file("seeds.csv", tmp_path) == unfinished and len(tables.read(unfinished)) == 2
    assert list(listed(SHORT, tmp_path)["done"]) == [2, 0, 0]
    assert not len(Evidence.load(folder=tmp_path).fast.runs.table)
    seeds = [row["seed"] for row in chain.from_iterable(made)]
    assert seeds == [0, 0]  # seed by seed, not model by model

    said = run("seeds.csv")
    assert "2 of 4 trainings are in" in said and "report reads them from now on" in said
    assert not unfinished.exists() and file("seeds.csv", tmp_path) == tmp_path / "seeds.csv"
    assert len(tables.stored("seeds.csv", folder=tmp_path)) == 5
    found = listed(SHORT, tmp_path)
    assert list(found["done"]) == [4, 0, 1] and list(found["planned"]) == [4, 2, 1]
    assert not found["hours left"][0] and found["hours left"].notna().all()

    before = (tmp_path / "seeds.csv").read_bytes()
    assert "trainings, " not in run("seeds.csv")  # all are there: none is trained
    assert (tmp_path / "seeds.csv").read_bytes() == before


def test_rows_of_other_code_are_not_done(run, tmp_path, monkeypatch):
    run("courses.csv")
    assert list(listed(SHORT, tmp_path)["done"]) == [0, 2, 0]
    monkeypatch.setattr(provenance, "training_code", lambda: "another")
    assert list(listed(SHORT, tmp_path)["done"]) == [0, 0, 0]


def test_hours_are_unknown_without_a_run_of_the_kind(tmp_path):
    assert listed(SHORT, tmp_path)["hours left"].isna().all()


def test_the_plan_makes_every_table_that_verdicts_read_with_seeds_of_its_own():
    timed = {"benchmark_steps.csv", "benchmark_runs.csv"}  # made by the benchmark
    assert set(JUDGED) - timed <= {batch.table for batch in PLAN}
    for batch in PLAN:
        assert len(batch.configs()) == len(set(batch.configs())) > 0
        used = tables.read(tables.find(batch.table).parents[1] / "exploratory" / batch.table)
        fresh = batch.table not in ("convergence.csv", "collapse.csv")
        assert not fresh or not set(batch.seeds) & set(pd.unique(used["seed"]))


def test_the_command_lists_and_names_a_wrong_table(capsys):
    assert main(["evidence", "--list"]) == 0
    shown = capsys.readouterr().out
    assert "collapse.csv" in shown and "hours, one at a time" in shown
    assert main(["evidence", "--list", "--tables", "seed.csv"]) == 2
    assert "did you mean 'seeds.csv'?" in capsys.readouterr().err
