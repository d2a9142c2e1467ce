"""An instructor's own report: two notebooks in a folder of their own, made by the one command."""

import json
import shutil

import nbformat
import pypdfium2
import pytest

from helpers import paths
from helpers.__main__ import main
from helpers.report import cells

EXAMPLE = paths.ROOT / "tests" / "example_course"


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A copy of the folder, and the report made of it."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(EXAMPLE, folder / "mine")
    command = ["report", "--profile", "smoke", "--notebooks", str(folder / "mine")]
    assert main([*command, "--output", str(folder / "report")]) == 0
    return folder


def test_both_documents_have_her_title_name_and_bibliography(course):
    page = (course / "report" / "report.html").read_text("utf-8")
    pdf = pypdfium2.PdfDocument(course / "report" / "report.pdf")
    printed = "".join(leaf.get_textpage().get_text_bounded() for leaf in pdf)
    for words in ("An example course", "A. Lecturer", "Notes of an example course", "Encoding Var"):
        assert words in page and words in " ".join(printed.split()), words
    assert "One change" in printed and "Fashion" not in printed


def test_her_figures_and_results_stay_in_her_folder(course):
    made = course / "report"
    assert [file.name for file in (made / "figures").iterdir()] == ["fig-back.svg"]
    found = {file.stem: json.loads(file.read_text()) for file in (made / "results").iterdir()}
    assert set(found) == {"one_model", "one_change"}
    assert found["one_model"]["values"]["loss"] > 0
    sources = {file.name: file.read_bytes() for file in EXAMPLE.iterdir()}
    assert {file.name: file.read_bytes() for file in (course / "mine").iterdir()} == sources


def test_a_section_less_needs_no_change_of_code(course):
    (course / "mine" / "01_one_change.ipynb").unlink()
    command = ["report", "--profile", "smoke", "--notebooks", str(course / "mine")]
    assert main([*command, "--output", str(course / "less")]) == 0
    page = (course / "less" / "report.html").read_text("utf-8")
    assert "What comes back" in page and "One change" not in page


@pytest.mark.parametrize(
    ("key", "source"),
    [
        ("Lecture 1", {"title": "T", "year": 2026, "venue": "V"}),
        ("lecture", {"title": "T", "year": 2026}),
        ("lecture", {"title": "T\x00", "year": 2026, "venue": "V"}),
        ("lecture", {"title": "T", "year": 2026, "venue": "V", "url": "javascript:evil()"}),
    ],
)
def test_a_reference_that_cannot_be_printed_is_refused(key, source):
    notebook = nbformat.read(EXAMPLE / "00_one_model.ipynb", 4)
    notebook.metadata["report"]["references"] = {key: source}
    with pytest.raises(ValueError, match="references"):
        cells.about(notebook)
