"""Live figures: a trained encoder and decoder that run in the reader's browser.

`helpers.report.live.contents` makes what a figure shows, a dictionary that is ready for JSON:

    {"figure": name, "data": {...}, "networks": {name: a packed network}}

A page takes from it `fragment` (for each figure) and, once for all its figures, `style`, `networks` and `script`;
JupyterLab takes `widget`. Nothing of it asks the network for anything.
"""

import json
from collections.abc import Iterable
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent


def fragment(content: dict, static: str) -> str:
    """HTML of one figure: `static` (HTML) until the figure runs, on paper, and where there is no JavaScript."""
    return (
        f'<div class="live" data-figure="{escape(content["figure"])}"><div class="live-static">{static}</div>'
        f'<script type="application/json">{_json(content["data"])}</script></div>'
    )


def networks(contents: Iterable[dict]) -> str:
    """HTML that holds the networks of a page's figures, each once; it goes anywhere into the page's body."""
    found = {name: network for content in contents for name, network in content["networks"].items()}
    blocks = [f'data-network="{name}">{_json(network)}' for name, network in found.items()]
    return "".join(f'<script type="application/json" {block}</script>\n' for block in blocks)


def style() -> str:
    """The figures' style sheet."""
    return (FOLDER / "figures.css").read_text("utf-8")


def script() -> str:
    """The text of the page's one `<script type="module">`, which comes after figures and networks.

    A content security policy allows it by the SHA-256 of this text; it needs no other permission.
    """
    return _module() + "activate(document);\n"


def widget(content: dict):
    """The same figure as a widget for JupyterLab and other front ends of Jupyter's widgets; needs anywidget."""
    import anywidget
    import traitlets

    class Live(anywidget.AnyWidget):
        """One live figure."""

        _esm = _module() + "export default { render };\n"
        _css = style()
        figure = traitlets.Unicode().tag(sync=True)
        data = traitlets.Dict().tag(sync=True)
        networks = traitlets.Dict().tag(sync=True)

    return Live(**content)


def _module() -> str:
    """The engine and the figures as one text without imports and exports."""
    lines = [line for name in ("engine.js", "figures.js") for line in (FOLDER / name).read_text("utf-8").splitlines()]
    return "".join(line.removeprefix("export ") + "\n" for line in lines if not line.startswith("import "))


def _json(value) -> str:
    """JSON that may stand inside a script element."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
