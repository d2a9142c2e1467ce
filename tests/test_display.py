"""helpers.display: what it saves, what it shows, what it refuses."""

import csv
import inspect
import os
import subprocess
import sys

import nbformat
import pytest
from matplotlib import pyplot as plt
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from helpers import display


@pytest.fixture(autouse=True)
def own_figures(tmp_path, monkeypatch):
    """Figures go to a folder of the test's own."""
    monkeypatch.setenv("HELPERS_OUTPUT", str(tmp_path))
    return tmp_path / "figures"


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, as (bundle, metadata)."""
    seen = []
    monkeypatch.setattr(display, "_publish", lambda bundle, report=None: seen.append((bundle, report)))
    return seen


def line():
    figure, axes = plt.subplots()
    axes.plot([0, 1], [1, 0])
    return figure


def test_figure_is_saved_shown_and_closed(own_figures, shown):
    before = plt.get_fignums()
    display.show_figure(line(), "fig-line", "A line: $x$.", "A falling line.")
    assert plt.get_fignums() == before
    (bundle, report), (echo, echo_report) = shown
    assert report == {
        "kind": "figure",
        "label": "fig-line",
        "caption": "A line: $x$.",
        "alt": "A falling line.",
        "data": "panel,series,x,y\n1,series 1,0,1\n1,series 1,1,0\n",
    }
    assert (own_figures / "fig-line.svg").read_text() == bundle["image/svg+xml"]
    assert (own_figures / "fig-line.png").read_bytes().startswith(b"\x89PNG")
    assert "A line: $x$." in echo["text/markdown"] and echo_report == {"kind": "caption"}


def test_what_moves_goes_to_the_report_and_by_hand_to_the_reader(own_figures, shown, monkeypatch):
    monkeypatch.setattr(display, "widget", lambda live: ("widget", live))
    monkeypatch.setattr(display.InteractiveShell, "initialized", lambda: True)
    widgets = []
    monkeypatch.setattr(display.ipython, "display", widgets.append)
    display.show_figure(line(), "fig-line", "A line.", "A falling line.", live={"figure": "slider"})
    assert shown[0][1]["live"] == {"figure": "slider"} and not widgets  # a batch run
    monkeypatch.delenv("HELPERS_OUTPUT")
    monkeypatch.setattr(display, "_save", lambda *files: None)
    display.show_figure(line(), "fig-line", "A line.", "A falling line.", live={"figure": "slider"})
    assert widgets == [("widget", {"figure": "slider"})]


def test_a_figure_gives_the_numbers_that_it_draws(shown):
    figure, (left, right) = plt.subplots(1, 2)
    left.plot([0, 1], [1, 0.5], label="loss")
    left.axhline(3)  # across the panel, in no data of its own
    left.scatter([2], [1 / 3])
    right.bar([1, 2], [5, 7], label="rate")
    right.imshow([[0.0]])
    display.show_figure(figure, "fig-numbers", "Numbers.", "Some numbers.")
    assert list(csv.reader(shown[0][1]["data"].splitlines())) == [
        ["panel", "series", "x", "y"],
        ["1", "loss", "0", "1"],
        ["1", "loss", "1", "0.5"],
        ["1", "series 2", "2", "0.333333"],
        ["2", "rate", "1", "5"],
        ["2", "rate", "2", "7"],
    ]


def test_pictures_and_clouds_give_none(shown):
    figure, ax = plt.subplots()
    ax.imshow([[0.0]])
    assert display.figure_data(figure) == ""
    ax.scatter(range(display.MOST_DATA + 1), range(display.MOST_DATA + 1))
    assert display.figure_data(figure) == ""
    plt.close(figure)


def test_same_figure_gives_the_same_bytes(own_figures, shown):
    for _ in range(2):
        display.show_figure(line(), "fig-line", "A line.", "A falling line.")
    first, second = shown[0][0], shown[2][0]
    assert first == second and "<dc:date>" not in first["image/svg+xml"]
    assert "<text" not in first["image/svg+xml"]


@pytest.mark.parametrize(
    ("label", "caption", "alt"),
    [("line", "A.", "b"), ("fig-Line", "A.", "b"), ("tbl-line", "A.", "b"), ("fig-line", " ", "b"), ("fig-line", "A.", ""), ("fig-line", "A.", "A.")],
)  # fmt: skip
def test_figure_without_label_caption_or_alternative_text_is_refused(shown, label, caption, alt):
    with pytest.raises(ValueError, match="label|caption|alternative"):
        display.show_figure(line(), label, caption, alt)
    plt.close("all")
    assert not shown


def test_table_keeps_its_cells_and_escapes_bars(shown):
    display.show_table(["a|b", "$p(x|z)$"], [["one", 2], [r"$\|x\|$", 3.5]], "tbl-small", "Small.")
    bundle, report = shown[0]
    assert report["rows"] == [["one", "2"], [r"$\|x\|$", "3.5"]] and report["align"] == "lr"
    lines = bundle["text/markdown"].splitlines()
    assert lines[2:] == [
        r"| a\|b | $p(x\vert z)$ |",
        "| :--- | ---: |",
        "| one | 2 |",
        r"| $\Vert x\Vert $ | 3.5 |",
    ]


@pytest.mark.parametrize(
    ("rows", "align"), [([["one"]], None), ([["one", "two"]], "l"), ([["one", "two"]], "lx")]
)
def test_table_of_the_wrong_shape_is_refused(shown, rows, align):
    with pytest.raises(ValueError, match="tbl-small"):
        display.show_table(["a", "b"], rows, "tbl-small", "Small.", align)


def test_source_is_the_code_of_the_object(shown):
    display.show_source(line, "lst-line", "A function.")
    bundle, report = shown[0]
    assert report["code"] == inspect.getsource(line).rstrip()
    assert f"```python\n{report['code']}\n```" in bundle["text/markdown"]


def test_plain_python_prints(capsys):
    display.show_text("  The loss is **1.0**.")
    assert capsys.readouterr().out == "The loss is **1.0**.\n"


def test_metadata_arrive_in_an_executed_notebook(tmp_path):
    code = "from helpers.display import *\nshow_table(['a'], [[1]], 'tbl-a', 'A.')\nshow_text('x')"
    notebook = new_notebook(cells=[new_code_cell(code)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=str(tmp_path))
    table, text = notebook.cells[0].outputs
    assert table.metadata.report.label == "tbl-a" and "report" not in text.metadata
    nbformat.validate(notebook)


def test_display_and_report_need_no_tensorflow():
    code = "import sys, helpers.display, helpers.report; sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ)).returncode == 0
