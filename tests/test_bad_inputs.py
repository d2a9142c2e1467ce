"""Bad input gives one clear line, before any training: what a person types, and damaged files.

The first part goes through the command line; its lines begin with "error: ", or end argparse's
usage. Each must name what is wrong: the option, field or file.
"""

import gzip
import json
import shlex
import struct

import numpy as np
import pytest

from helpers import data, paths
from helpers.__main__ import main
from helpers.config import TrainingConfig
from helpers.errors import DataError, Failure
from helpers.evidence import tables
from helpers.parameters import check_injected
from helpers.runner import benchmark, pipeline, publish, sweep
from helpers.runner.cache import ResultCache

TABLE = "--trial --table t.csv"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Give a command in an empty folder: the line in which it is refused. Nothing may start."""

    def never(*given, **options):
        raise AssertionError("something has started")

    monkeypatch.setattr(pipeline, "Job", never)
    monkeypatch.setattr(sweep, "workers", never)
    monkeypatch.setattr(benchmark, "workers", never)
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)

    def give(command, *more):
        try:
            status = main([*shlex.split(command), *more])
        except SystemExit as left:
            status = left.code
        lines = capsys.readouterr().err.splitlines()
        assert status in (1, 2) and not any("Traceback" in line for line in lines)
        usage, cells = lines[0].startswith("usage: "), all("00_odd.ipynb" in line for line in lines)
        assert len(lines) == 1 or usage or cells, lines
        assert "error: " in lines[-1 if usage else 0]
        return lines[-1]

    return give


OPTIONS = {
    "": "COMMAND",
    "reprot": "invalid choice: 'reprot'",
    "report --profile tiny": "argument --profile: invalid choice: 'tiny'",
    "report --jobs 0": "argument --jobs: invalid count (1 or more)",
    "report --jobs -1": "argument --jobs: invalid count (1 or more)",
    "report --jobs 1.5": "argument --jobs: invalid count (1 or more)",
    "report --jobs many": "argument --jobs: invalid count (1 or more)",
    "report --jobs": "argument --jobs: expected one argument",
    "report --nonsense": "unrecognized arguments: --nonsense",
    "report extra": "unrecognized arguments: extra",
    "report -p": "argument -p: expected at least one argument",
    "report -p seed": "-p seed: write it as -p NAME=VALUE or -p NAME VALUE",
    "report -p =3": "-p =3: write it as -p NAME=VALUE",
    "report -p seed 1 2": "-p seed: write it as -p NAME=VALUE",
    "report -p seed=1 seed=2": "-p seed=2: seed is given twice",
    "report -p seed=1 -p seed=1": "-p seed=1: seed is given twice",
    "report -p sede=1": "no notebook has a parameter sede; did you mean 'seed'?",
    "report -p latent_dims 5": "has a parameter latent_dims; did you mean 'latent_dim'?",
    "report -p wholly_other=1": "no notebook has a parameter wholly_other; there are: activation, ",
    "report -p profile=smoke": "-p profile=smoke: all notebooks have the one of --profile smoke",
    "report -p 'seed;x=1'": "no notebook has a parameter seed;x",
    "report --reference -p seed=1": "the reference run takes the notebooks' own parameters",
    "report --reference --output x": "leave out --output",
    "report --reference --profile smoke": "the reference run is of the profile report",
    "report --output FILE": "--output FILE: FILE is not a folder that can be written",
    "report --output FILE/x": "--output FILE/x: FILE is not a folder that can be written",
    "report --output REPORT": "say --reference, not --output",
    "report --output NOTEBOOKS": "holds the sources of the notebooks: name another --output",
    "report --output ROOT": "holds the sources of the notebooks: name another --output",
    "report --notebooks EXAMPLE --output ROOT": "holds the sources of the notebooks",
    "report --notebooks nowhere": "no notebooks in nowhere",
    "report --notebooks FILE": "no notebooks in FILE",
    "report --notebooks EMPTY": "no notebooks in EMPTY",
    "render --output nowhere": "no executed notebooks in",
    "render --output FILE": "--output FILE: FILE is not a folder",
    "render --output EMPTY": "no executed notebooks in EMPTY: make them first, with ",
    "render --output ROOT": "no executed notebooks in ROOT",
    "render --reference --output x": "leave out --output",
    "render --profile tiny": "argument --profile: invalid choice: 'tiny'",
    "parameters --notebooks nowhere": "no notebooks in nowhere",
    "parameters --notebooks FILE": "no notebooks in FILE",
    "parameters --output x": "unrecognized arguments: --output x",
    "sweep": "the following arguments are required: --table",
    "sweep --table": "argument --table: expected one argument",
    "sweep --table ''": "--table . is a folder: name a file in it",
    "sweep --table EMPTY": "--table EMPTY is a folder: name a file in it",
    "sweep --trial --table FILE/t.csv": "--table FILE: FILE is not a folder that can be written",
    f"sweep --jobs 0 {TABLE}": "argument --jobs: invalid count (1 or more)",
    f"sweep --jobs x {TABLE}": "argument --jobs: invalid count (1 or more)",
    f"sweep --profile tiny {TABLE}": "argument --profile: invalid choice: 'tiny'",
    f"sweep --jobs 2 --scheduler tcp://127.0.0.1:1 {TABLE}": "--jobs is for this machine",
    f"sweep seed=0..200 latent_dim=1..100 {TABLE}": "more than 10,000 combinations",
    f"sweep sede=0 {TABLE}": "did you mean 'seed'?",
    f"sweep epoch=3 {TABLE}": "did you mean 'epochs'?",
    f"sweep model=10d {TABLE}": "model='10d' is not one of",
    f"sweep seed=0 seed=1 {TABLE}": "seed is given twice: write seed=VALUE,VALUE",
    "benchmark --trial --models x": "model='x' is not one of 'baseline'",
    "benchmark --trial --models ''": "'model=' is not of the form NAME=VALUE",
    "benchmark --trial --models dense": "model='dense' is not one of 'baseline'",
    "benchmark --trial --models []": "model=[] is not one of 'baseline'",
    "benchmark --trial --models baseline,": "model='' is not one of 'baseline'",
    "benchmark --trial --factorial --models x": "model='x' is not one of 'baseline'",
    "benchmark --trial --seeds x": "seed='x' must be an integer from 0",
    "benchmark --trial --seeds ''": "'seed=' is not of the form NAME=VALUE",
    "benchmark --trial --seeds 2..1": "'seed=2..1' holds no value",
    "benchmark --trial --seeds -1": "seed=-1 must be an integer from 0",
    "benchmark --trial --seeds 0.5": "seed=0.5 must be an integer from 0",
    "benchmark --trial --seeds 0,x": "seed='x' must be an integer from 0",
    "benchmark --trial --seeds 0..99999999999": "holds no value, or more than 10,000",
    "benchmark --trial --seeds 99999999999": "seed=99999999999 must be an integer from 0",
    "benchmark --trial --epochs 0": "argument --epochs: invalid count (1 or more)",
    "benchmark --trial --epochs 1.5": "argument --epochs: invalid count (1 or more)",
    "benchmark --trial --epochs 99999": "epochs=99999 must be a number above 0, up to 10000",
    "benchmark --trial --rounds 0": "argument --rounds: invalid count (1 or more)",
    "benchmark --trial --images 0": "argument --images: invalid count (1 or more)",
    "benchmark --trial --images x": "argument --images: invalid count (1 or more)",
    "benchmark --trial --images 60001": "n_train=60001 must be an integer from 1 to 60,000",
    "benchmark --trial --jobs 0": "argument --jobs: invalid count (1 or more)",
    "benchmark --trial --jobs 1 --scheduler x": "--jobs is for this machine",
    "benchmark --trial --output FILE": "--output FILE: FILE is not a folder that can be written",
    "benchmark --trial --output REPORT/results": "say --reference, not --output",
    "benchmark --trial --reference": "the tables that the report reads: leave out --trial",
    "benchmark --reference --output x": "the tables that the report reads: leave out --output",
    "lab nowhere --help=3": "argument",
}


@pytest.mark.parametrize("command", OPTIONS)
def test_options(run, command, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").mkdir()
    words = command + "\n" + OPTIONS[command]
    places = {"FILE": tmp_path / "file", "EMPTY": tmp_path / "empty", "ROOT": paths.ROOT}
    places |= {"EXAMPLE": paths.ROOT / "tests" / "example_course"}
    for name, place in (places | {"REPORT": paths.REFERENCE, "NOTEBOOKS": paths.NOTEBOOKS}).items():
        words = words.replace(name, str(place))
    command, expected = words.split("\n")
    assert expected in run(command)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_name_is_suggested_only_when_it_is_near(run):
    for command in (f"sweep bta_weight_x=1 {TABLE}", f"sweep architecture_={1} {TABLE}"):
        line = run(command)
        assert ("did you mean" in line) == ("architecture_" in line)
    assert "did you mean" not in run("report -p b=1")


def bad(kind, *more):
    """Values that no field of this kind takes."""
    values = {
        "integer": "x 1.5 True None [] {} -1 99999999999 1,,2 1e3 '1'".split(),
        "number": "x True [] -1 nan inf 1e400 3j 1,,2 '1'".split(),
        "name": "x None [] {} 3 True BCE relu,x".split(),
    }
    return [*values[kind], *more]


GRID = {
    "seed": bad("integer", "2..1", "0..x", "²..3", "0..99999999999", "", "2147483648"),
    "latent_dim": bad("integer", "0", "257", "2.0", "0..3"),
    "batch_size": bad("integer", "0", "10001", "1.0"),
    "hidden_units": bad("integer", "0", "4097"),
    "n_train": [value for value in bad("integer", "0", "60001") if value != "None"],
    "epochs": bad("number", "0", "10001", "None"),
    "beta": bad("number", "1001", "None"),
    "kl_warmup": bad("number", "1001", "None"),
    "free_bits": bad("number", "1001", "None"),
    "loss": bad("name", "bec"),
    "split": bad("name", "test"),
    "dataset": bad("name", "mnits", "../mnist", "/etc"),
    "activation": bad("name", "rel"),
    "model": [value for value in bad("name", "basline", "Baseline") if value != "relu,x"],
    "colour": ["1"],
}
POINTS = [f"{field}={value}" for field, values in GRID.items() for value in values]
POINTS += ["seed", "=", "=3", "", "seed:3", "--seed"]


@pytest.mark.parametrize("point", POINTS)
def test_grids(run, point):
    line = run(f"sweep {TABLE}", *(["--", point] if point[:1] != "-" else [point]))
    assert (point.partition("=")[0] or "NAME=VALUE") in line


RECIPES = {
    "slow": "recipe='slow' is not one of",
    "None": "recipe='None' is not one of",
    "[]": "recipe='[]' is not one of",
    "fsat": "did you mean 'fast'?",
    "fast fast": "recipe's field='fast'",
    "fast paek=0.1": "did you mean 'peak'?",
    "fast peak": "recipe's peak=''",
    "fast peak=": "recipe's peak=''",
    "fast peak=0": "recipe's peak=0 must be a number above 0",
    "fast peak=2": "recipe's peak=2 must be a number above 0, up to 1",
    "fast peak=-1": "recipe's peak=-1",
    "fast peak=nan": "recipe's peak='nan'",
    "fast peak=x": "recipe's peak='x'",
    "fast peak=True": "recipe's peak=True",
    "fast peak=[]": "recipe's peak=[]",
    "fast peak=0.1 peak=0.2": "gives peak twice",
    "fast kernels=yes": "recipe's kernels='yes'",
    "fast kernels=2": "recipe's kernels=2",
    "fast warmup=0": "recipe's warmup=0",
    "fast warmup=2": "recipe's warmup=2",
    "fast optimizer=sgd": "recipe's optimizer='sgd'",
    "fast optimizer=[]": "recipe's optimizer=[]",
    "fast schedule=linear": "recipe's schedule='linear'",
    "keras schedule=None": "recipe's schedule=None",
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_recipes(run, recipe):
    assert RECIPES[recipe] in run(f"sweep {TABLE}", f"recipe={recipe}")


def parameter_values():
    """What no parameter of a notebook takes: another type, or outside of its range."""
    known = {n: one for many in pipeline.known_parameters().values() for n, one in many.items()}
    for name, one in sorted(known.items()):
        numbers = {int: ["x", "1.5", "True", "[1]", "None"], float: ["x", "[1]", "None", "'1'"]}
        wrong = numbers.get(type(one.default), [])
        positive = type(one.default) in (int, float) and name not in ("seed", "beta", "top", "left")
        wrong = wrong + ["-1"] * bool(wrong) + ["0"] * positive
        odd = {"epochs": ["x", "0", "-1", "[1]", "nan"], "pairs": ["3", "x", "{}"]}
        odd |= {"activation": ["rel", "3"], "dataset": ["mnits", "../mnist"]}
        odd |= {"top": ["28"], "left": ["28"], "size": ["29"], "hidden_share": ["1"]}
        odd |= {"latent_dim": ["1", "257"], "hidden_units": ["4097"], "beta": ["1001"]}
        for value in [*wrong, *odd.get(name, [])]:
            yield f"{name}={value}"


@pytest.mark.parametrize("assignment", [*parameter_values()])
def test_parameters_of_notebooks(run, assignment):
    line = run("report -p", assignment)
    assert f" {assignment.partition('=')[0]}=" in line
    assert line.split(": ")[1] in pipeline.known_parameters(), "the notebook is named"


@pytest.mark.parametrize("value", ["'x'", "1.5", "True", "None", "[1]", "-1", "0"])
def test_what_papermill_sets(value):
    with pytest.raises(ValueError, match="n_draws"):
        check_injected(["n_draws: int = 6  # draws", f"# Parameters\nn_draws = {value}"])


ENVIRONMENT = {
    "HELPERS_CACHE": ["", "FILE", "FILE/x"],
    "HELPERS_OUTPUT": ["", "FILE", "FILE/x"],
    "HELPERS_THREADS": ["", "0", "-1", "1.5", "x", "²", "4097", "9" * 30, " 1", "1e3"],
    "KERAS_BACKEND": ["", "tenserflow", "numpy", "os", "../jax", "TensorFlow"],
}
VARIABLES = [(name, value) for name, values in ENVIRONMENT.items() for value in values]


@pytest.mark.parametrize("command", ["report", f"sweep {TABLE}", "benchmark --trial"])
@pytest.mark.parametrize("name, value", VARIABLES)
def test_environment(run, monkeypatch, tmp_path, command, name, value):
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv(name, value.replace("FILE", str(tmp_path / "file")))
    assert f"error: {name}" in run(command)


def code(source="x = 1", outputs=(), **about):
    """A code cell that has run."""
    cell = {"cell_type": "code", "id": "b", "metadata": {}, "source": source}
    return cell | {"outputs": list(outputs), "execution_count": 1} | about


def notebook(*cells, **metadata):
    """A notebook with a title."""
    title = {"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Title"}
    about = {"nbformat": 4, "nbformat_minor": 5}
    return {"cells": [title, *cells], "metadata": metadata} | about


def shown(metadata=None, **data):
    """A cell with one output that has what a figure needs; __ is / in the name of a format."""
    names = {name.replace("__", "/").replace("_xml", "+xml"): value for name, value in data.items()}
    output = {"output_type": "display_data", "data": names, "metadata": metadata or {}}
    return code("#| label: fig-a\n#| fig-cap: A.\n#| fig-alt: B.\nx", [output])


SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
DEEP = {"cell_type": "markdown", "id": "b", "metadata": {}, "source": ">" * 999}
BROKEN = {  # no notebooks: refused by every command that reads them
    "merge markers": '<<<<<<< HEAD\n{"cells": []}\n=======\n>>>>>>> mine\n',
    "empty": "",
    "blank": " \n",
    "null": "null",
    "list": "[]",
    "object": "{}",
    "number": "3",
    "text": '"cells"',
    "truncated": json.dumps(notebook(code()))[:-40],
    "zeros": "\0\0\0",
    "not UTF-8": b"\xff\xfe{",
    "cells null": notebook() | {"cells": None},
    "cells a number": notebook() | {"cells": 3},
    "a cell of text": notebook() | {"cells": ["x"]},
    "a cell null": notebook() | {"cells": [None]},
    "a cell without source": notebook() | {"cells": [{"cell_type": "code", "metadata": {}}]},
    "a cell without metadata": notebook() | {"cells": [{"cell_type": "code", "source": "x"}]},
    "a cell with a list as metadata": notebook(code(metadata=[])),
    "source a number": notebook(code(5)),
    "source null": notebook(code(None)),
    "source of numbers": notebook(code([1, 2])),
    "tags a number": notebook(code(metadata={"tags": 3})),
    "tags null": notebook(code(metadata={"tags": None})),
    "metadata null": notebook() | {"metadata": None},
    "metadata a list": notebook() | {"metadata": [1]},
    "report metadata a text": notebook(report="x"),
    "report metadata a list": notebook(report=[1]),
    "report metadata null": notebook(report=None),
    "order a text": notebook(report={"order": "soon"}),
    "order a list": notebook(report={"order": [1]}),
    "order no number": notebook(report={"order": float("nan")}),
}
ODD = {  # cannot become a report
    "level a text": notebook(code(), report={"level": "x"}),
    "level 0": notebook(code(), report={"level": 0}),
    "level 6": notebook(code(), report={"level": 6}),
    "level null": notebook(code(), report={"level": None}),
    "part a text": notebook(code(), report={"part": "x"}),
    "part without title": notebook(code(), report={"part": {"level": 1}}),
    "part without level": notebook(code(), report={"part": {"title": "x"}}),
    "part's level a text": notebook(code(), report={"part": {"title": "x", "level": "a"}}),
    "title a number": notebook(code(), report={"title": 3}),
    "title a list": notebook(code(), report={"title": ["a"]}),
    "subtitle null": notebook(code(), report={"title": "a", "subtitle": None}),
    "end no time": notebook(code(), papermill={"end_time": "soon"}),
    "end a number": notebook(code(), papermill={"end_time": 5}),
    "papermill a text": notebook(code(), papermill="x"),
    "no title": notebook() | {"cells": [code()]},
    "no cells": notebook() | {"cells": []},
    "version 9": notebook(code()) | {"nbformat": 9},
    "version a text": notebook(code()) | {"nbformat": "x"},
    "cell of another kind": notebook(code() | {"cell_type": "query"}),
    "not run": notebook(code(execution_count=None)),
    "half run": notebook(code(), code("y", execution_count=None)),
    "count a text": notebook(code(execution_count="x")),
    "outputs null": notebook(code() | {"outputs": None}),
    "outputs a text": notebook(code() | {"outputs": "x"}),
    "an output a number": notebook(code(outputs=[1])),
    "an output without type": notebook(code(outputs=[{}])),
    "an output of another type": notebook(code(outputs=[{"output_type": "x"}])),
    "printed without text": notebook(code(outputs=[{"output_type": "stream", "name": "stdout"}])),
    "data a number": notebook(shown(text__plain=3)),
    "output's metadata a text": notebook(shown({"report": "x"}, text__plain="3")),
    "listing without code": notebook(shown({"report": {"kind": "listing"}}, text__plain="3")),
    "live a text": notebook(shown({"report": {"live": "x"}}, image__svg_xml=SVG)),
    "live without parts": notebook(
        shown({"report": {"live": {"figure": "plane", "data": {}}}}, image__svg_xml=SVG)
    ),
    "PNG no base64": notebook(shown(image__png="%%%")),
    "PNG too short": notebook(shown(image__png="aGFsbG8=")),
    "SVG no SVG": notebook(shown(image__svg_xml="no svg")),
    "SVG without size": notebook(shown(image__svg_xml=SVG.replace("9", "0"))),
    "SVG with an odd size": notebook(shown(image__svg_xml=SVG.replace("9", "."))),
    "label a list": notebook(code("#| label: [a]\nx")),
    "label a number": notebook(code("#| label: 3\nx")),
    "options a list": notebook(code("#| - a\nx")),
    "options no YAML": notebook(code("#| label: [\nx")),
    "options with code": notebook(code("#| label: !!python/object/apply:os.system ['x']\nx")),
    "half a character": notebook(code("x = 1\ny = '\ud800'")),
    "quotations too deep": notebook(DEEP),
}


def write(folder, content):
    """The notebook 00_odd of a folder."""
    folder.mkdir()
    raw = content if isinstance(content, str | bytes) else json.dumps(content)
    (folder / "00_odd.ipynb").write_bytes(raw if isinstance(raw, bytes) else raw.encode())


WHY = {  # why it is none, in words
    "merge markers": "it has the marks of a merge conflict, <<<<<<< or >>>>>>>",
    "empty": "it is empty",
    "blank": "it is empty",
    "object": "it, or one of its cells, has no 'cells'",
    "truncated": "no JSON: ",
    "zeros": "no JSON: Expecting value in line 1",
    "not UTF-8": "its text is not UTF-8",
    "a cell without source": "it, or one of its cells, has no 'source'",
}


@pytest.mark.parametrize("command", ["report", "parameters", "render"])
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_notebook(run, tmp_path, name, command):
    write(tmp_path / "notebooks", BROKEN[name])
    where = {"render": "--output ."}.get(command, "--notebooks notebooks")
    line = run(f"{command} {where}")
    assert "00_odd.ipynb" in line
    if command != "render":
        metadata = name.startswith(("report metadata", "order"))
        fix = "report metadata cannot be read" if metadata else "): restore it from git, or save it"
        assert fix in line and WHY.get(name, "") in line and "Error(" not in line


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_become_a_report(run, tmp_path, name):
    write(tmp_path / "notebooks", ODD[name])
    assert "00_odd.ipynb" in run("render --output .")
    assert not (tmp_path / "report.html").exists()


CELLS = ["x = f(1)", "a, b = 1, 2", "import os", "x: int", "x: int = 'a'", "x = (", "x: f() = 1"]
CELLS += ["x: 'list[' = 1", "x: Wrong = 1", "x = open('y', 'w')", "x: Literal[f()] = 1", "x += 1"]


@pytest.mark.parametrize("command", ["report", "parameters"])
@pytest.mark.parametrize("source", CELLS)
def test_parameters_cells(run, tmp_path, source, command):
    write(tmp_path / "notebooks", notebook(code(source, metadata={"tags": ["parameters"]})))
    line = run(f"{command} --notebooks notebooks")
    assert "00_odd.ipynb: the parameters cell must be assignments of literals" in line
    assert not (tmp_path / "y").exists()


HEADER = ",".join(["model", *TrainingConfig.__dataclass_fields__, "epoch", *tables.PROVENANCE])
CSV = {
    "empty": "",
    "garbage": "\x00\x01\x02",
    "merge markers": "<<<<<<< HEAD\nmodel,seed\n=======\n",
    "other columns": "a,b\n1,2\n",
    "a column more": f"{HEADER},colour\n",
    "a column twice": f"{HEADER},epoch\n",
    "a column less": f"{HEADER.replace('seed,', '')}\n",
    "cells missing": f"{HEADER}\nbaseline,2\n",
    "a text for a number": f"{HEADER}\n{HEADER}\n",
    "no UTF-8": b"model,\xff\n",
    "JSON": '{"model": 1}\n',
    "binary": bytes(range(256)),
}


@pytest.mark.parametrize("name", CSV)
def test_tables(run, tmp_path, name):
    fix = {"empty": "delete it, or name another", "other columns": "or name another --table",
           "garbage": "or name another --table"}.get(name, "")  # fmt: skip
    text = CSV[name]
    before = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "t.csv").write_bytes(before)
    line = run(f"sweep seed=0 {TABLE}")
    assert "error: t.csv" in line and fix in line
    assert (tmp_path / "t.csv").read_bytes() == before


# Files that a program reads: through its function, as the command would take minutes to come there


@pytest.fixture
def tiny(monkeypatch):
    """A data set of a few pixels, in place of MNIST's many: its arrays."""
    arrays = {
        part: np.arange(8, dtype=np.uint8).reshape((2, 2, 2) if "images" in part else (8,))
        for part in data.PARTS
    }
    sums = [data.hashlib.sha256(data._to_idx(one)).hexdigest() for one in arrays.values()]
    made = data.DataSet("tiny", "Tiny", "dot", "dots", ("0",), tuple(sums))
    monkeypatch.setitem(data.DATASETS, "tiny", made)
    return arrays


