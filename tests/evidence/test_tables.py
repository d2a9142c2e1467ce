"""Tables of runs: read with types, refused with file and column, merged without losing a row."""

import numpy as np
import pandas as pd
import pytest

from helpers import paths, provenance
from helpers.config import TrainingConfig
from helpers.errors import Refusal
from helpers.evidence import tables
from helpers.evidence.statistics import Evidence
from helpers.evidence.tables import PROVENANCE, find, merge, read, stored

ABOUT = dict.fromkeys(PROVENANCE, "x") | {
    "commit": "0123456789", "training_code": "aaa", "measuring_code": "bbb", "threads": 2,
}  # fmt: skip


def row(seed=0, model="baseline", epoch=None, about=None, **values):
    """A row of measures, or of a course where there is an epoch."""
    values = {"epoch": epoch} | values if epoch else values
    config = TrainingConfig(seed=seed).as_dict()
    return {"model": model} | config | {"val_loss": 1.5} | values | ABOUT | (about or {})


def test_keys_are_the_fields_of_a_configuration_and_provenance_is_what_a_run_says_of_itself():
    assert list(tables.CONFIGURATION) == list(TrainingConfig().as_dict())
    assert set(PROVENANCE) == set(provenance.about(measuring=True))


def test_what_is_merged_is_read_back_to_the_last_bit(tmp_path):
    file = tmp_path / "folder" / "table.csv"
    values = np.random.default_rng(0).standard_normal(50) * 10.0 ** np.arange(-25, 25)
    rows = [row(seed, psnr=value, n_train=seed or None) for seed, value in enumerate(values)]
    written = merge(file, rows)
    table = read(file)
    assert table["psnr"].tolist() == values.tolist()
    pd.testing.assert_frame_equal(table, written)
    assert table["n_train"].isna().tolist() == [True] + 49 * [False]
    assert table["seed"].dtype == "int64"
    assert list(file.parent.iterdir()) == [file]  # nothing temporary is left


def test_a_missing_table_has_its_columns_and_no_rows(tmp_path):
    table = read(tmp_path / "my.csv")
    assert not len(table) and {"psnr", "epoch", "round", "dataset", "training_code"} <= set(table)
    assert not len(Evidence.load(folder=tmp_path).fast.steps.table)


def test_rows_of_the_same_identity_are_replaced_and_others_stay(tmp_path):
    file = tmp_path / "table.csv"
    merge(file, [row(0), row(1), row(1, dataset="fashion_mnist"), row(1, "10-D", latent_dim=10)])
    merge(file, [row(1, val_loss=9.0), row(2)])
    found = read(file)[["model", "dataset", "seed", "val_loss"]].to_numpy().tolist()
    assert found == [
        ["baseline", "mnist", 0, 1.5], ["baseline", "fashion_mnist", 1, 1.5],
        ["10-D", "mnist", 1, 1.5],
        ["baseline", "mnist", 1, 9.0], ["baseline", "mnist", 2, 1.5],
    ]  # fmt: skip


def test_in_a_course_each_epoch_is_a_row(tmp_path):
    file = tmp_path / "table.csv"
    merge(file, [row(epoch=1), row(epoch=2)])
    merge(file, pd.DataFrame([row(epoch=2, val_loss=2.0), row(epoch=3)]))
    assert read(file)[["epoch", "val_loss"]].to_numpy().tolist() == [[1, 1.5], [2, 2.0], [3, 1.5]]
    before = file.read_bytes()
    with pytest.raises(Refusal, match="holds courses of trainings, not measures of trained models"):
        merge(file, [row()])
    assert file.read_bytes() == before


@pytest.mark.parametrize("commit", ["0123456789+", "unknown", ""])
def test_rows_that_no_commit_holds_are_refused_but_in_a_trial(tmp_path, commit):
    file, loose = tmp_path / "table.csv", row(about={"commit": commit})
    why = f"1 of 2 rows come from code that no commit holds.*{commit[-1:] or 'unknown'}"
    with pytest.raises(Refusal, match=why):
        merge(file, [row(1), loose])
    assert not file.exists()
    marked = merge(file, [loose], trial=True)["commit"]
    assert marked.fillna("").tolist() == [commit]


@pytest.mark.parametrize("folder", ["results", "results/unfinished"])
@pytest.mark.parametrize(
    ("column", "value"),
    [("commit", "0123456789+"), ("commit", "unknown"), ("commit", ""),
     *((name, f"{how}-aaa") for name in ("training_code", "measuring_code")
       for how in ("patched", "own"))],
)  # fmt: skip
def test_what_no_commit_holds_is_read_for_no_report(tmp_path, monkeypatch, folder, column, value):
    file = tmp_path / folder / "plain.csv"
    made = [row(seed, about={column: value}) for seed in range(6)]
    merge(file, made[:1], trial=True)
    assert len(read(file)) == 1  # a table of one's own
    monkeypatch.setattr(paths, "REFERENCE", tmp_path)
    assert len(merge(file, made, trial=True)) == len(read(file, trial=True)) == 6
    for use in (lambda: read(file), lambda: merge(file, [row(9, about={column: value})])):
        with pytest.raises(Refusal, match="code that no commit holds") as refused:
            use()
        assert str(file) in str(refused.value) and "\n" not in str(refused.value)
    lines = r"plain\.csv, lines 2, 3, 4 and 3 more: .* again from a commit"
    with pytest.raises(Refusal, match=lines):
        stored("plain.csv", folder=file.parent)
    (tmp_path / "results" / "exploratory").mkdir()
    assert len(read(file.rename(tmp_path / "results" / "exploratory" / file.name))) == 6
    merge(file, [row()])
    assert len(stored("plain.csv", folder=file.parent)) == 1


