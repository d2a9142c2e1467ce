"""The report's two exporters for nbconvert: `jupyter nbconvert --to report-html` and `--to report-pdf`."""

from nbconvert.exporters import Exporter
from nbformat import NotebookNode
from traitlets import default

from helpers.report import html, maths, typeset
from helpers.report.document import Document, parse
from helpers.report.errors import collect
from helpers.report.maths import Formulas
from helpers.report.merge import merge
from helpers.report.numbering import number


def build(notebook: NotebookNode) -> tuple[Document, Formulas]:
    """A merged notebook's document, numbered, and its formulas.

    ReportError: all that is wrong with it, by notebook and cell.
    """
    with collect() as problems:
        document = number(parse(notebook, problems), problems)
        formulas = maths.convert(document, problems)
    return document, formulas


def _merged(notebook: NotebookNode, resources: dict) -> NotebookNode:
    """The notebook itself if it is a merged one, else a report of this notebook alone."""
    if notebook.metadata.get("report", {}).get("merged"):
        return notebook
    name = resources.get("metadata", {}).get("name") or "notebook"
    return merge({name: notebook})


class ReportHTMLExporter(Exporter):
    """One notebook, merged or single, as one self-contained HTML file."""

    export_from_notebook = "Report (HTML)"
    output_mimetype = "text/html"

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".html"

    def from_notebook_node(self, nb, resources=None, **kw):
        """HTML text and resources; ReportError names what is wrong and where."""
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        return html.page(*build(_merged(nb, resources))), resources


class ReportPDFExporter(Exporter):
    """One notebook, merged or single, as a tagged PDF."""

    export_from_notebook = "Report (PDF)"
    output_mimetype = "application/pdf"

    @default("file_extension")
    def _file_extension_default(self) -> str:
        return ".pdf"

    def from_notebook_node(self, nb, resources=None, **kw):
        """PDF bytes and resources; ReportError names what is wrong and where."""
        nb, resources = super().from_notebook_node(nb, resources, **kw)
        return typeset.pdf(*build(_merged(nb, resources))), resources
