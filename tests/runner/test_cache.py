"""What counts as a change, and what is kept in the cache."""

import ast
import json

import pytest

from helpers import paths
from helpers import provenance as digests
from helpers.runner.store import KEPT, Shelf

ALL_TRAINING = (*digests.TRAINING, *digests.OPTIMIZERS["muon"])

@pytest.fixture
def root(tmp_path):
    """A folder with a little code that trains, a plot, a template and a notebook."""
    files = {f"helpers/{name}.py": 'def f(x):\n    """Words."""\n    return x + 1\n' for name in ALL_TRAINING}
    files |= {"helpers/plots.py": "a = 1\n", "helpers/pipeline.py": "a = 1\n", "helpers/claims.json": "{}"}
    files |= {"helpers/report/report.css": "a", "report/results/runs.csv": "a\n", "requirements.txt": "keras\n"}
    files |= {"00_a.ipynb": json.dumps({"cells": [], "metadata": {}})}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def changed_by(root, name, text):
    """Which digests a new text of a file changes: of training, a notebook, the rendering."""

    def all_digests():
        parts = digests.notebook_parts(root / "00_a.ipynb", {}, {}, root), digests.rendering_parts({}, root)
        return {"training": digests.training_code(root=root)} | dict(zip(("notebook", "rendering"), parts, strict=True))

    before = all_digests()
    (root / name).write_text(text)
    return {part for part, value in all_digests().items() if value != before[part]}


@pytest.mark.parametrize("module", ALL_TRAINING)
def test_code_that_trains_changes_training_and_notebooks(root, module):
    assert changed_by(root, f"helpers/{module}.py", "def f(x):\n    return x + 2\n") == {"training", "notebook"}


def test_an_optimizers_module_retrains_its_own_models_alone(root):
    before = [digests.training_code(name, root) for name in ("adam", "muon")]
    (root / "helpers/muon.py").write_text("changed = True\n")
    adam, muon = (digests.training_code(name, root) for name in ("adam", "muon"))
    assert adam == before[0] and muon != before[1]


@pytest.mark.parametrize(
    "text", ["def f(x):  # adds\n    return x + 1\n", 'def f(x):\n  """Other."""\n\n  return (x+1)']
)
def test_comments_docstrings_and_layout_never_retrain(root, text):
    assert changed_by(root, "helpers/models.py", text) == {"notebook"}


def test_a_text_that_is_no_docstring_counts(root):
    assert "training" in changed_by(
        root, "helpers/losses.py", 'def f(x):\n    """Words."""\n    "b"\n    return x + 1\n'
    )


def test_code_that_is_no_python_counts_as_it_stands(root):
    assert changed_by(root, "helpers/models.py", "def f(:\n") == {"training", "notebook"}


@pytest.mark.parametrize(
    "name, what",
    [
        ("helpers/plots.py", {"notebook"}),
        ("helpers/new.py", {"notebook"}),
        ("helpers/claims.json", {"notebook"}),
        ("report/results/runs.csv", {"notebook"}),
        ("helpers/report/report.css", {"rendering"}),
        ("helpers/report/new.py", {"rendering"}),
        ("requirements.txt", {"notebook", "rendering"}),
        ("helpers/pipeline.py", set()),
        ("README.md", set()),
    ],
)
def test_what_a_change_of_a_file_changes(root, name, what):
    assert changed_by(root, name, "b = 2  # new\n") == what


def test_the_backend_and_the_version_of_keras_count_for_training(root, monkeypatch):
    versions = {"keras": "1", "tensorflow": "1", "jax": "1"}
    monkeypatch.setattr(digests, "version", versions.get)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    found = [digests.training_code(root=root)]
    for name in ("keras", "tensorflow"):
        versions[name] = "2"
        found.append(digests.training_code(root=root))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert len({*found, digests.training_code(root=root)}) == 4


def imports(file):
    """The modules of the package that a Python file or a notebook imports, in functions too."""
    if file.suffix == ".ipynb":
        cells = json.loads(file.read_text())["cells"]
        source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    else:
        source = file.read_text()
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "helpers":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers."):
            names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("helpers.")}
    return names


def reached(*files):
    """The modules that files import, directly or through others."""
    found, new = set(), set().union(*map(imports, files))
    while new:
        found |= new
        new = set().union(*(imports(file) for name in new for file in files_of(name))) - found
    return found


