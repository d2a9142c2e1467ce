"""Plots of the report: arrays in, Axes out.

Every plot draws on `ax`, or on a figure of its own when `ax` is None, and returns the Axes. Figures
are made without pyplot, so none is left open. Images may carry a channel axis; they are dark ink on
white, a NaN pixel takes the colour HIDDEN. `names`: of the classes that labels 0, 1, … stand for.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from scipy.stats import gaussian_kde

TEXT_WIDTH = 16.0  # cm, of the printed page
CENTIMETRE = 1 / 2.54  # inches
CELL = 2.2  # cm, the most that one image of a mosaic takes
INK = "#262626"  # text, axes
PALE = "#c9d9ee"  # bars under a threshold
HIDDEN = "#ffd9a0"  # pixels without a value
BADGE = 14  # points from the middle of one badge to that of its neighbour
LETTER = 5.5  # points that a letter adds to a badge of several
CLASS_COLOURS = mpl.color_sequences["petroff10"]  # Petroff 2021, arXiv:2107.02270: ten classes
GREYS = mpl.colormaps["gray_r"].with_extremes(bad=HIDDEN)
DIGITS = tuple("0123456789")
STYLE: dict[Any, Any] = {
    "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "legend.fontsize": 8,
    "xtick.labelsize": 8, "ytick.labelsize": 8, "xtick.color": INK, "ytick.color": INK,
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left",
    "figure.facecolor": "white", "axes.facecolor": "white", "legend.frameon": False,
    "lines.linewidth": 1.5, "lines.markersize": 4,
}  # fmt: skip

Ax = Axes | None
_styled = mpl.rc_context(STYLE)  # as a decorator: the caller's own settings stay as they are


@_styled
def figure(
    ncols=1, nrows=1, width=TEXT_WIDTH, height=None, titles=(), layout="constrained", **subplots
) -> tuple[Figure, Any]:
    """A figure of width × height centimetres in the report's style, and its Axes.

    height: by default panels are three fifths as high as wide; titles: of the panels, row by row;
    further arguments go to `Figure.subplots` (sharey=True, width_ratios=[2, 1], …).
    """
    height = height or 0.6 * width * nrows / ncols
    fig = Figure(figsize=(width * CENTIMETRE, height * CENTIMETRE), layout=layout)
    axes = fig.subplots(nrows, ncols, **subplots)
    for ax, title in zip(fig.axes, titles, strict=bool(titles)):
        ax.set_title(title)
    return fig, axes


@_styled
def loss_curves(history: Mapping, ax: Ax = None, published=None, items="digits") -> Axes:
    """Loss per epoch on training and test images, in nats per image; a line at a published value.

    history: "loss" and "val_loss", one value per epoch; items: what the images show.
    """
    ax = ax or figure(width=11)[1]
    epochs = np.arange(1, len(history["loss"]) + 1)
    ax.plot(epochs, history["loss"], "o-", color=CLASS_COLOURS[0], label=f"training {items}")
    ax.plot(epochs, history["val_loss"], "s--", color=CLASS_COLOURS[2], label=f"test {items}")
    if published is not None:
        ax.axhline(published, linestyle=":", color=INK, label=f"published: {published:.1f}")
    ax.set(xlabel="epoch", ylabel="loss (nats per image)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.legend()
    return ax


@_styled
def loss_against_time(plain, fast, ax: Ax = None) -> Axes:
    """Loss in nats per image against minutes of training: one recipe's course, another's runs.

    plain: minutes (n,) and losses (runs, n): median, a band over the range, a dotted line at the
    median's end; fast: minutes (m,) and final losses (m,) of runs, a line through their medians.
    """
    ax = ax or figure(width=11)[1]
    first, second = CLASS_COLOURS[:2]
    (minutes, losses), (lengths, ends) = map(np.asarray, plain), map(np.asarray, fast)
    middle = np.median(losses, axis=0)
    low, high = losses.min(axis=0), losses.max(axis=0)
    ax.fill_between(minutes, low, high, color=first, alpha=0.3, linewidth=0)
    ax.plot(minutes, middle, color=first, label="plain, while it trains")
    ax.axhline(middle[-1], linestyle=":", color=INK, linewidth=1)
    ax.plot(lengths, ends, "o", color=second, label="fast, whole runs")
    places = np.unique(lengths)
    medians = [np.median(ends[lengths == place]) for place in places]
    ax.plot(places, medians, "--", color=second, linewidth=1)
    ax.set(xscale="log", xlabel="minutes of training", ylabel="loss (nats per image)")
    shown = np.append(ends, middle[-1])
    room = max(np.ptp(shown), 0.05 * middle[-1])
    ax.set_ylim(shown.min() - 0.15 * room, shown.max() + 1.5 * room)
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.legend()
    return ax


def _squeezed(images, ndim):
    """Images as an array of ndim axes, without the channel axis."""
    images = np.asarray(images, dtype=float)
    return images[..., 0] if images.ndim == ndim + 1 and images.shape[-1] == 1 else images


def _show(images, ax, gap):
    """Draw images (rows, columns, height, width) as one: row r at y = rows - 1 - r, column c at c.

    gap: white pixels around each.
    """
    extent = (-0.5, images.shape[1] - 0.5, -0.5, images.shape[0] - 0.5)
    images = np.pad(images, ((0, 0), (0, 0), (gap, gap), (gap, gap)))
    rows, columns, height, width = images.shape
    mosaic = images.swapaxes(1, 2).reshape(rows * height, columns * width)
    ax.imshow(mosaic, cmap=GREYS, vmin=0, vmax=1, extent=extent, interpolation="hanning")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _show_z(axis, values):
    """Name whole z on an axis where value i stands at place i; halves too where there is room."""
    halves = np.arange(np.ceil(2 * values[0]), np.floor(2 * values[-1]) + 1) / 2
    wholes, wide = halves[halves % 1 == 0], axis.axes.bbox.width > 3 * axis.get_figure().dpi
    roomy = wide or len(wholes) < 3
    named = halves if roomy else wholes
    names = [f"{z:.{1 if roomy else 0}f}".replace("-", "−") for z in named]
    axis.set_ticks(np.interp(halves, values, np.arange(len(values))), minor=True)
    axis.set_ticks(np.interp(named, values, np.arange(len(values))), names)


@_styled
def latent_grid(images, values, ax: Ax = None) -> Axes:
    """Images (n, n, 28, 28) decoded at values × values (n,), row 0 at the largest z2."""
    ax = ax or figure(width=13, height=13)[1]
    _show(_squeezed(images, 4), ax, gap=0)
    _show_z(ax.xaxis, values)
    _show_z(ax.yaxis, values)
    ax.spines[:].set_visible(True)
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax


@_styled
def latent_line(images, values, ax: Ax = None) -> Axes:
    """Images (n, 28, 28) decoded along a one-dimensional latent space at values (n,)."""
    images = _squeezed(images, 3)
    ax = ax or figure(height=TEXT_WIDTH / len(images) + 1.2)[1]
    _show(images[np.newaxis], ax, gap=0)
    _show_z(ax.xaxis, values)
    ax.spines["bottom"].set_visible(True)
    ax.set_xlabel("$z$")
    return ax


def _spread(places, sizes, rounds=50):
    """Places (n, 2), moved apart just so far that ellipses of sizes (n, 2) do not overlap."""
    places, sizes = np.array(places, dtype=float), np.broadcast_to(sizes, np.shape(places))
    for _ in range(rounds):
        for i, j in zip(*np.triu_indices(len(places), 1), strict=True):
            reach = (sizes[i] + sizes[j]) / 2
            between = (places[j] - places[i]) / reach
            length = np.hypot(*between)
            if length < 1:
                way = between / length if length else np.array([1.0, 0.0])
                push = (1 - length) / 2 * way * reach
                places[i], places[j] = places[i] - push, places[j] + push
    return places


def _name_classes(points, labels, ax, names):
    """Each class's name in a badge at the median of its points, or near it where it is crowded."""
    classes = np.unique(labels)
    medians = [np.median(points[labels == label], axis=0) for label in classes]
    limits = np.abs([np.diff(ax.get_xlim()), np.diff(ax.get_ylim())]).ravel()
    point = ax.figure.dpi / 72 / (ax.bbox.size / limits).min()  # in units of data, on both axes
    widths = [BADGE + LETTER * (len(names[label]) - 1) for label in classes]
    sizes = point * np.stack([widths, np.full(len(classes), BADGE)], axis=1)
    for label, place in zip(classes, _spread(medians, sizes), strict=True):
        style = "circle,pad=0.15" if len(names[label]) == 1 else "round,pad=0.25"
        box = {"boxstyle": style, "facecolor": "white", "edgecolor": CLASS_COLOURS[label]}
        font = {"ha": "center", "va": "center", "fontsize": 8, "fontweight": "bold"}
        badge = ax.text(*place, names[label], bbox=box | {"linewidth": 1.5}, **font)
        badge.get_bbox_patch().set_path_effects([withStroke(linewidth=3.5, foreground="white")])


