"""Formulas: TeX to MathML (by pandoc), and that MathML tidied for browsers and turned into Typst.

Both outputs come from one parse, so a formula that one of them cannot show stops both. Typst gets
Unicode characters in place of symbol names: nothing depends on how Typst happens to call a symbol.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from itertools import pairwise
from unicodedata import category

from helpers.report import pandoc
from helpers.report.document import Ast, Document, transform
from helpers.report.errors import Problems

_NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
_BOLD = re.compile(r"\\(?:mathbf|bm)\s*(?:\{\s*([A-Za-z0-9])\s*\}|([A-Za-z0-9]))")
_BRACKETS = {"Ps", "Pe"}  # Unicode's opening and closing punctuation
_FUNCTION = "\u2061"  # says "function application", shows nothing
ACCENTS = {
    "̂": "hat",
    "^": "hat",
    "̃": "tilde",
    "~": "tilde",
    "‾": "macron",
    "¯": "overline",
    "˙": "dot",
    "̇": "dot",
}
ACCENTS |= {"⃗": "arrow", "→": "arrow", "¨": "dot.double", "̈": "dot.double", "ˇ": "caron", "̌": "caron"}
ACCENTS |= {"˘": "breve", "̆": "breve", "´": "acute", "́": "acute", "`": "grave", "̀": "grave"}
_BRACES = {"⏞": "overbrace", "⏟": "underbrace", "⎴": "overbracket", "⎵": "underbracket", "_": "underline"}
_BRACES["\u0332"] = "underline"


@dataclass(frozen=True)
class Formula:
    """A formula in both forms."""

    mathml: str
    typst: str


Formulas = dict[tuple[str, bool], Formula]


class Unreadable(ValueError):
    """A formula has something that no rule here covers."""


def convert(document: Document, problems: Problems) -> Formulas:
    """Every formula of the document, by TeX and whether it is displayed."""
    found: dict[tuple[str, bool], Ast] = {}

    def collect(text: Ast) -> Ast:
        for node in pandoc.nodes(text.blocks):
            if node["t"] == "Math":
                found.setdefault(key(node), text)
        return text

    transform(document, collect)
    answers = pandoc.mathml([(prepare(tex), display) for tex, display in found])
    formulas = {}
    for (identity, text), (mathml, reason) in zip(found.items(), answers, strict=True):
        try:
            formulas[identity] = formula(mathml, reason)
        except Unreadable as error:
            problems.add(text.place, f"formula {identity[0].strip()!r}: {error}")
    return formulas


def key(node: dict) -> tuple[str, bool]:
    """TeX of a formula's node, and whether it is displayed."""
    return node["c"][1], node["c"][0]["t"] == "DisplayMath"


def prepare(tex: str) -> str:
    """TeX as pandoc reads it rightly: upright bold letters as characters, the comma of 1{,}000 as text."""
    tex = tex.replace("{,}", r"\text{,}")
    return _BOLD.sub(lambda match: "{" + _bold(match[1] or match[2]) + "}", tex)


def _bold(letter: str) -> str:
    for first, base in (("A", 0x1D400), ("a", 0x1D41A), ("0", 0x1D7CE)):
        if 0 <= ord(letter) - ord(first) < (10 if first == "0" else 26):
            return chr(base + ord(letter) - ord(first))
    return letter


