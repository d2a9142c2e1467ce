"""Formulas: pandoc turns TeX into MathML and Typst; what both get wrong is mended here.

`tests/report/test_maths.py` sets a sheet of formulas: look at it when pandoc or Typst changes.
"""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from string import ascii_letters, digits

from helpers.report import pandoc
from helpers.report.document import Ast, Document, Note, transform

_BOLD = re.compile(r"\\(?:mathbf|bm)\s*(?:\{\s*([A-Za-z0-9])\s*\}|([A-Za-z0-9]))")
_CODES = [*range(0x1D41A, 0x1D434), *range(0x1D400, 0x1D41A), *range(0x1D7CE, 0x1D7D8)]
_UPRIGHT = dict(zip(ascii_letters + digits, map(chr, _CODES), strict=True))  # pandoc would slant
_CASES = re.compile(r"\\begin\{cases\}.*?\\end\{cases\}", re.S)
_UNFIT = re.compile(r"\\(?:left\s*\.|right\s*\.|overset\b|underset\b|boxed\b|begin\{array\})")
_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")')
_TYPST = {  # what pandoc 3.9 writes: what Typst 0.15 takes or sets well
    r"\.circle\b": ".o",  # \odot, \otimes
    r"\bsect\b": "inter",  # \cap
    r"#h\(0em\)": "thick",  # \;
    r"#h\(-1em\)": "#h(-0.167em)",  # \!
    r"#scale\(x: (\d+)%, y: \d+%\)\[(\\.|[^\]\\]+)\]": r"lr(size: #\1%, \2)",  # \bigl(
    r"(?<![.\w])(parallel\b|∥|\\\|)": r' class("normal", \1)',  # bars are no relations
}
Formulas = dict[tuple[str, bool], dict[str, str]]  # "html5" and "typst" of (TeX, displayed)


def convert(document: Document, note: Note) -> Formulas:
    """Every formula of the document, by TeX and whether it is displayed."""
    texts: list[Ast] = []
    transform(document, texts.append)
    found: dict[tuple[str, bool], Ast] = {}
    for text in texts:
        for node in pandoc.nodes(text.blocks):
            if node["t"] == "Math":
                found.setdefault((node["c"][1], pandoc.is_displayed(node)), text)
    made = dict(zip(found, write(list(found)), strict=True))
    for formula, answer in made.items():
        if isinstance(answer, str):
            note(found[formula].place, f"formula {formula[0].strip()!r}: {answer}")
    return {k: answer for k, answer in made.items() if isinstance(answer, dict)}


def write(formulas: list[tuple[str, bool]]) -> list[dict[str, str] | str]:
    """Each formula (TeX, whether displayed) in both forms, or what is wrong with it."""
    plain = [(tex.replace("{,}", r"\text{,}"), display) for tex, display in formulas]
    upright = [(_BOLD.sub(lambda m: f"{{{_UPRIGHT[m[1] or m[2]]}}}", tex), d) for tex, d in plain]
    apart = [(_CASES.sub(lambda m: m[0].replace("&", r"\quad &"), tex), d) for tex, d in plain]
    answers = pandoc.call("maths", upright, "html5"), pandoc.call("maths", apart, "typst")
    made: list[dict[str, str] | str] = []
    for (tex, _), (mathml, reason), (typst, _) in zip(formulas, *answers, strict=True):
        if not mathml.lstrip().startswith("<math"):
            made.append(reason.partition("expecting")[0].strip().splitlines()[-1])
        elif unfit := _UNFIT.search(tex):
            made.append(f"{unfit[0]} comes out wrong in the PDF: write it without")
        else:
            made.append({"html5": _for_browsers(mathml), "typst": _for_typst(typst).strip()})
    return made


def _for_typst(text: str) -> str:
    """Pandoc's Typst with names that Typst knows and the spaces of TeX."""
    parts = _QUOTED.split(text)  # every second one is a string
    for n, part in enumerate(parts):
        if n % 2 == 0:
            for pattern, better in _TYPST.items():
                part = re.sub(pattern, better, part)
        elif not parts[n - 1].endswith(("(", ": ")):
            part = f"op({part})"
        elif part == '","':
            part, parts[n - 1] = r"\,", parts[n - 1].removesuffix("upright(") + 'class("normal", '
        elif parts[n - 1].endswith("upright("):
            part = f'"{part[1:-1].strip()}"'
        parts[n] = part
    return "".join(parts)


_WIDE = dict(zip("\u0302\u0303\u203e\u0307\u0308\u030c\u0306\u0301\u0300", "ˆ˜¯˙¨ˇ˘´`", strict=True))
_SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
_OPERANDS = {"mi", "mn", "mfrac", "msqrt", "mrow", "mtext", *_SCRIPTS}
_ROWS = {"mrow", "mtd", "semantics", "msqrt", "mstyle"}


def _for_browsers(mathml: str) -> str:
    """MathML Core: no annotation, and what browsers do not work out: spaces, sizes, alignments."""
    root = ET.fromstring(mathml.replace(' xmlns="http://www.w3.org/1998/Math/MathML"', ""))
    for annotation in root[0].findall("annotation"):
        root[0].remove(annotation)
    for node in list(root.iter()):
        places = reversed(list(enumerate(pairwise(node), start=1))) if node.tag in _ROWS else ()
        for place, (before, after) in places:  # a thin space around a name such as log
            if _needs_space(before, after):
                node.insert(place, ET.Element("mspace", width="0.167em"))
        for script in node[1:] if node.tag in _SCRIPTS else ():
            for operator in script.iter("mo"):
                if operator.get("stretchy") != "true" and not operator.get("accent"):
                    operator.attrib |= {"lspace": "0", "rspace": "0"}
        _tidy(node)
    return ET.tostring(root, encoding="unicode")


def _tidy(node: ET.Element) -> None:
    match node.tag:
        case "mtd":  # the style sheet aligns cells by their class
            tight = ["tight"] if "padding" in node.get("style", "") else []
            node.attrib = {"class": " ".join([node.get("columnalign", "center"), *tight])}
        case "mtable" if any("padding" in cell.get("style", "") for cell in node.iter("mtd")):
            node.set("displaystyle", "true")  # rows of `aligned`
        case "mi" if node.get("mathvariant") != "normal":
            node.attrib.pop("mathvariant", None)
        case "mo" if node.text == "∥" and node.get("form") == "postfix":
            node.attrib |= {"lspace": "0", "rspace": "0"}
        case "mover" if node[1].get("accent") and node[0].tag != "mrow":
            node[1].set("stretchy", "false")  # only an accent over several letters stretches
            node[1].text = _WIDE.get(node[1].text or "", node[1].text)
        case "mover" if node[1].text == "¯":
            node[1].text = "\u0305"


def _needs_space(before: ET.Element, after: ET.Element) -> bool:
    """Whether TeX sets a thin space: between log and what it applies to, and after a letter."""
    if _is_function(before):
        return after.tag in _OPERANDS and not _opens(after)
    return _is_function(after) and (before.tag in _OPERANDS or before.get("form") == "postfix")


def _is_function(node: ET.Element) -> bool:
    """Whether a name such as log (with or without marks below and above) ends the node."""
    if node.tag in _SCRIPTS:
        return _is_function(node[0])
    if node.tag == "mrow" and len(node) > 1 and node[-1].text == "\u2061":  # "apply a function"
        return _is_function(node[-2])
    return node.tag == "mi" and len(node.text or "") > 1


def _opens(node: ET.Element) -> bool:
    """Whether the node begins with a bracket."""
    return node.tag == "mrow" and len(node) > 0 and (node[0].tag == "mo" or _opens(node[0]))
