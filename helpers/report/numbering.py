"""Numbers, addresses and references, worked out once for both outputs."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from string import ascii_uppercase
from typing import Any
from urllib.parse import unquote

from helpers.errors import nearest
from helpers.report import pandoc
from helpers.report.cells import KINDS
from helpers.report.document import Ast, Document, Element, Note, Place, transform

DEEPEST = 5
KEEP = "as it is"  # the title of a link to a section that keeps its words
_LABEL = re.compile(r"\\label\{([^}]*)\}")
_NOTEBOOK = re.compile(r"(?:\./)?([\w-]+)\.ipynb(?:#(.+))?")
_ROW = re.compile(r"[A-Z]\d+")
_WORLD = ("https://", "http://", "mailto:", "doi:")


def number(document: Document, note: Note) -> Document:
    """The document with its numbers, and every reference turned into a link that names them."""
    headings = [element for element in document.body if element.kind == "heading"]
    if not document.title.blocks and len(document.notebooks) > 1:
        note(f"{document.notebooks[0]}.ipynb", "no notebook's metadata has report.title")
    elif not document.title.blocks and headings:  # of a lone notebook the first is the title
        first, *others = headings
        for heading in others:
            heading.level -= first.level
        document.title = first.text
        document.body.remove(first)
    elif not document.title.blocks:
        note(f"{document.notebooks[0]}.ipynb", "has no title: begin with a cell `# Title`")
    if document.appendix:
        document.appendix.insert(0, _unnumbered("Appendices"))
    headings = [e for e in document.body + document.appendix if e.kind == "heading"]
    _number_headings(headings, document, note)
    resolver = _Resolver(document, headings, note)
    document = transform(document, resolver.resolve)
    if resolver.cited:
        references = [resolver.reference(*cited) for cited in enumerate(resolver.cited, start=1)]
        heading = _unnumbered("References")
        document.appendix += [heading, Element("bibliography", heading.place, rows=references)]
    return document


def _unnumbered(title: str) -> Element:
    """A section's heading that no notebook has."""
    place = Place("report", 0, title)
    text = Ast([{"t": "Plain", "c": [pandoc.string(title)]}], place)
    return Element("heading", place, text, title.lower(), level=1)


def _number_headings(headings: list[Element], document: Document, note: Note) -> None:
    """Sections 1, 1.1, …; appendices A, A.1, …; anchors from notebooks' names and headings' words.

    Where further notebooks stand below a notebook, its own headings come before theirs: 1.0.1, ….
    """
    body = [heading for heading in reversed(headings) if heading.place.part == "body"]
    begin = {heading.place.notebook: heading.level for heading in body}  # the first one's level
    title = {heading.place.notebook: heading.level for heading in body if heading.place.cell}
    pairs = pairwise(document.notebooks)
    parents = {a for a, b in pairs if begin.get(b, 0) > title.get(a, DEEPEST)}
    counts, before = [0] * (DEEPEST + 1), 0
    used: Counter[str] = Counter()
    for heading in headings:
        level, name = heading.level, heading.place.notebook
        if name == "report":  # the appendices begin
            counts, before = [0] * (DEEPEST + 1), level
            continue
        what = f"heading at level {level} of the report"
        if level > DEEPEST:
            note(heading.place, f"{what}; the deepest is {DEEPEST}")
        elif level > before + 1:
            note(heading.place, f"{what} after one at level {before}")
        before = level
        first = heading.place.cell == 1 and len(document.notebooks) > 1  # has the notebook's name
        heading.label = name if first else f"{name}-{heading.label}"
        used[heading.label] += 1
        if used[heading.label] > 1:
            heading.label += f"-{used[heading.label]}"
        in_appendix = heading.place.part == "appendix"
        own = name in parents and not in_appendix and level > title[name]
        place = min(level, DEEPEST) + own  # among the counts
        counts = [*counts[: place - 1], counts[place - 1] + 1]
        lettered = in_appendix and [ascii_uppercase[counts[1] - 1], *counts[2:]]
        heading.number = ".".join(map(str, lettered or counts))
        counts += [0] * (DEEPEST + 1 - place)


def _number_labels(document: Document, note: Note) -> dict[str, Element]:
    """Number the labelled elements by kind, equations by the label in their formula: by label."""
    counts: Counter[str] = Counter()
    labels: dict[str, Element] = {}
    for element in document.elements(*KINDS):
        if element.kind == "equation":
            content = element.text.blocks[0]["c"][0]["c"]
            element.label = "".join(_LABEL.findall(content[1])[:1])
            content[1] = _LABEL.sub("", content[1]).strip()
        label, prefix = element.label, KINDS[element.kind]
        if label and not re.fullmatch(prefix + r"(-[a-z0-9]+)+", label):
            note(element.place, f"label {label!r} of a {element.kind}: expected {prefix}-name")
        elif label in labels:
            note(element.place, f"label {label!r} stands already in {labels[label].place}")
        elif label:
            counts[element.kind] += 1
            labels[label] = element
            element.number = str(counts[element.kind])
    return labels


def _address_rows(tables: list[Element]) -> set[str]:
    """Give each row that begins with a name such as C12 an address, its first; all addresses."""
    known: set[str] = set()
    for table in tables:
        for row in table.rows if table.label else []:
            name = pandoc.plain(row[0].blocks)
            address = f"{table.label}-{name.lower()}" if _ROW.fullmatch(name) else ""
            table.anchors.append("" if address in known else address)
            known.add(address)
    return known - {""}