def formula(mathml: str, reason: str) -> Formula:
    """Both forms of pandoc's MathML; Unreadable with pandoc's reason if there is none."""
    if not mathml.startswith("<math"):
        raise Unreadable(reason.partition("expecting")[0].strip().splitlines()[-1])
    root = ET.fromstring(mathml.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', ""))
    semantics = root[0]
    set_by_typst = _equation(semantics[0])
    return Formula(_for_browsers(root, semantics), set_by_typst)


def _for_browsers(root: ET.Element, semantics: ET.Element) -> str:
    """MathML Core: no annotation, and the spaces, sizes and alignments that browsers do not work out."""
    semantics.remove(semantics.find("annotation"))
    for node in list(root.iter()):
        _space_functions(node)
        for mark in node[1:] if node.tag in _SCRIPTS else ():
            _tighten(mark)
        if node.tag in _TIDY:
            _TIDY[node.tag](node)
    return ET.tostring(root, encoding="unicode")


def _tighten(script: ET.Element) -> None:
    """No space around the operators of a subscript."""
    for operator in script.iter("mo"):
        if operator.get("stretchy") != "true" and not operator.get("accent"):
            operator.attrib |= {"lspace": "0", "rspace": "0"}


def _tidy_cell(cell: ET.Element) -> None:
    tight = ["tight"] if "padding" in cell.get("style", "") else []
    cell.attrib = {"class": " ".join([cell.get("columnalign", "center"), *tight])}


def _tidy_table(table: ET.Element) -> None:
    """Rows of `aligned` are displayed formulas."""
    if any("padding" in cell.get("style", "") for cell in table.iter("mtd")):
        table.set("displaystyle", "true")


def _tidy_letter(letter: ET.Element) -> None:
    if letter.get("mathvariant") != "normal":
        letter.attrib.pop("mathvariant", None)


def _tidy_operator(operator: ET.Element) -> None:
    """A double bar has no space of its own."""
    if operator.text == "∥" and operator.get("form") == "postfix":
        operator.attrib |= {"lspace": "0", "rspace": "0"}


def _tidy_accent(over: ET.Element) -> None:
    """Only an accent over several letters stretches; the others are characters that have a width."""
    if over[1].get("accent") and over[0].tag != "mrow":
        over[1].set("stretchy", "false")
        over[1].text = _WIDE.get(over[1].text, over[1].text)
    elif over[1].text == "¯":
        over[1].text = "\u0305"


_WIDE = {"̂": "ˆ", "̃": "˜", "‾": "¯", "̇": "˙", "̈": "¨", "̌": "ˇ", "̆": "˘", "́": "´", "̀": "`"}
_TIDY = {
    "mtd": _tidy_cell,
    "mtable": _tidy_table,
    "mi": _tidy_letter,
    "mo": _tidy_operator,
    "mover": _tidy_accent,
}
_OPERANDS = {
    "mi",
    "mn",
    "mfrac",
    "msub",
    "msup",
    "msubsup",
    "msqrt",
    "mover",
    "munder",
    "munderover",
    "mrow",
    "mtext",
}
_SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}


def _is_function(node: ET.Element) -> bool:
    """Whether a name such as log (with or without marks below and above) ends the node."""
    if node.tag in _SCRIPTS:
        return _is_function(node[0])
    if node.tag == "mrow" and len(node) and (node[-1].text or "") == _FUNCTION:
        return len(node) > 1 and _is_function(node[-2])
    return node.tag == "mi" and len(node.text or "") > 1


def _space_functions(row: ET.Element) -> None:
    """Put a thin space between a name such as log and what it applies to, and before it after a letter."""
    children = list(row)
    if row.tag in {"mrow", "mtd", "semantics", "msqrt", "mstyle"}:
        for before, after in reversed(list(pairwise(children))):
            if _needs_space(before, after):
                row.insert(list(row).index(after), ET.Element("mspace", width="0.167em"))


def _needs_space(before: ET.Element, after: ET.Element) -> bool:
    if _is_function(before):
        return after.tag in _OPERANDS and not _opens(after)
    return _is_function(after) and (before.tag in _OPERANDS or before.get("form") == "postfix")


def _opens(node: ET.Element) -> bool:
    """Whether the node begins with a bracket."""
    return node.tag == "mrow" and len(node) > 0 and (node[0].tag == "mo" or _opens(node[0]))


def _equation(body: ET.Element) -> str:
    """A whole formula in Typst; rows of `aligned` become lines of the equation itself."""
    rows = body if body.tag == "mtable" else body[0] if len(body) == 1 and body[0].tag == "mtable" else None
    if rows is None or rows[0][0].get("columnalign") != "right":
        return typst(body)
    return " \\ ".join(" & ".join(_row(cell) for cell in line) for line in rows)


def typst(node: ET.Element) -> str:
    """A node of MathML as Typst's maths; Unreadable if there is no rule for it."""
    try:
        return _RULES[node.tag](node)
    except KeyError:
        raise Unreadable(f"no rule for <{node.tag}>") from None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _letters(node: ET.Element) -> str:
    """A variable stands as it is; a name of several letters is an operator."""
    text = node.text or ""
    if len(text) > 1 or (node.get("mathvariant") == "normal" and text.isascii()):
        return f"op({_quoted(text)})" if len(text) > 1 else f"upright({text})"
    bold = node.get("mathvariant") == "bold"
    return f"upright(bold({_character(text)}))" if bold and text.isascii() else _character(text)


def _character(text: str) -> str:
    """One character, kept from meaning anything to Typst, which would pair brackets by itself."""
    return (
        text
        if text.isalnum()
        else "".join("\\" + c if c.isascii() or category(c) in _BRACKETS else c for c in text)
    )


def _words(node: ET.Element) -> str:
    """Text among maths; pandoc puts spaces of their own around it."""
    text = (node.text or "").strip()
    return f'class("normal", {_quoted(text) if len(text) > 1 else _character(text)})' if text else ""


