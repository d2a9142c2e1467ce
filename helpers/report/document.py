"""What stands in a report, in order, independent of HTML and PDF; and what is wrong with it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from helpers.errors import Failure


class ReportError(Failure):
    """The notebooks cannot become a report; the message names each notebook and cell at fault."""


@dataclass(frozen=True)
class Place:
    """A cell: its notebook's name, its number from 1, its source; and where it goes.

    part: "abstract", "body" or "appendix"; shift: how far its headings move down.
    """
    notebook: str
    cell: int
    source: str
    part: str = "body"
    shift: int = 0

    def __str__(self) -> str:
        line = next(iter(self.source.strip().splitlines()), "")
        return f"{' '.join(self.notebook.split())}.ipynb, cell {self.cell} (“{line:.50}”)"


Note = Callable[[Place | str, str], None]  # notes what is wrong with a cell or a notebook's file


@contextmanager
def collect() -> Iterator[Note]:
    """A function that notes a problem and its place; ReportError with all of them in the end."""
    problems: dict[str, None] = {}
    yield lambda place, message: problems.setdefault(f"{place}: {message}")
    if problems:
        raise ReportError("\n".join(problems))


@dataclass
class Ast:
    """Blocks of pandoc's tree (before parsing one `cells._text`) and their cell."""
    blocks: list[dict]
    place: Place


@dataclass
class Element:
    """Anything that stands in the report. Its kind says what it has, and how templates show it:

    prose, equation, reference (of the bibliography): text; heading: text, level
    figure, table, listing: caption; without a label they are not numbered
    code (folded away in HTML, left out of the PDF), output (what a cell printed): code
    fold: text, a title under which HTML folds away what follows; without a title its end

    Every Ast becomes a string of HTML or Typst in the end.
    """
    kind: str
    place: Place
    text: Any = None  # Ast
    label: str = ""  # its address in both outputs
    number: str = ""  # "1.2", "A.1" or "3"
    level: int = 0
    caption: Any = None  # Ast
    short: str = ""  # the caption in lists of figures and tables, else its first sentence
    code: str = ""
    language: str = "python"
    picture: bytes = b""
    suffix: str = ""  # of the picture: svg or png
    alt: str = ""
    live: dict | None = None  # what moves in the figure's place in HTML
    moving: Any = None  # Ast, its caption there
    data: str = ""  # the figure's numbers as CSV
    pixels: str = ""  # or those of its pictures: a PNG in base64
    header: list = field(default_factory=list)  # Ast for each column
    rows: list = field(default_factory=list)  # lists of Ast; of the bibliography: references
    align: str = ""  # one of l, c, r for each column
    anchors: list = field(default_factory=list)  # of its rows: the address of each, or ""


@dataclass
class Document:
    """A report: title page, sections, and what follows them."""
    title: Any  # Ast
    subtitle: Any  # Ast
    authors: list[str]
    date: datetime | None  # when it was computed
    notebooks: list[str]
    references: dict[str, dict]  # of the notebooks' metadata, by key
    abstract: list[Element]
    body: list[Element]
    appendix: list[Element]

    def elements(self, *kinds: str) -> list[Element]:
        """Everything, or what is of these kinds, in reading order."""
        found = [*self.abstract, *self.body, *self.appendix]
        return [element for element in found if not kinds or element.kind in kinds]


def transform(value: Any, change: Callable[[Ast], object]) -> Any:
    """A copy of a document (or a part) whose every Ast `change` has replaced, in reading order."""
    if isinstance(value, Ast):
        return change(value)
    if isinstance(value, list):
        return [transform(part, change) for part in value]
    if isinstance(value, Document | Element):
        parts = {name: transform(part, change) for name, part in vars(value).items()}
        return replace(value, **parts)
    return value
