"""Plots of the report: arrays in, Axes out.

Every plot draws on `ax`, or on a figure of its own when `ax` is None, and returns the Axes. Make panels with
`figure`; images may carry a trailing channel axis of length one. Digits are dark ink on white paper, and a NaN
pixel takes the colour HIDDEN.
"""

import functools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from scipy.stats import gaussian_kde

TEXT_WIDTH = 16.0  # cm, of the printed page
CENTIMETRE = 1 / 2.54  # inches
CELL = 2.2  # cm, the most that one digit of a mosaic takes
INK = "#262626"  # text, axes
PALE = "#c9d9ee"  # bars under a threshold
HIDDEN = "#ffd9a0"  # pixels without a value
BADGE = 14  # points from the middle of one badge to that of its neighbour
DIGIT_COLOURS = mpl.color_sequences["petroff10"]  # Petroff 2021, arXiv:2107.02270: tells ten classes apart
GREYS = mpl.colormaps["gray_r"].with_extremes(bad=HIDDEN)

STYLE = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "text.color": INK,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
}


def _styled(draw):
    """The function, run with STYLE; the caller's own settings stay as they are."""

    @functools.wraps(draw)
    def wrapper(*args, **kwargs):
        with plt.rc_context(STYLE):
            return draw(*args, **kwargs)

    return wrapper


@_styled
def figure(ncols=1, nrows=1, width=TEXT_WIDTH, height=None, titles=(), **kwargs):
    """A figure of width × height centimetres in the report's style, and its Axes, as `plt.subplots` gives them.

    height: by default each panel is three fifths as high as it is wide; titles: one for each panel, row by row;
    further arguments go to `plt.subplots` (sharey=True, width_ratios=[2, 1], layout="compressed", …).
    """
    height = height or 0.6 * width * nrows / ncols
    size = (width * CENTIMETRE, height * CENTIMETRE)
    fig, axes = plt.subplots(nrows, ncols, figsize=size, **{"layout": "constrained"} | kwargs)
    for ax, title in zip(fig.axes, titles, strict=bool(titles)):
        ax.set_title(title)
    return fig, axes


@_styled
def loss_curves(history, ax=None, published=None):
    """Loss per epoch on training and test digits, in nats per image; a dotted line at the published value.

    history: "loss" and "val_loss", lists with one value per epoch.
    """
    ax = ax or figure(width=11)[1]
    epochs = np.arange(1, len(history["loss"]) + 1)
    ax.plot(epochs, history["loss"], "o-", color=DIGIT_COLOURS[0], label="training digits")
    ax.plot(epochs, history["val_loss"], "s--", color=DIGIT_COLOURS[2], label="test digits")
    if published is not None:
        ax.axhline(published, linestyle=":", color=INK, label=f"published: {published:.1f}")
    ax.set(xlabel="epoch", ylabel="loss (nats per image)")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.legend()
    return ax


@_styled
def loss_against_time(plain, fast, ax=None):
    """Loss in nats per image against minutes of training: a recipe's course, and whole runs of another.

    plain: minutes (n,) and losses (runs, n), drawn as the median run and a band from the least to the greatest, with a
    dotted line at the median's end; fast: minutes (m,) and final losses (m,) of runs, their medians joined.
    """
    ax = ax or figure(width=11)[1]
    minutes, losses = np.asarray(plain[0]), np.asarray(plain[1])
    middle = np.median(losses, axis=0)
    ax.fill_between(minutes, losses.min(axis=0), losses.max(axis=0), color=DIGIT_COLOURS[0], alpha=0.3, linewidth=0)
    ax.plot(minutes, middle, color=DIGIT_COLOURS[0], label="plain, while it trains")
    ax.axhline(middle[-1], linestyle=":", color=INK, linewidth=1)
    lengths, ends = np.asarray(fast[0]), np.asarray(fast[1])
    ax.plot(lengths, ends, "o", color=DIGIT_COLOURS[1], label="fast, whole runs")
    places = np.unique(lengths)
    ax.plot(places, [np.median(ends[lengths == place]) for place in places], "--", color=DIGIT_COLOURS[1], linewidth=1)
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


def _mosaic(images, gap):
    """Images (rows, columns, height, width) as one image, each with gap white pixels on every side."""
    images = np.pad(images, ((0, 0), (0, 0), (gap, gap), (gap, gap)))
    rows, columns, height, width = images.shape
    return images.swapaxes(1, 2).reshape(rows * height, columns * width)


