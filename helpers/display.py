"""What notebooks show: figures, tables, listings and computed prose, each with the metadata that the report reads.

Captions, table headers and table cells are inline Markdown; they may hold `$maths$` and links. Each function
displays something that reads well in JupyterLab and in VS Code, and works without a kernel too (then it prints).
"""

import csv
import inspect
import io
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence

import matplotlib
from IPython import display as ipython
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.pyplot import close

from helpers import paths
from helpers.report.live import widget

PIXELS_PER_INCH = 150
MOST_DATA = 6_000  # points that a figure gives as numbers
_ALIGNMENTS = {"l": ":---", "c": ":---:", "r": "---:"}


def show_figure(fig: Figure, label: str, caption: str, alt: str, live: dict | None = None) -> None:
    """Save a figure as figures/LABEL.svg and .png, display the SVG with its caption, and close it.

    `alt` says in plain text what a reader sees who cannot see the figure. `live`, of `helpers.report.live.contents`, is what
    moves in the figure's place: in the HTML report, and in a notebook that is run by hand.
    ValueError: a label that does not start with "fig-", no caption, no alternative text of its own.
    """
    _check(label, "fig", caption)
    if not alt.strip() or alt.strip() == caption.strip():
        raise ValueError(f"figure {label} needs alternative text that is not its caption")
    svg, png, data = _draw(fig, "svg"), _draw(fig, "png"), figure_data(fig)
    close(fig)
    _save(label, svg, png)
    bundle = {"image/svg+xml": svg.decode(), "text/plain": f"{label}: {alt}"}
    report = {"kind": "figure", "label": label, "caption": caption, "alt": alt}
    report |= {name: value for name, value in (("live", live), ("data", data)) if value}
    _publish(bundle, report)
    if live and paths.by_hand() and InteractiveShell.initialized():
        ipython.display(widget(live))
    _publish(_markdown(f"*{caption}*"), {"kind": "caption"})


def show_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str | int | float]],
    label: str,
    caption: str,
    align: str | None = None,
) -> None:
    """Display a table; `align` has one of l, c, r for each column (default: the first left, the others right).

    ValueError: a label that does not start with "tbl-", no caption, rows or `align` of another length than the header.
    """
    _check(label, "tbl", caption)
    align = align or "l" + "r" * (len(header) - 1)
    cells = [[str(cell) for cell in row] for row in rows]
    _check_shape(label, header, cells, align)
    metadata = {"kind": "table", "label": label, "caption": caption}
    metadata |= {"header": list(header), "rows": cells, "align": align}
    _publish(_markdown(f"*{caption}*\n\n{_pipe_table(header, cells, align)}"), metadata)


def show_source(obj: Callable | type, label: str, caption: str) -> None:
    """Display the source code of a function or class as a listing, taken from the file that defines it."""
    _check(label, "lst", caption)
    code = textwrap.dedent(inspect.getsource(obj)).rstrip()
    text = f"*{caption}*\n\n```python\n{code}\n```"
    _publish(_markdown(text), {"kind": "listing", "label": label, "caption": caption, "code": code})


def show_text(markdown: str) -> None:
    """Display computed prose; the report treats it exactly as a Markdown cell."""
    _publish(_markdown(textwrap.dedent(markdown).strip()))


def _check(label: str, kind: str, caption: str) -> None:
    if not re.fullmatch(kind + r"(-[a-z0-9]+)+", label):
        raise ValueError(f"label {label!r}: expected {kind}-name in lower-case letters, digits and hyphens")
    if not caption.strip():
        raise ValueError(f"{label} needs a caption")


def _check_shape(label: str, header: Sequence[str], rows: list[list[str]], align: str) -> None:
    if len(align) != len(header) or set(align) - set(_ALIGNMENTS):
        raise ValueError(f"{label}: align {align!r} needs one of l, c, r for each of {len(header)} columns")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(f"{label}: row {number} has {len(row)} cells, the header has {len(header)}")


def _draw(fig: Figure, format: str) -> bytes:
    """The figure as a file whose bytes depend on nothing but the figure."""
    style = {"svg.hashsalt": "report", "svg.fonttype": "path"}
    metadata = {"Date": None} if format == "svg" else {"Software": None}
    file = io.BytesIO()
    with matplotlib.rc_context(style):
        fig.savefig(
            file, format=format, dpi=PIXELS_PER_INCH, bbox_inches="tight", pad_inches=0.05, metadata=metadata
        )
    return file.getvalue()


def figure_data(fig: Figure) -> str:
    """The numbers that a figure's lines, points and bars show, as CSV: panel, series, x, y; "" where it has none.

    Images have none, nor lines across a whole panel; a figure of more than MOST_DATA numbers would weigh too much.
    """
    rows = [(panel, *row) for panel, ax in enumerate(fig.axes, start=1) for row in _series(ax)]
    if not rows or len(rows) > MOST_DATA:
        return ""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("panel", "series", "x", "y"), *rows])
    return text.getvalue()


def _series(ax) -> Iterator[tuple[str, str, str]]:
    """Series, x and y of every point of an Axes' lines, scatters and bars, to six digits."""
    lines = [line for line in ax.lines if line.get_transform() == ax.transData]
    found = [(line.get_label(), line.get_xydata()) for line in lines]
    found += [(c.get_label(), c.get_offsets()) for c in ax.collections if isinstance(c, PathCollection)]
    found += [
        (bars.get_label(), [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in bars])
        for bars in ax.containers
        if isinstance(bars, BarContainer)
    ]
    for number, (label, points) in enumerate(found, start=1):
        name = f"series {number}" if str(label).startswith("_") else label
        yield from ((name, f"{float(x):.6g}", f"{float(y):.6g}") for x, y in points)


def _save(label: str, svg: bytes, png: bytes) -> None:
    folder = paths.figures()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{label}.svg").write_bytes(svg)
    (folder / f"{label}.png").write_bytes(png)


def _pipe_table(header: Sequence[str], rows: list[list[str]], align: str) -> str:
    lines = [list(header), [_ALIGNMENTS[letter] for letter in align], *rows]
    return "\n".join("| " + " | ".join(_pipe_cell(cell) for cell in line) + " |" for line in lines)


def _pipe_cell(text: str) -> str:
    """One line in which no bar ends the cell: \\vert in maths, escaped elsewhere."""
    parts = re.split(r"(\$[^$]+\$)", " ".join(text.split()))
    maths = [re.sub(r"(?<!\\)\|", r"\\vert ", part).replace(r"\|", r"\Vert ") for part in parts[1::2]]
    words = [re.sub(r"(?<!\\)\|", r"\\|", part) for part in parts[::2]]
    return "".join(word + formula for word, formula in zip(words, [*maths, ""], strict=True))


def _markdown(text: str) -> dict[str, str]:
    return {"text/markdown": text, "text/plain": text}


def _publish(bundle: dict[str, str | bytes], report: dict | None = None) -> None:
    """Display a MIME bundle with metadata for the report; outside IPython print its plain text."""
    if InteractiveShell.initialized():
        ipython.display(bundle, raw=True, metadata={"report": report} if report else {})
    else:
        print(bundle["text/plain"])
