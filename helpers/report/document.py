"""The parsed report: what stands in it, in order, independent of HTML and PDF."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import groupby

from nbformat import NotebookNode

from helpers.report import pandoc
from helpers.report.errors import Place, Problems

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_OVERWRITTEN = re.compile(r"^.*\r(?=.)", re.M)
_FOLD = re.compile(r"<details>\s*<summary>([^<]+)</summary>|</details>")
_UNSEEN = {"progress", "caption"}


@dataclass
class Ast:
    """A piece of pandoc's tree (a list of blocks) and the cell that it comes from."""

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
    """A picture (SVG text), what `helpers.report.live` shows in its place where it can, and its numbers (CSV)."""

    label: str
    caption: Ast
    alt: str
    svg: str
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
    """Where something begins that the HTML folds away under a title, such as an answer; without a title its end."""

    title: str


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


def transform(value, change: Callable[[Ast], object]):
    """A copy of a document (or a part) in which `change` has replaced every Ast, in reading order."""
    if isinstance(value, Ast):
        return change(value)
    if isinstance(value, list):
        return [transform(part, change) for part in value]
    if is_dataclass(value) and not isinstance(value, Place):
        return replace(value, **{f.name: transform(getattr(value, f.name), change) for f in fields(value)})
    return value


def parse(notebook: NotebookNode, problems: Problems) -> Document:
    """The document of a merged notebook: parsed, not yet numbered."""
    drafts = [draft for cell in notebook.cells for draft in _drafts(cell, problems)]
    report = notebook.metadata.report
    start = Place(report.notebooks[0], 1, "title page")
    titles = [Ast([report.title], start), Ast([report.subtitle], start)]
    titles, drafts = _parsed([titles, drafts])
    titles = transform(titles, _tight)
    parts = {"abstract": [], "body": [], "appendix": []}
    for part, group in groupby(drafts, key=lambda draft: draft.part):
        for draft in group:
            parts[part] += _elements(draft)
    parts = {part: _joined(elements) for part, elements in parts.items()}
    return Document(*titles, report.date, len(report.notebooks) > 1, list(report.notebooks), **parts)


@dataclass
class _Draft:
    """Part, shift of headings, and an element whose texts may be unparsed Markdown."""

    part: str
    shift: int
    element: Element


def _parsed(drafts):
    """The same with every Ast's Markdown (a list of one text) parsed, in one call."""
    texts: list[Ast] = []
    transform(drafts, texts.append)
    blocks = iter(pandoc.read([text.blocks[0] for text in texts]))
    return transform(drafts, lambda text: Ast(next(blocks), text.place))


def _drafts(cell: NotebookNode, problems: Problems) -> list[_Draft]:
    """What a cell brings into the report, unparsed."""
    report, tags = cell.metadata.report, cell.metadata.get("tags", [])
    lines = cell.source.strip().splitlines() or [""]
    place = Place(report.notebook, report.cell, lines[0])
    if "remove-cell" in tags or cell.cell_type == "raw":
        return []
    if cell.cell_type == "markdown":
        found = _markdown_cell(cell, place, problems)
    else:
        found = _source(cell, place, tags)
        for output in cell.outputs:
            found += _output(output, place, problems)
    return [_Draft(report.part, report.shift, element) for element in found]


def _markdown_cell(cell: NotebookNode, place: Place, problems: Problems) -> list[Element]:
    if cell.get("attachments"):
        problems.add(place, "a pasted image has no label, caption and alternative text: use show_figure")
    if cell.source.count("<details>") != cell.source.count("</details>"):
        problems.add(place, "a <details> without its </details>, or the reverse, in the same cell")
    return [Prose(place, Ast([cell.source], place))] if cell.source.strip() else []


def _source(cell: NotebookNode, place: Place, tags: list[str]) -> list[Element]:
    """The code of a code cell: hidden, folded or a listing."""
    report, code = cell.metadata.report, cell.source.strip("\n")
    if "remove-input" in tags or not code.strip():
        return []
    if "listing" in tags:
        caption = Ast([report.caption], place) if report.get("caption") else None
        return [Listing(place, report.get("label", ""), caption, code)]
    return [Code(place, code)]


def _output(output: NotebookNode, place: Place, problems: Problems) -> list[Element]:
    """What an output brings; standard error and progress bring nothing."""
    if output.output_type == "stream":
        shown = output.name == "stdout" and output.text.strip()
        return [Output(place, _printed(output.text))] if shown else []
    report = output.metadata.get("report", {})
    kind = report.get("kind")
    if kind in _UNSEEN:
        return []
    if kind in _MAKERS:
        return _made(kind, report, output.data, place, problems)
    return _plain_output(output.data, place, problems)


def _made(kind: str, report: dict, data: dict, place: Place, problems: Problems) -> list[Element]:
    """An output of helpers.display."""
    make, needed = _MAKERS[kind]
    lacking = [name for name in needed if not report.get(name)]
    if lacking:
        problems.add(place, f"{kind} {report.get('label', '')} has no {' and no '.join(lacking)}")
        return []
    return [make(report, data, place, problems)]


def _plain_output(data: dict, place: Place, problems: Problems) -> list[Element]:
    """An output made without helpers.display: Markdown or plain text."""
    if "text/markdown" in data:
        return [Prose(place, Ast([data["text/markdown"]], place))]
    if any(mime.startswith("image/") for mime in data):
        problems.add(place, "a picture without label, caption and alternative text: use show_figure")
        return []
    return [Output(place, _printed(data.get("text/plain", "")))]