def _show(images, ax, gap):
    """Draw images (rows, columns, height, width) as one; in data units row r has y = rows - 1 - r, column c x = c."""
    rows, columns = images.shape[:2]
    extent = (-0.5, columns - 0.5, -0.5, rows - 0.5)
    ax.imshow(_mosaic(images, gap), cmap=GREYS, vmin=0, vmax=1, extent=extent, interpolation="hanning")


def _plain(ax):
    """No ticks, no frame."""
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _multiples(step, values):
    """The multiples of step between the first and the last of increasing values."""
    return step * np.arange(np.ceil(values[0] / step), np.floor(values[-1] / step) + 1)


def _show_z(axis, values):
    """Name whole z on an axis where value i stands at place i; halves get a tick, and a name where there is room."""
    roomy = axis.axes.bbox.width > 3 * axis.get_figure().dpi or len(_multiples(1, values)) < 3
    named, unnamed = _multiples(0.5 if roomy else 1, values), _multiples(0.5, values)
    names = [f"{z:.{1 if roomy else 0}f}".replace("-", "−") for z in named]
    axis.set_ticks(np.interp(unnamed, values, np.arange(len(values))), minor=True)
    axis.set_ticks(np.interp(named, values, np.arange(len(values))), names)


@_styled
def latent_grid(images, values, ax=None):
    """Images (n, n, 28, 28) decoded at values × values (n,), row 0 at the largest z2; ticks show z."""
    ax = ax or figure(width=13, height=13)[1]
    _show(_squeezed(images, 4), ax, gap=0)
    _show_z(ax.xaxis, values)
    _show_z(ax.yaxis, values)
    ax.spines[:].set_visible(True)
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax


@_styled
def latent_line(images, values, ax=None):
    """Images (n, 28, 28) decoded along a one-dimensional latent space at values (n,); ticks show z."""
    images = _squeezed(images, 3)
    ax = ax or figure(height=TEXT_WIDTH / len(images) + 1.2)[1]
    _show(images[np.newaxis], ax, gap=0)
    _plain(ax)
    _show_z(ax.xaxis, values)
    ax.spines["bottom"].set_visible(True)
    ax.set_xlabel("$z$")
    return ax


def _spread(places, distance, rounds=50):
    """Places (n, 2), moved apart as little as needed for any two to stay a distance from each other."""
    places = np.array(places, dtype=float)
    for _ in range(rounds):
        for i, j in zip(*np.triu_indices(len(places), 1), strict=True):
            between = places[j] - places[i]
            length = np.hypot(*between)
            if length < distance:
                push = (distance - length) / 2 * (between / length if length else np.array([1.0, 0.0]))
                places[i], places[j] = places[i] - push, places[j] + push
    return places


def _name_digits(points, labels, ax):
    """Each digit's name in a badge at the median of its points; crowded badges stand beside each other."""
    digits = np.unique(labels)
    medians = [np.median(points[labels == digit], axis=0) for digit in digits]
    limits = np.abs([np.diff(ax.get_xlim()), np.diff(ax.get_ylim())]).ravel()
    pixels = (ax.bbox.size / limits).min()  # per unit of data, on both axes
    badge = BADGE / 72 * ax.figure.dpi / pixels
    for digit, place in zip(digits, _spread(medians, badge), strict=True):
        box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": DIGIT_COLOURS[digit], "linewidth": 1.5}
        name = ax.text(*place, str(digit), ha="center", va="center", fontsize=8, fontweight="bold", bbox=box)
        name.get_bbox_patch().set_path_effects([withStroke(linewidth=3.5, foreground="white")])


@_styled
def latent_scatter(points, labels, ax=None, names=("$z_1$", "$z_2$")):
    """Points (n, 2) in the colours of their digits, labels (n,), each digit's name at, or close to, its median."""
    points, labels = np.asarray(points), np.asarray(labels)
    ax = ax or figure(width=12, height=12)[1]
    colours = np.array(DIGIT_COLOURS)[labels]
    alpha = np.clip(4000 / len(points), 0.4, 0.9)  # the more points, the paler
    ax.scatter(*points.T, c=colours, s=4, alpha=alpha, linewidths=0, rasterized=True)
    _name_digits(points, labels, ax)
    ax.set(xlabel=names[0], ylabel=names[1], aspect="equal")
    return ax


