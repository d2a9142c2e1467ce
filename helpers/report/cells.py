"""Cells of executed notebooks become the elements of a document: parsed, not yet numbered."""

import base64
import re
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from nbformat import NotebookNode

from helpers.report import document as parts
from helpers.report import pandoc
from helpers.report.document import Ast, Document, Element, Figure, Listing, Prose, Table, transform
from helpers.report.errors import Place, Problems
from helpers.report.notebooks import PARTS

KINDS = {"figure": "fig", "table": "tbl", "listing": "lst", "equation": "eq"}  # label's beginnings
PICTURES = {"image/svg+xml": "svg", "image/png": "png"}
HIDDEN_BY_TAG = {"remove-cell": "include", "remove-input": "echo", "remove-output": "output"}
_UNSEEN = {"progress", "caption"}
_WIDGET = "application/vnd.jupyter.widget-view+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OVERWRITTEN = re.compile(r"^.*\r(?=.)", re.M)
_OBJECT = re.compile(r"[\[(]*<[\w.]+.* at 0x[0-9a-f]+>.*|<(Axes|Figure).*>", re.S)  # a repr
_FOLD = re.compile(r"<details>\s*<summary>(.+?)</summary>|</details>", re.S)
_PIPES = re.compile(r"^ *\|?( *:?-+:? *\|)+( *:?-+:?)? *$", re.M)  # below a pipe table's header
_NUMBER = re.compile(r"[-+−]?[\d.,]+([eE][-+]?\d+)? ?%?|NaN|")


@dataclass
class _Grid(Element):
    """A table whose text is to be parsed."""

    label: str
    caption: Ast | None
    text: Ast


@dataclass
class _Draft:
    """Part, shift of headings, and an element whose texts may be unparsed."""

    part: str
    shift: int
    element: Element


def parse(notebook: NotebookNode, problems: Problems) -> Document:
    """The document of a merged notebook."""
    report = notebook.metadata.report
    start = Place(report.notebooks[0], 1, "title page")
    titles = [_text(report.title, start), _text(report.subtitle, start)]
    drafts = [draft for cell in notebook.cells for draft in _drafts(cell, problems)]
    titles, drafts = _parsed([titles, drafts])
    pieces = [replace(draft, element=e) for draft in drafts for e in _elements(draft, problems)]
    pieces = _parsed(pieces)  # titles of folds
    bodies = [_joined([p.element for p in pieces if p.part == part]) for part in PARTS]
    title, subtitle = transform(titles, _tight)
    books = list(report.notebooks)
    return Document(title, subtitle, report.date, len(books) > 1, books, *bodies)


def _text(text: object, place: Place) -> Ast:
    return Ast([pandoc.unparsed(str(text))], place)


def _parsed(value: Any) -> Any:
    """The same with every unparsed Ast parsed, in one call of pandoc."""
    waiting: list[Ast] = []
    transform(value, lambda text: waiting.append(text) if pandoc.waits(text.blocks) else None)
    blocks = iter(pandoc.read([text.blocks[0]["c"] for text in waiting]))
    return transform(
        value, lambda t: Ast(next(blocks), t.place) if pandoc.waits(t.blocks) else t
    )


def _drafts(cell: NotebookNode, problems: Problems) -> list[_Draft]:
    """What a cell brings into the report, unparsed."""
    report = cell.metadata.report
    place = Place(report.notebook, report.cell, report.line)
    if cell.cell_type == "markdown":
        found = _markdown_cell(cell, place, problems)
    elif cell.cell_type == "code":
        found = _code_cell(cell, place, problems)
    else:
        found = []
    return [_Draft(report.part, report.shift, element) for element in found]


def _markdown_cell(cell: NotebookNode, place: Place, problems: Problems) -> list[Element]:
    if HIDDEN_BY_TAG.keys() & set(cell.metadata.tags):
        return []
    if cell.get("attachments"):
        problems.add(place, "a pasted image has no label and no alternative text: use a code cell")
    if cell.source.count("<details>") != cell.source.count("</details>"):
        problems.add(place, "a <details> without its </details>, or the reverse, in the same cell")
    return [Prose(place, _text(cell.source, place))] if cell.source.strip() else []


