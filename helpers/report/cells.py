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
_WIDGET = "application/vnd.jupyter.widget-view+json"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OVERWRITTEN = re.compile(r"^.*\r(?=.)", re.M)
_OBJECT = re.compile(r"[\[(]*<[\w.]+.* at 0x[0-9a-f]+>.*|<(Axes|Figure).*>", re.S)  # a repr
_FOLD = re.compile(r"<details>\s*<summary>(.+?)</summary>|</details>", re.S)
_PIPES = re.compile(r"^ *\|?( *:?-+:? *\|)+( *:?-+:?)? *$", re.M)  # below a pipe table's header
_NUMBER = re.compile(r"[-+−]?[\d.,]+([eE][-+]?\d+)? ?%?|NaN|")


def parse(notebook: NotebookNode, problems: Problems) -> Document:
    """The document of a merged notebook."""
    report = notebook.metadata.report
    start, books = Place(report.notebooks[0], 1, "title page"), list(report.notebooks)
    titles = [_text(report.title, start), _text(report.subtitle, start)]
    drafts = [draft for cell in notebook.cells for draft in _drafts(cell, problems)]
    titles, drafts = _parsed([titles, drafts])
    pieces = _parsed([e for draft in drafts for e in _elements(draft, problems)])  # folds' titles
    bodies = [_joined([e for e in pieces if e.place.part == part]) for part in PARTS]
    title, subtitle = transform(titles, _tight)
    return Document(title, subtitle, report.date, len(books) > 1, books, *bodies)


def _text(text: object, place: Place) -> Ast:
    return Ast([pandoc.unparsed(str(text))], place)


def _parsed(value: Any) -> Any:
    """The same with every unparsed Ast parsed, in one call of pandoc."""
    found: list[Ast] = []
    transform(value, found.append)
    waiting = [text for text in found if text.blocks and text.blocks[0]["t"] == "Unparsed"]
    read = pandoc.read([text.blocks[0]["c"] for text in waiting])
    blocks = dict(zip(map(id, waiting), read, strict=True))
    return transform(value, lambda t: Ast(blocks[id(t)], t.place) if id(t) in blocks else t)


def _drafts(cell: NotebookNode, problems: Problems) -> list[Element]:
    """What a cell brings into the report, unparsed."""
    report, tags = cell.metadata.report, cell.metadata.tags
    place = Place(report.notebook, report.cell, report.line, report.part, report.shift)
    hidden = {name for tag, name in HIDDEN_BY_TAG.items() if tag in tags}
    if cell.cell_type == "code":
        hidden |= {name for name in HIDDEN_BY_TAG.values() if report.options.get(name) is False}
        return _Reader(report.options, place, problems).read(cell, hidden)
    if cell.cell_type != "markdown" or hidden:
        return []
    if cell.get("attachments"):
        problems.add(place, "a pasted image has no label and no alternative text: use a code cell")
    if cell.source.count("<details>") != cell.source.count("</details>"):
        problems.add(place, "a <details> without its </details>, or the reverse, in the same cell")
    return [Prose(place, _text(cell.source, place))] if cell.source.strip() else []


