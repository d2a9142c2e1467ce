"""Numbers, anchors and references, worked out once for both outputs."""

import json
import re
from collections import Counter
from itertools import chain, pairwise
from pathlib import Path
from string import ascii_uppercase
from urllib.parse import unquote

from helpers.report import pandoc
from helpers.report.document import (
    Ast,
    Bibliography,
    Document,
    Element,
    Equation,
    Heading,
    Reference,
    transform,
)
from helpers.report.errors import Place, Problems, nearest

DEEPEST = 5
KEEP = "as it is"  # the title of a link to a section that keeps its words
NAMES = {"fig": "Figure", "tbl": "Table", "lst": "Listing", "eq": "Equation"}
_PREFIXES = {"figure": "fig", "table": "tbl", "listing": "lst", "equation": "eq"}
_LABEL = re.compile(r"\\label\{([^}]*)\}")
_NOTEBOOK = re.compile(r"(?:\./)?([\w-]+)\.ipynb(?:#(.+))?")
_WORLD = ("https://", "http://", "mailto:", "doi:")


def number(document: Document, problems: Problems) -> Document:
    """The document with its numbers, and with every reference turned into a link that names them."""
    _prepare(document, problems)
    _name_equations(document)
    _number_headings(document, problems)
    labels = _number_labels(document, problems)
    resolver = _Resolver(document, labels, problems)
    document = transform(document, resolver.resolve)
    if references := resolver.references():
        place = Place("report", 0, "References")
        document.appendix += [_unnumbered("References", "references"), Bibliography(place, references)]
    return document


def _prepare(document: Document, problems: Problems) -> None:
    """A lone notebook's first heading becomes the title if it has no other; the appendices get a heading."""
    if not document.title.blocks and document.merged:
        problems.add(f"{document.notebooks[0]}.ipynb", "no notebook's metadata has report.title")
    elif not document.title.blocks:
        _take_title(document)
    if document.appendix:
        document.appendix.insert(0, _unnumbered("Appendices", "appendices"))


def _take_title(document: Document) -> None:
    headings = [element for element in document.body if isinstance(element, Heading)]
    if headings:
        document.title = headings[0].text
        document.body.remove(headings[0])
    for heading in headings[1:]:
        heading.level -= headings[0].level


def _unnumbered(title: str, anchor: str) -> Heading:
    place = Place("report", 0, title)
    return Heading(place, 1, Ast([{"t": "Plain", "c": [pandoc.string(title)]}], place), anchor)


def _name_equations(document: Document) -> None:
    """Move the label out of the formula."""
    for element in document.elements():
        if isinstance(element, Equation):
            node = element.text.blocks[0]["c"][0]
            label = _LABEL.search(node["c"][1])
            element.label = label[1] if label else ""
            node["c"][1] = _LABEL.sub("", node["c"][1]).strip()


def _number_headings(document: Document, problems: Problems) -> None:
    """Sections 1, 1.1, …; appendices A, A.1, …; anchors from the notebook's name and the heading's words.

    Where further notebooks stand below a notebook, they have the numbers: its own headings have none.
    """
    headings = [e for e in chain(document.body, document.appendix) if isinstance(e, Heading)]
    counts, before, used, parents = [0] * DEEPEST, 0, Counter(), _parents(headings)
    for heading in headings:
        _check_level(heading, before, problems)
        before, name = heading.level, heading.place.notebook
        heading.anchor = _unique(_anchor(heading, document), used)
        if name == "report":
            counts = [0] * DEEPEST
        elif heading.level <= parents.get(name, DEEPEST) or heading.appendix:
            last = counts[heading.level - 1] + 1
            counts = [*counts[: heading.level - 1], last, *[0] * (DEEPEST - heading.level)]
            heading.number = _section(counts[: heading.level], heading.appendix)


