"""What counts as a change of a notebook, and what is kept in the cache."""

import json
import os

import pytest

from helpers import definitions, paths, provenance
from helpers.evidence.tables import UNFINISHED
from helpers.runner.cache import MOST_KEPT, ResultCache, imported, notebook_parts, rendering_parts


def cell(source, kind="code", **metadata):
    return {"cell_type": kind, "source": source, "metadata": metadata}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project whose notebook imports a plot and no tables."""
    cells = [
        cell("# Words", "markdown"),
        cell(["%matplotlib inline\n", "from helpers import plots"]),
    ]
    files = {
        "00_a.ipynb": json.dumps({"cells": cells, "metadata": {}}),
        "requirements.txt": "keras",
    }
    files |= {"helpers/report/report.css": "a", "report/results/runs.csv": "a\n"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "report")
    monkeypatch.setattr(
        provenance, "code_parts", lambda names: {module(name): "1" for name in names}
    )
    return tmp_path


def module(name):
    """The file of an imported name, as the real `code_parts` gives it."""
    return name.removesuffix(".stored").replace(".", "/") + ".py"


def changed_by(root, change):
    """The parts of the notebook and of the documents that a change changes."""

    def parts():
        return notebook_parts(root / "00_a.ipynb", {"seed": 0}, {}) | {
            f"document: {name}": found for name, found in rendering_parts({}).items()
        }

    before = parts()
    change()
    return {name for name, found in parts().items() if before.get(name) != found}


@pytest.mark.parametrize(
    "name, what",
    [
        ("report/results/runs.csv", set()),
        ("helpers/report/report.css", {"document: helpers/report/report.css"}),
        ("requirements.txt", {"requirements.txt", "document: requirements.txt"}),
        ("README.md", set()),
    ],
)
def test_what_a_change_of_a_file_changes(root, name, what):
    assert changed_by(root, lambda: (root / name).write_text("b")) == what


def test_the_code_that_a_notebook_imports_counts_and_no_other(root, monkeypatch):
    def change(name):
        old = provenance.code_parts
        monkeypatch.setattr(
            provenance,
            "code_parts",
            lambda names: old(names) | {module(n): "2" for n in names if n == name},
        )

    assert changed_by(root, lambda: change("helpers.data")) == set()
    assert changed_by(root, lambda: change("helpers.plots")) == {"helpers/plots.py"}


def test_tables_count_for_a_notebook_that_reads_them(root):
    add_cell(root, cell("from helpers.evidence.tables import stored"))
    names = ["report/results/runs.csv", "report/results/exploratory/old.csv"]
    (root / "report/results/exploratory").mkdir()
    for name in names:
        assert changed_by(root, lambda name=name: (root / name).write_text("b")) == {name}
    unfinished = root / "report/results/unfinished"
    unfinished.mkdir()
    assert not changed_by(root, lambda: (unfinished / "new.csv").write_text("b"))


def test_a_notebook_of_evidence_depends_on_its_data_and_tables_and_another_does_not():
    data = {"helpers/evidence/claims.json", "helpers/evidence/columns.json"}
    tables = (paths.REFERENCE / "results").rglob("*.csv")
    read = [file for file in tables if file.parent.name != UNFINISHED]
    data |= {file.relative_to(paths.ROOT).as_posix() for file in read}
    assert len(data) > 5
    assert data <= notebook_parts(paths.NOTEBOOKS / "08_claims.ipynb", {}, {}).keys()
    assert not data & provenance.code_parts(["helpers.plots"]).keys()


def add_cell(root, new):
    notebook = json.loads((root / "00_a.ipynb").read_text())
    notebook["cells"].append(new)
    (root / "00_a.ipynb").write_text(json.dumps(notebook))


@pytest.mark.parametrize(
    "new", [cell("x = 1"), cell("More words", "markdown"), cell("", tags=["appendix"])]
)
def test_a_cell_counts(root, new):
    assert changed_by(root, lambda: add_cell(root, new)) == {"its cells"}


def test_outputs_and_notes_of_an_editor_do_not_count(root):
    notebook = json.loads((root / "00_a.ipynb").read_text())
    notebook["cells"][1] |= {"outputs": [1], "execution_count": 7}
    notebook["cells"][1]["metadata"] |= {"execution": {"a": "b"}, "collapsed": True}
    assert changed_by(root, lambda: (root / "00_a.ipynb").write_text(json.dumps(notebook))) == set()


def test_parameters_and_results_of_others_count(root):
    first = notebook_parts(root / "00_a.ipynb", {"seed": 0}, {})
    assert notebook_parts(root / "00_a.ipynb", {"seed": 1}, {}) != first
    assert notebook_parts(root / "00_a.ipynb", {"seed": 0}, {"results/a.json": "1"}) != first


def test_all_ways_to_import_are_seen():
    sources = [
        "import helpers.plots as p, os",
        "from helpers import data, models\nfrom json import loads",
    ]
    sources += [
        "%pip install x\ndef f():\n    from helpers.metrics.bounds import elbo",
        "this is no code",
    ]
    found = imported({"cells": [cell("from helpers import no", "markdown"), *map(cell, sources)]})
    wings = ["helpers.data", "helpers.metrics.bounds.elbo", "helpers.models", "helpers.plots"]
    assert found == wings


@pytest.fixture
def made(tmp_path):
    """A folder with a file."""
    (tmp_path / "made" / "results").mkdir(parents=True)
    (tmp_path / "made" / "results" / "x").write_text("text")
    return tmp_path / "made"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    return ResultCache("kept")


def test_an_entry_comes_back_with_its_files_and_cost(cache, tmp_path, made):
    (made / "y").touch()
    assert cache.find({"a": "1"}) == (None, "for the first time")
    added = cache.add({"a": "1"}, made, {"seconds": 2.0})
    found, _ = cache.find({"a": "1"})
    assert found == added and found.cost == {"seconds": 2.0}
    assert found.under("results").keys() == {"results/x"} and len(found.files) == 2
    found.copy_to(tmp_path / "copy")
    found.copy_to(tmp_path / "part", "results")
    assert (tmp_path / "copy" / "y").exists() and not (tmp_path / "part" / "y").exists()
    for name in ("copy", "part"):
        (tmp_path / name / "results" / "x").write_text("changed")
    assert cache.find({"a": "1"})[0] == added


def test_the_reason_is_what_differs_from_the_nearest_entry(cache, made):
    for parts in ({"a": "1", "b": "1", "c": "1", "d": "1"}, {"a": "2", "b": "2"}):
        cache.add(parts, made, {})
    assert cache.find({"a": "2", "b": "1"})[1] == "b changed"
    four = {"a": "9", "b": "9", "e": "1", "f": "1"}
    assert cache.find(four)[1] == "a, b, e and 1 more changed"


@pytest.mark.parametrize(
    "name, text", [("files/results/x", "other"), ("manifest.json", "{"), ("manifest.json", "[]")]
)
def test_a_damaged_entry_is_removed_and_named(cache, made, name, text):
    entry = cache.add({"a": "1"}, made, {})
    (entry.folder / name).write_text(text)
    assert cache.find({"a": "1"})[1].startswith("what was kept of it is damaged: ")
    assert cache.find({"a": "1"}) == (None, "for the first time")


def test_an_entry_whose_manifest_leaves_its_folder_is_not_used(cache, tmp_path, made):
    entry = cache.add({"a": "1"}, made, {})
    outside = tmp_path / "evil.txt"
    outside.write_text("planted")
    manifest = json.loads((entry.folder / "manifest.json").read_text())
    name = os.path.relpath(outside, entry.folder / "files")
    manifest["files"] = {name: definitions.sha256(outside)}
    (entry.folder / "manifest.json").write_text(json.dumps(manifest))
    found, why = cache.find({"a": "1"})
    assert found is None and "evil.txt" in why


def test_a_failed_copy_leaves_nothing(cache, tmp_path):
    with pytest.raises(FileNotFoundError):
        cache.add({"a": "1"}, tmp_path / "absent", {})
    assert list(cache.folder.iterdir()) == []


def test_an_entry_made_twice_stays_the_first(cache, made):
    first = cache.add({"a": "1"}, made, {"seconds": 1.0})
    (made / "results" / "x").write_text("made by another run")
    assert cache.add({"a": "1"}, made, {"seconds": 9.0}) == first == cache.find({"a": "1"})[0]


def test_the_entries_used_last_are_kept(cache, made):
    for number in range(MOST_KEPT):
        cache.add({"a": str(number)}, made, {})
    cache.find({"a": "0"})
    cache.add({"a": "new"}, made, {})
    kept = [number for number in range(MOST_KEPT) if cache.find({"a": str(number)})[0]]
    assert kept == [0, *range(2, MOST_KEPT)]
    assert cache.find({"a": "new"})[0]
