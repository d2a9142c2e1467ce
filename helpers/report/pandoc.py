"""Pandoc, called once for many texts: to its syntax tree, to HTML or Typst, from TeX formulas.

The tree is pandoc's own JSON: every node is {"t": type, "c": content}.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypandoc


def call(action: str, items: list, to: str = "") -> list:
    """The answers of convert.lua, which says what it takes, one for each item."""
    if not items:
        return []
    command = [pypandoc.get_pandoc_path(), "lua", str(Path(__file__).with_name("convert.lua"))]
    request = json.dumps({"action": action, "items": items, "to": to})
    run = subprocess.run(command, input=request.encode(), capture_output=True)
    if run.returncode:
        raise RuntimeError(f"pandoc failed: {run.stderr.decode()}")
    return json.loads(run.stdout)


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
    found = []
    for node in nodes(tree):
        match node:
            case {"t": "Str", "c": text} | {"t": "Code" | "Math", "c": [_, text]}:
                found.append(text)
            case {"t": "Space" | "SoftBreak" | "LineBreak"}:
                found.append(" ")
    return "".join(found)


def is_displayed(node: dict) -> bool:
    """Whether a node is a displayed formula."""
    return node["t"] == "Math" and node["c"][0]["t"] == "DisplayMath"


def string(text: str) -> dict:
    """A node that holds these words as they are."""
    return {"t": "Str", "c": text}


def link(target: str, inlines: list[dict]) -> dict:
    """A link around inline nodes."""
    return {"t": "Link", "c": [["", [], []], inlines, [target, ""]]}