WHOLE = struct.pack(">HBB3I", 0, 8, 3, 2, 2, 2) + bytes(range(8))
FILES = {
    "empty": b"",
    "garbage": b"garbage",
    "zeros": bytes(24),
    "a web page": b"<!DOCTYPE html><html>404</html>",
    "header alone": WHOLE[:16],
    "header cut": WHOLE[:6],
    "a byte less": WHOLE[:-1],
    "a byte more": WHOLE + b"\0",
    "another pixel": WHOLE[:-1] + b"\0",
    "other sizes": struct.pack(">HBB3I", 0, 8, 3, 2, 4, 1) + bytes(range(8)),
    "huge sizes": struct.pack(">HBB3I", 0, 8, 3, *[2**32 - 1] * 3),
    "many dimensions": struct.pack(">HBB", 0, 8, 255) + bytes(1100),
    "a cut archive": gzip.compress(WHOLE)[:-9],
    "an archive with a wrong sum": gzip.compress(WHOLE)[:-8] + bytes(8),
    "an archive of garbage": gzip.compress(b"garbage"),
    "an archive of nothing": gzip.compress(b""),
}


@pytest.mark.parametrize("part", data.PARTS)
@pytest.mark.parametrize("name", FILES)
def test_data_files(tmp_path, tiny, capsys, part, name):
    folder = tmp_path / "tiny"
    folder.mkdir()
    for other, array in tiny.items():
        (folder / f"{other}.idx.gz").write_bytes(gzip.compress(data._to_idx(array)))
    assert data.fetch("tiny", folder, {}).keys() == tiny.keys()
    (folder / f"{part}.idx.gz").write_bytes(FILES[name])
    with pytest.raises(DataError, match="could not be obtained. Tried:") as refused:
        data.fetch("tiny", folder, {})
    assert str(folder) in str(refused.value) and "Put the four files" in str(refused.value)
    assert "Tiny cache refused, fetching again" in capsys.readouterr().err


