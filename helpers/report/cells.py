"""Cells of executed notebooks become the elements of a document: parsed, not yet numbered."""

import base64
import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

import nbformat
from nbformat import NotebookNode, ValidationError
from PIL import Image
from pydantic import Field, FiniteFloat, create_model

from helpers.display import cell_options
from helpers.errors import one_line
from helpers.report import pandoc
from helpers.report.document import (
    Ast, Document, Element, Note, Place, ReportError, collect, transform,
)  # fmt: skip

KINDS = {"figure": "fig", "table": "tbl", "listing": "lst", "equation": "eq"}  # label's beginnings
PICTURES = {"image/svg+xml": "svg", "image/png": "png"}
HIDDEN_BY_TAG = {"remove-cell": "include", "remove-input": "echo", "remove-output": "output"}
_WIDGET = "application/vnd.jupyter.widget-view+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OVERWRITTEN = re.compile(r"^.*\r(?=.)", re.M)
_OBJECT = re.compile(r"[\[(]*<[\w.]+.* at 0x[0-9a-f]+>.*|<(Axes|Figure).*>", re.S)  # a repr
_FOLD = re.compile(r"<details>\s*<summary>(.+?)</summary>|</details>", re.S)
_PIPES = re.compile(r"^ *\|?( *:?-+:? *\|)+( *:?-+:?)? *$", re.M)  # below a pipe table's header
_EMBEDDED = re.compile(rb"(?<=data:image/png;base64,)[^\"]+")  # pictures in an SVG
_LEVELS = [round(round(v / 255 * 63) * 255 / 63) for v in range(256)]  # 64 of 256
_DEEP = re.compile(r"^(?:\s*(?:>|[*+-] |\d+[.)] )){25}|^ {60,}(?:[>*+-]|\d+[.)]) ", re.M)
Level = Literal[1, 2, 3, 4, 5]
PART: Any = create_model("part", title=(str, ...), level=(Level, ...), text=(str, ""))
KEY = Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
WORDS = Annotated[str, Field(pattern=r"^[^\x00]*$")]  # no font has that one
SOURCE: Any = create_model(
    "reference", authors=(WORDS, ""), year=(int, ...), title=(WORDS, ...), venue=(WORDS, ...),
    url=(str, Field("", pattern=r"^(https?://\S+)?$")),
)  # fmt: skip
ABOUT: Any = create_model(  # "report" in a notebook's metadata: see README.md beside this file
    "report", order=(FiniteFloat | None, None), level=(Level, 1), title=(str, ""),
    subtitle=(str, ""), authors=(str | tuple[str, ...], ()), part=(PART | None, None),
    references=(dict[KEY, SOURCE], {}),
)  # fmt: skip
_NUMBER = re.compile(r"[-+−]?[\d.,]+([eE][-+]?\d+)? ?%?|NaN|")


def read_notebooks(folder: Path) -> dict[str, NotebookNode]:
    """The notebooks of a folder by name, in the report's order.

    That is by `order` under "report" in their metadata, else by the digits that their names begin
    with; the others come last. ReportError: there is none, or one is not a notebook.
    """
    files = sorted(Path(folder).glob("*.ipynb"))
    found: list[tuple[float, str, NotebookNode]] = []
    if not files:
        raise ReportError(f"no notebook (*.ipynb) in {folder}")
    with collect() as note:
        for file in files:
            try:
                notebook = nbformat.read(file, as_version=4)
                nbformat.validate(notebook)
            except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
                note(file.name, f"not a notebook: {str(error).partition(chr(10))[0]}")
                continue
            digits = re.match(r"\d+", file.stem)
            order = float(digits[0]) if digits else inf
            with suppress(ValueError):  # which `check` notes
                order = order if (own := about(notebook).order) is None else own
            found.append((order, file.stem, notebook))
    return {name: notebook for _, name, notebook in sorted(found, key=lambda entry: entry[:2])}


def about(notebook: NotebookNode) -> Any:
    """What its metadata says of a notebook, an ABOUT; ValueError, in one line, for odd metadata."""
    try:
        datetime.fromisoformat(notebook.metadata.get("papermill", {}).get("end_time") or "2000-01-01")
        return ABOUT(**notebook.metadata.get("report", {}))
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"its metadata cannot be read ({one_line(error)})") from error


