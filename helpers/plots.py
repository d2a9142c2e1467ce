"""Plots of the report: arrays in; Axes, or a Figure of several panels, out.

Without `ax` a plot makes a figure of its own. None is made by pyplot, so none is left open. Images
may carry a channel axis; they are dark ink on white, a NaN pixel takes the colour HIDDEN. `names`:
of the classes that labels 0, 1, … stand for.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MaxNLocator
from scipy.ndimage import gaussian_filter
from scipy.stats import gaussian_kde

TEXT_WIDTH = 16.0  # cm, of the printed page
CENTIMETRE = 1 / 2.54  # inches
INK = "#262626"  # text, axes
PALE = "#c9d9ee"  # bars under a threshold
HIDDEN = "#ffd9a0"  # pixels without a value
AREA = 0.6  # opacity of the area in which half of a class lies
BADGE = 15  # points from the middle of one badge to that of its neighbour
FONT = "STIXGeneral"  # of the same design as the formulas on the page
CLASS_COLOURS = tuple(map(to_rgb, (  # apart by 20 in CIEDE2000, by 15 where they are pale
    "#1f5fbf", "#f28e1c", "#1a8a3c", "#d1231b", "#8c3fc4", "#7a4a21", "#ff86c2", "#7f7f7f",
    "#b9bd1c", "#22c4d9",
)))  # fmt: skip
GREYS = mpl.colormaps["gray_r"].with_extremes(bad=HIDDEN)
DIGITS = tuple("0123456789")
STYLE: dict[Any, Any] = {
    "font.family": FONT, "mathtext.fontset": "stix", "font.size": 10, "axes.titlesize": 10,
    "axes.labelsize": 10, "legend.fontsize": 9, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "text.color": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": INK, "lines.markersize": 4,
    "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left",
    "figure.facecolor": "white", "axes.facecolor": "white", "legend.frameon": False,
}
MARKS = {  # of a verdict
    "confirmed": "✓", "partly confirmed": "≈", "refuted": "✗", "not decidable": "?",
    "not measured yet": "–", "does not apply": "·",
}  # fmt: skip

# Decorates what adds text, markers or a legend: the caller's own settings stay as they are.
styled = mpl.rc_context(STYLE)


@styled
def figure(ncols=1, nrows=1, width=TEXT_WIDTH, height=None, titles=(), mosaic="", **more) -> tuple:
    """A figure of width × height centimetres in the report's style, and its Axes.

    height: by default panels are three fifths as high as wide; titles: of the panels, row by row;
    mosaic: a text that arranges them ("aa;bc": one above two), then the Axes come by letter; more:
    of `Figure.subplots`, such as sharey=True.
    """
    height = height or 0.6 * width * nrows / ncols
    fig = Figure(figsize=(width * CENTIMETRE, height * CENTIMETRE), layout="constrained")
    axes = fig.subplot_mosaic(mosaic, **more) if mosaic else fig.subplots(nrows, ncols, **more)
    for ax in fig.axes:
        ax.tick_params(labelfontfamily=FONT)  # of ticks that are made later
    for ax, title in zip(fig.axes, titles, strict=bool(titles)):
        ax.set_title(title)
    return fig, axes


@styled
def loss_curves(history: Mapping, ax=None, published=None, items="digits") -> Axes:
    """Loss in nats per image by epoch: history["loss"], history["val_loss"], a `published` line."""
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


@styled
def loss_against_time(courses: Mapping[str, Mapping[str, list[tuple]]]) -> Figure:
    """Loss against minutes of training, a panel a model; dotted: where the best plain run ends.

    courses: by model and recipe, minutes (n,) and losses (n,): of each "plain" run while it trains,
    of the ends of the others' runs.
    """
    rows = max(1, -(-len(courses) // 3))
    fig, axes = figure(3, rows, height=5 * rows, squeeze=False)
    for ax, (name, course) in zip(axes.flat, courses.items(), strict=False):
        for minutes, losses in course["plain"]:
            ax.plot(minutes, losses, color=CLASS_COLOURS[0], linewidth=1, label="plain, each seed")
        shown = [min(losses[-1] for _, losses in course["plain"])]
        ax.axhline(shown[0], linestyle=":", color=INK, linewidth=1)
        for recipe, colour, mark in (("Adam", 2, "s"), ("fast", 1, "o")):
            for minutes, losses in course.get(recipe, []):
                style = {"color": CLASS_COLOURS[colour], "label": f"{recipe}, whole runs"}
                ax.plot(minutes, losses, mark, markersize=4, **style)
                shown += losses
        ax.set(title=name, xscale="log", xlabel="minutes of training")
        room = max(np.ptp(shown), 0.05 * shown[0])
        ax.set_ylim(min(shown) - 0.15 * room, max(shown) + 1.5 * room)
        ax.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
        ax.xaxis.set_minor_formatter("")
    for ax in axes.flat[len(courses) :]:
        ax.axis("off")
    axes[0, 0].set_ylabel("loss (nats per image)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    place = "best" if len(courses) == axes.size else "center"
    known = dict(zip(labels, handles, strict=True))
    axes.flat[-1].legend(known.values(), known.keys(), loc=place)
    return fig


def _show(images, rows, ax, gap):
    """Draw images as one, row r at y = rows - 1 - r, column c at c, `gap` white pixels around."""
    images = np.asarray(images, dtype=float).reshape(rows, -1, 28, 28)
    extent = (-0.5, images.shape[1] - 0.5, -0.5, rows - 0.5)
    padded = np.pad(images, [(0, 0), (0, 0), (gap, gap), (gap, gap)])
    mosaic = padded.swapaxes(1, 2).reshape(rows * padded.shape[2], -1)
    ax.imshow(mosaic, cmap=GREYS, vmin=0, vmax=1, extent=extent, interpolation="hanning")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _show_z(axis, values):
    """Name whole z on an axis where value i stands at place i; halves too where there is room."""
    halves = np.arange(np.ceil(2 * values[0]), np.floor(2 * values[-1]) + 1) / 2
    wholes = halves[halves % 1 == 0]
    roomy = axis.axes.bbox.width > 3 * axis.get_figure().dpi or len(wholes) < 3
    named = halves if roomy else wholes
    names = [f"{z:.{1 if roomy else 0}f}".replace("-", "−") for z in named]
    axis.set_ticks(np.interp(halves, values, np.arange(len(values))), minor=True)
    axis.set_ticks(np.interp(named, values, np.arange(len(values))), names)


def latent_grid(images, values, ax=None) -> Axes:
    """Images (n, n, 28, 28) decoded at values × values (n,), row 0 at the largest z2."""
    ax = ax or figure(width=11, height=11)[1]
    _show(images, len(images), ax, gap=0)
    _show_z(ax.xaxis, values)
    _show_z(ax.yaxis, values)
    ax.spines[:].set_visible(True)
    ax.set(xlabel="$z_1$", ylabel="$z_2$")
    return ax


def latent_line(images, values, ax=None) -> Axes:
    """Images (n, 28, 28) decoded along a one-dimensional latent space at values (n,)."""
    ax = ax or figure(height=TEXT_WIDTH / len(images) + 1.2)[1]
    _show(images, 1, ax, gap=0)
    _show_z(ax.xaxis, values)
    ax.spines["bottom"].set_visible(True)
    ax.set_xlabel("$z$")
    return ax


def _spread(places, sizes):
    """Places (n, 2), moved apart just so far that ellipses of sizes (n, 2) do not overlap."""
    places, sizes = np.array(places, dtype=float), np.broadcast_to(sizes, np.shape(places))
    for _ in range(50):
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
    widths = [BADGE + 5.5 * (len(names[label]) - 1) for label in classes]  # a letter: 5.5 points
    sizes = point * np.stack([widths, np.full(len(classes), BADGE)], axis=1)
    font: dict[str, Any] = {"ha": "center", "va": "center", "size": 8, "weight": "bold"}
    font |= {"color": INK, "family": FONT}
    halo = {"path_effects": [withStroke(linewidth=3.5, foreground="white")]}
    for label, place in zip(classes, _spread(medians, sizes), strict=True):
        style = "circle,pad=0.15" if len(names[label]) == 1 else "round,pad=0.25"
        box = {"boxstyle": style, "edgecolor": CLASS_COLOURS[label], "linewidth": 1.5}
        ax.text(*place, names[label], bbox=box | {"facecolor": "white"} | halo, **font)


def latent_classes(points, labels, ax=None, axis_names=("$z_1$", "$z_2$"), names=DIGITS) -> Axes:
    """Where each class lies among points (n, 2): half of it is in the area, 90 % in the line.

    labels (n,) are the classes; each area has its class's name, unless names is empty.
    """
    ax = ax or figure(width=10, height=10)[1]
    low, high = points.min(axis=0), points.max(axis=0)
    edges = np.linspace(low - 0.08 * (high - low), high + 0.08 * (high - low), 61)
    x, y = (edges[1:] + edges[:-1]).T / 2
    for label in np.unique(labels):
        density = gaussian_filter(np.histogramdd(points[labels == label], edges.T)[0], 1.2).T
        ordered = np.sort(density, axis=None)[::-1]
        half, most = (ordered[np.searchsorted(ordered.cumsum(), share * ordered.sum())]
                      for share in (0.5, 0.9))  # fmt: skip
        colour, name = CLASS_COLOURS[label], names[label] if names else "_"
        area = ax.contourf(x, y, density, [half, 2 * ordered[0]], colors=[colour], alpha=AREA)
        area.set_label(f"{name}: half")
        line = ax.contour(x, y, density, [most], colors=[colour], linewidths=0.8)
        line.set_label(f"{name}: nine tenths")
    if names:
        _name_classes(points, labels, ax, names)
    ax.set(xlabel=axis_names[0], ylabel=axis_names[1], box_aspect=1)
    ax.set_aspect("equal", adjustable="datalim")
    return ax


def latent_strip(points, labels, ax=None, names=DIGITS, item="digit") -> Axes:
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


def image_rows(rows, titles=None, ax=None, row_titles=None) -> Axes:
    """Rows of images (n, 28, 28), a short one white at its end; titles: above, row_titles: left."""
    columns = max(map(len, rows))
    pixels = [np.pad(np.reshape(row, (-1, 784)), ((0, columns - len(row)), (0, 0))) for row in rows]
    width = min(TEXT_WIDTH, 2.2 * columns + 2)
    ax = ax or figure(width=width, height=width * len(rows) / columns)[1]
    _show(pixels, len(rows), ax, gap=1)
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    if titles is not None:
        ax.set_xticks(range(columns), titles)
    if row_titles is not None:
        ax.set_yticks(range(len(rows))[::-1], row_titles)
    return ax


@styled
def dimension_bars(
    values, ax=None, ylabel="KL divergence (nats)", threshold=None, name="threshold"
) -> Axes:
    """One bar per latent dimension, values (latent_dim,), pale under the dashed `threshold`."""
    values = np.asarray(values)
    ax = ax or figure(width=11)[1]
    colours = [CLASS_COLOURS[0] if threshold is None or v >= threshold else PALE for v in values]
    ax.bar(np.arange(1, len(values) + 1), values, color=colours, width=0.7)
    if threshold is not None:
        label = f"{name}: {threshold:.2g}"
        ax.axhline(threshold, linestyle="--", color=INK, linewidth=1, label=label)
        ax.set_ylim(top=1.15 * max(threshold, values.max()))
        ax.legend(loc="upper left", borderaxespad=0.1)
    ax.set(xlabel="latent dimension", ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(20, integer=True, min_n_ticks=1))
    return ax


@styled
def smoothness(lengths, relative, control) -> Axes:
    """Change of the image by length of a latent step, (n,) each; control: with points shuffled."""
    ax = figure(width=10)[1]
    square = relative[0] * np.square(np.divide(lengths, lengths[0]))
    ax.loglog(lengths, control, "s--", color=CLASS_COLOURS[2], label="decoder, points shuffled")
    ax.loglog(lengths, relative, "o-", color=CLASS_COLOURS[0], label="decoder")
    ax.loglog(lengths, square, ":", color=INK, label="square of the length")
    ax.set(xlabel="length of the step", ylabel="share of random pairs' change")
    ax.set_xticks(lengths, [f"{length:g}" for length in lengths])
    ax.minorticks_off()
    ax.legend()
    return ax


@styled
def confusion(counts, names: Sequence[str] = DIGITS) -> Axes:
    """Counts (n, n) of votes (columns) by class (rows): as shares in blue, correct ones in %."""
    fig, ax = figure(width=9, height=7.5)
    fig.set_layout_engine("compressed")
    shares = counts / counts.sum(axis=1, keepdims=True)
    drawn = ax.imshow(np.where(np.eye(len(names)), np.nan, shares), cmap="Blues", vmin=0)
    for place, share in enumerate(shares.diagonal()):
        ax.text(place, place, f"{100 * share:.0f}", ha="center", va="center", fontsize=8)
    ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="vote of the nearest training images", ylabel="class of the test image")
    fig.colorbar(drawn, ax=ax, label="share of the class", format="{x:.0%}")
    return ax


@styled
def density_pairs(points, densities: Mapping[str, Any], labels, titles) -> Figure:
    """A panel for each of n images: two densities (n, m) of z at points (m,), filled and a line."""
    fig, axes = figure(ncols=len(labels), height=5.4, titles=titles, squeeze=False)
    for ax, label, *pair in zip(axes.flat, labels, *densities.values(), strict=True):
        visible = np.flatnonzero(np.max([each / each.max() for each in pair], axis=0) > 1e-3)
        step = 1 + len(visible) // 400  # no finer than it can be seen
        z, filled, line = (part[visible[0] : visible[-1] + 1 : step] for part in (points, *pair))
        area = ax.fill_between(z, filled, color=CLASS_COLOURS[label], alpha=0.6, linewidth=0)
        curve = ax.plot(z, line, color=INK, linewidth=1)[0]
        ax.set(xlim=(z[0], z[-1]), yticks=[], xlabel="$z$")
    fig.legend([area, curve], list(densities), loc="outside lower center", ncols=2)
    return fig


@styled
def seed_curves(curves: Mapping[str, Mapping], ax: Axes, ticks, unnamed=()) -> Axes:
    """Every seed as a dot and a line through their means, {name: {number: values}}, by number.

    ticks: all numbers, on a logarithmic axis, of which `unnamed` have no room for a name.
    """
    looks = zip(CLASS_COLOURS, ("-o", "--s"), strict=False)
    for (name, found), (colour, look) in zip(curves.items(), looks, strict=False):
        for number, values in found.items():
            ax.plot([number] * len(values), values, look[-1], color=colour, markersize=3, alpha=0.6)
        means = [np.mean(values) for values in found.values()]
        ax.plot(list(found), means, look[:-1], color=colour, linewidth=1.2, label=name)
    ax.set(xscale="log", xlabel="latent dimensions")
    ax.set_xticks(ticks, ["" if tick in unnamed else str(tick) for tick in ticks])
    ax.minorticks_off()
    if len(curves) > 1:
        ax.legend()
    return ax


@styled
def run_courses(courses: Mapping[str, Sequence], ax: Axes, ylabel="", named=True) -> Axes:
    """A value by epoch, a line for each run, {name: runs}: each name has a colour and a dash.

    named: with a legend.
    """
    looks = zip(CLASS_COLOURS, ("-", "--"), strict=False)
    for (name, runs), (colour, look) in zip(courses.items(), looks, strict=False):
        for n, run in enumerate(runs):
            style: Any = {"color": colour, "linewidth": 1.2, "label": "" if n else name}
            ax.plot(range(1, len(run) + 1), run, look, **style)
    ax.set(xlabel="epoch", ylabel=ylabel)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if named and courses:
        ax.legend()
    return ax


@styled
def seed_dots(rows: Mapping[str, Mapping], ax=None, published=None, unused=None, xlabel="") -> Axes:
    """A row for each name: every seed of each recipe is a dot, {name: {recipe: values (n,)}}.

    published: {name: value}, drawn as a bar; unused: {name: {recipe: (n,)}}, where a run leaves
    latent dimensions unused, True or the number in use, to stand above its dot, which is hollow.
    """
    ax = ax or figure(height=1.1 * len(rows) + 1.4)[1]
    recipes = list(dict.fromkeys(recipe for each in rows.values() for recipe in each))
    for y, (name, each) in enumerate(rows.items()):
        for place, recipe in enumerate(recipes):
            values = np.asarray(each.get(recipe, ()), float)
            used = np.asarray((unused or {}).get(name, {}).get(recipe, np.zeros(len(values), bool)))
            lost = used.astype(bool)
            height = y + 0.5 * (place + 1) / (len(recipes) + 1) - 0.25
            dots = {"color": CLASS_COLOURS[place], "marker": "os^"[place], "linestyle": "", "ms": 5}
            ax.plot(values[~lost], np.full(np.sum(~lost), height), **dots, alpha=0.7, label=recipe)
            ax.plot(values[lost], np.full(np.sum(lost), height), **dots, mfc="white",
                    label=f"{recipe}, with unused dimensions")  # fmt: skip
            for x, n in zip(values[lost], used[lost] if used.dtype != bool else "", strict=False):
                ax.text(x, height - 0.13, f"{n:g}", ha="center", fontsize=8)
        if name in (published or {}):
            ax.plot([published[name]] * 2, [y - 0.36, y + 0.36], color=INK, lw=2, label="published")
    ax.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel=xlabel)
    ax.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
    for y in range(1, len(rows)):
        ax.axhline(y - 0.5, color=PALE, linewidth=0.6)
    return ax


@styled
def seed_panels(measures: Mapping[str, Mapping], unused=None, width=TEXT_WIDTH, **more) -> Figure:
    """`seed_dots` side by side, {title: rows}, with one legend below; more: of the first panel."""
    shape = {"width": width, "height": 0.9 * max(map(len, measures.values())) + 2.2}
    fig, axes = figure(len(measures), titles=list(measures), squeeze=False, **shape)
    for n, (ax, rows) in enumerate(zip(axes.flat, measures.values(), strict=True)):
        seed_dots(rows, ax, unused=unused, **more if not n else {})
        ax.label_outer()
    pairs = [pair for ax in axes.flat for pair in zip(*ax.get_legend_handles_labels(), strict=True)]
    known = {label: line for line, label in pairs if len(line.get_xdata())}
    shown = {"ncols": len(known) or 1, "columnspacing": 1.2, "handlelength": 1.2}
    fig.legend(known.values(), known.keys(), loc="outside lower center", **shown)
    return fig