def _parents(headings: list[Heading]) -> dict[str, int]:
    """Level of the title of each notebook that has further notebooks (or a part) below it."""
    titles = [heading for heading in headings if heading.place.cell <= 1 and not heading.appendix]
    firsts = {title.place.notebook: title for title in reversed(titles)}
    own = {title.place.notebook: title.level for title in reversed(titles) if title.place.cell == 1}
    names = list(reversed(firsts))
    return {
        name: own[name] for name, after in pairwise(names) if name in own and firsts[after].level > own[name]
    }


def _check_level(heading: Heading, before: int, problems: Problems) -> None:
    if heading.level > DEEPEST:
        problems.add(
            heading.place, f"heading at level {heading.level} of the report; the deepest is {DEEPEST}"
        )
    elif heading.level > before + 1:
        problems.add(
            heading.place, f"heading at level {heading.level} of the report after one at level {before}"
        )


def _section(counts: list[int], appendix: bool) -> str:
    if not appendix:
        return ".".join(map(str, counts))
    return ".".join([ascii_uppercase[counts[1] - 1], *map(str, counts[2:])])


def _anchor(heading: Heading, document: Document) -> str:
    """A notebook's first heading is reached by its name, the others by name and words."""
    if heading.place.notebook == "report":
        return heading.anchor
    first = heading.place.cell == 1 and document.merged
    return heading.place.notebook if first else f"{heading.place.notebook}-{heading.anchor}"


def _unique(anchor: str, used: Counter) -> str:
    used[anchor] += 1
    return anchor if used[anchor] == 1 else f"{anchor}-{used[anchor]}"


def _number_labels(document: Document, problems: Problems) -> dict[str, Element]:
    """Number the labelled elements by kind; the elements by label."""
    counts, labels = Counter(), {}
    for element in document.elements():
        label = getattr(element, "label", "")
        if not label or not _is_good(element, label, labels, problems):
            continue
        counts[element.kind] += 1
        element.number, labels[label] = str(counts[element.kind]), element
    return labels


def _is_good(element: Element, label: str, labels: dict[str, Element], problems: Problems) -> bool:
    prefix = _PREFIXES[element.kind]
    if not re.fullmatch(prefix + r"(-[a-z0-9]+)+", label):
        problems.add(element.place, f"label {label!r} of a {element.kind}: expected {prefix}-name")
    elif label in labels:
        problems.add(element.place, f"label {label!r} stands already in {labels[label].place}")
    else:
        return True
    return False


def _plain_slug(text: str) -> str:
    """A heading's slug as JupyterLab or GitHub writes it, without what they disagree on."""
    return re.sub(r"[^\w]", "", unquote(text).casefold())


