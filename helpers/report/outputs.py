"""A numbered document as one HTML file that asks the network for nothing, and as PDF by Typst.

Both fill a template; the PDF is PDF/UA-1, set with the fonts that Typst brings along.
"""

import base64
import hashlib
import json
import math
import re
import tempfile
from itertools import pairwise
from pathlib import Path
from struct import error as StructError
from struct import unpack
from typing import Any
from urllib.parse import quote

import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_by_name
from pygments.util import ClassNotFound

from helpers.report import live, maths, pandoc
from helpers.report.document import Ast, Document, Element, Note, ReportError, transform

FOLDER = Path(__file__).parent
CODE_WIDTH = 438.0  # points within a listing's frame
CHARACTER_WIDTH = 0.602  # of DejaVu Sans Mono, share of its size
ROOM, ROOM_OF_MANY = 103, 122  # characters that a page takes: up to five columns, more
SHORT = 14  # characters: a column of shorter cells is never broken
FEW, MOST_LINES = 16, 26  # rows or, if they are more, lines of a table that is not broken
EARLY = 1_500  # characters of a chapter after which its figures may float to the top
TEXT_WIDTH, TEXT_HEIGHT = 453.0, 560.0  # points: A4's text width, how high a figure may be
_MARKUP = re.compile(r"#[a-z]+(\([^)]*\))?|[\[\]*;]")
_SHORT_TITLE = re.compile(r".{18,}?(?=[.:;]\s|\.?$)|.*")  # a caption's first sentence
_PLAIN = re.compile(r'<span class="(?:n|nn|o|p|w)">([^<]*)</span>')  # code without a colour
_MARK = "// place: "
_END = "\ue000end\ue000"  # of a piece, in what pandoc writes


def page(
    document: Document, formulas: maths.Formulas, links: str = "notebooks", pdf: bool = False
) -> str:
    """The whole HTML page; links: the folder of its notebooks, as seen from the page's own.

    pdf: whether it leads to a report.pdf beside it.
    """
    filters: dict = {
        "code": _code, "source": _source, "pixels": _pixels, "nested": _nested, "markup": Markup,
        "unlinked": lambda text: Markup(re.sub(r"</?a\b[^>]*>", "", text)),
        "sha256": lambda text: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode(),
        "csv": lambda text: "data:text/csv;charset=utf-8," + quote(Markup(text).unescape(), safe=" ,():"),
    }
    font = (FOLDER / "fonts" / "STIXTwoMath-subset.woff").read_bytes()
    moving = [figure.live for figure in document.elements("figure") if figure.live]
    parts = {name: part for each in moving for name, part in each["parts"].items()}
    shown: dict = {"parts": parts, "live": Markup(live.script() if moving else "")}
    shown |= {"links": quote(links), "pdf": pdf}
    shown["hero"] = next((each["data"] for each in moving if each["figure"] == "plane"), None)
    shown["font"] = base64.b64encode(font).decode()
    return _filled("report.html.j2", "html5", document, formulas, filters, shown) + "\n"


def pdf(document: Document, formulas: maths.Formulas) -> bytes:
    """The whole PDF; the same document gives the same bytes. ReportError: Typst refuses it."""
    filters = {"string": _string, "width": _width, "columns": _columns}
    filters |= {"whole": _whole, "code_size": _code_size}
    lists = {"Figures": _listed(document, "figure"), "Tables": _listed(document, "table")}
    shown = {"lists": lists, "floats": _floats(document)}
    text = _filled("report.typ.j2", "typst", document, formulas, filters, shown)
    stamp = int(document.date.timestamp()) if document.date else 0
    options: Any = {"timestamp": stamp, "ignore_system_fonts": True}
    with tempfile.TemporaryDirectory() as folder:
        for figure in document.elements("figure"):
            Path(folder, f"{figure.label}.{figure.suffix}").write_bytes(figure.picture)
        source = Path(folder, "report.typ")
        source.write_text(text, "utf-8")
        try:
            return typst.compile(source, format="pdf", pdf_standards="ua-1", **options)
        except typst.TypstError as error:
            raise ReportError(_refusal(error, text.splitlines(), document)) from error


def _filled(
    template: str, to: str, document: Document, formulas: maths.Formulas, filters: dict, shown: dict
) -> str:
    """A template of the package, filled with a document's pieces and what else it shows."""
    def change(node: dict) -> dict | None:
        if node["t"] != "Math":
            return None
        text = formulas[node["c"][1], pandoc.is_displayed(node)][to]
        if to == "typst":  # with the TeX as its alternative text
            text = f"#formula({_string(' '.join(node['c'][1].split()))}, {text});"
        return {"t": "RawInline", "c": [to, text]}

    blocks: list[dict] = []  # of all pieces, a mark after each: pandoc is slow at many documents
    mark = {"t": "RawBlock", "c": [to, _END]}
    transform(document, lambda text: blocks.extend([*pandoc.replace(text.blocks, change), mark]))
    whole = {"pandoc-api-version": [1, 23], "meta": {}, "blocks": blocks}
    written = map(str.strip, pandoc.call("write", [json.dumps(whole)], to)[0].split(_END))
    shown |= {"document": transform(document, lambda text: next(written))}
    shown |= {"name": pandoc.plain(document.title.blocks), "date": document.date}
    loader = FileSystemLoader([FOLDER / "templates", FOLDER / "live"])
    options: dict = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    environment = Environment(autoescape=to == "html5", loader=loader, **options)
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    environment.filters |= filters
    return environment.get_template(template).render(shown)


