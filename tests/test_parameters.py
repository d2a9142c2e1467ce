"""Parameters are read as written, and refused before anything runs."""

import ast
import json

import papermill
import pytest
from papermill.translators import PythonTranslator

from helpers import paths
from helpers.errors import Refusal
from helpers.parameters import (
    ParameterError,
    check_injected,
    parse_parameters,
    read_parameters,
    resolve,
)
from helpers.runner.pipeline import discover

CELL = """
seed = 0                            # seed of everything
beta: int | None = None             # None takes the profile's own
scale: float = 1.5                  # a number
name = 'a=b # c'                    # a text with signs
grid: list[int] = [1, 2]            # a list
norm: Literal["l1", "l2"] = "l2"    # a choice
verbose = False                     # a switch
free = None                         # anything
often: "Optional[int]" = None       # a type in quotes, which needs no import
"""


@pytest.fixture
def known():
    return parse_parameters(CELL)


def test_reads_name_default_and_comment(known):
    assert {name: one.default for name, one in known.items()} == {
        "seed": 0,
        "beta": None,
        "scale": 1.5,
        "name": "a=b # c",
        "grid": [1, 2],
        "norm": "l2",
        "verbose": False,
        "free": None,
        "often": None,
    }
    assert known["name"].help == "a text with signs"
    assert known["beta"].expects == "int | None"
    assert known["seed"].expects == "int"
    assert known["often"].expects == "Optional[int]" and known["often"].value("3") == 3


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("seed", "3", 3),
        ("beta", "None", None),
        ("beta", "7", 7),
        ("scale", "2", 2),
        ("scale", "1e-5", 1e-5),
        ("name", "5", "5"),
        ("name", "plain text", "plain text"),
        ("name", "'quoted'", "quoted"),
        ("grid", "[3]", [3]),
        ("grid", "(3, 4)", [3, 4]),
        ("norm", "l1", "l1"),
        ("verbose", "True", True),
        ("free", "{'a': 1}", {"a": 1}),
    ],
)
def test_takes_a_value_of_the_type(known, name, text, value):
    assert known[name].value(text) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("seed", "1.5"),
        ("seed", "True"),
        ("seed", "None"),
        ("seed", "one"),
        ("beta", "2.0"),
        ("scale", "False"),
        ("grid", "[1.5]"),
        ("grid", "3"),
        ("norm", "l3"),
        ("verbose", "1"),
        ("verbose", "true"),
    ],
)
def test_refuses_a_value_of_another_type(known, name, text):
    with pytest.raises(ParameterError) as refused:
        known[name].value(text)
    assert f"{name}={text}" in str(refused.value)
    assert f"expected {known[name].expects}" in str(refused.value)


@pytest.mark.parametrize(
    "cell",
    [
        "x = f(1)",
        "a, b = 1, 2",
        "a = b = 1",
        "import os",
        "x: int",
        "x: int = 'a'",
        "x: Wrong = 1",
        "x = (",
    ],
)
def test_refuses_a_cell_that_is_not_assignments_of_literals(tmp_path, cell):
    notebook = tmp_path / "00_odd.ipynb"
    notebook.write_text(
        json.dumps(
            {
                "cells": [
                    {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": [cell]}
                ]
            }
        )
    )
    with pytest.raises(ParameterError, match="00_odd.ipynb: the parameters cell must be"):
        read_parameters(notebook)


@pytest.mark.parametrize(
    "note",
    [
        "print('run') or int",
        "[open('x', 'w')][0]",
        "list[__import__('os')]",
        "'f()'",
        "Literal[f()]",
    ],
)
def test_no_annotation_is_run(tmp_path, monkeypatch, note):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, SyntaxError)):
        parse_parameters(f"x: {note} = 1")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("line", "good", "value", "bad"),
    [
        ("x: int | None = 1", "None", None, "1.5"),
        ("x: Optional[int] = 1", "3", 3, "a"),
        ("x: Union[int, bool] = 1", "True", True, "1.5"),
        ("x: Literal[1, 2] = 1", "2", 2, "3"),
        ("x: list[int] = []", "[1, 2]", [1, 2], "[1, 'a']"),
        ("x: tuple[int, ...] = ()", "[1, 2]", (1, 2), "(1, 'a')"),
        ("x: dict[str, float] = {}", "{'a': 1}", {"a": 1}, "{'a': 'b'}"),
        ("x: 'float | None' = 1.0", "1e-3", 1e-3, "True"),
        ("x: list[list[float]] = []", "[[1]]", [[1]], "[1]"),
    ],
)
def test_annotations_are_understood(line, good, value, bad):
    parameter = parse_parameters(line)["x"]
    assert parameter.value(good) == value
    with pytest.raises(ParameterError, match="expected"):
        parameter.value(bad)


@pytest.mark.parametrize(
    "text", ["<<<<<<< mine", "[]", "{}", '{"cells": [1]}', '{"cells": [{"source": ""}]}']
)
def test_a_file_that_is_no_notebook_is_named(tmp_path, text):
    (tmp_path / "00_odd.ipynb").write_text(text)
    with pytest.raises(Refusal, match=r"00_odd.ipynb is not a whole notebook \(.*git, or"):
        read_parameters(tmp_path / "00_odd.ipynb")


