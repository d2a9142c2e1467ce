"""The report as PDF/UA-1, set by Typst with the fonts that it brings along."""

import math
import re
import tempfile
from pathlib import Path
from typing import Any

import typst

from helpers.report import pandoc, writing
from helpers.report.document import Document, Element, ReportError
from helpers.report.maths import Formula, Formulas

_MARKUP = re.compile(r"#[a-z]+(\([^)]*\))?|[\[\]*;]")
_SHORT_TITLE = re.compile(r".{18,}?(?=[.,:;]\s| \(|\.?$)")  # a caption's beginning, up to a pause
_MARK = "// place: "
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": ""})
CODE_WIDTH = 438.0  # points within a listing's frame
CHARACTER_WIDTH = 0.602  # of DejaVu Sans Mono, share of its size
ROOM, ROOM_OF_MANY = 103, 122  # characters that a page takes: up to five columns, more
SHORT = 14  # characters: a column of shorter cells is never broken
START = 1_500  # characters of a chapter after which its figures may float: not above its title
TEXT_WIDTH, TEXT_HEIGHT = 453.0, 560.0  # points: A4's text width, how high a figure may be


def pdf(document: Document, formulas: Formulas) -> bytes:
    """The whole PDF; the same document gives the same bytes. ReportError: Typst refuses it."""
    filters: dict = {"string": _string, "width": _width, "columns": _columns}
    filters["code_size"] = _code_size
    lists = {"Figures": _listed(document, "figure"), "Tables": _listed(document, "table")}
    shown = {"lists": lists, "floats": _floats(document)}
    text = writing.fill("report.typ.j2", document, formulas, _formula, filters, shown)
    date = writing.moment(document.date)
    options: Any = {"timestamp": int(date.timestamp()) if date else 0, "ignore_system_fonts": True}
    with tempfile.TemporaryDirectory() as folder:
        for figure in document.elements("figure"):
            Path(folder, f"{figure.label}.{figure.suffix}").write_bytes(figure.picture)
        source = Path(folder, "report.typ")
        source.write_text(text, "utf-8")
        try:
            return typst.compile(source, format="pdf", pdf_standards="ua-1", **options)
        except typst.TypstError as error:
            raise ReportError(_refusal(error, text.splitlines())) from error


def _refusal(error: typst.TypstError, lines: list[str]) -> str:
    """What Typst finds wrong, by cell: the template has each element's place before it."""
    named = []
    for message, line in re.findall(r"error: (.+)\n\s*┌─ .*report\.typ:(\d+):", error.diagnostic):
        marks = [text for text in lines[: int(line)] if text.startswith(_MARK)]
        place = marks[-1].removeprefix(_MARK) if marks else "title page"
        named.append(f"{place}: {message}")
    return "\n".join(named) or f"Typst: {error.message}"


def _floats(document: Document) -> set[str]:
    """Labels of the figures and tables that may float."""
    found, length = set(), 0
    for element in document.body:
        if element.kind == "heading" and element.level == 1:
            length = 0
        elif element.kind == "prose":
            length += len(pandoc.plain(element.text.blocks))
        elif element.kind in ("figure", "table") and length > START:
            found.add(element.label)
    return found


def _listed(document: Document, kind: str) -> list[tuple[str, str, str]]:
    """Label, number and the beginning of the caption of each labelled element of a kind."""
    found = []
    for element in document.elements(kind):
        if element.label:
            caption = pandoc.plain(element.caption.blocks)
            short = _SHORT_TITLE.match(caption)
            found.append((element.label, element.number, short[0] if short else caption))
    return found


def _formula(formula: Formula, tex: str) -> str:
    return f"#formula({_string(' '.join(tex.split()))}, {formula.typst});"


def _string(text: str) -> str:
    """A string literal of Typst."""
    return f'"{text.translate(_ESCAPES)}"'


def _width(figure: Element) -> str:
    """Its own width, or what fits the page."""
    width, height = writing.size(figure)
    return f"{width * min(1, TEXT_WIDTH / width, TEXT_HEIGHT / height):.1f}pt"


def _columns(table: Element) -> str:
    """Widths: those of the text where the page has room; else long columns share what is left."""
    cells = zip(table.header, *table.rows, strict=True)
    columns = [[len(_MARKUP.sub("", cell)) for cell in column] for column in cells]
    room = ROOM if len(columns) <= 5 else ROOM_OF_MANY
    if sum(max(column) + 3 for column in columns) <= room:
        return str(len(columns))
    weights = [math.sqrt(max(column) + sum(column) / len(column)) for column in columns]
    sides = [
        "auto" if max(column) <= SHORT else f"{weight:.1f}fr"
        for column, weight in zip(columns, weights, strict=True)
    ]
    return f"({', '.join(sides)},)"


def _code_size(code: str) -> str:
    """The size at which the longest line of code fits the text's width, if it can be read."""
    longest = max(map(len, code.splitlines()), default=1)
    return f"{max(6.4, min(7.6, CODE_WIDTH / (CHARACTER_WIDTH * longest))):.1f}pt"
