"""What both outputs share: the pieces of a document as strings of HTML or Typst, and templates."""

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from struct import unpack
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from helpers.report import maths, pandoc
from helpers.report.document import Ast, Figure, transform
from helpers.report.maths import Formula, Formulas

FOLDER = Path(__file__).parent


def strings(
    value: Any, formulas: Formulas, to: str, write_maths: Callable[[Formula, str], str]
) -> Any:
    """A document (or a part) with every Ast written in "html5" or "typst".

    `write_maths(formula, tex)` gives the text that stands for a formula.
    """
    def change(node: dict) -> dict | None:
        if node["t"] != "Math":
            return None
        text = write_maths(formulas[maths.key(node)], node["c"][1])
        return {"t": "RawInline", "c": [to, text]}

    pieces: list[Ast] = []
    transform(value, pieces.append)
    written = iter(pandoc.write([pandoc.replace(text.blocks, change) for text in pieces], to))
    return transform(value, lambda text: next(written))


def size(figure: Figure) -> tuple[float, float]:
    """Width and height of a picture in points; 72 dots an inch where a PNG does not say."""
    if figure.suffix == "png":
        density = re.search(rb"pHYs(.{8})\x01", figure.picture, re.S)
        scale = 72 / 0.0254 / unpack(">I", density[1][:4])[0] if density else 1.0
        width, height = unpack(">II", figure.picture[16:24])
        return width * scale, height * scale
    root = re.search(r"<svg\b[^>]*>", figure.picture.decode())
    start = root[0] if root else ""
    found = re.findall(r'\s(?:width|height)="([\d.]+)(pt|px)?"', start)
    if len(found) == 2:
        width, height = (float(side) * (1 if unit == "pt" else 0.75) for side, unit in found)
    else:
        box = re.search(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"', start)
        width, height = (0.75 * float(side) for side in box.groups()) if box else (360.0, 270.0)
    return width, height


def moment(date: str) -> datetime | None:
    """When the report was computed: $SOURCE_DATE_EPOCH, else `date` (ISO 8601), else unknown."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch), UTC)
    return datetime.fromisoformat(date).astimezone(UTC) if date else None


def fill(template: str, filters: dict[str, Callable], shown: dict[str, Any]) -> str:
    """A template of the package, filled; values in HTML are escaped."""
    options: dict = {"loader": FileSystemLoader(FOLDER / "templates"), "trim_blocks": True}
    options |= {"undefined": StrictUndefined, "lstrip_blocks": True}
    environment = Environment(autoescape=".html." in template, **options)
    environment.filters |= filters
    return environment.get_template(template).render(shown)
