"""Pandoc, called once for many texts: Markdown to its syntax tree, the tree to HTML or Typst, TeX to MathML.

The tree is pandoc's own JSON: every node is {"t": type, "c": content}.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pypandoc

_SCRIPT = Path(__file__).with_name("convert.lua")


def _call(**request):
    command = [pypandoc.get_pandoc_path(), "lua", str(_SCRIPT)]
    run = subprocess.run(command, input=json.dumps(request).encode(), capture_output=True)
    if run.returncode:
        raise RuntimeError(f"pandoc failed: {run.stderr.decode()}")
    return json.loads(run.stdout)


def read(texts: list[str]) -> list[list[dict]]:
    """The blocks of each Markdown text; the texts do not see each other."""
    return [document["blocks"] for document in _call(action="read", texts=texts)] if texts else []


def write(documents: list[list[dict]], to: str) -> list[str]:
    """Each list of blocks as "html5" or "typst"."""
    heads = {"pandoc-api-version": [1, 23], "meta": {}}
    sources = [json.dumps(heads | {"blocks": blocks}) for blocks in documents]
    return [text.strip() for text in _call(action="write", documents=sources, to=to)] if sources else []


def mathml(formulas: list[tuple[str, bool]]) -> list[tuple[str, str]]:
    """(MathML, "") of each formula (TeX, whether displayed), or (something else, why not)."""
    return [tuple(answer) for answer in _call(action="maths", formulas=formulas)] if formulas else []


def nodes(tree) -> Iterator[dict]:
    """Every node of a tree, parents before children."""
    if isinstance(tree, dict):
        if "t" in tree:
            yield tree
        tree = list(tree.values())
    if isinstance(tree, list):
        for part in tree:
            yield from nodes(part)


def replace(tree, change: Callable[[dict], dict | None]):
    """The tree with every node for which `change` gives another one replaced, children first."""
    if isinstance(tree, list):
        return [replace(part, change) for part in tree]
    if not isinstance(tree, dict):
        return tree
    tree = {key: replace(value, change) for key, value in tree.items()}
    return (change(tree) or tree) if "t" in tree else tree


def plain(tree) -> str:
    """The words of a tree, without markup."""
    words = {"Str": lambda c: c, "Code": lambda c: c[1], "Math": lambda c: c[1]}
    spaces = {"Space": " ", "SoftBreak": " ", "LineBreak": " "}
    pieces = [words[n["t"]](n["c"]) if n["t"] in words else spaces.get(n["t"], "") for n in nodes(tree)]
    return "".join(pieces)


def string(text: str) -> dict:
    """A node that holds these words as they are."""
    return {"t": "Str", "c": text}


def link(target: str, inlines: list[dict]) -> dict:
    """A link around inline nodes."""
    return {"t": "Link", "c": [["", [], []], inlines, [target, ""]]}
