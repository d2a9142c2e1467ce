"""The report as one HTML file that asks the network for nothing."""

import base64
import hashlib
import re
from itertools import pairwise
from urllib.parse import quote

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_by_name
from pygments.util import ClassNotFound

from helpers.report.document import Document, Element
from helpers.report import live, writing
from helpers.report.maths import Formula, Formulas

CONTENTS_DEPTH = 3
PIXELS_PER_POINT = 4 / 3
_SAFE = " !$()*+,-./:;=?@_~"  # characters of an SVG that a data URI takes


def page(document: Document, formulas: Formulas) -> str:
    """The whole page."""
    filters: dict = {
        "code": _code, "source": _source, "pixels": _pixels, "sha256": _sha256, "markup": Markup,
        "nested": _nested, "unlinked": lambda text: Markup(re.sub(r"</?a\b[^>]*>", "", text)),
        "csv": lambda text: "data:text/csv;charset=utf-8," + quote(text),
        "live": lambda picture, figure: Markup(live.fragment(figure.live, picture)),
    }
    font = (writing.FOLDER / "fonts" / "STIXTwoMath-subset.woff").read_bytes()
    shown: dict = {"font": base64.b64encode(font).decode(), "depth": CONTENTS_DEPTH, "live": {}}
    if moving := [figure.live for figure in document.elements("figure") if figure.live]:
        texts = {"style": live.style(), "networks": live.networks(moving), "module": live.script()}
        shown["live"] = {name: Markup(text) for name, text in texts.items()}
    text = writing.fill("report.html.j2", document, formulas, _mathml, filters, shown)
    return text + "\n"


def _mathml(formula: Formula, tex: str) -> str:
    return formula.mathml


def _nested(headings: list[Element]) -> list[tuple[Element, list]]:
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


def _source(figure: Element) -> str:
    """The picture as a data URI; most of an SVG needs no escape, so it is shorter than base64."""
    if figure.suffix == "png":
        return f"data:image/png;base64,{base64.b64encode(figure.picture).decode()}"
    return f"data:image/svg+xml,{quote(figure.picture, safe=_SAFE)}"


def _pixels(figure: Element) -> Markup:
    """Width and height as attributes, so that the page does not jump."""
    width, height = (round(side * PIXELS_PER_POINT) for side in writing.size(figure))
    return Markup(f'width="{width}" height="{height}"')


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
