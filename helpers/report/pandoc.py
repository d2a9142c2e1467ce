"""Pandoc, called once for many texts: to its syntax tree, to HTML or Typst, from TeX formulas.

The tree is pandoc's own JSON: every node is {"t": type, "c": content}.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypandoc

_UNPARSED = "Unparsed"
_SCRIPT = Path(__file__).with_name("convert.lua")


def _call(**request: Any) -> Any:
    command = [pypandoc.get_pandoc_path(), "lua", str(_SCRIPT)]
    run = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True)
    if run.returncode:
        raise RuntimeError(f"pandoc failed: {run.stderr.decode()}")
    return json.loads(run.stdout)


def unparsed(text: str, form: str = "markdown") -> dict:
    """A text, Markdown or HTML, in the place of its blocks.

    Without an end of line pandoc's CommonMark loses the last row of a pipe table.
    """
    return {"t": _UNPARSED, "c": [f"{text}\n", form]}


def waits(blocks: list[dict]) -> bool:
    """Whether the blocks are `unparsed`."""
    return any(block["t"] == _UNPARSED for block in blocks)


def read(texts: list[list[str]]) -> list[list[dict]]:
    """The blocks of each [text, "markdown" or "html"]; the texts do not see each other."""
    return [document["blocks"] for document in _call(action="read", texts=texts)] if texts else []


def write(documents: list[list[dict]], to: str) -> list[str]:
    """Each list of blocks as "html5" or "typst"."""
    heads = {"pandoc-api-version": [1, 23], "meta": {}}
    sources = [json.dumps(heads | {"blocks": blocks}) for blocks in documents]
    answers = _call(action="write", documents=sources, to=to) if sources else []
    return [text.strip() for text in answers]


def maths(formulas: list[tuple[str, bool]], to: str) -> list[tuple[str, str]]:
    """Each formula (TeX, whether displayed) as "html5" (MathML) or "typst", and why not, or ""."""
    answers = _call(action="maths", formulas=formulas, to=to) if formulas else []
    return [(text.strip(), reason) for text, reason in answers]


def nodes(tree: Any) -> Iterator[dict]:
    """Every node of a tree, parents before children."""
    if isinstance(tree, dict):
        if "t" in tree:
            yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from nodes(part)


def replace(tree: Any, change: Callable[[dict], dict | None]) -> Any:
    """The tree with every node for which `change` gives another one replaced, children first."""
    if isinstance(tree, list):
        return [replace(part, change) for part in tree]
    if not isinstance(tree, dict):
        return tree
    tree = {key: replace(value, change) for key, value in tree.items()}
    return (change(tree) or tree) if "t" in tree else tree


def plain(tree: Any) -> str:
    """The words of a tree, without markup."""
    return "".join(_words(node) for node in nodes(tree))


def _words(node: dict) -> str:
    match node:
        case {"t": "Str", "c": text} | {"t": "Code" | "Math", "c": [_, text]}:
            return text
        case {"t": "Space" | "SoftBreak" | "LineBreak"}:
            return " "
    return ""


def is_displayed(node: dict) -> bool:
    """Whether a node is a displayed formula."""
    return node["t"] == "Math" and node["c"][0]["t"] == "DisplayMath"


def string(text: str) -> dict:
    """A node that holds these words as they are."""
    return {"t": "Str", "c": text}


def link(target: str, inlines: list[dict]) -> dict:
    """A link around inline nodes."""
    return {"t": "Link", "c": [["", [], []], inlines, [target, ""]]}
