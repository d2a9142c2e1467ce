"""Numbers, anchors and references, worked out once for both outputs."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from string import ascii_uppercase
from typing import Any
from urllib.parse import unquote

from helpers.report import document as parts
from helpers.report import pandoc
from helpers.report.cells import KINDS
from helpers.report.document import Ast, Document, Equation, Heading, transform
from helpers.report.errors import Place, Problems, nearest

DEEPEST = 5
KEEP = "as it is"  # the title of a link to a section that keeps its words
NAMES = {"fig": "Figure", "tbl": "Table", "lst": "Listing", "eq": "Equation"}
_LABEL = re.compile(r"\\label\{([^}]*)\}")
_NOTEBOOK = re.compile(r"(?:\./)?([\w-]+)\.ipynb(?:#(.+))?")
_WORLD = ("https://", "http://", "mailto:", "doi:")


def number(document: Document, problems: Problems) -> Document:
    """The document with its numbers, and every reference turned into a link that names them."""
    _prepare(document, problems)
    headings = [e for e in document.body + document.appendix if isinstance(e, Heading)]
    _number_headings(headings, document.merged, problems)
    resolver = _Resolver(document, headings, problems)
    document = transform(document, resolver.resolve)
    references = [resolver.reference(n, key) for n, key in enumerate(resolver.cited, start=1)]
    if references:
        heading = _unnumbered("References", "references")
        document.appendix += [heading, parts.Bibliography(heading.place, references)]
    return document


def _prepare(document: Document, problems: Problems) -> None:
    """A lone notebook's first heading becomes the title if need be; appendices get a heading."""
    if not document.title.blocks and document.merged:
        problems.add(f"{document.notebooks[0]}.ipynb", "no notebook's metadata has report.title")
    elif not document.title.blocks:
        headings = [element for element in document.body if isinstance(element, Heading)]
        for heading in headings[1:]:
            heading.level -= headings[0].level
        if headings:
            document.title = headings[0].text
            document.body.remove(headings[0])
    if document.appendix:
        document.appendix.insert(0, _unnumbered("Appendices", "appendices"))


def _unnumbered(title: str, anchor: str) -> Heading:
    place = Place("report", 0, title)
    return Heading(place, 1, Ast([{"t": "Plain", "c": [pandoc.string(title)]}], place), anchor)


def _number_headings(headings: list[Heading], merged: bool, problems: Problems) -> None:
    """Sections 1, 1.1, …; appendices A, A.1, …; anchors from notebooks' names and headings' words.

    Where further notebooks stand below a notebook, they have the numbers, its own headings none.
    """
    counts, before, parents = [0] * DEEPEST, 0, _parents(headings)
    used: Counter[str] = Counter()
    for heading in headings:
        level, name = heading.level, heading.place.notebook
        what = f"heading at level {level} of the report"
        if level > DEEPEST:
            problems.add(heading.place, f"{what}; the deepest is {DEEPEST}")
        elif level > before + 1:
            problems.add(heading.place, f"{what} after one at level {before}")
        before = level
        if name != "report":  # a notebook's first heading is reached by the notebook's name
            first = heading.place.cell == 1 and merged
            heading.anchor = name if first else f"{name}-{heading.anchor}"
        used[heading.anchor] += 1
        if used[heading.anchor] > 1:
            heading.anchor += f"-{used[heading.anchor]}"
        if name == "report":
            counts = [0] * DEEPEST
        elif level <= parents.get(name, DEEPEST) or heading.appendix:
            counts = [*counts[: level - 1], counts[min(level, DEEPEST) - 1] + 1]
            lettered = heading.appendix and [ascii_uppercase[counts[1] - 1], *counts[2:]]
            heading.number = ".".join(map(str, lettered or counts))
            counts += [0] * (DEEPEST - level)


def _parents(headings: list[Heading]) -> dict[str, int]:
    """Level of the title of each notebook that has further notebooks (or a part) below it."""
    firsts: dict[str, Heading] = {}
    own: dict[str, int] = {}
    for heading in headings:
        if heading.place.cell <= 1 and not heading.appendix:
            firsts.setdefault(heading.place.notebook, heading)
            if heading.place.cell == 1:
                own.setdefault(heading.place.notebook, heading.level)
    pairs = [(name, firsts[after].level) for name, after in pairwise(firsts) if name in own]
    return {name: own[name] for name, below in pairs if below > own[name]}


def _number_labels(document: Document, problems: Problems) -> dict[str, Any]:
    """Number the labelled elements by kind, equations by the label in their formula: by label."""
    counts: Counter[str] = Counter()
    labels: dict[str, Any] = {}
    for element in document.elements():
        if isinstance(element, Equation):
            node = element.text.blocks[0]["c"][0]
            found = _LABEL.search(node["c"][1])
            element.label = found[1] if found else ""
            node["c"][1] = _LABEL.sub("", node["c"][1]).strip()
        label, prefix = getattr(element, "label", ""), KINDS.get(element.kind, "")
        if not label:
            continue
        if not re.fullmatch(prefix + r"(-[a-z0-9]+)+", label):
            named = f"label {label!r} of a {element.kind}"
            problems.add(element.place, f"{named}: expected {prefix}-name")
        elif label in labels:
            place = labels[label].place
            problems.add(element.place, f"label {label!r} stands already in {place}")
        else:
            counts[element.kind] += 1
            labels[label] = element
            element.number = str(counts[element.kind])
    return labels


