"""Notebooks to reports: `render` for a folder, and two exporters for `jupyter nbconvert --to`."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbconvert.exporters import Exporter
from nbconvert.exporters.exporter import FilenameExtension
from nbformat import NotebookNode

from helpers.report import cells, html, maths, typeset
from helpers.report.document import Document, collect
from helpers.report.document import ReportError as ReportError
from helpers.report.maths import Formulas
from helpers.report.numbering import number


def render(notebooks: Path, output: Path) -> None:
    """Write report.html and report.pdf from a folder's executed notebooks: both or none.

    ReportError: the notebooks cannot become a report; the message names each cell at fault.
    """
    made = build(cells.read_notebooks(notebooks))
    files = {"report.html": html.page(*made).encode(), "report.pdf": typeset.pdf(*made)}
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=output) as folder:
        for name, content in files.items():
            Path(folder, name).write_bytes(content)
        for name in files:
            Path(folder, name).replace(output / name)


def build(notebooks: dict[str, NotebookNode]) -> tuple[Document, Formulas]:
    """The document of notebooks, numbered, and its formulas; ReportError: all that is wrong."""
    with collect() as note:
        cells.check(notebooks, note)
    with collect() as note:
        document = number(cells.parse(notebooks, note), note)
        formulas = maths.convert(document, note)
    return document, formulas


class _ReportExporter(Exporter):
    """One executed notebook as a report of its own."""
    write: Callable[[Document, Formulas], str | bytes]

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
    write = staticmethod(html.page)


class ReportPDFExporter(_ReportExporter):
    """A tagged PDF."""
    export_from_notebook = "Report (PDF)"
    output_mimetype = "application/pdf"
    file_extension = FilenameExtension(".pdf").tag(config=True)
    write = staticmethod(typeset.pdf)
