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
from helpers.report.document import Document, Figure, Heading
from helpers.report.live import page as live
from helpers.report.maths import Formulas

CONTENTS_DEPTH = 3
PIXELS_PER_POINT = 4 / 3
_SAFE = " !$()*+,-./:;=?@_~"  # characters of an SVG that a data URI takes


def page(document: Document, formulas: Formulas) -> str:
    """The whole page."""
    name, date = pandoc.plain(document.title.blocks), writing.moment(document.date)
    figures = [element for element in document.elements() if isinstance(element, Figure)]
    found = [_unlinked(e) for e in document.elements() if isinstance(e, Heading)]
    parts = [document, found]
    document, found = writing.strings(parts, formulas, "html5", lambda formula, _: formula.mathml)
    contents = _nested([heading for heading in found if heading.level <= CONTENTS_DEPTH])
    filters: dict = {
        "code": _code, "source": _source, "pixels": _pixels, "sha256": _sha256, "markup": Markup,
        "csv": lambda text: "data:text/csv;charset=utf-8," + quote(text),
        "live": lambda picture, figure: Markup(live.fragment(figure.live, picture)),
    }
    shown = {"document": document, "name": name, "contents": contents, "date": date, "live": {}}
    if moving := [figure.live for figure in figures if figure.live]:
        shown["live"] = {
            "style": Markup(live.style()), "networks": Markup(live.networks(moving)),
            "module": Markup(live.script()),
        }
    for kind in ("css", "js"):
        text = (writing.FOLDER / "templates" / f"report.{kind}").read_text("utf-8")
        shown[kind] = Markup(text.strip())
    font = (writing.FOLDER / "fonts" / "STIXTwoMath-subset.woff").read_bytes()
    shown["font"] = base64.b64encode(font).decode()
    return writing.fill("report.html.j2", filters, shown) + "\n"


def _unlinked(heading: Heading) -> Heading:
    """A heading as a table of contents shows it."""
    def change(node: dict) -> dict | None:
        return {"t": "Span", "c": [["", [], []], node["c"][1]]} if node["t"] == "Link" else None

    text = replace(heading.text, blocks=pandoc.replace(heading.text.blocks, change))
    return replace(heading, text=text)


def _nested(headings: list[Heading]) -> list[tuple[Heading, list]]:
    """The headings, each with those below it; no level is skipped."""
    starts = [n for n, heading in enumerate(headings) if heading.level == headings[0].level]
    pairs = pairwise([*starts, len(headings)])
    return [(headings[start], _nested(headings[start + 1 : end])) for start, end in pairs]


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


def _pixels(figure: Figure) -> Markup:
    """Width and height as attributes, so that the page does not jump."""
    width, height = (round(side * PIXELS_PER_POINT) for side in writing.size(figure))
    return Markup(f'width="{width}" height="{height}"')


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