def test_each_notebook_gets_what_it_has():
    notebooks = {
        "00": parse_parameters("profile = 'report'\nseed = 0"),
        "01": parse_parameters("seed = 0\nlatent_dim = 10"),
        "02": {},
    }
    assert resolve(notebooks, ["seed=4", "latent_dim=5"], "smoke") == {
        "00": {"profile": "smoke", "seed": 4},
        "01": {"seed": 4, "latent_dim": 5},
        "02": {},
    }


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("laten_dim=5", "did you mean 'latent_dim'"),
        ("Seed=5", "did you mean 'seed'"),
        ("wholly_other=5", "there are: latent_dim, seed"),
        ("beta=5", "there are: latent_dim, seed"),
        ("seed", "write it as -p NAME=VALUE"),
        ("profile=smoke", "--profile smoke"),
        ("seed=1.5", "00: seed=1.5: expected int, given 1.5 [(]float"),
        ("latent_dim=0", "00: latent_dim=0 must be an integer from 1"),
    ],
)
def test_refusals_say_what_would_do(assignment, message):
    notebooks = {"00": parse_parameters("profile = 'report'\nseed = 0\nlatent_dim = 10")}
    with pytest.raises(ParameterError, match=message):
        resolve(notebooks, [assignment], "report")


def injected(source: str, **given) -> list[str]:
    """The cells that IPython's history holds when papermill has set parameters."""
    return ["", source, PythonTranslator.codify(given, "Parameters"), "start()"]


SOURCE = 'seed: int = 0  # a seed\nlatent_dim = 10\nnames = ("a",)\nepochs: "float | None" = None'


@pytest.mark.parametrize(
    "given",
    [{}, {"seed": 1}, {"epochs": 2, "names": ["a", "b"]}, {"epochs": None}, {"epochs": 0.5}],
)
def test_what_papermill_sets_is_taken_where_it_fits(given):
    check_injected(injected(SOURCE, **given))


@pytest.mark.parametrize(
    "given, message",
    [
        ({"latent_dims": 5}, "no parameter latent_dims; did you mean 'latent_dim'[?]"),
        ({"beta": 5}, "no parameter beta; there are: seed, latent_dim, names, epochs"),
        ({"seed": 1, "latent_dim": "five"}, "latent_dim=five: expected int, given 'five' .str"),
        ({"seed": 1.5}, "seed=1.5: expected int"),
        ({"seed": True}, "seed=True: expected int"),
        ({"names": "a"}, "names=a: expected tuple"),
    ],
)
def test_what_papermill_sets_wrongly_is_refused_with_its_name(given, message):
    with pytest.raises(ParameterError, match=message):
        check_injected(injected(SOURCE, **given))


def test_a_notebook_without_parameters_takes_none():
    with pytest.raises(ParameterError, match="no parameter seed"):
        check_injected(["", "# Parameters\nseed = 1\n", "start()"])


@pytest.mark.parametrize("name, value", [("latent_dims", 5), ("latent_dim", "five")])
def test_plain_papermill_fails_in_the_first_cell_and_names_the_parameter(tmp_path, name, value):
    notebook = json.loads((paths.NOTEBOOKS / "03_latent_10d.ipynb").read_text())
    starts = ["display.start()" in "".join(cell["source"]) for cell in notebook["cells"]]
    notebook["cells"] = notebook["cells"][: starts.index(True) + 1]
    (tmp_path / "in.ipynb").write_text(json.dumps(notebook))
    given = {"parameters": {name: value}, "kernel_name": "python3", "progress_bar": False}
    with pytest.raises(papermill.PapermillExecutionError) as failed:
        papermill.execute_notebook(tmp_path / "in.ipynb", tmp_path / "out.ipynb", **given)
    assert failed.value.ename == "ParameterError" and name in failed.value.evalue


NOTEBOOKS = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
SECTIONS = [source.file for source in discover(paths.NOTEBOOKS).values()]
PUBLISHED = {
    "00_baseline", "01_architecture", "02_latent_1d", "03_latent_10d", "04_loss", "05_inpainting",
    "06_generation", "07_discussion", "08_claims",
}  # fmt: skip


def test_the_nine_sections_are_there_and_things_to_try_is_none():
    assert {file.stem for file in SECTIONS} >= PUBLISHED  # a reader may add others
    assert "things_to_try" in {file.stem for file in {*NOTEBOOKS} - {*SECTIONS}}


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebook_is_clean(file):
    cells = [cell for cell in json.loads(file.read_text())["cells"] if cell["cell_type"] == "code"]
    assert [n for n, cell in enumerate(cells) if cell["outputs"] or cell["execution_count"]] == []


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_helpers_come_before_keras_whose_backend_and_messages_they_set(file):
    cells = [cell for cell in json.loads(file.read_text())["cells"] if cell["cell_type"] == "code"]
    tree = ast.parse("\n".join("".join(cell["source"]) for cell in cells))
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [
        node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports
    ]
    packages = [name.split(".")[0] for name in names]
    assert "keras" not in packages[: packages.index("helpers")]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebook_has_one_parameters_cell_with_a_comment_for_each(file):
    parameters = read_parameters(file)
    assert "profile" in parameters
    assert [name for name, one in parameters.items() if not one.help] == []


@pytest.mark.parametrize("file", SECTIONS, ids=lambda file: file.stem)
def test_papermill_says_of_every_parameter_what_it_is_and_does(file):
    said = papermill.inspect_notebook(str(file))
    assert list(said) == list(read_parameters(file))
    for name, about in said.items():
        assert about["inferred_type_name"] != "None" and len(about["help"].split()) > 2, name
