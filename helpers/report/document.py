"""What stands in a report, in order, independent of HTML and PDF."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from helpers.report.errors import Place


@dataclass
class Ast:
    """A piece of pandoc's tree (a list of blocks) and the cell that it comes from.

    Before parsing the only block is `pandoc.unparsed`.
    """

    blocks: list[dict]
    place: Place


@dataclass
class Element:
    """Anything that stands in the report; `kind` chooses its template."""
    place: Place

    @property
    def kind(self) -> str:
        """Name of the class in lower case."""
        return type(self).__name__.lower()


@dataclass
class Prose(Element):
    """Running text."""
    text: Ast


@dataclass
class Heading(Element):
    """A section's title; `number` is "1.2" or "A.1", empty when it has none."""
    level: int
    text: Ast
    anchor: str
    appendix: bool = False
    number: str = ""


@dataclass
class Equation(Element):
    """A displayed formula that stands on its own; `number` is "3" if it has a label."""
    label: str
    text: Ast
    number: str = ""


@dataclass
class Figure(Element):
    """A picture (an SVG or PNG file), what moves in its place in HTML, and its numbers as CSV."""
    label: str
    caption: Ast
    alt: str
    picture: bytes
    suffix: str
    live: dict | None = None
    data: str = ""
    number: str = ""


@dataclass
class Table(Element):
    """Header, rows of cells, and one of l, c, r for each column; no label: not numbered."""
    label: str
    caption: Ast | None
    header: list[Ast]
    rows: list[list[Ast]]
    align: str
    number: str = ""


@dataclass
class Listing(Element):
    """Code to be read, in both outputs; no label: not numbered."""
    label: str
    caption: Ast | None
    code: str
    language: str = "python"
    number: str = ""


@dataclass
class Code(Element):
    """Code that the HTML folds away and the PDF leaves out."""
    code: str


@dataclass
class Output(Element):
    """What a cell printed."""
    code: str


@dataclass
class Fold(Element):
    """Begins what the HTML folds away under a title, such as an answer; without a title its end."""
    title: Ast | None


@dataclass
class Reference:
    """An entry of the bibliography."""
    number: int
    anchor: str
    text: Ast


@dataclass
class Bibliography(Element):
    """The cited works."""
    entries: list[Reference]


@dataclass
class Document:
    """A report: title page, sections, and what follows them."""
    title: Ast
    subtitle: Ast
    date: str
    merged: bool
    notebooks: list[str]
    abstract: list[Element]
    body: list[Element]
    appendix: list[Element]

    def elements(self) -> Iterator[Element]:
        """Everything in reading order."""
        yield from self.abstract
        yield from self.body
        yield from self.appendix


def transform(value: Any, change: Callable[[Ast], object]) -> Any:
    """A copy of a document (or a part) whose every Ast `change` has replaced, in reading order."""
    if isinstance(value, Ast):
        return change(value)
    if isinstance(value, list):
        return [transform(part, change) for part in value]
    if is_dataclass(value) and not isinstance(value, type | Place):
        parts = {field.name: getattr(value, field.name) for field in fields(value)}
        return replace(value, **{name: transform(part, change) for name, part in parts.items()})
    return value
