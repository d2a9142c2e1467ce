"""What both outputs share: the pieces of a document as strings of HTML or Typst, and the templates."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from helpers.report import maths, pandoc
from helpers.report.document import Ast, Document, Heading, transform
from helpers.report.maths import Formulas

FOLDER = Path(__file__).parent


def strings(value, formulas: Formulas, to: str, write_maths: Callable):
    """A document (or a part) with every Ast written in "html5" or "typst".

    `write_maths(formula, tex, display)` gives the text that stands for a formula.
    """

    def change(node: dict) -> dict | None:
        if node["t"] != "Math":
            return None
        tex, display = maths.key(node)
        return {"t": "RawInline", "c": [to, write_maths(formulas[tex, display], tex, display)]}

    pieces: list[list[dict]] = []
    transform(value, lambda text: pieces.append(pandoc.replace(text.blocks, change)))
    written = iter(pandoc.write(pieces, to))
    return transform(value, lambda text: next(written))


def headings(document: Document) -> list[Heading]:
    """The section titles in order, without links: what a table of contents shows."""
    found = [element for element in document.elements() if isinstance(element, Heading)]
    return [replace(heading, text=_unlinked(heading.text)) for heading in found]


def _unlinked(text: Ast) -> Ast:
    def change(node: dict) -> dict | None:
        return {"t": "Span", "c": [["", [], []], node["c"][1]]} if node["t"] == "Link" else None

    return replace(text, blocks=pandoc.replace(text.blocks, change))


def size(svg: str) -> tuple[float, float]:
    """Width and height of a picture in points."""
    root = re.search(r"<svg\b[^>]*>", svg)[0]
    sides = [re.search(rf'\s{side}="([\d.]+)(pt)?', root) for side in ("width", "height")]
    return tuple(float(side[1]) * (1 if side[2] else 0.75) for side in sides)


def moment(date: str) -> datetime | None:
    """When the report was computed: $SOURCE_DATE_EPOCH, else `date` (ISO 8601), else unknown."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch), UTC)
    return datetime.fromisoformat(date).astimezone(UTC) if date else None


def environment(**options) -> Environment:
    """Jinja over the package's templates."""
    loader = FileSystemLoader(FOLDER / "templates")
    return Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, **options
    )
