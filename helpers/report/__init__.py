"""The report maker: executed notebooks become one self-contained HTML file and one tagged PDF.

    notebooks -> merge -> parse (pandoc's syntax tree) -> number and resolve -> HTML | Typst -> PDF

Numbers and references are worked out once, on the parsed document; both outputs print them as they
are. Everything runs offline, and the same notebooks give the same bytes.

What a notebook's author keeps to:

- Figures, tables, listings and computed prose come from `helpers.display`. What a cell prints is kept
  as it is; what it writes to standard error is dropped; a picture from elsewhere is an error.
- Labels are unique in the whole report: `fig-`, `tbl-`, `lst-` or `eq-`, then lower-case letters,
  digits and hyphens. `$$ … \\label{eq-elbo} $$` numbers an equation; it stands in a paragraph at the
  cell's own level, not in a list or quotation.
- References are links: `[Figure](#fig-loss)`, `[](#eq-elbo)`, `[training](00_baseline.ipynb#training)`,
  `[the baseline](00_baseline.ipynb)`, `[](#a-heading-of-this-notebook)`. Their text becomes "Figure 1",
  "Equation (1)", "Section 1.1". A heading is named by its words as GitHub or JupyterLab write them in
  addresses. Where further notebooks stand below a notebook (00), they have the numbers: its own headings
  have none, and a reference to one reads "Section 1 (Training)". `[C1](00_baseline.ipynb "as it is")` keeps its words. `[Kingma and Welling](#cite-kingma2014)` becomes "Kingma and Welling [2]"; the keys are in
  references.json. Links to files are errors, links to web pages stay.
- Metadata of a notebook, under "report": `level` (of its `# Title`, 1 to 5), `part` (a heading with
  `title`, `level` and `text` before it); in one notebook also `title` and `subtitle` of the report.
- Tags of a cell: `abstract` (to the title page), `appendix` (to the appendices; one begins with a
  Markdown cell whose heading is `#`), `listing` (code shown in both outputs; with `label` and
  `caption` under "report" in its metadata it is numbered), `remove-input`, `remove-cell`.
- Markdown is CommonMark with pipe tables and `$maths$`; raw HTML and images are errors, but for
  `<details><summary>Answer</summary>` and `</details>`, each a paragraph of its own, around what is folded away. In a pipe
  table of a Markdown cell, write `\\mid` or `\\vert` for a bar in maths. Environments such as `aligned`
  stand inside `$$`. Formulas are checked when the report is made: an unknown command is an error.
- Characters beyond what Typst's own fonts hold (emoji, Chinese) are errors.

A single executed notebook becomes a report of its own with `jupyter nbconvert --to report-html` or
`--to report-pdf`; references to other notebooks then stay plain text.
"""

import os
from pathlib import Path

from helpers.report import html, typeset
from helpers.report.errors import ReportError
from helpers.report.exporters import ReportHTMLExporter, ReportPDFExporter, build
from helpers.report.merge import merge, read_notebooks

__all__ = ["ReportError", "ReportHTMLExporter", "ReportPDFExporter", "merge", "read_notebooks", "render"]


def render(notebooks: Path, output: Path) -> None:
    """Write output/report.html and output/report.pdf from the executed notebooks of a folder: both or none.

    ReportError: the notebooks cannot become a report; the message names each notebook and cell at fault.
    """
    document, formulas = build(merge(read_notebooks(notebooks)))
    page, pdf = html.page(document, formulas), typeset.pdf(document, formulas)
    _write_all(Path(output), {"report.html": page.encode(), "report.pdf": pdf})


def _write_all(folder: Path, files: dict[str, bytes]) -> None:
    """Write every file beside its place, then move them all there."""
    folder.mkdir(parents=True, exist_ok=True)
    temporary = {folder / name: folder / f".{name}.{os.getpid()}.tmp" for name in files}
    try:
        for path, content in zip(temporary.values(), files.values(), strict=True):
            path.write_bytes(content)
        for target, path in temporary.items():
            path.replace(target)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