def _code_cell(cell: NotebookNode, place: Place, problems: Problems) -> list[Element]:
    """The code (hidden, folded or a listing) and what the outputs bring."""
    options, tags = cell.metadata.report.options, cell.metadata.tags
    hidden = {name for tag, name in HIDDEN_BY_TAG.items() if tag in tags}
    hidden |= {name for name in HIDDEN_BY_TAG.values() if options.get(name) is False}
    reader = _Reader(options, place, problems)
    found: list[Element] = []
    if "include" in hidden:
        return []
    if "echo" not in hidden and (code := cell.source.strip("\n")).strip():
        listed = "listing" in tags
        found.append(reader.listing({"code": code}) if listed else parts.Code(place, code))
    for output in [] if "output" in hidden else cell.outputs:
        found += reader.output(output)
    labelled = [element for element in found if getattr(element, "label", "")]
    if len(labelled) > 1:
        problems.add(place, f"{len(labelled)} outputs for label {reader.name!r}: one in a cell")
    elif reader.name and not labelled and not any(isinstance(e, Prose) for e in found):
        problems.add(place, f"label {reader.name!r}: the cell shows nothing that it names")
    return [element for element in found if element not in labelled[1:]]


@dataclass
class _Reader:
    """Turns outputs of a cell into elements, by their metadata, else by the cell's options."""

    options: NotebookNode
    place: Place
    problems: Problems

    @property
    def name(self) -> str:
        """The cell's label."""
        return str(self.options.get("label") or "")

    def label(self, kind: str) -> str:
        """The cell's label if it is one for this kind of output."""
        return self.name if self.name.partition("-")[0] == KINDS[kind] else ""

    def said(self, report: dict, name: str, option: str) -> str:
        """A text of the output's metadata, else of an option."""
        return str(report.get(name) or self.options.get(option) or "").strip()

    def caption(self, kind: str, report: dict) -> Ast | None:
        """The caption; a labelled output must have one."""
        option = f"{KINDS[kind]}-cap"
        text = self.said(report, "caption", option)
        if self.label(kind) and not text:
            self.problems.add(self.place, f"a labelled {kind} needs a caption: `#| {option}: …`")
        return _text(text, self.place) if text else None

    def output(self, output: NotebookNode) -> list[Element]:
        """What an output brings; standard error, progress and widgets bring nothing."""
        if output.output_type == "stream":
            return self.printed(output.text) if output.name == "stdout" else []
        if output.output_type == "error":
            return []
        report, data = output.metadata.get("report", {}), output.data
        kind, markdown = report.get("kind"), data.get("text/markdown", "")
        if kind in _UNSEEN or _WIDGET in data:
            return []
        if kind == "listing":
            return [self.listing(report)]
        if any(mime in data for mime in PICTURES):
            return self.figure(report, data)
        if kind == "table" or (self.label("table") and _PIPES.search(markdown)):
            return [self.grid(report, pandoc.unparsed(markdown))]
        if markdown:
            return [Prose(self.place, _text(markdown, self.place))]
        if "<table" in data.get("text/html", ""):
            return [self.grid(report, pandoc.unparsed(data["text/html"], "html"))]
        return [] if _OBJECT.fullmatch(text := data.get("text/plain", "")) else self.printed(text)

    def printed(self, text: str) -> list[Element]:
        """What a terminal would show in the end: no colours, no overwritten lines."""
        text = _OVERWRITTEN.sub("", _ANSI.sub("", text).replace("\r\n", "\n"))
        text = "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())
        return [parts.Output(self.place, text.rstrip())] if text.strip() else []

    def figure(self, report: dict, data: dict) -> list[Element]:
        """A picture; a problem where it has no label, no caption or no alternative text."""
        caption, alt = self.said(report, "caption", "fig-cap"), self.said(report, "alt", "fig-alt")
        needs = {"label: fig-name": self.label("figure"), "fig-cap: …": caption, "fig-alt: …": alt}
        if lacking := [f"`#| {line}`" for line, value in needs.items() if not value]:
            lines = " and ".join(lacking)
            self.problems.add(self.place, f"a picture needs {lines} in its cell's first lines")
            return []
        if alt == caption:
            self.problems.add(self.place, "fig-alt repeats fig-cap: say what the picture shows")
        mime = next(mime for mime in PICTURES if mime in data)
        text = data[mime]
        picture = text.encode() if mime == "image/svg+xml" else base64.b64decode(text)
        more = {"live": report.get("live"), "data": report.get("data", "")}
        words = _text(caption, self.place)
        return [Figure(self.place, self.name, words, alt, picture, PICTURES[mime], **more)]

    def listing(self, report: dict) -> Listing:
        """Code that is to be read."""
        label, caption = self.label("listing"), self.caption("listing", report)
        language = report.get("language", "python")
        return Listing(self.place, label, caption, report["code"], language)

    def grid(self, report: dict, block: dict) -> Element:
        """A table, unparsed."""
        label, caption = self.label("table"), self.caption("table", report)
        return _Grid(self.place, label, caption, Ast([block], self.place))


