"""The report as one HTML file that asks the network for nothing."""

import base64
import hashlib
from dataclasses import replace
from itertools import pairwise
from urllib.parse import quote

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_by_name
from pygments.util import ClassNotFound

from helpers.report import pandoc, writing
from helpers.report.document import Ast, Document, Figure, Heading
from helpers.report.live import page as live
from helpers.report.maths import Formulas

CONTENTS_DEPTH = 3
PIXELS_PER_POINT = 4 / 3
_SAFE = " !$()*+,-./:;=?@_~"  # characters of an SVG that a data URI takes


def page(document: Document, formulas: Formulas) -> str:
    """The whole page."""
    name, date = pandoc.plain(document.title.blocks), writing.moment(document.date)
    found = [element for element in document.elements() if isinstance(element, Heading)]
    parts = [document, [replace(heading, text=_unlinked(heading.text)) for heading in found]]
    document, found = writing.strings(parts, formulas, "html5", lambda formula, *_: formula.mathml)
    environment = writing.environment(autoescape=True)
    environment.filters |= {
        "code": _code,
        "source": _source,
        "pixels": _pixels,
        "csv": lambda text: "data:text/csv;charset=utf-8," + quote(text),
        "sha256": _sha256,
        "live": lambda picture, figure: Markup(live.fragment(figure.live, picture)),
        "markup": Markup,
    }
    contents = _nested([heading for heading in found if heading.level <= CONTENTS_DEPTH])
    template = environment.get_template("report.html.j2")
    shown = {"document": document, "name": name, "contents": contents, "date": date}
    return template.render(**shown, **_assets(), live=_live(document)) + "\n"


def _unlinked(text: Ast) -> Ast:
    """A heading as a table of contents shows it."""

    def change(node: dict) -> dict | None:
        return {"t": "Span", "c": [["", [], []], node["c"][1]]} if node["t"] == "Link" else None

    return replace(text, blocks=pandoc.replace(text.blocks, change))


def _nested(headings: list[Heading]) -> list[tuple[Heading, list]]:
    """The headings, each with those below it; no level is skipped."""
    starts = [n for n, heading in enumerate(headings) if heading.level == headings[0].level]
    pairs = pairwise([*starts, len(headings)])
    return [(headings[start], _nested(headings[start + 1 : end])) for start, end in pairs]


def _assets() -> dict[str, str]:
    font = (writing.FOLDER / "fonts" / "STIXTwoMath-subset.woff").read_bytes()
    files = {name: writing.FOLDER / "templates" / f"report.{name}" for name in ("css", "js")}
    texts = {name: Markup(file.read_text("utf-8").strip()) for name, file in files.items()}
    return {**texts, "font": base64.b64encode(font).decode()}


def _live(document: Document) -> dict[str, str]:
    """What the live figures of a page share; empty where there are none."""
    figures = [element for element in document.elements() if isinstance(element, Figure)]
    contents = [figure.live for figure in figures if figure.live]
    if not contents:
        return {}
    shared = {"style": live.style(), "networks": live.networks(contents), "module": live.script()}
    return {name: Markup(text) for name, text in shared.items()}


def _code(text: str, language: str = "python") -> Markup:
    """Highlighted code, without an element around it."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    return Markup(highlight(text, lexer, HtmlFormatter(nowrap=True)).rstrip("\n"))


def _source(figure: Figure) -> str:
    """The picture as a data URI; most of an SVG needs no escape, so it is shorter than base64."""
    if figure.suffix == "png":
        return f"data:image/png;base64,{base64.b64encode(figure.picture).decode()}"
    return f"data:image/svg+xml,{quote(figure.picture, safe=_SAFE)}"


def _pixels(figure: Figure) -> str:
    """Width and height as attributes, so that the page does not jump."""
    width, height = (round(side * PIXELS_PER_POINT) for side in writing.size(figure))
    return Markup(f'width="{width}" height="{height}"')


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
