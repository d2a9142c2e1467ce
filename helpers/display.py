"""How notebooks show figures, tables and code: a cell ends in them, `#|` lines caption them.

    #| label: fig-loss
    #| fig-cap: "Loss per epoch. Look for the epoch from which the curve is flat."
    #| fig-alt: "Two falling curves."
    plots.loss_curves(run.history)

Quarto, MyST and the report maker read these lines; `start` makes JupyterLab and VS Code show them
too. Captions are inline Markdown: they may hold `$maths$` and links. The report numbers figures; by
hand a caption begins with the words of `reference`, "Figure loss", as links to it do.
"""

import base64
import inspect
import io
import itertools
import os
import re
import textwrap
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import yaml
from IPython.core.getipython import get_ipython
from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.container import BarContainer
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.pyplot import close
from PIL import Image

from helpers import paths
from helpers.parameters import check_injected

MOST_DATA = 12_000  # points that a figure gives as numbers
ALIGNMENTS = {"l": ":---", "c": ":---:", "r": "---:"}
LABEL = re.compile(r"(fig|tbl|lst)(-[a-z0-9]+)+")
REFERENCES = {"fig": "Figure", "tbl": "Table", "lst": "Listing", "eq": "Equation"}


def start(keras: bool = True) -> None:
    """Prepare a notebook: captions and, if it needs it, Keras: no messages, threads, determinism.

    Raises ParameterError for a parameter that papermill has set and the notebook does not have, or
    of another type.
    """
    shell: Any = get_ipython()
    if shell is not None:
        check_injected(shell.history_manager.input_hist_raw)
    if keras:
        kept = os.dup(2)  # closed, as TensorFlow heeds no setting: tensorflow/tensorflow#100442
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        try:
            from helpers.training import prepare_backend
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        prepare_backend()
    if shell is None:
        return
    shown = shell.display_formatter.ipython_display_formatter
    shown.for_type(Figure, _show_figure)
    shown.for_type(Axes, lambda ax: _show_figure(ax.figure))
    shown.for_type(pd.DataFrame, _show_table)
    shown.for_type_by_name("helpers.report.live", "LiveFigure", _show_live)


def cell_options(source: str) -> tuple[dict[str, Any], str]:
    """A cell's options, its first lines `#| key: value`, and the rest; ValueError for no YAML."""
    lines = source.split("\n")
    first = [*itertools.takewhile(lambda line: line.startswith("#|"), lines)]
    text = "\n".join(line[2:].removeprefix(" ") for line in first)
    try:
        options = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"the `#|` lines are not YAML: {error}") from error
    if not isinstance(options, dict):
        raise ValueError(f"the `#|` lines must read `key: value`, not {text!r}")
    return options, "\n".join(lines[len(first) :])


def reference(label: str) -> str:
    """What a link to a label says where nothing is numbered: "Figure loss" for fig-loss."""
    kind, _, name = label.partition("-")
    return f"{REFERENCES[kind]} {name}"


def caption(shown: Any, caption: str = "", alt: str = "") -> Any:
    """A figure, Axes or DataFrame with computed texts in place of those of the `#|` lines.

    alt: what a reader who cannot see the figure should know, with its numbers.
    """
    kept: Any = shown.figure if isinstance(shown, Axes) else shown
    texts = {name: text for name, text in (("caption", caption), ("alt", alt)) if text}
    kept.attrs = getattr(kept, "attrs", {}) | texts  # a DataFrame has them, a Figure gets them
    return shown


def source(*objects: Callable | type) -> None:
    """Display the code of functions and classes as one listing, from the files that define them."""
    codes = [textwrap.dedent(inspect.getsource(obj)).rstrip() for obj in objects]
    words, code = _options().get("lst-cap", ""), "\n\n\n".join(codes)
    report = {"kind": "listing", "caption": words, "code": code}
    _publish({"text/markdown": f"```python\n{code}\n```", "text/plain": code}, report)