def _elements(draft: _Draft, problems: Problems) -> list[Element]:
    """A parsed draft as elements: prose falls apart into headings, equations, tables and text."""
    element = draft.element
    if isinstance(element, _Grid):
        return _grid(element, problems)
    if not isinstance(element, Prose):
        return [transform(element, _tight)]
    return [part for block in element.text.blocks for part in _block(block, element.place, draft)]


def _tight(text: Ast) -> Ast:
    """A caption or cell: the words of its paragraph without a paragraph around them."""
    plain = [b | {"t": "Plain"} if b["t"] == "Para" else b for b in text.blocks]
    return Ast(plain, text.place)


def _block(block: dict, place: Place, draft: _Draft) -> list[Element]:
    match block:
        case {"t": "Header", "c": [level, [slug, _, _], inlines]}:
            text = Ast([{"t": "Plain", "c": inlines}], place)
            return [parts.Heading(place, level + draft.shift, text, slug, draft.part == "appendix")]
        case {"t": "Para", "c": inlines}:
            return _paragraphs(inlines, place)
        case {"t": "CodeBlock", "c": [[_, classes, _], code]}:
            return [Listing(place, "", None, code, classes[0] if classes else "text")]
        case {"t": "Table"}:
            return [_table(block, place)]
        case {"t": "RawBlock", "c": [_, text]} if text.strip().startswith("<!--"):
            return []
        case {"t": "RawBlock", "c": [_, text]} if fold := _FOLD.fullmatch(text.strip()):
            return [parts.Fold(place, _text(fold[1], place) if fold[1] else None)]
    return [Prose(place, Ast([block], place))]


def _paragraphs(inlines: list[dict], place: Place) -> list[Element]:
    """A paragraph, cut where a displayed formula stands in it."""
    found: list[Element] = []
    for displayed, nodes in groupby(inlines, key=pandoc.is_displayed):
        group = list(nodes)
        words = [n for n, node in enumerate(group) if not node["t"].endswith(("Space", "Break"))]
        if displayed:
            plain = [Ast([{"t": "Plain", "c": [node]}], place) for node in group]
            found += [parts.Equation(place, "", formula) for formula in plain]
        elif words:
            group = group[words[0] : words[-1] + 1]
            found.append(Prose(place, Ast([{"t": "Para", "c": group}], place)))
    return found


def _grid(element: _Grid, problems: Problems) -> list[Element]:
    """The table in a parsed Markdown or HTML text."""
    tables = [node for node in pandoc.nodes(element.text.blocks) if node["t"] == "Table"]
    if len(tables) != 1:
        problems.add(element.place, f"one table expected, {len(tables)} found")
        return []
    table = _table(tables[0], element.place)
    if any(len(row) != len(table.header) for row in table.rows):
        problems.add(element.place, "a table with merged cells: give it one cell for each column")
    caption = element.caption and _tight(element.caption)
    return [replace(table, label=element.label, caption=caption)]


def _table(block: dict, place: Place) -> Table:
    """Pandoc's table without number and caption; of several header rows the lowest words count."""
    _, _, columns, (_, head), bodies, _ = block["c"]
    cells = [[cell[4] for cell in row[1]] for row in head]
    header: list[list] = [next(filter(None, reversed(c)), []) for c in zip(*cells, strict=False)]
    rows = [[cell[4] for cell in row[1]] for body in bodies for row in [*body[2], *body[3]]]
    letters = {"AlignLeft": "l", "AlignRight": "r", "AlignCenter": "c"}
    align = [letters.get(alignment["t"], "") for alignment, _ in columns]
    if block["c"][0][1] == ["dataframe"]:  # of pandas: numbers to the right
        texts = [[pandoc.plain(cell) for cell in column] for column in zip(*rows, strict=False)]
        align = ["r" if all(map(_NUMBER.fullmatch, column)) else "l" for column in texts]
    made = [[Ast(cell, place) for cell in row] for row in [header, *rows]]
    return Table(place, "", None, made[0], made[1:], "".join(letter or "l" for letter in align))


def _joined(elements: list[Element]) -> list[Element]:
    """The elements with neighbouring folded code joined, and neighbouring prose of one cell."""
    found: list[Element] = []
    for element in elements:
        match found[-1:], element:
            case [Prose(place, text)], Prose() if place == element.place:
                text.blocks.extend(element.text.blocks)
            case [parts.Code(_, before)], parts.Code(_, code):
                found[-1] = parts.Code(found[-1].place, f"{before}\n\n{code}")
            case _, parts.Fold():
                found.append(transform(element, _tight))
            case _:
                found.append(element)
    return found
