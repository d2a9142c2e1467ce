"""helpers.display: what a cell's `#|` lines say, what it shows and keeps, in a real kernel."""

import base64
import csv
import inspect
import io
import os
import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from helpers import display, plots
from helpers.report.cells import KINDS

START = """from helpers import display
display.start()
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure
from matplotlib import pyplot as plt

class LiveFigure:
    static, content = Figure(), {"figure": "slider"}
    def javascript(self): return "moves()"
LiveFigure.__module__ = "helpers.report.live"

def line(make=Figure):
    fig = make(figsize=(3, 2))
    fig.subplots().plot([0, 1], [1, 0])
    return fig"""
FIGURE = '#| label: fig-line\n#| fig-cap: "A line: $x$."\n#| fig-alt: "A falling line."\n'
CELLS = {
    "start": START,
    "figure": FIGURE + "line()",
    "computed": FIGURE + 'display.caption(line().axes[0], alt=f"It falls by {1}.")',
    "pyplot": FIGURE + "line(plt.figure)",
    "open": "plt.get_fignums()",
    "table": '#| label: tbl-a\n#| tbl-cap: "A."\npd.DataFrame({"a": ["x"], "n": [1]})',
    "computed table": '#| label: tbl-a\ndisplay.caption(pd.DataFrame({"a": ["x"]}), caption="B.")',
    "noted table": '#| label: tbl-a\n#| tbl-cap: "A."\n'
    'table = pd.DataFrame({"a": ["x"]})\ntable.attrs["note"] = "N."\ntable',
    "table and prose": "#| label: tbl-a\n#| tbl-cap: A.\n"
    "from IPython.display import display as show\nshow(table)\n"
    'Markdown("It says x.")',
    "frame": 'pd.DataFrame({"a": [1]})',
    "listing": "#| label: lst-a\n#| lst-cap: Code.\ndisplay.source(display.source, display.svg)",
    "prose": 'Markdown("The loss is **1.0**.")',
    "live": "#| label: fig-live\nLiveFigure()",
    "by hand": 'import os; del os.environ["HELPERS_OUTPUT"]; LiveFigure()',
    "figure by hand": FIGURE + "line()",
    "table by hand": '#| label: tbl-a\n#| tbl-cap: "A."\npd.DataFrame({"a": ["x"], "n": [1]})',
    "listing by hand": "#| label: lst-a\n#| lst-cap: Code.\ndisplay.source(display.svg)",
    "nameless by hand": "#| lst-cap: Code.\ndisplay.source(display.svg)",
}


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The outputs of each of CELLS, and the folder that keeps the figures."""
    folder = tmp_path_factory.mktemp("display")
    notebook = new_notebook(cells=[new_code_cell(code) for code in CELLS.values()])
    before = {name: os.environ.get(name) for name in ("HELPERS_OUTPUT", "PYTEST_CURRENT_TEST")}
    os.environ["HELPERS_OUTPUT"] = str(folder)
    del os.environ["PYTEST_CURRENT_TEST"]  # with it, a kernel captures no stream
    try:
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(folder))
    finally:
        os.environ.update({name: text for name, text in before.items() if text is not None})
    nbformat.validate(notebook)
    outputs = [cell.outputs for cell in notebook.cells]
    return dict(zip(CELLS, outputs, strict=True)) | {"folder": folder / "figures"}


def test_keras_starts_in_silence(shown):
    assert shown["start"] == []


def test_a_figure_has_its_texts_numbers_and_file(shown):
    picture, below = shown["figure"]
    assert picture.metadata.report == {
        "kind": "figure",
        "caption": "A line: $x$.",
        "alt": "A falling line.",
        "data": "panel,series,x,y\n1,series 1,0,1\n1,series 1,1,0\n",
    }
    assert (shown["folder"] / "fig-line.svg").read_text() == picture.data["image/svg+xml"]
    assert below.data["text/markdown"] == "*A line: $x$.*"
    assert below.metadata.report == {"kind": "caption"}


def test_computed_texts_go_before_those_of_the_cell(shown):
    report = shown["computed"][0].metadata.report
    assert (report.caption, report.alt) == ("A line: $x$.", "It falls by 1.")
    table = shown["computed table"][1]
    assert table.metadata.report.caption == "B."
    assert shown["noted table"][1].metadata.report.caption == "A. N."


def test_the_same_figure_gives_the_same_bytes_and_pyplot_shows_it_once(shown):
    first, second = (shown[name][0].data["image/svg+xml"] for name in ("figure", "pyplot"))
    assert first == second and "<dc:date>" not in first and "<text" not in first
    assert len(shown["pyplot"]) == 2 and shown["open"][0].data["text/plain"] == "[]"


def test_a_labelled_table_is_markdown_and_another_one_as_pandas_has_it(shown):
    caption, table = shown["table"]
    assert caption.data["text/markdown"] == "*A.*"
    assert table.data["text/markdown"] == "| a | n |\n| :--- | ---: |\n| x | 1 |"
    assert "<table" in shown["frame"][0].data["text/html"]


def test_a_cell_may_show_a_table_and_then_say_what_it_means(shown):
    caption, table, prose = shown["table and prose"]
    assert [caption.metadata.report.kind, table.metadata.report.kind] == ["caption", "table"]
    assert prose.data["text/markdown"] == "It says x." and "report" not in prose.metadata


def test_a_listing_is_the_code_of_the_objects(shown):
    code = f"{inspect.getsource(display.source)}\n\n{inspect.getsource(display.svg)}"
    assert shown["listing"][0].metadata.report.code == code.rstrip()
    assert shown["listing"][1].data["text/markdown"] == "*Code.*"


def test_prose_is_left_alone(shown):
    (text,) = shown["prose"]
    assert text.data["text/markdown"] == "The loss is **1.0**." and "report" not in text.metadata


def test_what_moves_goes_to_the_report_and_by_hand_to_the_reader_too(shown):
    assert shown["live"][0].metadata.report.live == {"figure": "slider"}
    assert len(shown["live"]) == 1
    picture, moving, *_ = shown["by hand"]
    assert "image/png" in picture.data and "image/png" not in shown["live"][0].data
    assert moving.data == {"application/javascript": "moves()", "text/plain": ""}


def test_by_hand_a_caption_begins_with_the_words_of_the_links_to_it(shown):
    for cell, label, words in (
        ("figure by hand", "fig-line", "A line: $x$."),
        ("table by hand", "tbl-a", "A."),
        ("listing by hand", "lst-a", "Code."),
    ):
        (found,) = [o.data for o in shown[cell] if o.metadata.report == {"kind": "caption"}]
        assert found["text/markdown"] == f"**{display.reference(label)}.** *{words}*"
        assert found["text/plain"] == f"{display.reference(label)}. {words}"
    assert shown["nameless by hand"][1].data["text/markdown"] == "*Code.*"
    reports = [shown[cell][0].metadata.report for cell in ("figure", "figure by hand")]
    assert reports[0] == reports[1]  # what the report maker reads is the same


def test_words_of_links_name_every_kind_of_label():
    assert display.reference("eq-elbo") == "Equation elbo"
    assert display.reference("fig-baseline-loss") == "Figure baseline-loss"
    assert {kind: words.lower() for kind, words in display.REFERENCES.items()} == {
        label: kind for kind, label in KINDS.items()
    }


def test_a_figure_gives_the_numbers_that_it_draws():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [1, 0.5], label="loss")
    left.axhline(3)  # across the panel, in no data of its own
    left.scatter([2], [1 / 3])
    right.bar([1, 2], [5, 7], label="rate")
    right.imshow([[0.0]])
    assert list(csv.reader(display.figure_data(figure).splitlines())) == [
        ["panel", "series", "x", "y"],
        ["1", "loss", "0", "1"],
        ["1", "loss", "1", "0.5"],
        ["1", "series 2", "2", "0.33333"],
        ["2", "rate", "1", "5"],
        ["2", "rate", "2", "7"],
    ]


def test_data_have_the_names_and_units_of_their_axes():
    figure = Figure()
    top, below = figure.subplots(2, sharex=True)
    for ax in (top, below):
        ax.plot([0, 1], [2, 3], label="seed 0")
        ax.set_ylabel("KL (nats)")
    below.set_xlabel("$z_1$")
    assert display.figure_data(figure).startswith("panel,series,z_1,KL (nats)\n1,seed 0,0,2\n")
    top.set_ylabel("loss")
    lines = list(csv.reader(display.figure_data(figure).splitlines()))
    assert lines[0] == ["panel", "series", "x", "y"]
    assert [line[0] for line in lines[1::2]] == ["1: z_1, loss", "2: z_1, KL (nats)"]


def test_dots_in_a_named_row_bear_its_name():
    rows = {"deeper": {"plain": [3.0, 4.0], "fast": [2.0]}, "1-D": {"plain": [5.0]}}
    figure = plots.seed_panels({"": rows}, published={"1-D": 6.0}, xlabel="loss (nats)")
    lines = [line.split(",") for line in display.figure_data(figure).splitlines()]
    found = {(series, x) for _, series, x, _ in lines[1:]}
    assert found == {
        ("deeper: plain", "3"), ("deeper: plain", "4"), ("deeper: fast", "2"),
        ("1-D: plain", "5"), ("1-D: published", "6"),
    }  # fmt: skip


def test_pictures_and_many_points_give_none():
    ax = Figure().subplots()
    ax.imshow([[0.0]])
    assert display.figure_data(ax.figure) == ""
    ax.scatter(range(display.MOST_DATA + 1), range(display.MOST_DATA + 1))
    assert display.figure_data(ax.figure) == ""


def test_outlines_of_classes_and_a_coloured_map_are_numbers():
    points = np.random.default_rng(0).normal(np.repeat([[0, 0], [20, 5]], 200, axis=0))
    ax = plots.latent_classes(points, np.repeat([0, 1], 200), names=["left", "right"])
    frame = pd.read_csv(io.StringIO(display.figure_data(ax.figure))).set_index("series")
    assert list(frame) == ["panel", "z_1", "z_2"]
    for name, place in (("left", 0), ("right", 20)):
        half, most = (frame.loc[f"{name}: {share}", "z_1"] for share in ("half", "nine tenths"))
        assert most.min() < half.min() < place < half.max() < most.max()
    unnamed = plots.latent_classes(points, np.repeat([0, 1], 200), names=())
    assert display.figure_data(unnamed.figure) == ""
    counts = np.array([[8, 2], [5, 15]])
    table = pd.read_csv(io.StringIO(display.figure_data(plots.confusion(counts, "ab").figure)))
    assert list(table["series"]) == ["a", "a", "b", "b"]
    np.testing.assert_array_equal(table["share of the class"], [np.nan, 0.2, 0.25, np.nan])


def test_pictures_give_their_pixels():
    images = np.random.default_rng(0).random((3, 28, 28))
    images[2, 0, 0] = np.nan  # hidden
    picture = display.figure_pixels(plots.image_rows([images[:2], images[2:]]).figure)
    with Image.open(io.BytesIO(base64.b64decode(picture))) as file:
        grey, alpha = np.moveaxis(np.asarray(file), -1, 0)
    assert grey.shape == (60, 60)  # two rows of two, a pixel of white around each
    assert np.abs(grey[1:29, 31:59] - 255 * (1 - images[1])).max() <= 0.5
    assert alpha[31, 1] == 0 and np.all(alpha[31:59, 2:29] == 255)
    assert display.figure_pixels(plots.confusion(np.eye(2), "ab").figure) == ""


def test_table_escapes_bars_and_keeps_integers():
    frame = pd.DataFrame([["one", 2, 0.5], [r"$\|x\|$", 3, 1.5]], columns=["a|b", "$p(x|z)$", "c"])
    assert display.pipe_table(frame).splitlines() == [
        r"| a\|b | $p(x\vert z)$ | c |",
        "| :--- | ---: | ---: |",
        "| one | 2 | 0.5 |",
        r"| $\Vert x\Vert $ | 3 | 1.5 |",
    ]
    assert display.pipe_table(frame.set_index("a|b")) == display.pipe_table(frame)
    frame.attrs["align"] = "lx"
    with pytest.raises(ValueError, match="align 'lx'"):
        display.pipe_table(frame)


@pytest.mark.parametrize("lines", ["#| label: [", "#| just words"])
def test_options_that_are_no_yaml_are_refused(lines):
    with pytest.raises(ValueError, match="#|"):
        display.cell_options(lines + "\n1")


def test_options_end_with_the_first_other_line():
    options, code = display.cell_options("#| label: fig-a\n#|echo: false\nx = 1\n#| no: option")
    assert options == {"label": "fig-a", "echo": False} and code == "x = 1\n#| no: option"
    assert display.cell_options("x = 1") == ({}, "x = 1")


@pytest.mark.parametrize("label", ["fig-../x", "fig-Line", "line", "fig-"])
def test_labels_of_another_form_are_refused(label):
    assert not display.LABEL.fullmatch(label)


def test_display_needs_no_tensorflow():
    code = "import sys, helpers.display; sys.exit(not sys.modules.keys().isdisjoint({'keras'}))"
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ)).returncode == 0