def _printed(text: str) -> str:
    """What a terminal would show in the end: no colours, no overwritten lines, no control characters."""
    text = _OVERWRITTEN.sub("", _ANSI.sub("", text).replace("\r\n", "\n"))
    return "".join(character for character in text if character in "\n\t" or character.isprintable()).rstrip()


def _figure(report: dict, data: dict, place: Place, problems: Problems) -> Figure:
    svg = "".join(data.get("image/svg+xml", ""))
    if not svg:
        problems.add(place, f"figure {report['label']} has no picture (SVG)")
    caption = Ast([report["caption"]], place)
    return Figure(place, report["label"], caption, report["alt"].strip(), svg, report.get("live"), report.get("data", ""))


def _table(report: dict, data: dict, place: Place, problems: Problems) -> Table:
    header = [Ast([text], place) for text in report["header"]]
    rows = [[Ast([text], place) for text in row] for row in report["rows"]]
    return Table(place, report["label"], Ast([report["caption"]], place), header, rows, report["align"])


def _listing(report: dict, data: dict, place: Place, problems: Problems) -> Listing:
    return Listing(place, report["label"], Ast([report["caption"]], place), report["code"])


_MAKERS = {
    "figure": (_figure, ["label", "caption", "alt"]),
    "table": (_table, ["label", "caption", "header", "rows", "align"]),
    "listing": (_listing, ["label", "caption", "code"]),
}


def _elements(draft: _Draft) -> list[Element]:
    """A parsed draft as elements: prose falls apart into headings, equations, tables, code and text."""
    element = draft.element
    if not isinstance(element, Prose):
        return [transform(element, _tight)]
    found = []
    for block in element.text.blocks:
        found += _block(block, element.place, draft)
    return _together(found)


def _tight(text: Ast) -> Ast:
    """A caption or cell: the words of its paragraph without a paragraph around them."""
    blocks = [{"t": "Plain", "c": block["c"]} if block["t"] == "Para" else block for block in text.blocks]
    return Ast(blocks, text.place)


def _block(block: dict, place: Place, draft: _Draft) -> list[Element]:
    match block:
        case {"t": "Header", "c": [level, [slug, _, _], inlines]}:
            text = Ast([{"t": "Plain", "c": inlines}], place)
            return [Heading(place, level + draft.shift, text, slug, draft.part == "appendix")]
        case {"t": "Para", "c": inlines}:
            return _paragraphs(inlines, place)
        case {"t": "CodeBlock", "c": [[_, classes, _], code]}:
            return [Listing(place, "", None, code, classes[0] if classes else "text")]
        case {"t": "Table"}:
            return [_markdown_table(block, place)]
        case {"t": "RawBlock", "c": [_, text]} if text.strip().startswith("<!--"):
            return []
        case {"t": "RawBlock", "c": [_, text]} if fold := _FOLD.fullmatch(text.strip()):
            return [Fold(place, fold[1] or "")]
    return [Prose(place, Ast([block], place))]


def _paragraphs(inlines: list[dict], place: Place) -> list[Element]:
    """A paragraph, cut where a displayed formula stands in it."""
    found: list[Element] = []
    for displayed, group in groupby(inlines, key=_is_display):
        group = list(group)
        if displayed:
            found += [Equation(place, "", Ast([{"t": "Plain", "c": [node]}], place)) for node in group]
        elif group := _trimmed(group):
            found.append(Prose(place, Ast([{"t": "Para", "c": group}], place)))
    return found


def _is_display(node: dict) -> bool:
    return node["t"] == "Math" and node["c"][0]["t"] == "DisplayMath"


def _trimmed(inlines: list[dict]) -> list[dict]:
    """The inline nodes without space at either end."""
    blank = {"Space", "SoftBreak", "LineBreak"}
    while inlines and inlines[0]["t"] in blank:
        inlines = inlines[1:]
    while inlines and inlines[-1]["t"] in blank:
        inlines = inlines[:-1]
    return inlines


def _markdown_table(block: dict, place: Place) -> Table:
    """A pipe table of a Markdown cell: no number, no caption."""
    _, _, columns, (_, head), bodies, _ = block["c"]
    letters = {"AlignLeft": "l", "AlignRight": "r", "AlignCenter": "c", "AlignDefault": "l"}
    align = "".join(letters[column[0]["t"]] for column in columns)
    rows = [[Ast(cell[4], place) for cell in row[1]] for row in bodies[0][3]]
    return Table(place, "", None, [Ast(cell[4], place) for cell in head[0][1]], rows, align)


def _together(elements: list[Element]) -> list[Element]:
    """The elements with neighbouring prose of one cell joined."""
    found: list[Element] = []
    for element in elements:
        if found and isinstance(element, Prose) and isinstance(found[-1], Prose):
            found[-1].text.blocks.extend(element.text.blocks)
        else:
            found.append(element)
    return found


def _joined(elements: list[Element]) -> list[Element]:
    """The elements with neighbouring folded code joined."""
    found: list[Element] = []
    for element in elements:
        if found and type(element) is type(found[-1]) is Code:
            found[-1] = replace(found[-1], code=f"{found[-1].code}\n\n{element.code}")
        else:
            found.append(element)
    return found
