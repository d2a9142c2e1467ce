"""The report as PDF/UA-1, set by Typst with the fonts that it brings along."""

import json
import math
import re
import tempfile
from datetime import datetime
from pathlib import Path

import typst

from helpers.report import pandoc, writing
from helpers.report.document import Document, Figure, Table
from helpers.report.errors import ReportError
from helpers.report.maths import Formula, Formulas

_FONTS = {"ignore_system_fonts": True}
_MARKUP = re.compile(r"#[a-z]+(\([^)]*\))?|[\[\]*;]")
_SHORT_TITLE = re.compile(r".{18,}?(?=[.,:;]\s| \(|\.?$)")  # of a caption: its beginning, up to a pause
_MARK = "// place: "
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": ""}
CODE_WIDTH, CHARACTER_WIDTH = (
    438.0,
    0.602,
)  # points within a listing's frame; share of the size, DejaVu Sans Mono
ROOM, ROOM_OF_MANY = 103, 122  # characters that a page takes beside each other: up to five columns, more
SHORT = 14  # characters: a column of shorter cells is never broken
TEXT_WIDTH, TEXT_HEIGHT = 453.0, 560.0  # points: the text's width on A4, and how high a figure may be


def pdf(document: Document, formulas: Formulas) -> bytes:
    """The whole PDF; the same document gives the same bytes.

    ReportError: Typst refuses the document.
    """
    name, moment = pandoc.plain(document.title.blocks), writing.moment(document.date)
    with tempfile.TemporaryDirectory() as folder:
        _save_figures(document, Path(folder))
        text = _source(document, formulas, name, moment)
        source = Path(folder, "report.typ")
        source.write_text(text, "utf-8")
        try:
            return _compile(source, moment)
        except typst.TypstError as error:
            raise ReportError(_refusal(error, text.splitlines())) from error


def _compile(source: Path, moment: datetime | None) -> bytes:
    stamp = int(moment.timestamp()) if moment else 0
    inputs = {"floats": _floats(source)}
    return typst.compile(
        source, format="pdf", pdf_standards="ua-1", timestamp=stamp, sys_inputs=inputs, **_FONTS
    )


def _floats(source: Path) -> str:
    """Names of the figures that float, the others standing where they are mentioned.

    Found one by one, since a float moves what follows it and nothing before it.
    """
    floats = ""
    while True:
        pages = typst.query(
            source, "<pages>", field="value", one=True, sys_inputs={"floats": floats}, **_FONTS
        )
        misplaced = _misplaced(json.loads(pages), floats.split())
        if not misplaced:
            return floats
        others = [name for name in floats.split() if name != misplaced.removesuffix("!")]
        floats = " ".join([*others, misplaced])


def _misplaced(pages: list[tuple[str, int, int]], floats: list[str]) -> str:
    """The first figure that leaves a gap, having no room where it is mentioned, or comes before an earlier one.

    NAME! when it comes before an earlier one although it floats: then it waits for the earlier ones.
    """
    latest = 0
    for name, mentioned, page in pages:
        if f"{name}!" not in floats and page < latest:
            return f"{name}!" if name in floats else name
        if name not in floats and f"{name}!" not in floats and page > mentioned:
            return name
        latest = max(latest, page)
    return ""


def _refusal(error: typst.TypstError, lines: list[str]) -> str:
    """What Typst finds wrong, by cell: the template writes each element's place in a comment before it."""
    found = re.findall(r"error: (.+)\n\s*┌─ .*report\.typ:(\d+):", error.diagnostic)
    places = [(_place(lines[: int(line)]), message) for message, line in found]
    return "\n".join(f"{place}: {message}" for place, message in places) or f"Typst: {error.message}"


def _place(lines: list[str]) -> str:
    marks = (line.removeprefix(_MARK) for line in reversed(lines) if line.startswith(_MARK))
    return next(marks, "title page")


def _source(document: Document, formulas: Formulas, name: str, moment: datetime | None) -> str:
    written = writing.strings(document, formulas, "typst", _formula)
    lists = {f"{kind.__name__}s": _listed(document, kind) for kind in (Figure, Table)}
    environment = writing.environment()
    environment.filters |= {"string": _string, "width": _width, "file": _file, "code_size": _code_size}
    environment.filters["columns"] = _columns
    return environment.get_template("report.typ.j2").render(
        document=written, lists=lists, name=name, date=moment
    )


def _listed(document: Document, kind: type) -> list[tuple[str, str, str]]:
    """Label, number and short title, the beginning of the caption, of all figures or all tables."""
    elements = [element for element in document.elements() if isinstance(element, kind) and element.label]
    captions = [pandoc.plain(element.caption.blocks) for element in elements]
    titles = [(_SHORT_TITLE.match(caption) or [caption])[0] for caption in captions]
    return [(element.label, element.number, title) for element, title in zip(elements, titles, strict=True)]


def _formula(formula: Formula, tex: str, display: bool) -> str:
    space = " " if display else ""
    return f"#formula({_string(' '.join(tex.split()))}, ${space}{formula.typst}{space}$);"


def _string(text: str) -> str:
    """A string literal of Typst."""
    return '"' + "".join(_ESCAPES.get(character, character) for character in text) + '"'


def _file(figure: Figure) -> str:
    return f"{figure.label}.svg"


def _save_figures(document: Document, folder: Path) -> None:
    for element in document.elements():
        if isinstance(element, Figure):
            (folder / _file(element)).write_text(element.svg)


def _width(figure: Figure) -> str:
    """Its own width, or what fits the page."""
    width, height = writing.size(figure.svg)
    return f"{width * min(1, TEXT_WIDTH / width, TEXT_HEIGHT / height):.1f}pt"


def _columns(table: Table) -> str:
    """Column widths: as wide as their text where the page has room; else the long columns share what is left."""
    columns = [[len(_MARKUP.sub("", cell)) for cell in column] for column in zip(table.header, *table.rows, strict=True)]
    if sum(max(column) + 3 for column in columns) <= (ROOM if len(columns) <= 5 else ROOM_OF_MANY):
        return str(len(columns))
    weights = [math.sqrt(max(column) + sum(column) / len(column)) for column in columns]
    shares = ["auto" if max(c) <= SHORT else f"{weight:.1f}fr" for c, weight in zip(columns, weights, strict=True)]
    return f"({', '.join(shares)},)"


def _code_size(code: str) -> str:
    """The size at which the longest line of code fits the text's width, within what can be read."""
    longest = max(map(len, code.splitlines()), default=1)
    return f"{max(6.4, min(7.6, CODE_WIDTH / (CHARACTER_WIDTH * longest))):.1f}pt"