@dataclass
class _Reader:
    """Turns a code cell into elements, by metadata of its outputs, else by the cell's options."""
    options: NotebookNode
    place: Place
    problems: Problems

    def read(self, cell: NotebookNode, hidden: set[str]) -> list[Element]:
        """The code (hidden, folded or a listing) and what the outputs bring."""
        found: list[Element] = []
        if "include" in hidden:
            return found
        if "echo" not in hidden and (code := cell.source.strip("\n")).strip():
            listed = "listing" in cell.metadata.tags
            found.append(self.listing({"code": code}) if listed else parts.Code(self.place, code))
        for output in [] if "output" in hidden else cell.outputs:
            found += self.output(output)
        labelled = [element for element in found if getattr(element, "label", "")]
        name = self.options.get("label")
        if len(labelled) > 1:
            problem = f"{len(labelled)} outputs for label {name!r}: one in a cell"
            self.problems.add(self.place, problem)
        elif name and not labelled and not any(isinstance(e, Prose) for e in found):
            self.problems.add(self.place, f"label {name!r}: the cell shows nothing that it names")
        return [element for element in found if element not in labelled[1:]]

    def said(self, report: dict, name: str, option: str) -> str:
        """A text of the output's metadata, else of an option."""
        return str(report.get(name) or self.options.get(option) or "").strip()

    def label(self, kind: str) -> str:
        """The cell's label if it is one for this kind of output."""
        name = str(self.options.get("label") or "")
        return name if name.partition("-")[0] == KINDS[kind] else ""

    def named(self, kind: str, report: dict) -> tuple[str, Ast | None]:
        """Label and caption; a labelled output must have one."""
        label, option = self.label(kind), f"{KINDS[kind]}-cap"
        text = self.said(report, "caption", option)
        if label and not text:
            self.problems.add(self.place, f"a labelled {kind} needs a caption: `#| {option}: …`")
        return label, _text(text, self.place) if text else None

    def output(self, output: NotebookNode) -> list[Element]:
        """What an output brings; standard error, progress and widgets bring nothing."""
        if output.output_type == "stream":
            return self.printed(output.text) if output.name == "stdout" else []
        if output.output_type == "error":
            return []
        report, data = output.metadata.get("report", {}), output.data
        kind, markdown = report.get("kind"), data.get("text/markdown", "")
        if kind in {"progress", "caption"} or _WIDGET in data:
            return []
        if kind == "listing":
            return [self.listing(report)]
        if any(mime in data for mime in PICTURES):
            return self.figure(report, data)
        if kind == "table" or (self.label("table") and _PIPES.search(markdown)):
            return [self.table(report, pandoc.unparsed(markdown))]
        if markdown:
            return [Prose(self.place, _text(markdown, self.place))]
        if "<table" in data.get("text/html", ""):
            return [self.table(report, pandoc.unparsed(data["text/html"], "html"))]
        return [] if _OBJECT.fullmatch(text := data.get("text/plain", "")) else self.printed(text)

    def printed(self, text: str) -> list[Element]:
        """What a terminal would show in the end: no colours, no overwritten lines."""
        text = _OVERWRITTEN.sub("", _ANSI.sub("", text).replace("\r\n", "\n"))
        text = "".join(letter for letter in text if letter in "\n\t" or letter.isprintable())
        return [parts.Output(self.place, text.rstrip())] if text.strip() else []

    def figure(self, report: dict, data: dict) -> list[Element]:
        """A picture; a problem where it has no label, no caption or no alternative text."""
        label = self.label("figure")
        caption, alt = self.said(report, "caption", "fig-cap"), self.said(report, "alt", "fig-alt")
        needs = {"label: fig-name": label, "fig-cap: …": caption, "fig-alt: …": alt}
        if lacking := [f"`#| {line}`" for line, value in needs.items() if not value]:
            lines = " and ".join(lacking)
            self.problems.add(self.place, f"a picture needs {lines} in its cell's first lines")
            return []
        if alt == caption:
            self.problems.add(self.place, "fig-alt repeats fig-cap: say what the picture shows")
        mime = next(mime for mime in PICTURES if mime in data)
        svg = PICTURES[mime] == "svg"
        picture = data[mime].encode() if svg else base64.b64decode(data[mime])
        more = {"live": report.get("live"), "data": report.get("data", "")}
        words = _text(caption, self.place)
        return [Figure(self.place, label, words, alt, picture, PICTURES[mime], **more)]

    def listing(self, report: dict) -> Listing:
        """Code that is to be read."""
        return Listing(self.place, *self.named("listing", report), report["code"])

    def table(self, report: dict, block: dict) -> Table:
        """A table that is still a text, in the place of its header."""
        text = Ast([block], self.place)
        return Table(self.place, *self.named("table", report), [text], [], "")


def _elements(draft: Element, problems: Problems) -> list[Element]:
    """A parsed draft as elements: prose falls apart into headings, equations, tables and text."""
    if isinstance(draft, Prose):
        return [part for block in draft.text.blocks for part in _block(block, draft.place)]
    if not isinstance(draft, Table):
        return [transform(draft, _tight)]
    tables = [node for node in pandoc.nodes(draft.header[0].blocks) if node["t"] == "Table"]
    if len(tables) != 1:
        problems.add(draft.place, f"one table expected, {len(tables)} found")
        return []
    table = _table(tables[0], draft.place)
    if any(len(row) != len(table.header) for row in table.rows):
        problems.add(draft.place, "a table with merged cells: give it one cell for each column")
    return [replace(table, label=draft.label, caption=draft.caption and _tight(draft.caption))]


def _tight(text: Ast) -> Ast:
    """A caption or cell: the words of its paragraph without a paragraph around them."""
    plain = [b | {"t": "Plain"} if b["t"] == "Para" else b for b in text.blocks]
    return Ast(plain, text.place)


def _block(block: dict, place: Place) -> list[Element]:
    match block:
        case {"t": "Header", "c": [level, [slug, _, _], inlines]}:
            text = Ast([{"t": "Plain", "c": inlines}], place)
            return [parts.Heading(place, level + place.shift, text, slug)]
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