def test_a_missing_or_odd_data_file_is_named(tmp_path, tiny):
    with pytest.raises(DataError, match="no train-images-idx3-ubyte.gz in "):
        data.fetch("tiny", tmp_path / "tiny", {})
    (tmp_path / "tiny" / "train-images.idx.gz").mkdir()
    with pytest.raises(DataError, match="train-images.idx.gz"):
        data.fetch("tiny", tmp_path / "tiny", {})


MANIFESTS = {
    "empty": "",
    "cut": '{"parts": {"a": ',
    "null": "null",
    "list": "[]",
    "no cost": {"cost": None},
    "cost a text": {"cost": {"seconds": "soon"}},
    "files a list": {"files": ["x"]},
    "files of numbers": {"files": {"results/x": 1}},
    "a file upwards": {"files": {"../../../evil": "SUM"}},
    "an absolute file": {"files": {"/etc/passwd": "SUM"}},
    "a file from within upwards": {"files": {"results/../../../evil": "SUM"}},
    "no files": {"files": {}},
    "another sum": {"files": {"results/x": "SUM"}},
    "parts a text": {"parts": "x"},
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_cache_entries(tmp_path, monkeypatch, name):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "made" / "results").mkdir(parents=True)
    (tmp_path / "made" / "results" / "x").write_text("x")
    cache = ResultCache("kept")
    file = cache.add({"a": "1"}, tmp_path / "made", {"seconds": 1.0}).folder / "manifest.json"
    (tmp_path / "cache" / "evil").write_text("evil")
    content = MANIFESTS[name]
    if isinstance(content, dict):
        content = json.dumps(json.loads(file.read_text()) | content)
    file.write_text(content.replace("SUM", data.hashlib.sha256(b"evil").hexdigest()))
    found, why = cache.find({"a": "1"})
    assert found is None and why.startswith("what was kept of it is damaged: ")
    assert "\n" not in why and (tmp_path / "cache" / "evil").read_text() == "evil"
    assert cache.find({"a": "1"}) == (None, "for the first time")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_cache_entry_with_a_link_is_not_used(tmp_path, monkeypatch, kind):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    for folder in ("made", "mine"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text("x")
    entry = ResultCache("kept").add({"a": "1"}, tmp_path / "made", {})
    target = tmp_path / "mine" / "x" if kind == "file" else tmp_path / "mine"
    (entry.folder / "files" / "link").symlink_to(target)
    found, why = ResultCache("kept").find({"a": "1"})
    assert found is None and "link is a link" in why
    assert (tmp_path / "mine" / "x").read_text() == "x"


RECORDS = ["", "{", "[]", "null", "3", '{"files": 1}', '{"files": [1]}', '{"files": [["a"]]}']
RECORDS += ['{"files": {"a": 1}', '{"files": null}', '{"other": []}', "\ufeff{}", "<<<<<<< HEAD"]


@pytest.mark.parametrize("text", RECORDS)
def test_a_damaged_run_json_is_none(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    assert publish.record(tmp_path) == {}


JOURNALS = {
    "empty": "",
    "cut": '{"moves": {"report/a"',
    "list": "[]",
    "no moves": '{"gone": []}',
    "no gone": '{"moves": {}}',
    "moves a list": '{"moves": ["a"], "gone": []}',
    "numbers": '{"moves": {"report/a": 1}, "gone": []}',
    "gone numbers": '{"moves": {}, "gone": [1]}',
    "a target upwards": '{"moves": {"report/a": "../mine"}, "gone": []}',
    "an absolute target": '{"moves": {"report/a": "/etc/mine"}, "gone": []}',
    "a source upwards": '{"moves": {"../../mine": "b"}, "gone": []}',
    "an absolute source": '{"moves": {"MINE": "b"}, "gone": []}',
    "gone upwards": '{"moves": {}, "gone": ["../mine"]}',
    "gone absolute": '{"moves": {}, "gone": ["MINE"]}',
}


@pytest.mark.parametrize("name", JOURNALS)
def test_journals(tmp_path, name):
    output, mine = tmp_path / "out", tmp_path / "mine"
    (output / "staging" / "report").mkdir(parents=True)
    (output / "staging" / "report" / "a").write_text("new")
    mine.write_text("mine")
    journal = output / "staging" / "journal.json"
    journal.write_text(JOURNALS[name].replace("MINE", str(mine)))
    with pytest.raises(Failure, match="remove .*staging"), publish.staging(output):
        raise AssertionError("the run has begun")
    assert mine.read_text() == "mine" and not (output / "b").exists()


def test_there_are_many_cases():
    commands = [OPTIONS, POINTS, RECIPES, list(parameter_values()), VARIABLES * 3, BROKEN, BROKEN]
    commands += [BROKEN, ODD, CELLS, CELLS, CSV]
    files = [[*FILES] * 4, MANIFESTS, RECORDS, JOURNALS]
    assert sum(map(len, commands)) > 500 and sum(map(len, files)) > 100