@_styled
def latent_scatter(
    points, labels, ax: Ax = None, axis_names=("$z_1$", "$z_2$"), names=DIGITS
) -> Axes:
    """Points (n, 2) in the colours of their classes, labels (n,), with each class's name."""
    points, labels = np.asarray(points), np.asarray(labels)
    ax = ax or figure(width=12, height=12)[1]
    colours = np.array(CLASS_COLOURS)[labels]
    alpha = np.clip(4000 / len(points), 0.4, 0.9)  # the more points, the paler
    dots: dict[str, Any] = {"s": 4, "linewidths": 0, "rasterized": True}
    ax.scatter(points[:, 0], points[:, 1], c=colours, alpha=alpha, **dots)
    _name_classes(points, labels, ax, names)
    ax.set(xlabel=axis_names[0], ylabel=axis_names[1], aspect="equal")
    return ax


@_styled
def latent_strip(points, labels, ax: Ax = None, names=DIGITS, item="digit") -> Axes:
    """One density ridge per class along z, all to one scale: points (n,) or (n, 1), labels (n,)."""
    points, labels = np.ravel(points), np.asarray(labels)
    ax = ax or figure(height=9)[1]
    margin = 0.08 * np.ptp(points)
    z = np.linspace(points.min() - margin, points.max() + margin, 200)
    ridges = {label: gaussian_kde(points[labels == label])(z) for label in np.unique(labels)}
    scale = 1.8 / max(density.max() for density in ridges.values())
    for label, density in ridges.items():
        ridge = ax.fill_between(z, label, label - scale * density, zorder=2 + label / 10)
        ridge.set(facecolor=(*CLASS_COLOURS[label], 0.75), edgecolor=INK, linewidth=0.6)
    ax.set(xlabel="$z$", ylabel=item, xlim=(z[0], z[-1]))
    ax.set_yticks(list(ridges), [names[label] for label in ridges])
    ax.invert_yaxis()
    return ax


