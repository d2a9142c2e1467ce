"""Notebooks to reports: `render` for a folder, and two exporters for `jupyter nbconvert --to`."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter
from nbconvert.exporters.exporter import FilenameExtension
from nbformat import NotebookNode

from helpers.report import FORMATS, cells, maths, outputs
from helpers.report.document import Document, collect
from helpers.report.numbering import number


def render(
    notebooks: Path, output: Path, links: str = "notebooks", formats: Sequence[str] = FORMATS
) -> None:
    """Write report.html and report.pdf from a folder's executed notebooks: all that is asked or none.

    links: the folder of notebooks to which the page leads, as seen from its own.
    ReportError: the notebooks cannot become a report; the message names each cell at fault.
    """
    made = build(cells.read_notebooks(notebooks))
    ways = {
        "html": lambda: outputs.page(*made, links, "pdf" in formats).encode(),
        "pdf": lambda: outputs.pdf(*made),
    }
    with ThreadPoolExecutor() as pool:  # side by side: Typst and pandoc are programs of their own
        files = {name: pool.submit(ways[name]) for name in formats}
    contents = {name: file.result() for name, file in files.items()}
    output.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (output / f"report.{name}").write_bytes(content)


def build(notebooks: dict[str, NotebookNode]) -> tuple[Document, maths.Formulas]:
    """The document of notebooks, numbered, and its formulas; ReportError: all that is wrong."""
    with collect() as note:
        cells.check(notebooks, note)
    with collect() as note:
        document = number(cells.parse(notebooks, note), note)
        outputs.check_pictures(document, note)
        formulas = maths.convert(document, note)
    return document, formulas


class _ReportExporter(Exporter):
    """One executed notebook as a report of its own."""
    write: Callable[[Document, maths.Formulas], str | bytes]

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **kw: Any) -> Any:
        """The report and resources; ReportError names what is wrong and where."""
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        name = resources.get("metadata", {}).get("name") or "notebook"
        return self.write(*build({name: nb})), resources


class ReportHTMLExporter(_ReportExporter):
    """One self-contained HTML file."""
    export_from_notebook = "Report (HTML)"
    output_mimetype = "text/html"
    file_extension = FilenameExtension(".html").tag(config=True)
    write = staticmethod(outputs.page)


class ReportPDFExporter(_ReportExporter):
    """A tagged PDF."""
    export_from_notebook = "Report (PDF)"
    output_mimetype = "application/pdf"
    file_extension = FilenameExtension(".pdf").tag(config=True)
    write = staticmethod(outputs.pdf)