@pytest.mark.parametrize(
    ("column", "words"), [("training_code", "training code"), ("measuring_code", "measuring code")]
)
def test_rows_of_different_code_are_refused_by_name(tmp_path, column, words):
    file = tmp_path / "table.csv"
    merge(file, [row(0), row(1)])
    why = rf"table\.csv.*{words}.*(aaa|bbb) \(2 rows\) and other \(1 rows\)"
    with pytest.raises(Refusal, match=why):
        merge(file, [row(2, about={column: "other"})])
    text = file.read_text()
    bare = text.splitlines()[1].replace(f",{ABOUT[column]},", ",,", 1).replace(",0,", ",7,", 1)
    file.write_text(text + bare)
    with pytest.raises(Refusal, match=f"{words}.*unknown"):
        read(file)
    (tmp_path / "exploratory").mkdir()
    assert len(read(file.rename(tmp_path / "exploratory" / file.name))) == 3


def test_all_rows_of_a_table_may_be_made_again_by_new_code(tmp_path):
    file = tmp_path / "table.csv"
    merge(file, [row(0), row(1)])
    assert len(merge(file, [row(seed, about={"training_code": "new"}) for seed in (0, 1)])) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace("model,", "name,", 1), "trained models has no column 'name'"),
        (lambda text: text.replace(",seed,", ",split,", 1), "column 'split' is there twice"),
        (lambda text: "model,seed\nbaseline,0\n", "needs a column 'architecture'"),
        (lambda text: text.replace("1.5", "much", 1), "line 2: .* holds 'much', no float"),
        (lambda text: text.replace("baseline", "", 1), "line 2: column 'model' is empty"),
        (lambda text: text + text.splitlines()[1] + "\n", "line 4: this run has a row already"),
        (lambda text: text + text.splitlines()[1] + ",more\n", r"line 4: \d+ cells in a table of"),
        (lambda text: text[:-30], r"line 3: \d+ cells in a table of \d+ columns"),  # cut short
        (lambda text: "", "is empty: delete it, or name another table"),
        (lambda text: "\x00\x01garbage", "table of measures of trained models has no column"),
    ],
)
def test_a_damaged_table_is_refused_with_file_and_column(tmp_path, damage, message):
    file = tmp_path / "table.csv"
    merge(file, [row(0), row(1)])
    file.write_text(damage(file.read_text()))
    with pytest.raises(Refusal, match=rf"table\.csv.*({message})"):
        read(file)
    before = file.read_bytes()
    with pytest.raises(Refusal, match=r"table\.csv"):
        merge(file, [row(5)])
    assert file.read_bytes() == before  # nothing is invented, nothing lost


def test_a_column_that_nobody_declared_is_refused_until_it_is(tmp_path, monkeypatch):
    with pytest.raises(Refusal, match=r"column 'toy'.*columns\.json"):
        merge(tmp_path / "table.csv", [row(toy=1.0)])
    monkeypatch.setitem(tables.COLUMNS["measures"], "toy", "a test")
    assert merge(tmp_path / "table.csv", [row(toy=1.0)])["toy"].tolist() == [1.0]


def test_rows_without_provenance_are_refused(tmp_path):
    with pytest.raises(Refusal, match="needs a column 'python'"):
        merge(tmp_path / "table.csv", [{k: v for k, v in row().items() if k != "python"}])


def test_exploratory_tables_stand_in_until_there_are_fresh_ones(tmp_path):
    mixed = [row(0), row(1, about={"training_code": "other"})]
    merge(tmp_path / "exploratory" / "plain.csv", mixed)
    assert find("plain.csv", tmp_path).parent.name == "exploratory"
    assert len(stored("plain.csv", folder=tmp_path)) == 2
    merge(tmp_path / "plain.csv", [row(7)])
    assert stored("plain.csv", folder=tmp_path)["seed"].tolist() == [7]


def test_a_version_1_table_has_the_defaults_of_later_fields_and_no_invented_provenance(tmp_path):
    known = {"model", "val_loss", "commit", *tables.CONFIGURATION} - set(tables.DEFAULTS)
    old = {name: value for name, value in row().items() if name in known}
    folder = tmp_path / "exploratory"
    folder.mkdir()
    pd.DataFrame([old | {"commit": "unknown"}]).to_csv(folder / "plain.csv", index=False)
    table = stored("plain.csv", folder=tmp_path)
    for name, default in tables.DEFAULTS.items():
        assert table[name].tolist() == [default]
    assert table[["training_code", "keras", "threads"]].isna().all(axis=None)


def test_tables_are_joined_each_run_once(tmp_path):
    merge(tmp_path / "one.csv", [row(0), row(1, seconds=1.0)])
    merge(tmp_path / "two.csv", [row(1, seconds=2.0), row(2)])
    assert stored("one.csv", "two.csv", "none.csv", folder=tmp_path)["seed"].tolist() == [0, 1, 2]
    merge(tmp_path / "two.csv", [row(1, val_loss=7.0)])
    with pytest.raises(Refusal, match="different things of the same run in column 'val_loss'"):
        stored("one.csv", "two.csv", folder=tmp_path)
    merge(tmp_path / "three.csv", [row(3, about={"training_code": "other"})])
    with pytest.raises(Refusal, match="cannot be compared"):
        stored("one.csv", "three.csv", folder=tmp_path)


def test_the_committed_tables_are_all_readable():
    files = [*(paths.REFERENCE / "results").rglob("*.csv")]
    assert len(files) >= 12 and all(len(read(file)) for file in files)