def check(notebooks: dict[str, NotebookNode], note: Note) -> None:
    """Note which cells have not run, which failed, and options that are no YAML."""
    for name, notebook in notebooks.items():
        try:
            about(notebook)
        except ValueError as error:
            note(f"{name}.ipynb", str(error))
        code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        ran = [cell for cell in code if cell.execution_count]
        if code and not ran:
            note(f"{name}.ipynb", "not executed: its code cells have never run")
        for number, cell in enumerate(notebook.cells, start=1):
            place = Place(name, number, cell.source)
            if ran and cell in code and cell not in ran:
                note(place, "has not run: run the whole notebook, from its first cell to its last")
            for output in cell.get("outputs", []):
                if output.output_type == "error":
                    note(place, f"failed: {output.ename}: {output.evalue}")
            try:
                if _DEEP.search(cell.source):
                    raise ValueError("lists or quotations nest too deeply")
                json.dumps(cell, ensure_ascii=False).encode()
                cell_options(cell.source)
            except ValueError as error:  # of YAML, or half a character
                note(place, one_line(error))


def parse(notebooks: dict[str, NotebookNode], note: Note) -> Document:
    """The document of executed notebooks, by name: the abstract, the sections, the appendices."""
    abouts = {name: about(book) for name, book in notebooks.items()}
    drafts: list[Element] = []
    for name, said in abouts.items():
        if (part := said.part) and len(notebooks) > 1:  # begins with this notebook
            text = f"# {part.title}\n\n{part.text}".strip()
            place = Place(name, 0, text, shift=part.level - 1)
            drafts.append(Element("prose", place, _text(text, place)))
        for number, cell in enumerate(notebooks[name].cells, start=1):
            drafts += _Cell(cell, name, number, said.level - 1, note).drafts()
    titled = next((said for said in abouts.values() if said.title), ABOUT())
    start = Place(next(iter(notebooks)), 1, "title page")
    titles = [_text(text, start) for text in (titled.title, titled.subtitle)]
    (title, subtitle), drafts = _parsed([titles, drafts])
    if titled.title and not pandoc.plain(title.blocks).strip():
        note(start, "its title has no words")
    elements = _parsed([e for draft in drafts for e in _elements(draft, note)])  # folds' titles
    for element in elements:
        if element.kind == "fold" and element.text and not pandoc.plain(element.text.blocks).strip():
            note(element.place, "a <summary> without words")
    bodies = {
        part: _joined(element for element in elements if element.place.part == part)
        for part in ("abstract", "body", "appendix")
    }
    ends = {book.metadata.get("papermill", {}).get("end_time") or "" for book in notebooks.values()}
    date = datetime.fromisoformat(max(ends)).astimezone(UTC) if any(ends) else None
    named = [titled.authors] if isinstance(titled.authors, str) else list(titled.authors)
    sources = {key: vars(one) for said in abouts.values() for key, one in said.references.items()}
    return Document(title, subtitle, named, date, list(notebooks), sources, **bodies)


def _text(text: object, place: Place, form: str = "markdown") -> Ast:
    """A text that `_parsed` parses; without its end of line a pipe table loses its last row."""
    return Ast([{"t": "Unparsed", "c": [f"{text}\n", form]}], place)


def _parsed(value: Any) -> Any:
    """The same with every unparsed Ast parsed, in one call of pandoc; paragraphs become Plain."""
    found: list[Ast] = []
    transform(value, found.append)
    waiting = [text for text in found if text.blocks and text.blocks[0]["t"] == "Unparsed"]
    answers = pandoc.call("read", [text.blocks[0]["c"] for text in waiting])
    for text, answer in zip(waiting, answers, strict=True):
        text.blocks = [b | {"t": "Plain"} if b["t"] == "Para" else b for b in answer["blocks"]]
    return value


