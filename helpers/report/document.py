"""What stands in a report, in order, independent of HTML and PDF."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from helpers.report.errors import Place


@dataclass
class Ast:
    """Blocks of pandoc's tree (before parsing one `pandoc.unparsed`) and their cell."""
    blocks: list[dict]
    place: Place


@dataclass
class Element:
    """Anything that stands in the report; `number` is "1.2", "A.1" or "3", "" if it has none."""
    place: Place
    number: str = field(default="", kw_only=True)

    @property
    def kind(self) -> str:
        """Name of the class in lower case, which chooses the template."""
        return type(self).__name__.lower()


@dataclass
class Prose(Element):
    """Running text."""
    text: Ast


@dataclass
class Heading(Element):
    """A section's title."""
    level: int
    text: Ast
    anchor: str

    @property
    def appendix(self) -> bool:
        """Whether it belongs to an appendix."""
        return self.place.part == "appendix"


@dataclass
class Equation(Element):
    """A displayed formula that stands on its own; numbered if it has a label."""
    label: str
    text: Ast


@dataclass
class Captioned(Element):
    """What has a caption; without a label it is not numbered."""
    label: str
    caption: Ast | None


@dataclass
class Figure(Captioned):
    """A picture (an SVG or PNG file), what moves in its place in HTML, and its numbers as CSV."""
    alt: str
    picture: bytes
    suffix: str
    live: dict | None = None
    data: str = ""


@dataclass
class Table(Captioned):
    """Header, rows of cells, and one of l, c, r for each column."""
    header: list[Ast]
    rows: list[list[Ast]]
    align: str


@dataclass
class Listing(Captioned):
    """Code to be read, in both outputs."""
    code: str
    language: str = "python"


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

    def elements(self) -> list[Element]:
        """Everything in reading order."""
        return [*self.abstract, *self.body, *self.appendix]


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