def files_of(name):
    """The files of a module, or of a package in the package."""
    file = paths.ROOT / "helpers" / f"{name}.py"
    return [file] if file.exists() else list((paths.ROOT / "helpers" / name).glob("*.py"))


# What training imports besides TRAINING: a trained model's key has configuration and recipe; the others keep or show.
NOT_TRAINING = {"checkpoints", "checks", "config", "digests", "paths", "progress", "recipes", "results", "terminal"}


def test_training_imports_no_module_whose_share_in_it_is_undecided():
    assert reached(paths.ROOT / "helpers" / "training.py") <= {*ALL_TRAINING, *NOT_TRAINING}
    assert all((paths.ROOT / "helpers" / f"{name}.py").exists() for name in ALL_TRAINING)


def test_measuring_imports_no_module_whose_share_in_it_is_undecided():
    known = {*digests.MEASURING, *ALL_TRAINING, *NOT_TRAINING}
    assert reached(paths.ROOT / "helpers" / "measures.py") <= known
    assert all((paths.ROOT / "helpers" / f"{name}.py").exists() for name in digests.MEASURING)


def test_notebooks_import_no_module_that_does_not_count():
    keep_check_or_show = {"checkpoints", "digests", "parameters", "progress", "terminal"}
    assert reached(*paths.NOTEBOOKS.glob("*.ipynb")) & set(digests.RUNNING) <= keep_check_or_show
    assert all((paths.ROOT / "helpers" / f"{name}.py").exists() for name in digests.RUNNING)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "file").write_text("text")
    return tmp_path / "file"


def test_an_entry_comes_back_with_its_files_and_cost(tmp_path, file):
    shelf = Shelf(tmp_path / "shelf")
    assert shelf.find({"a": "1"}) == (None, "for the first time")
    made = shelf.add({"a": "1"}, {"results/x": file}, {"seconds": 2.0})
    found, _ = shelf.find({"a": "1"})
    assert found == made and found.cost == {"seconds": 2.0}
    found.copy_to(tmp_path / "copy")
    (tmp_path / "copy" / "results" / "x").write_text("changed")
    assert shelf.find({"a": "1"})[0] == made


def test_the_reason_is_what_differs_from_the_nearest_entry(tmp_path, file):
    shelf = Shelf(tmp_path / "shelf")
    for parts in ({"a": "1", "b": "1", "c": "1", "d": "1"}, {"a": "2", "b": "2"}):
        shelf.add(parts, {"x": file}, {})
    assert shelf.find({"a": "2", "b": "1"}) == (None, "b changed")
    assert shelf.find({"a": "9", "b": "9", "e": "1", "f": "1"}) == (None, "a, b, e and 1 more changed")


@pytest.mark.parametrize("name, text", [("x", "other"), ("manifest.json", "{"), ("manifest.json", "[]")])
def test_a_damaged_entry_is_removed_and_named(tmp_path, file, name, text):
    shelf = Shelf(tmp_path / "shelf")
    entry = shelf.add({"a": "1"}, {"x": file}, {})
    (entry.folder / name).write_text(text)
    assert shelf.find({"a": "1"})[1].startswith("what was kept of it is damaged: ")
    assert shelf.find({"a": "1"}) == (None, "for the first time")


def test_a_failed_copy_leaves_nothing(tmp_path, file):
    shelf = Shelf(tmp_path / "shelf")
    with pytest.raises(FileNotFoundError):
        shelf.add({"a": "1"}, {"x": file, "y": tmp_path / "absent"}, {})
    assert list((tmp_path / "shelf").iterdir()) == []


def test_an_entry_made_twice_stays_the_first(tmp_path, file):
    shelf = Shelf(tmp_path / "shelf")
    first = shelf.add({"a": "1"}, {"x": file}, {"seconds": 1.0})
    file.write_text("made by another run")
    assert shelf.add({"a": "1"}, {"x": file}, {"seconds": 9.0}) == first == shelf.find({"a": "1"})[0]


def test_the_entries_used_last_are_kept(tmp_path, file):
    shelf = Shelf(tmp_path / "shelf")
    for number in range(KEPT):
        shelf.add({"a": str(number)}, {"x": file}, {})
    shelf.find({"a": "0"})
    shelf.add({"a": "new"}, {"x": file}, {})
    kept = [number for number in range(KEPT) if shelf.find({"a": str(number)})[0]]
    assert kept == [0, *range(2, KEPT)]
    assert shelf.find({"a": "new"})[0]