def check_pictures(document: Document, note: Note) -> None:
    """Note the cells whose picture has no size."""
    for figure in document.elements("figure"):
        try:
            sides = size(figure)
        except (ValueError, StructError):
            sides = (0, 0)
        if min(sides) <= 0:
            note(figure.place, f"its {figure.suffix.upper()} is none: it has no width and height")


def size(figure: Element) -> tuple[float, float]:
    """Width and height of a picture in points; 72 dots an inch where a PNG does not say."""
    if figure.suffix == "png":
        density = re.search(rb"pHYs(.{8})\x01", figure.picture, re.S)
        scale = 72 / 0.0254 / unpack(">I", density[1][:4])[0] if density else 1.0
        width, height = unpack(">II", figure.picture[16:24])
        return width * scale, height * scale
    start = "".join(re.findall(r"<svg\b[^>]*>", figure.picture.decode())[:1])
    found = re.findall(r'\s(?:width|height)="([\d.]+)(pt|px)?"', start)
    if len(found) != 2:
        box = re.search(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"', start)
        found = [(side, "px") for side in (box.groups() if box else ("480", "360"))]
    width, height = (float(side) * (1 if unit == "pt" else 0.75) for side, unit in found)
    return width, height


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
    made = highlight(text, lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
    return Markup(_PLAIN.sub(r"\1", made))


def _source(figure: Element) -> Markup:
    """The picture as a data URI; most of an SVG needs no escape, so it is shorter than base64."""
    if figure.suffix == "png":
        return Markup(f"data:image/png;base64,{base64.b64encode(figure.picture).decode()}")
    text = " ".join(figure.picture.decode().split())
    text = text if "'" in text else text.replace('"', "'")
    for letter, escape in {"%": "%25", "#": "%23", "&": "&amp;", '"': "&quot;"}.items():
        text = text.replace(letter, escape)
    return Markup(f"data:image/svg+xml,{text}")


def _pixels(figure: Element) -> Markup:
    """Width and height as attributes, so that the page does not jump."""
    width, height = (round(side * (4 / 3)) for side in size(figure))
    return Markup(f'width="{width}" height="{height}"')


def _refusal(error: typst.TypstError, lines: list[str], document: Document) -> str:
    """What Typst finds wrong, by cell: the template has each element's place before it."""
    places = {f"{figure.label}.{figure.suffix}": figure.place for figure in document.elements("figure")}
    named = dict[str, None]()
    found = r"error: (.+)\n\s*┌─ (?:.*[/\\])?([\w.-]+):(\d+):"
    for message, file, line in re.findall(found, error.diagnostic):
        marks = [text for text in lines[: int(line)] if text.startswith(_MARK)]
        place = marks[-1].removeprefix(_MARK) if marks else document.title.place
        named[f"{places.get(file, place)}: {message}"] = None
    return "\n".join(named) or f"Typst: {error.message}"


def _floats(document: Document) -> dict[str, str]:
    """Where figures and tables may float, by label; cards, which open sections, stay.

    Early in a chapter to the bottom alone: they must not stand above its title.
    """
    found, length = {}, 0
    for element in document.body:
        if element.kind == "heading" and element.level == 1:
            length = 0
        elif element.kind == "prose":
            length += len(pandoc.plain(element.text.blocks))
        elif element.kind in ("figure", "table") and not element.label.startswith("tbl-card-"):
            found[element.label] = "auto" if length > EARLY else "bottom"
    return found


def _listed(document: Document, kind: str) -> list[tuple[str, str, str]]:
    """Label, number and short title of each labelled element of a kind."""
    found = []
    for element in document.elements(kind):
        if element.label and (title := _SHORT_TITLE.match(pandoc.plain(element.caption.blocks))):
            found.append((element.label, element.number, element.short or title[0]))
    return found


def _string(text: str) -> str:
    """A string literal of Typst, which reads as one of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _width(figure: Element) -> str:
    """Its own width, or what fits the page."""
    width, height = size(figure)
    return f"{width * min(1, TEXT_WIDTH / width, TEXT_HEIGHT / height):.1f}pt"


def _whole(table: Element) -> bool:
    """Whether it is short enough never to be broken."""
    rows = [len(_MARKUP.sub("", "".join(row))) for row in table.rows]
    return len(rows) <= FEW or sum(1 + length // ROOM for length in rows) <= MOST_LINES


def _columns(table: Element) -> str:
    """Widths: those of the text where the page has room; else long columns share what is left."""
    cells = zip(table.header, *table.rows, strict=True)
    columns = [[len(_MARKUP.sub("", cell)) for cell in column] for column in cells]
    room = ROOM if len(columns) <= 5 else ROOM_OF_MANY
    if sum(max(column) + 3 for column in columns) <= room:
        return str(len(columns))
    weights = [math.sqrt(max(column) + sum(column) / len(column)) or 1.0 for column in columns]
    pairs = zip(columns, weights, strict=True)
    sides = ["auto" if max(c) <= SHORT else f"{weight:.1f}fr" for c, weight in pairs]
    return f"({', '.join(sides)},)"


def _code_size(code: str) -> str:
    """The size at which the longest line of code fits the text's width, if it can be read."""
    longest = max([1, *map(len, code.splitlines())])
    return f"{max(6.4, min(7.6, CODE_WIDTH / (CHARACTER_WIDTH * longest))):.1f}pt"
