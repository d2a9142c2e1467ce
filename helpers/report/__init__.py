"""The report maker: executed notebooks become one self-contained HTML file and one tagged PDF.

    notebooks -> merge -> parse (pandoc's syntax tree) -> number and resolve -> HTML | Typst -> PDF

Numbers and references are worked out once, on the parsed document; both outputs print them as they
are. Everything runs offline, and the same notebooks give the same bytes. README.md beside this file
says what a notebook's author keeps to.
"""

from importlib import import_module
from typing import Any

NAMES = ("ReportError", "ReportHTMLExporter", "ReportPDFExporter", "render")


def __getattr__(name: str) -> Any:
    """NAMES, of `exporters`, when they are asked for: live figures need none of its libraries."""
    if name in NAMES:
        return getattr(import_module("helpers.report.exporters"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