def _operator(node: ET.Element) -> str:
    text = (node.text or "").replace(_FUNCTION, "").strip()
    if not text:
        return ""
    if len(text) > 1 and text.isalpha():
        return f"op({_quoted(text)})"
    if size := node.get("minsize"):
        return f"lr(size: #{int(size.rstrip('%')) / 100}em, {_character(text)})"
    role = "normal" if text in "|∥‖" else _CLASSES.get(node.get("form"))
    return f'class("{role}", {_character(text)})' if role else _character(text)


_CLASSES = {"prefix": "opening", "postfix": "closing"}


def _space(node: ET.Element) -> str:
    return f"#h({node.get('width')})"


def _row(node: ET.Element) -> str:
    """Children in a row; stretching fences at both ends hold them together."""
    children = list(node)
    if _is_fence(children[:1], "prefix"):
        inner, end = children[1:], ""
        if _is_fence(children[-1:], "postfix"):
            inner, end = children[1:-1], _character(children[-1].text or "")
        return f"lr({_character(children[0].text or '')} {_sequence(inner)} {end})"
    if _is_fence(children[-1:], "postfix"):
        return f"lr({_sequence(children[:-1])} {_character(children[-1].text or '')})"
    return _sequence(children)


def _is_fence(nodes: list[ET.Element], form: str) -> bool:
    return any(
        node.tag == "mo"
        and node.get("stretchy") == "true"
        and node.get("form") == form
        and not node.get("minsize")
        for node in nodes
    )


def _sequence(nodes: list[ET.Element]) -> str:
    """The nodes side by side; a stretching bar among them (\\middle) grows with the fences."""
    return " ".join(filter(None, (_middle(node) or typst(node) for node in nodes)))


def _middle(node: ET.Element) -> str:
    between = node.tag == "mo" and node.get("stretchy") == "true" and node.get("form") == "infix"
    return f"mid({_character(node.text or '')})" if between else ""


def _base(node: ET.Element) -> str:
    return typst(node) or '""'


def _attach(node: ET.Element, *names: str) -> str:
    marks = ", ".join(f"{name}: {_base(mark)}" for name, mark in zip(names, node[1:], strict=True))
    return f"attach({_base(node[0])}, {marks})"


def _script(*names: str):
    return lambda node: _attach(node, *names)


def _primed(node: ET.Element) -> str:
    """A prime sits by itself above: a plain superscript would raise it twice."""
    mark = node[1]
    if mark.tag in {"mo", "mi"} and mark.text and set(mark.text) <= set("′″‴"):
        return f"attach({_base(node[0])}, tr: {_character(mark.text)})"
    return _attach(node, "t")


def _over_or_under(place: str):
    """An accent, a brace with its label, or limits below and above."""

    def rule(node: ET.Element) -> str:
        mark = (node[1].text or "").strip() if node[1].tag == "mo" else ""
        if place == "t" and mark in ACCENTS:
            return f"{ACCENTS[mark]}({_base(node[0])})"
        if mark in _BRACES:
            return f"{_BRACES[mark]}({_base(node[0])})"
        if node[0].tag in {"munder", "mover"} and (node[0][1].text or "").strip() in _BRACES:
            return f"{_BRACES[node[0][1].text.strip()]}({_base(node[0][0])}, {_base(node[1])})"
        return f"attach(limits({_base(node[0])}), {place}: {_base(node[1])})"

    return rule


def _fraction(node: ET.Element) -> str:
    above, below = _base(node[0]), _base(node[1])
    bare = node.get("linethickness") == "0"
    return f"mat(delim: #none, {above}; {below})" if bare else f"frac({above}, {below})"


def _style(node: ET.Element) -> str:
    size = {"true": "display", "false": "inline"}.get(node.get("displaystyle", ""))
    return f"{size}({_row(node)})" if size else _row(node)


def _limits(node: ET.Element) -> str:
    return f"attach(limits({_base(node[0])}), b: {_base(node[1])}, t: {_base(node[2])})"


def _table(node: ET.Element) -> str:
    """A matrix without delimiters (the row around it has them), aligned as its first column."""
    align = node[0][0].get("columnalign", "center") if len(node) else "center"
    rows = "; ".join(", ".join(_row(cell) or '""' for cell in line) for line in node)
    return f"mat(delim: #none, align: #{align}, column-gap: #1em, {rows})"


_RULES = {
    "mi": _letters,
    "mn": lambda node: node.text or "",
    "mo": _operator,
    "mtext": _words,
    "mspace": _space,
    "mrow": _row,
    "mstyle": _style,
    "mpadded": _row,
    "mfrac": _fraction,
    "msqrt": lambda node: f"sqrt({_row(node)})",
    "mroot": lambda node: f"root({_base(node[1])}, {_base(node[0])})",
    "msub": _script("b"),
    "msup": _primed,
    "msubsup": _script("b", "t"),
    "munder": _over_or_under("b"),
    "mover": _over_or_under("t"),
    "munderover": _limits,
    "mtable": _table,
}