class _Cell:
    """A cell, and what it brings into the report: unparsed elements."""

    def __init__(self, cell: NotebookNode, name: str, number: int, shift: int, note: Note):
        self.cell, self.note = cell, note
        self.options, self.source = cell_options(cell.source)
        tags = self.options.get("tags") or []
        tags = tags if isinstance(tags, list) else [tags]
        self.tags = [*cell.metadata.get("tags", []), *map(str, tags)]
        part = next((part for part in ("abstract", "appendix") if part in self.tags), "body")
        shift = 1 if part == "appendix" else shift  # an appendix begins at level 2
        self.place = Place(name, number, cell.source, part, shift)

    def drafts(self) -> list[Element]:
        """Markdown, or the code, folded or a listing, and what the outputs bring."""
        hidden = {option for tag, option in HIDDEN_BY_TAG.items() if tag in self.tags}
        hidden |= {name for name in HIDDEN_BY_TAG.values() if self.options.get(name) is False}
        source, name = self.source.strip("\n"), self.options.get("label")
        if self.cell.cell_type == "markdown" and source.strip() and not hidden:
            if source.count("<details>") != source.count("</details>"):
                self.note(self.place, "a <details> without its </details>, or the reverse, in a cell")
            return [Element("prose", self.place, _text(source, self.place))]
        if self.cell.cell_type != "code" or "include" in hidden:
            return []
        found: list[Element] = []
        if source.strip() and "echo" not in hidden and "listing" in self.tags:
            found.append(self.captioned("listing", {}, code=source))
        elif source.strip() and "echo" not in hidden:
            found.append(Element("code", self.place, code=source))
        for output in [] if "output" in hidden else self.cell.outputs:
            try:
                found += self.output(output)
            except (KeyError, TypeError, AttributeError, ValueError) as error:
                self.note(self.place, f"an output that cannot be read ({error!r})")
        labelled = [element for element in found if element.label]
        if len(labelled) > 1:
            self.note(self.place, f"{len(labelled)} outputs for label {name!r}: one in a cell")
        elif name and not labelled and not any(element.kind == "prose" for element in found):
            self.note(self.place, f"label {name!r}: the cell shows nothing that it names")
        return [element for element in found if element not in labelled[1:]]

    def labels(self, kind: str) -> bool:
        """Whether the cell's label is one for this kind of output."""
        return str(self.options.get("label")).partition("-")[0] == KINDS[kind]

    def captioned(self, kind: str, report: dict, **more: Any) -> Element:
        """A figure, table or listing with label and caption; with a label it must have both."""
        label, option = self.options["label"] if self.labels(kind) else "", f"{KINDS[kind]}-cap"
        words = str(report.get("caption") or self.options.get(option) or "").strip()
        if label and not words and kind != "figure":
            self.note(self.place, f"a labelled {kind} needs a caption: `#| {option}: …`")
        more |= {"short": str(self.options.get(f"{KINDS[kind]}-scap") or "")}
        caption = _text(words, self.place) if words else None
        return Element(kind, self.place, label=label, caption=caption, **more)

    def output(self, output: NotebookNode) -> list[Element]:
        """What an output brings; standard error, progress and widgets bring nothing."""
        if output.output_type == "stream":
            return self.printed(output.text) if output.name == "stdout" else []
        report, data = output.metadata.get("report", {}), output.data
        kind, markdown = report.get("kind"), data.get("text/markdown", "")
        if kind in {"progress", "caption", "live"} or _WIDGET in data:
            return []
        if kind == "listing":
            return [self.captioned("listing", report, code=report["code"])]
        if any(mime in data for mime in PICTURES):
            return self.figure(report, data)
        if kind == "table" or (self.labels("table") and _PIPES.search(markdown)):
            return [self.captioned("table", report, text=_text(markdown, self.place))]
        if markdown:
            return [Element("prose", self.place, _text(markdown, self.place))]
        if "<table" in (html := data.get("text/html", "")):
            return [self.captioned("table", report, text=_text(html, self.place, "html"))]
        return [] if _OBJECT.fullmatch(text := data.get("text/plain", "")) else self.printed(text)

    def printed(self, text: str) -> list[Element]:
        """What a terminal would show in the end: no colours, no overwritten lines."""
        text = _OVERWRITTEN.sub("", _ANSI.sub("", text).replace("\r\n", "\n"))
        text = "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())
        return [Element("output", self.place, code=text.rstrip())] if text.strip() else []

    def figure(self, report: dict, data: dict) -> list[Element]:
        """A picture; a problem where it has no label, no caption or no alternative text."""
        mime, suffix = next(kind for kind in PICTURES.items() if kind[0] in data)
        picture = data[mime].encode() if suffix == "svg" else base64.b64decode(data[mime])
        picture = _EMBEDDED.sub(_small, picture) if suffix == "svg" else picture
        alt = str(report.get("alt") or self.options.get("fig-alt") or "").strip()
        live = report.get("live")
        if live:
            live = {"figure": live["figure"], "data": live["data"], "parts": {**live["parts"]}}
        more = {"live": live} | {name: str(report.get(name, "")) for name in ("data", "pixels")}
        if live and (words := self.options.get("live-cap")):
            more["moving"] = _text(words, self.place)
        figure = self.captioned("figure", report, alt=alt, picture=picture, suffix=suffix, **more)
        needs = {"label: fig-name": figure.label, "fig-cap: …": figure.caption, "fig-alt: …": alt}
        if lacking := [f"`#| {line}`" for line, value in needs.items() if not value]:
            lines = " and ".join(lacking)
            self.note(self.place, f"a picture needs {lines} in its cell's first lines")
            return []
        if figure.caption == _text(alt, self.place):
            self.note(self.place, "fig-alt repeats fig-cap: say what the picture shows")
        return [figure]