def _plain_slug(text: str) -> str:
    """A heading's slug as JupyterLab or GitHub writes it, without what they disagree on."""
    return re.sub(r"[^\w]", "", unquote(text).casefold())


class _Resolver:
    """Turns links into references, and numbers citations in the order in which it meets them."""

    def __init__(self, document: Document, headings: list[Element], note: Note):
        self.labels, self.note = _number_labels(document, note), note
        self.notebooks, self.rows = document.notebooks, _address_rows(document.elements("table"))
        known = Path(__file__).with_name("references.json").read_text("utf-8")
        self.known = json.loads(known) | document.references
        self.cited: list[str] = []
        self.sections: dict[tuple[str, str], Element] = {}
        for heading in headings:
            slug = heading.label.removeprefix(f"{heading.place.notebook}-")
            words = pandoc.plain(heading.text.blocks)
            for key in (slug, words, *([""] if heading.place.cell else [])):
                self.sections.setdefault((heading.place.notebook, _plain_slug(key)), heading)

    def resolve(self, text: Ast) -> Ast:
        """The piece with its links resolved; notes what does not belong in a report."""
        blocks = pandoc.replace(text.blocks, lambda node: self._node(node, text.place))
        return Ast(blocks, text.place)

    def _node(self, node: dict, place: Place) -> dict | None:
        """A node as the report has it, or None: as it is."""
        match node:
            case {"t": "Link", "c": [_, inlines, [target, title]]}:
                return self._link(target, inlines, place, keep=title == KEEP)
            case {"t": "RawInline" | "RawBlock" as t, "c": [_, raw]} if raw.strip()[:4] == "<!--":
                return pandoc.string("") if t == "RawInline" else {"t": "Plain", "c": []}
            case {"t": "RawInline" | "RawBlock", "c": [_, raw]}:
                problem = f"raw HTML {raw.strip()[:40]!r} cannot stand in the PDF: use Markdown"
            case {"t": "Image"}:
                problem = "an image in Markdown has no label: let a code cell show the picture"
            case {"t": "Math", "c": [_, tex]} if "\\label" in tex:
                problem = "a labelled formula in a list or quotation: give it a paragraph"
            case {"t": "Str", "c": words} if words.startswith("\\begin{"):
                problem = f"{words} outside of maths: put $$ around the environment"
            case _:
                return None
        self.note(place, problem)
        return None

    def _link(self, target: str, inlines: list[dict], place: Place, keep: bool) -> dict | None:
        """A link as the report has it; keep: a section's with the words that it has."""
        if target.startswith(_WORLD):
            return None
        if target.startswith("#cite-"):
            return self._citation(target[1:], inlines, place)
        match = _NOTEBOOK.fullmatch(target)
        if not match and not target.startswith("#"):
            self.note(place, f"link to the file {target!r}: link to a web page or a section")
            return None
        notebook, name = (match[1], match[2] or "") if match else (place.notebook, target[1:])
        if element := self.labels.get(name):
            shown = f"({element.number})" if element.kind == "equation" else element.number
            numbered = pandoc.string(f"{element.kind.capitalize()}\u00a0{shown}")
            return pandoc.link(f"#{name}", [numbered])
        if name in self.rows:
            return pandoc.link(f"#{name}", inlines)
        if heading := self.sections.get((notebook, _plain_slug(name))):
            words = inlines if keep else self._section(heading, inlines)
            return pandoc.link(f"#{heading.label}", words)
        labelled = name.split("-")[0] in KINDS.values()
        if len(self.notebooks) == 1 and (notebook not in self.notebooks or labelled or not name):
            return {"t": "Span", "c": [["", [], []], inlines or [pandoc.string(name)]]}
        if notebook not in self.notebooks:
            hint = nearest(notebook, self.notebooks)
            self.note(place, f"link to {notebook}.ipynb, which is not in the report{hint}")
        else:
            slugs = [slug for book, slug in self.sections if book == notebook and slug]
            hint = nearest(name, [*self.labels, *slugs])
            self.note(place, f"unknown label {name!r}{hint}")
        return None

    def _section(self, heading: Element, inlines: list[dict]) -> list[dict]:
        """The words of a reference to a section."""
        if heading.number:
            name = "Appendix" if heading.place.part == "appendix" else "Section"
            return [pandoc.string(f"{name}\u00a0{heading.number}")]
        return inlines or heading.text.blocks[0]["c"]

    def _citation(self, anchor: str, inlines: list[dict], place: Place) -> dict | None:
        """The text of the link, then the number: all of it a link."""
        key = anchor.removeprefix("cite-")
        if key not in self.known:
            self.note(place, f"unknown citation {anchor!r}{nearest(key, self.known)}")
            return None
        if key not in self.cited:
            self.cited.append(key)
        shown = pandoc.string(f"[{self.cited.index(key) + 1}]")
        words = [*inlines, pandoc.string("\u00a0"), shown] if inlines else [shown]
        return pandoc.link(f"#{anchor}", words)

    def reference(self, number: int, key: str) -> Element:
        """Authors. Title (a link). Venue, year."""
        entry, string = self.known[key], pandoc.string
        title = {"t": "Emph", "c": [string(entry["title"])]}
        title = pandoc.link(entry["url"], [title]) if entry["url"] else title
        authors = f"{entry['authors']}. " if entry["authors"] else ""
        year = "" if str(entry["year"]) in entry["venue"] else f", {entry['year']}"
        inlines = [string(authors), title, string(f". {entry['venue']}{year}.")]
        place = Place("references", number, key)
        text = Ast([{"t": "Plain", "c": inlines}], place)
        return Element("reference", place, text, f"cite-{key}", str(number))
