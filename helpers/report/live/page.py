"""Live figures in a page: HTML, style sheet and script, from what `helpers.report.live` makes."""

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def fragment(content: dict, static: str) -> str:
    """HTML of a figure: `static` (HTML) until it runs, on paper, and without JavaScript."""
    name, data = escape(content["figure"]), _json(content["data"])
    start = f'<div class="live" data-figure="{name}"><div class="live-static">{static}</div>'
    return f'{start}<script type="application/json">{data}</script></div>'


def networks(contents: Iterable[dict]) -> str:
    """HTML that holds the networks of a page's figures, each once, anywhere in the page's body."""
    found = {name: net for content in contents for name, net in content["networks"].items()}
    blocks = [f'data-network="{escape(name)}">{_json(net)}' for name, net in found.items()]
    return "".join(f'<script type="application/json" {block}</script>\n' for block in blocks)


def style() -> str:
    """The figures' style sheet."""
    return (FOLDER / "figures.css").read_text("utf-8")


def script() -> str:
    """The page's one `<script type="module">`, after the networks; a policy allows its SHA-256."""
    return module() + "activate(document);\n"


def module() -> str:
    """The engine and the figures as one text without imports and exports."""
    texts = [(FOLDER / name).read_text("utf-8") for name in ("engine.js", "figures.js")]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("import ")]
    return "".join(line.removeprefix("export ") + "\n" for line in lines)


def _json(value: Any) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