class _Resolver:
    """Turns links into references, and numbers citations in the order in which it meets them."""

    def __init__(self, document: Document, labels: dict[str, Element], problems: Problems):
        self.labels, self.problems, self.merged = labels, problems, document.merged
        self.notebooks = document.notebooks
        self.known = json.loads(Path(__file__).with_name("references.json").read_text("utf-8"))
        self.cited: list[str] = []
        self.sections: dict[tuple[str, str], Heading] = {}
        for heading in chain(document.body, document.appendix):
            if isinstance(heading, Heading):
                slug = heading.anchor.removeprefix(f"{heading.place.notebook}-")
                words = pandoc.plain(heading.text.blocks)
                for key in (slug, words, *([""] if heading.place.cell else [])):
                    self.sections.setdefault((heading.place.notebook, _plain_slug(key)), heading)

    def resolve(self, text: Ast) -> Ast:
        """The piece with its links resolved; notes what does not belong in a report."""
        return Ast(pandoc.replace(text.blocks, lambda node: self._node(node, text.place)), text.place)

    def _node(self, node: dict, place: Place) -> dict | None:
        match node:
            case {"t": "Link", "c": [_, inlines, [target, title]]}:
                return self._link(target, inlines, place, keep=title == KEEP)
            case {"t": "RawInline" | "RawBlock", "c": [_, raw]}:
                return self._raw(raw, place)
            case {"t": "Image"}:
                self.problems.add(place, "an image in Markdown has no label and caption: use show_figure")
            case {"t": "Math", "c": [_, tex]} if "\\label" in tex:
                self.problems.add(
                    place, "a labelled formula stands in a list or quotation: give it its own paragraph"
                )
            case {"t": "Str", "c": words} if words.startswith("\\begin{"):
                self.problems.add(place, f"{words} outside of maths: put $$ around the environment")
        return None

    def _raw(self, raw: str, place: Place) -> dict | None:
        """Nothing in place of a comment; other HTML is at fault."""
        if raw.strip().startswith("<!--"):
            return {"t": "Str", "c": ""}
        self.problems.add(place, f"raw HTML {raw.strip()[:40]!r} cannot stand in the PDF: use Markdown")
        return None

    def _link(self, target: str, inlines: list[dict], place: Place, keep: bool) -> dict | None:
        if target.startswith(_WORLD):
            return None
        if target.startswith("#cite-"):
            return self._citation(target[1:], inlines, place)
        if match := _NOTEBOOK.fullmatch(target):
            return self._target(match[1], match[2] or "", inlines, place, keep)
        if target.startswith("#"):
            return self._target(place.notebook, target[1:], inlines, place, keep)
        self.problems.add(
            place, f"link to the file {target!r}: a report stands alone; link to a web page or a section"
        )
        return None

    def _target(self, notebook: str, name: str, inlines: list[dict], place: Place, keep: bool) -> dict | None:
        """A reference to a label or to a section of a notebook; keep: with the words that it has."""
        if name in self.labels:
            return pandoc.link(f"#{name}", [pandoc.string(self._numbered(self.labels[name]))])
        if heading := self.sections.get((notebook, _plain_slug(name))):
            return pandoc.link(f"#{heading.anchor}", inlines if keep else self._section(heading, inlines))
        elsewhere = notebook not in self.notebooks or name.split("-")[0] in NAMES or not name
        if elsewhere and not self.merged:
            return {"t": "Span", "c": [["", [], []], inlines or [pandoc.string(name)]]}
        self._unknown(notebook, name, place)
        return None

    def _unknown(self, notebook: str, name: str, place: Place) -> None:
        if notebook not in self.notebooks:
            hint = nearest(notebook, self.notebooks)
            self.problems.add(place, f"link to {notebook}.ipynb, which is not in the report{hint}")
        else:
            slugs = [slug for book, slug in self.sections if book == notebook]
            hint = nearest(name, [*self.labels, *filter(None, slugs)])
            self.problems.add(place, f"unknown label {name!r}{hint}")

    def _numbered(self, element: Element) -> str:
        name = NAMES[_PREFIXES[element.kind]]
        shown = f"({element.number})" if element.kind == "equation" else element.number
        return f"{name}\u00a0{shown}"

    def _section(self, heading: Heading, inlines: list[dict]) -> list[dict]:
        title = heading.text.blocks[0]["c"]
        if heading.number:
            return [pandoc.string(f"{'Appendix' if heading.appendix else 'Section'}\u00a0{heading.number}")]
        above = self.sections.get((heading.place.notebook, ""))
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
        return pandoc.link(f"#{anchor}", [*inlines, pandoc.string("\u00a0"), shown] if inlines else [shown])

    def references(self) -> list[Reference]:
        """The cited entries of the bibliography."""
        return [self._reference(number, key) for number, key in enumerate(self.cited, start=1)]

    def _reference(self, number: int, key: str) -> Reference:
        """Authors. Title (a link). Venue, year."""
        entry, string = self.known[key], pandoc.string
        title = {"t": "Emph", "c": [string(entry["title"])]}
        authors = [string(entry["authors"] + ". ")] if entry["authors"] else []
        year = "" if str(entry["year"]) in entry["venue"] else f", {entry['year']}"
        inlines = [*authors, pandoc.link(entry["url"], [title]) if entry["url"] else title]
        place = Place("references", number, key)
        text = Ast([{"t": "Plain", "c": [*inlines, string(f". {entry['venue']}{year}.")]}], place)
        return Reference(number, f"cite-{key}", text)