@_styled
def latent_strip(points, labels, ax=None):
    """One density ridge per digit along z, all to one scale, from points (n,) or (n, 1) and labels (n,)."""
    points, labels = np.ravel(points), np.asarray(labels)
    ax = ax or figure(height=9)[1]
    margin = 0.08 * np.ptp(points)
    z = np.linspace(points.min() - margin, points.max() + margin, 200)
    densities = {digit: gaussian_kde(points[labels == digit])(z) for digit in np.unique(labels)}
    scale = 1.8 / max(density.max() for density in densities.values())
    for digit, density in densities.items():
        style = {"facecolor": (*DIGIT_COLOURS[digit], 0.75), "edgecolor": INK, "linewidth": 0.6}
        ax.fill_between(z, digit, digit - scale * density, zorder=2 + digit / 10, **style)
    ax.set(xlabel="$z$", ylabel="digit", yticks=list(densities), xlim=(z[0], z[-1]))
    ax.invert_yaxis()
    return ax


@_styled
def image_rows(rows, titles=None, ax=None, row_titles=None):
    """Rows of digits, one Axes: rows holds arrays (n, 28, 28); n titles above, one row title at each row's left."""
    images = np.stack([_squeezed(row, 3) for row in rows])
    count, columns = images.shape[:2]
    width = min(TEXT_WIDTH, CELL * columns + 2)
    ax = ax or figure(width=width, height=width * count / columns)[1]
    _show(images, ax, gap=1)
    _plain(ax)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    if titles is not None:
        ax.set_xticks(range(columns), titles)
    if row_titles is not None:
        ax.set_yticks(range(count)[::-1], row_titles)
    return ax


@_styled
def image_grid(images, ax=None, columns=None):
    """Images (n, 28, 28), row by row, in a mosaic of the given number of columns (default: nearly square)."""
    images = _squeezed(images, 3)
    columns = columns or int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    blank = np.zeros((rows * columns - len(images), *images.shape[1:]))
    width = min(12, CELL * columns)
    ax = ax or figure(width=width, height=width * rows / columns)[1]
    _show(np.concatenate([images, blank]).reshape(rows, columns, *images.shape[1:]), ax, gap=1)
    _plain(ax)
    return ax


@_styled
def dimension_bars(values, ax=None, ylabel="KL divergence (nats)", threshold=None, name="threshold"):
    """One bar per latent dimension, values (latent_dim,); bars under the threshold's dashed line are pale.

    name: of the threshold in the legend, which stands above the bars.
    """
    values = np.asarray(values)
    ax = ax or figure(width=11)[1]
    above = values >= (-np.inf if threshold is None else threshold)
    places = np.arange(1, len(values) + 1)
    ax.bar(places, values, color=np.where(above, mpl.colors.to_hex(DIGIT_COLOURS[0]), PALE), width=0.7)
    if threshold is not None:
        ax.axhline(threshold, linestyle="--", color=INK, linewidth=1, label=f"{name}: {threshold:.2g}")
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
def verdicts(names, sides, ax=None, columns=12):
    """Verdicts at a glance: a column for each name, a row for each side, {side: [verdict, …]}; a legend below.

    After `columns` names the rows begin again below. A verdict is one of MARKS; its sign tells what its colour tells.
    """
    bands, high = -(-len(names) // columns), len(sides) + 0.9  # rows of a band, its names included
    ax = ax or figure(height=1.15 * (bands * high + 0.8))[1]
    for place, name in enumerate(names):
        x, y = place % columns, place // columns * high
        ax.text(x, y - 0.55, name, ha="center", va="bottom", fontsize=8)
        for row, found in enumerate(sides.values()):
            sign, ground = MARKS[found[place]]
            box = (x - 0.46, y + row - 0.46)
            ax.add_patch(plt.Rectangle(box, 0.92, 0.92, facecolor=ground, edgecolor=INK, linewidth=0.4))
            ax.text(x, y + row, sign, ha="center", va="center", fontsize=11)
    ax.set(xlim=(-0.5, min(columns, len(names)) - 0.5), ylim=(bands * high - 0.5, -1.1), aspect="equal", xticks=[])
    ax.set_yticks([band * high + row for band in range(bands) for row in range(len(sides))], [*sides] * bands)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    present = [verdict for verdict in MARKS if any(verdict in found for found in sides.values())]
    signs = [plt.Rectangle((0, 0), 1, 1, facecolor=MARKS[verdict][1], edgecolor=INK, linewidth=0.4) for verdict in present]
    words = [f"{MARKS[verdict][0]} {verdict}" for verdict in present]
    ax.legend(signs, words, loc="upper center", bbox_to_anchor=(0.5, 0.04), ncols=3, handlelength=1)
    return ax