def _small(match: re.Match) -> bytes:
    """A PNG in base64 with one byte a pixel: greys, or 256 colours, where Matplotlib writes four.

    Without alpha, channels take 64 levels: none is off by more than 2 of 255, black and white stay.
    """
    with Image.open(io.BytesIO(base64.b64decode(match[0]))) as file:
        picture = file.convert("RGBA")
    *colours, alpha = picture.split()
    colours = [channel.point(_LEVELS) for channel in colours]
    if alpha.getextrema() != (255, 255):
        small = picture.quantize(method=Image.Quantize.FASTOCTREE)
    elif len({channel.tobytes() for channel in colours}) == 1:
        small = colours[0]
    else:
        small = Image.merge("RGB", colours).quantize()
    small.save(made := io.BytesIO(), "png")
    return min(match[0], base64.b64encode(made.getvalue()), key=len)


def _elements(draft: Element, note: Note) -> list[Element]:
    """A parsed draft as elements: prose falls apart into headings, equations, tables and text."""
    if draft.kind == "prose":
        return list(_prose(draft.text.blocks, draft.place))
    if draft.kind != "table":
        return [draft]
    tables = [node for node in pandoc.nodes(draft.text.blocks) if node["t"] == "Table"]
    if len(tables) != 1:
        note(draft.place, f"one table expected, {len(tables)} found")
        return []
    named = {name: getattr(draft, name) for name in ("label", "caption", "short")}
    table = replace(_table(tables[0], draft.place), **named)
    if any(len(row) != len(table.header) for row in table.rows):
        note(draft.place, "a table with merged cells: give it one cell for each column")
    return [table]


def _prose(blocks: list[dict], place: Place) -> Iterator[Element]:
    """Running text; a paragraph is cut where a displayed formula stands in it."""
    for block in blocks:
        match block:
            case {"t": "Header", "c": [level, [slug, _, _], inlines]}:
                text = Ast([{"t": "Plain", "c": inlines}], place)
                yield Element("heading", place, text, slug, level=level + place.shift)
            case {"t": "Plain", "c": inlines}:
                for displayed, nodes in groupby(inlines, key=pandoc.is_displayed):
                    if displayed:
                        plain = [Ast([{"t": "Plain", "c": [node]}], place) for node in nodes]
                        yield from (Element("equation", place, formula) for formula in plain)
                    elif words := _trimmed(list(nodes)):
                        yield Element("prose", place, Ast([{"t": "Para", "c": words}], place))
            case {"t": "CodeBlock", "c": [[_, classes, _], code]}:
                language = classes[0] if classes else "text"
                yield Element("listing", place, code=code, language=language)
            case {"t": "Table"}:
                yield _table(block, place)
            case {"t": "RawBlock", "c": [_, text]} if text.strip().startswith("<!--"):
                pass
            case {"t": "RawBlock", "c": [_, text]} if fold := _FOLD.fullmatch(text.strip()):
                yield Element("fold", place, _text(fold[1], place) if fold[1] else None)
            case _:
                yield Element("prose", place, Ast([block], place))


def _trimmed(inlines: list[dict]) -> list[dict]:
    """Inline nodes without spaces at both ends."""
    words = [n for n, node in enumerate(inlines) if not node["t"].endswith(("Space", "Break"))]
    return inlines[words[0] : words[-1] + 1] if words else []


def _table(block: dict, place: Place) -> Element:
    """Pandoc's table without number and caption; of several header rows the lowest words count."""
    _, _, columns, (_, head), bodies, _ = block["c"]
    cells = [[cell[4] for cell in row[1]] for row in head]
    header: list[list] = [next(filter(None, reversed(c)), []) for c in zip(*cells, strict=False)]
    rows = [[cell[4] for cell in row[1]] for body in bodies for row in [*body[2], *body[3]]]
    letters = {"AlignLeft": "l", "AlignRight": "r", "AlignCenter": "c"}
    align = [letters.get(alignment["t"], "l") for alignment, _ in columns]
    if block["c"][0][1] == ["dataframe"]:  # of pandas: numbers to the right
        texts = [[pandoc.plain(cell) for cell in column] for column in zip(*rows, strict=False)]
        align = ["r" if all(map(_NUMBER.fullmatch, column)) else "l" for column in texts]
    made = [[Ast(cell, place) for cell in row] for row in [header, *rows]]
    return Element("table", place, header=made[0], rows=made[1:], align="".join(align))


def _joined(elements: Iterable[Element]) -> list[Element]:
    """The elements with neighbouring folded code joined, and neighbouring prose of one cell."""
    found: list[Element] = []
    for element in elements:
        last = found[-1] if found else Element("start", element.place)
        if element.kind == last.kind == "prose" and element.place == last.place:
            last.text.blocks += element.text.blocks
        elif element.kind == last.kind == "code":
            last.code += f"\n\n{element.code}"
        else:
            found.append(element)
    return found