def figure_data(fig: Figure) -> str:
    """The numbers that a figure draws as CSV; "" for none or over MOST_DATA.

    Lines, points, bars, outlines of areas and contours; a map with a colour bar row by row, its
    values as y. Columns have the axes' names, with units; where panels differ, each names its own.
    """
    rows, names = [], {}
    for panel, ax in enumerate(fig.axes, start=1):
        for place, (label, points) in enumerate(_drawn(ax), start=1):
            name = f"series {place}" if label.startswith("_") else label
            name = ": ".join(filter(None, (_row(ax, points), name)))
            rows += [(panel, name, float(x), float(y)) for x, y in points]
            names[panel] = [_axis_name(ax, "x"), _axis_name(ax, "y")]
        maps: list[Any] = [each for each in ax.images if each.colorbar is not None]
        for coloured in maps:
            ticks, values = [tick.get_text() for tick in ax.get_yticklabels()], coloured.get_array()
            for name, row in zip(ticks, values.filled(np.nan), strict=True):
                rows += [(panel, name, x, float(y)) for x, y in enumerate(row)]
            names[panel] = [_axis_name(ax, "x"), coloured.colorbar.ax.get_ylabel()]
    alike = len({tuple(pair) for pair in names.values()}) == 1
    columns = next(iter(names.values())) if alike else ["x", "y"]
    frame = pd.DataFrame(rows, columns=["panel", "series", *columns])
    if not alike:
        frame["panel"] = [f"{panel}: {', '.join(names[panel])}" for panel in frame["panel"]]
    text = frame.to_csv(index=False, lineterminator="\n", float_format="%.5g", na_rep="nan")
    return text if 0 < len(rows) <= MOST_DATA else ""


def _drawn(ax: Axes) -> list[tuple[str, Any]]:
    """The label and the points, (n, 2), of all that a panel draws; of areas those with a name."""
    lines = [line for line in ax.lines if line.get_transform() == ax.transData]  # no axhline
    found: list[tuple[Any, Any]] = [(line, line.get_xydata()) for line in lines]
    scatters = [points for points in ax.collections if isinstance(points, PathCollection)]
    found += [(points, points.get_offsets()) for points in scatters]
    for bars in (each for each in ax.containers if isinstance(each, BarContainer)):
        tops = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in bars]
        found.append((bars, tops))
    areas = [each for each in ax.collections if isinstance(each, ContourSet | PolyCollection)]
    for area in (each for each in areas if not str(each.get_label()).startswith("_")):
        found += [(area, line) for path in area.get_paths() for line in path.to_polygons()]
    return [(str(artist.get_label()), points) for artist, points in found]


def figure_pixels(fig: Figure) -> str:
    """The pixels of a figure's pictures as a PNG in base64, below each other; "" for none.

    Grey as drawn, full ink 0; transparent where there is no pixel or a hidden one.
    """
    images: list[Any] = [each for ax in fig.axes for each in ax.images if each.colorbar is None]
    frames = [pd.DataFrame(np.ma.filled(each.get_array(), np.nan)) for each in images]
    if not frames:
        return ""
    pixels, file = pd.concat(frames).to_numpy(), io.BytesIO()  # short rows end in NaN
    grey = 255 * (1 - np.nan_to_num(pixels).clip(0, 1))
    levels = np.stack([grey.round(), 255 * np.isfinite(pixels)], axis=-1).astype("uint8")
    Image.fromarray(levels).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def _row(ax: Axes, points: Any) -> str:
    """The name on the vertical axis at which all points lie, as a row of dots does; else ""."""
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    if not len(points) or not any(letter.isalpha() for name in names for letter in name):
        return ""
    away = np.abs(np.asarray(points)[:, 1:] - ax.get_yticks())
    rows = {names[row] for row in away.argmin(axis=1)} if away.min(axis=1).max() < 0.5 else set()
    return rows.pop() if len(rows) == 1 else ""


def _axis_name(ax: Any, axis: str) -> str:
    """An axis's label, else that of a panel that shares the axis, else "x" or "y"."""
    siblings = getattr(ax, f"get_shared_{axis}_axes")().get_siblings(ax)
    panels = [ax, *(each for each in ax.figure.axes if each in siblings)]
    labels = [getattr(panel, f"get_{axis}label")() for panel in panels]
    return next(filter(None, labels), axis).replace("$", "")


def svg(fig: Figure) -> str:
    """The figure as SVG whose bytes depend on nothing but the figure."""
    return _saved(fig, "svg", {"Date": None}).decode()


def _saved(fig: Figure, kind: str, metadata: dict) -> bytes:
    """The figure as a file."""
    file = io.BytesIO()
    options: dict[str, Any] = {"dpi": 150, "bbox_inches": "tight", "pad_inches": 0.05}
    with matplotlib.rc_context({"svg.hashsalt": "report", "svg.fonttype": "path"}):
        fig.savefig(file, format=kind, metadata=metadata, **options)
    return file.getvalue()


