"""A live figure in a notebook that was run by hand, saved, and opened again elsewhere."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers.report.exporters import ReportHTMLExporter

CELL = """#| label: fig-line
#| fig-cap: "A line."
#| fig-alt: "A digit."
#| live-cap: "Move it."
from helpers import display, paths, plots
display.start()
paths.by_hand = lambda: True
from helpers.metrics.latent import prior_quantiles
from helpers.models import VAE
from helpers.report import live
fig = plots.figure()[0]
live.slider(VAE("dense", 1, seed=0), prior_quantiles(11), samples=5, static=fig)"""
INK = """[...document.querySelectorAll(".live-body canvas")].map(canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, 28, 28);
  return data.some((value, i) => i % 4 === 0 && value < 250);
})"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The notebook as it is read again from its file."""
    folder = tmp_path_factory.mktemp("saved")
    notebook = new_notebook(cells=[new_markdown_cell("# A title"), new_code_cell(CELL)])
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(folder))
    nbformat.write(notebook, folder / "saved.ipynb")
    return nbformat.read(folder / "saved.ipynb", 4)


@pytest.fixture
def stock(saved, chromium, tmp_path):
    """Opens the notebook as nbconvert's own exporter writes it; options: of new_page."""
    pages = []

    def open_it(*, sanitize=False, **options):
        html, _ = HTMLExporter(sanitize_html=sanitize).from_notebook_node(saved)
        (tmp_path / "saved.html").write_text(html, "utf-8")
        pages.append(chromium.open((tmp_path / "saved.html").as_uri(), **options)[0])
        return pages[-1]

    yield open_it
    for page in pages:
        page.close()


def test_a_saved_notebook_needs_no_kernel_and_no_network(saved):
    picture, _, moving, _ = (output.data for output in saved.cells[1].outputs)
    assert {"image/svg+xml", "image/png"} < set(picture)  # untrusted, JupyterLab shows PNG alone
    assert set(moving) == {"application/javascript", "text/plain"} and not moving["text/plain"]
    assert "widgets" not in saved.metadata and "https:" not in moving["application/javascript"]


def test_the_saved_figure_still_moves(stock):
    page = stock()
    page.locator(".live-body canvas").first.wait_for()
    assert page.evaluate(INK) == [True] * 6
    before = page.locator(".live-readout").inner_text()
    page.locator(".live-body input").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(200)
    assert page.locator(".live-readout").inner_text() != before


@pytest.mark.parametrize("how", [{"sanitize": True}, {"java_script_enabled": False}])
def test_without_scripts_the_picture_stands(stock, how):
    page = stock(**how)
    assert page.locator(".jp-OutputArea svg, .jp-OutputArea img").first.is_visible()
    assert page.locator(".live-body").count() == 0
    assert "const" not in page.locator(".jp-OutputArea").first.inner_text()


def test_the_report_takes_the_figure_once(saved):
    page, _ = ReportHTMLExporter().from_notebook_node(saved)
    assert page.count('data-figure="slider"') == 1