@_styled
def image_rows(rows, titles=None, ax: Ax = None, row_titles=None) -> Axes:
    """Rows of images on one Axes: arrays (n, 28, 28), n titles above, one row title at the left."""
    images = np.stack([_squeezed(row, 3) for row in rows])
    count, columns = images.shape[:2]
    width = min(TEXT_WIDTH, CELL * columns + 2)
    ax = ax or figure(width=width, height=width * count / columns)[1]
    _show(images, ax, gap=1)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    if titles is not None:
        ax.set_xticks(range(columns), titles)
    if row_titles is not None:
        ax.set_yticks(range(count)[::-1], row_titles)
    return ax


@_styled
def image_grid(images, ax: Ax = None, columns: int | None = None) -> Axes:
    """Images (n, 28, 28), row by row, in a mosaic of so many columns (default: nearly square)."""
    images = _squeezed(images, 3)
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    blank = np.zeros((rows * columns - len(images), *images.shape[1:]))
    width = min(12, CELL * columns)
    ax = ax or figure(width=width, height=width * rows / columns)[1]
    _show(np.concatenate([images, blank]).reshape(rows, columns, *images.shape[1:]), ax, gap=1)
    return ax


@_styled
def dimension_bars(
    values, ax: Ax = None, ylabel="KL divergence (nats)", threshold=None, name="threshold"
) -> Axes:
    """One bar per latent dimension, values (latent_dim,), pale under the dashed `threshold`."""
    values = np.asarray(values)
    ax = ax or figure(width=11)[1]
    above = values >= (-np.inf if threshold is None else threshold)
    colours = np.where(above, to_hex(CLASS_COLOURS[0]), PALE)
    ax.bar(np.arange(1, len(values) + 1), values, color=colours, width=0.7)
    if threshold is not None:
        label = f"{name}: {threshold:.2g}"
        ax.axhline(threshold, linestyle="--", color=INK, linewidth=1, label=label)
        ax.set_ylim(top=1.15 * max(threshold, values.max()))
        ax.legend(loc="upper left", borderaxespad=0.1)
    ax.set(xlabel="latent dimension", ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(20, integer=True, min_n_ticks=1))
    return ax


MARKS = {  # of a verdict: sign and ground
    "confirmed": ("✓", "#bfe3c0"),
    "partly confirmed": ("≈", "#f7e6a6"),
    "refuted": ("✗", "#f4bdb3"),
    "not decidable": ("?", "#dcdcdc"),
    "not measured yet": ("–", "white"),
}


@_styled
def verdicts(
    names: Sequence[str], sides: Mapping[str, Sequence[str]], ax: Ax = None, columns=12
) -> Axes:
    """Verdicts, each one of MARKS: a column for each name, a row for each side; a legend below.

    After `columns` names the rows begin again below.
    """
    bands, high = -(-len(names) // columns), len(sides) + 0.9  # rows of a band, with its names
    ax = ax or figure(height=1.15 * (bands * high + 0.8))[1]
    box = functools.partial(Rectangle, edgecolor=INK, linewidth=0.4)
    for place, name in enumerate(names):
        x, y = place % columns, place // columns * high
        ax.text(x, y - 0.55, name, ha="center", va="bottom", fontsize=8)
        for row, found in enumerate(sides.values()):
            sign, ground = MARKS[found[place]]
            ax.add_patch(box((x - 0.46, y + row - 0.46), 0.92, 0.92, facecolor=ground))
            ax.text(x, y + row, sign, ha="center", va="center", fontsize=11)
    ax.set(aspect="equal", xticks=[], xlim=(-0.5, min(columns, len(names)) - 0.5))
    ax.set_ylim(bands * high - 0.5, -1.1)
    places = [band * high + row for band in range(bands) for row in range(len(sides))]
    ax.set_yticks(places, [*sides] * bands)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    present = [name for name in MARKS if any(name in found for found in sides.values())]
    signs = [box((0, 0), 1, 1, facecolor=MARKS[name][1]) for name in present]
    words = [f"{MARKS[name][0]} {name}" for name in present]
    ax.legend(signs, words, loc="upper center", bbox_to_anchor=(0.5, 0.04), ncols=3, handlelength=1)
    return ax
