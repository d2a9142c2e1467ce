"""The report as one HTML file that asks the network for nothing."""

import base64
import hashlib
from dataclasses import dataclass, field
from urllib.parse import quote

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_by_name
from pygments.util import ClassNotFound

from helpers.report import live
from helpers.report import pandoc, writing
from helpers.report.document import Document, Figure, Heading
from helpers.report.maths import Formulas

CONTENTS_DEPTH = 3
PIXELS_PER_POINT = 4 / 3


def page(document: Document, formulas: Formulas) -> str:
    """The whole page."""
    name = pandoc.plain(document.title.blocks)
    parts = [document, writing.headings(document)]
    document, headings = writing.strings(
        parts, formulas, "html5", lambda formula, tex, display: formula.mathml
    )
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
    contents = _nested([heading for heading in headings if heading.level <= CONTENTS_DEPTH])
    template = environment.get_template("report.html.j2")
    return (
        template.render(
            document=document,
            name=name,
            contents=contents,
            date=writing.moment(document.date),
            **_assets(),
            **_live(document),
        )
        + "\n"
    )


@dataclass
class _Entry:
    """A line of the contents, and the lines below it."""

    heading: Heading
    below: list["_Entry"] = field(default_factory=list)


def _nested(headings: list[Heading]) -> list[_Entry]:
    """The headings as a tree; no level is skipped."""
    top: list[_Entry] = []
    open_lists = [top]
    for heading in headings:
        entry = _Entry(heading)
        open_lists[heading.level - 1].append(entry)
        open_lists[heading.level :] = [entry.below]
    return top


def _assets() -> dict[str, Markup]:
    folder = writing.FOLDER / "templates"
    font = (writing.FOLDER / "fonts" / "STIXTwoMath-subset.woff").read_bytes()
    texts = {name: Markup((folder / f"report.{name}").read_text("utf-8").strip()) for name in ("css", "js")}
    return texts | {"font": base64.b64encode(font).decode()}


def _live(document: Document) -> dict[str, Markup]:
    """What the live figures of a page share; empty where there are none."""
    contents = [element.live for element in document.elements() if isinstance(element, Figure) and element.live]
    parts = {"style": live.style(), "networks": live.networks(contents), "module": live.script()} if contents else {}
    return {"live": {name: Markup(text) for name, text in parts.items()}}


def _code(text: str, language: str = "python") -> Markup:
    """Highlighted code, without an element around it."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        lexer = TextLexer(stripnl=False)
    return Markup(highlight(text, lexer, HtmlFormatter(nowrap=True)).rstrip("\n"))


def _source(figure: Figure) -> str:
    """The picture as a data URI; most of an SVG needs no escape, so this is shorter than base64."""
    return f"data:image/svg+xml,{quote(figure.svg, safe=' !$()*+,-./:;=?@_~')}"


def _pixels(figure: Figure) -> str:
    """Width and height as attributes, so that the page does not jump."""
    width, height = (round(side * PIXELS_PER_POINT) for side in writing.size(figure.svg))
    return Markup(f'width="{width}" height="{height}"')


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