def pipe_table(frame: pd.DataFrame) -> str:
    """A DataFrame as a Markdown table; an index that is no plain count becomes its first columns.

    frame.attrs["align"]: one of l, c, r for each column, else ValueError (default: "lrr…").
    """
    frame = frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()
    align = frame.attrs.get("align") or "l" + "r" * (len(frame.columns) - 1)
    if len(align) != (count := len(frame.columns)) or set(align) - set(ALIGNMENTS):
        raise ValueError(f"align {align!r} needs one of l, c, r for each of {count} columns")
    rows = frame.itertuples(index=False, name=None)
    lines = [tuple(frame.columns), tuple(ALIGNMENTS[letter] for letter in align), *rows]
    return "\n".join(f"| {' | '.join(_pipe_cell(str(cell)) for cell in line)} |" for line in lines)


def _pipe_cell(text: str) -> str:
    r"""One line in which no bar ends the cell: \vert or \Vert in maths, escaped elsewhere."""
    parts = re.split(r"(\$[^$]+\$)", " ".join(text.split()))  # every second one is a formula
    parts[::2] = [re.sub(r"\\?\|", r"\\|", part) for part in parts[::2]]
    parts[1::2] = [part.replace(r"\|", r"\Vert ").replace("|", r"\vert ") for part in parts[1::2]]
    return "".join(parts)


def _options() -> dict[str, Any]:
    """The `#|` options of the cell that runs. Raises ValueError for a label of another form."""
    shell: Any = get_ipython()
    options = cell_options(shell.history_manager.input_hist_raw[-1])[0]
    label = options.setdefault("label", "")
    if label and not LABEL.fullmatch(str(label)):
        raise ValueError(f"label {label!r}: expected fig-, tbl- or lst-, then a-z, 0-9 and hyphens")
    return options


def _show_figure(fig: Figure, live: dict | None = None) -> None:
    """Display the SVG with its caption, and keep it as figures/LABEL.svg."""
    options, picture = _options(), svg(fig)
    texts = {"caption": options.get("fig-cap"), "alt": options.get("fig-alt")}
    texts |= getattr(fig, "attrs", {})
    close(fig)  # else pyplot shows it again
    if label := options["label"]:
        paths.figures().mkdir(parents=True, exist_ok=True)
        (paths.figures() / f"{label}.svg").write_text(picture, "utf-8")
    report = {"kind": "figure", **texts, "live": live, "data": figure_data(fig)}
    report["pixels"] = "" if report["data"] else figure_pixels(fig)
    bundle = {"image/svg+xml": picture, "text/plain": texts["alt"] or "a figure"}
    if live and paths.by_hand():  # an untrusted notebook shows no SVG
        bundle["image/png"] = base64.b64encode(_saved(fig, "png", {})).decode()
    _publish(bundle, {name: value for name, value in report.items() if value})


def _show_live(figure: Any) -> None:
    """Display a live figure: its static picture and, by hand, below it what moves."""
    _show_figure(figure.static, figure.content)
    if figure.content and paths.by_hand():
        words = _options().get("live-cap", "")
        moving = {"application/javascript": figure.javascript(), "text/plain": ""}
        display(moving, raw=True, metadata={"report": {"kind": "live"}})
        display({"text/markdown": f"*{words}*"}, raw=True, metadata={"report": {"kind": "caption"}})


def _show_table(frame: pd.DataFrame) -> None:
    """Display a labelled table as the report will show it, any other as pandas does.

    frame.attrs["note"]: computed sentences that end the caption.
    """
    options = _options()
    if not options["label"].startswith("tbl-"):
        display(HTML(frame.to_html(max_rows=20, max_cols=12)))
        return
    words, table = frame.attrs.get("caption") or options.get("tbl-cap", ""), pipe_table(frame)
    words = f"{words} {frame.attrs.get('note', '')}".strip()
    _publish({"text/markdown": table, "text/plain": table}, {"kind": "table", "caption": words})


def _publish(bundle: dict[str, str], report: dict[str, Any]) -> None:
    """Display a MIME bundle, with what the report maker needs, and its caption, above a table."""
    words, label = report.get("caption"), _options()["label"]
    name = f"{reference(label)}." if label and paths.by_hand() else ""  # the report has numbers
    text = {
        "text/markdown": f"**{name}** *{words}*" if name else f"*{words}*",
        "text/plain": f"{name} {words}".strip(),
    }  # the report maker sets its own
    outputs = [(bundle, report), (text, {"kind": "caption"})][: 2 if words else 1]
    for data, about in reversed(outputs) if report["kind"] == "table" else outputs:
        display(data, raw=True, metadata={"report": about})
