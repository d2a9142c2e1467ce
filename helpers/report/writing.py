"""What both outputs share: a document's pieces as strings of HTML or Typst, in a template."""

import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from struct import unpack
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from helpers.report import maths, pandoc
from helpers.report.document import Ast, Document, Element, transform
from helpers.report.maths import Formula, Formulas

FOLDER = Path(__file__).parent


def fill(
    template: str, document: Document, formulas: Formulas,
    write_maths: Callable[[Formula, str], str], filters: dict, shown: dict,
) -> str:  # fmt: skip
    """A template of the package, filled with a document's pieces and what else it shows.

    `write_maths(formula, tex)` gives the text that stands for a formula.
    """
    to = "html5" if ".html." in template else "typst"

    def change(node: dict) -> dict | None:
        if node["t"] != "Math":
            return None
        text = write_maths(formulas[maths.key(node)], node["c"][1])
        return {"t": "RawInline", "c": [to, text]}

    pieces: list[Ast] = []
    transform(document, pieces.append)
    trees = [pandoc.replace(text.blocks, change) for text in pieces]
    heads = {"pandoc-api-version": [1, 23], "meta": {}}
    answers = pandoc.call("write", [json.dumps(heads | {"blocks": tree}) for tree in trees], to)
    written = map(str.strip, answers)
    shown |= {"name": pandoc.plain(document.title.blocks), "date": moment(document.date)}
    shown["document"] = transform(document, lambda text: next(written))
    loader = FileSystemLoader(FOLDER / "templates")
    options: dict = {"trim_blocks": True, "lstrip_blocks": True, "undefined": StrictUndefined}
    environment = Environment(autoescape=to == "html5", loader=loader, **options)
    environment.filters |= filters
    return environment.get_template(template).render(shown)


def size(figure: Element) -> tuple[float, float]:
    """Width and height of a picture in points; 72 dots an inch where a PNG does not say."""
    if figure.suffix == "png":
        density = re.search(rb"pHYs(.{8})\x01", figure.picture, re.S)
        scale = 72 / 0.0254 / unpack(">I", density[1][:4])[0] if density else 1.0
        width, height = unpack(">II", figure.picture[16:24])
        return width * scale, height * scale
    root = re.search(r"<svg\b[^>]*>", figure.picture.decode())
    start = root[0] if root else ""
    found = re.findall(r'\s(?:width|height)="([\d.]+)(pt|px)?"', start)
    if len(found) != 2:
        box = re.search(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"', start)
        found = [(side, "px") for side in (box.groups() if box else ("480", "360"))]
    width, height = (float(side) * (1 if unit == "pt" else 0.75) for side, unit in found)
    return width, height


def moment(date: str) -> datetime | None:
    """When the report was computed: $SOURCE_DATE_EPOCH, else `date` (ISO 8601), else unknown."""
    if epoch := os.environ.get("SOURCE_DATE_EPOCH"):
        return datetime.fromtimestamp(int(epoch), UTC)
    return datetime.fromisoformat(date).astimezone(UTC) if date else None