def _plain_slug(text: str) -> str:
    """A heading's slug as JupyterLab or GitHub writes it, without what they disagree on."""
    return re.sub(r"[^\w]", "", unquote(text).casefold())


class _Resolver:
    """Turns links into references, and numbers citations in the order in which it meets them."""

    def __init__(self, document: Document, headings: list[Heading], problems: Problems):
        self.labels, self.problems = _number_labels(document, problems), problems
        self.merged, self.notebooks = document.merged, document.notebooks
        self.known = json.loads(Path(__file__).with_name("references.json").read_text("utf-8"))
        self.cited: list[str] = []
        self.sections: dict[tuple[str, str], Heading] = {}
        for heading in headings:
            slug = heading.anchor.removeprefix(f"{heading.place.notebook}-")
            words = pandoc.plain(heading.text.blocks)
            for key in (slug, words, *([""] if heading.place.cell else [])):
                self.sections.setdefault((heading.place.notebook, _plain_slug(key)), heading)

    def resolve(self, text: Ast) -> Ast:
        """The piece with its links resolved; notes what does not belong in a report."""
        blocks = pandoc.replace(text.blocks, lambda node: self._node(node, text.place))
        return Ast(blocks, text.place)

    def _node(self, node: dict, place: Place) -> dict | None:
        match node:
            case {"t": "Link", "c": [_, inlines, [target, title]]}:
                return self._link(target, inlines, place, keep=title == KEEP)
            case {"t": "RawInline" | "RawBlock", "c": [_, raw]} if raw.strip().startswith("<!--"):
                return pandoc.string("")
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
        self.problems.add(place, problem)
        return None

    def _link(self, target: str, inlines: list[dict], place: Place, keep: bool) -> dict | None:
        """A link as the report has it; keep: a section's with the words that it has."""
        if target.startswith(_WORLD):
            return None
        if target.startswith("#cite-"):
            return self._citation(target[1:], inlines, place)
        if match := _NOTEBOOK.fullmatch(target):
            notebook, name = match[1], match[2] or ""
        elif target.startswith("#"):
            notebook, name = place.notebook, target[1:]
        else:
            wanted = "link to a web page or a section"
            self.problems.add(place, f"link to the file {target!r}: {wanted}")
            return None
        if name in self.labels:
            element = self.labels[name]
            shown = f"({element.number})" if element.kind == "equation" else element.number
            numbered = pandoc.string(f"{NAMES[KINDS[element.kind]]}\u00a0{shown}")
            return pandoc.link(f"#{name}", [numbered])
        if heading := self.sections.get((notebook, _plain_slug(name))):
            words = inlines if keep else self._section(heading, inlines)
            return pandoc.link(f"#{heading.anchor}", words)
        elsewhere = notebook not in self.notebooks or name.split("-")[0] in NAMES or not name
        if elsewhere and not self.merged:
            return {"t": "Span", "c": [["", [], []], inlines or [pandoc.string(name)]]}
        if notebook not in self.notebooks:
            problem = f"link to {notebook}.ipynb, which is not in the report"
            self.problems.add(place, problem + nearest(notebook, self.notebooks))
        else:
            slugs = [slug for book, slug in self.sections if book == notebook and slug]
            hint = nearest(name, [*self.labels, *slugs])
            self.problems.add(place, f"unknown label {name!r}{hint}")
        return None

    def _section(self, heading: Heading, inlines: list[dict]) -> list[dict]:
        """The words of a reference to a section."""
        if heading.number:
            name = "Appendix" if heading.appendix else "Section"
            return [pandoc.string(f"{name}\u00a0{heading.number}")]
        title, above = heading.text.blocks[0]["c"], self.sections.get((heading.place.notebook, ""))
        if above is None or not above.number:
            return inlines or title
        return [pandoc.string(f"Section\u00a0{above.number} ("), *title, pandoc.string(")")]

    def _citation(self, anchor: str, inlines: list[dict], place: Place) -> dict | None:
        """The text of the link, then the number: all of it a link."""
        key = anchor.removeprefix("cite-")
        if key not in self.known:
            self.problems.add(place, f"unknown citation {anchor!r}{nearest(key, self.known)}")
            return None
        if key not in self.cited:
            self.cited.append(key)
        shown = pandoc.string(f"[{self.cited.index(key) + 1}]")
        words = [*inlines, pandoc.string("\u00a0"), shown] if inlines else [shown]
        return pandoc.link(f"#{anchor}", words)

    def reference(self, number: int, key: str) -> parts.Reference:
        """Authors. Title (a link). Venue, year."""
        entry, string = self.known[key], pandoc.string
        title = {"t": "Emph", "c": [string(entry["title"])]}
        authors = [string(entry["authors"] + ". ")] if entry["authors"] else []
        year = "" if str(entry["year"]) in entry["venue"] else f", {entry['year']}"
        inlines = [*authors, pandoc.link(entry["url"], [title]) if entry["url"] else title]
        inlines.append(string(f". {entry['venue']}{year}."))
        text = Ast([{"t": "Plain", "c": inlines}], Place("references", number, key))
        return parts.Reference(number, f"cite-{key}", text)
