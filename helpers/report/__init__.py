"""The report maker: executed notebooks become one self-contained HTML file and one tagged PDF.

    notebooks -> merge -> parse (pandoc's syntax tree) -> number and resolve -> HTML | Typst -> PDF

Numbers and references are worked out once, on the parsed document; both outputs print them as they
are. Everything runs offline, and the same notebooks give the same bytes.

What a notebook's author keeps to:

- A code cell begins with options, YAML after `#|`, which Quarto and MyST read too: `label`,
  `fig-cap`, `fig-alt`, `tbl-cap`, `lst-cap`, `tags`; `echo: false` hides its code, `output: false`
  what it shows, `include: false` both. The label is that of the one picture, table or listing that
  the cell shows: a Matplotlib figure (SVG or PNG), a DataFrame, a pipe table, `display.source`, or
  its own code (tag `listing`). Captions set by `display.caption` come first. A picture without
  label, caption and alternative text is an error. Markdown that a cell shows is prose.
- What a cell prints is kept; standard error, progress bars, widgets and bare reprs are dropped.
- Labels are unique in the whole report: `fig-`, `tbl-`, `lst-` or `eq-`, then lower-case letters,
  digits and hyphens. `$$ … \\label{eq-elbo} $$` numbers an equation; it stands in a paragraph at
  the cell's own level, not in a list or quotation.
- References are links: `[Figure](#fig-loss)`, `[](#eq-elbo)`, `[](#a-heading-of-this-notebook)`,
  `[training](00_baseline.ipynb#training)`, `[the baseline](00_baseline.ipynb)`. Their text becomes
  "Figure 1", "Equation (1)", "Section 1.1". A heading is named by its words as GitHub or JupyterLab
  write them in addresses. Where further notebooks stand below a notebook, they have the numbers:
  its own headings have none, and a reference to one reads "Section 1 (Training)".
  `[C1](00_baseline.ipynb "as it is")` keeps its words. `[Kingma](#cite-kingma2014)` becomes
  "Kingma [2]"; the keys are in references.json. Links to files are errors, those to web pages stay.
- Metadata of a notebook, under "report": `order` (a number; default: the digits that its name
  begins with), `level` (of its `# Title`, 1 to 5), `part` (a heading with `title`, `level` and
  `text` before it); in one notebook also `title` and `subtitle` of the report.
- Tags of a cell: `abstract` (to the title page), `appendix` (to the appendices; one begins with a
  Markdown cell whose heading is `#`), `listing` (code shown in both outputs).
- Markdown is CommonMark with pipe tables and `$maths$`; raw HTML and images are errors, but for
  `<details><summary>Answer</summary>` and `</details>`, each a paragraph of its own, around what is
  folded away. In a pipe table of a Markdown cell, write `\\mid` or `\\vert` for a bar in maths.
  Environments such as `aligned` stand inside `$$`. An unknown command in maths is an error.
- Characters beyond what Typst's own fonts hold (emoji, Chinese) are errors.

A single executed notebook becomes a report of its own with `jupyter nbconvert --to report-html` or
`--to report-pdf`; references to other notebooks then stay plain text.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.report.errors import ReportError
    from helpers.report.exporters import ReportHTMLExporter, ReportPDFExporter, render

__all__ = ["ReportError", "ReportHTMLExporter", "ReportPDFExporter", "render"]


def __getattr__(name: str) -> Any:
    """The names of `exporters` when they are asked for: live figures need none of its libraries."""
    if name in __all__:
        return getattr(import_module("helpers.report.exporters"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
