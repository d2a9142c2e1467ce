"""Figures of several panels or of one section: arrays in, Figure or Axes out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import norm

from helpers import plots


@plots._styled
def smoothness(lengths, relative, control, ax: plots.Ax = None) -> Axes:
    """Change of the decoded image with the length of a latent step, on logarithmic axes.

    relative, control: (n,), as shares of the change between random pairs, of the decoder and of one
    whose points are shuffled. A dotted line grows from the decoder's first value with the square.
    """
    ax = ax or plots.figure(width=10)[1]
    square = relative[0] * np.square(np.divide(lengths, lengths[0]))
    colours = plots.CLASS_COLOURS
    ax.loglog(lengths, control, "s--", color=colours[2], label="decoder, points shuffled")
    ax.loglog(lengths, relative, "o-", color=colours[0], label="decoder")
    ax.loglog(lengths, square, ":", color=plots.INK, label="square of the length")
    ax.set(xlabel="length of the step", ylabel="share of random pairs' change")
    ax.set_xticks(lengths, [f"{length:g}" for length in lengths])
    ax.minorticks_off()
    ax.legend()
    return ax


@plots._styled
def confusion(counts, names: Sequence[str] = plots.DIGITS, ax: plots.Ax = None) -> Axes:
    """Shares of each class (row of counts) that a vote takes for another (column), in blue.

    counts: (n, n); on the diagonal stands the share that is classified correctly, in per cent.
    """
    ax = ax or plots.figure(width=9, height=7.5, layout="compressed")[1]
    shares = counts / counts.sum(axis=1, keepdims=True)
    drawn = ax.imshow(np.where(np.eye(len(names)), np.nan, shares), cmap="Blues", vmin=0)
    for place, share in enumerate(shares.diagonal()):
        ax.text(place, place, f"{100 * share:.0f}", ha="center", va="center", fontsize=8)
    ax.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="vote of the nearest training images", ylabel="class of the test image")
    ax.figure.colorbar(drawn, ax=ax, label="share of the class", format="{x:.0%}")
    return ax


@plots._styled
def loss_against_time_panels(courses: Mapping[str, tuple], columns=3) -> Figure:
    """A panel of `loss_against_time` for each model, {name: (plain, fast)}, and one legend."""
    rows = max(1, -(-len(courses) // columns))
    titles = [*courses, *[""] * (rows * columns - len(courses))]
    fig, axes = plots.figure(columns, rows, height=5 * rows, titles=titles, squeeze=False)
    for (plain, fast), ax in zip(courses.values(), axes.flat, strict=False):
        plots.loss_against_time(plain, fast, ax).set_ylabel("")
        ax.get_legend().remove()
    for ax in axes.flat[len(courses) :]:
        ax.axis("off")
    axes[0, 0].set_ylabel("loss (nats per image)")
    place = "best" if len(courses) == axes.size else "center"
    axes.flat[-1].legend(*axes[0, 0].get_legend_handles_labels(), loc=place)
    return fig


@plots._styled
def latent_plane(grid, values, means, labels, names: Sequence[str] = plots.DIGITS) -> Figure:
    """Two views of a latent plane: (a) `latent_grid`, (b) `latent_scatter`, as panels."""
    fig, (left, right) = plots.figure(2, height=8.4, titles=["(a) decoded", "(b) encoded"])
    plots.latent_grid(grid, values, left)
    plots.latent_scatter(means, labels, right, names=names)
    return fig


@plots._styled
def mosaic(layout: str, height, titles: Mapping[str, str], **options) -> tuple[Figure, Any]:
    """A figure whose panels a text arranges ("aa;bc": one above two), and its Axes by letter.

    titles: by letter; options: of `Figure.subplot_mosaic`, such as height_ratios=[1, 5].
    """
    size = (plots.TEXT_WIDTH * plots.CENTIMETRE, height * plots.CENTIMETRE)
    fig = Figure(figsize=size, layout="constrained")
    axes = fig.subplot_mosaic(layout, **options)
    for letter, title in titles.items():
        axes[letter].set_title(title)
    return fig, axes


@plots._styled
def density_pairs(points, densities: Mapping[str, Any], labels, titles) -> Figure:
    """A panel for each image: one density over z filled in its class's colour, another as a line.

    points: (m,); densities: two, by name, (n, m) each; labels, titles: (n,). A panel shows the
    points where one of them exceeds a thousandth of its maximum.
    """
    fig, axes = plots.figure(ncols=len(labels), height=5.4, titles=titles, squeeze=False)
    for ax, label, *pair in zip(axes.flat, labels, *densities.values(), strict=True):
        visible = np.flatnonzero(np.max([each / each.max() for each in pair], axis=0) > 1e-3)
        z, filled, line = (part[visible[0] : visible[-1] + 1] for part in (points, *pair))
        area = ax.fill_between(z, filled, color=plots.CLASS_COLOURS[label], alpha=0.6, linewidth=0)
        curve = ax.plot(z, line, color=plots.INK, linewidth=1)[0]
        ax.set(xlim=(z[0], z[-1]), yticks=[], xlabel="$z$")
    fig.legend([area, curve], list(densities), loc="outside lower center", ncols=2)
    return fig


@plots._styled
def normal_quantiles(codes, ax: plots.Ax = None, strong=0) -> Axes:
    """Quantiles of each axis of codes (n, d) against those of N(0, 1); a dotted line where equal.

    strong: the axis that is drawn in colour and named.
    """
    ax = ax or plots.figure(width=8, height=8)[1]
    shares = (np.arange(200) + 0.5) / 200
    normal, found = norm.ppf(shares), np.quantile(codes, shares, axis=0)
    ax.plot(normal, found, color=plots.PALE, linewidth=1)
    ax.plot(normal, found[:, strong], color=plots.CLASS_COLOURS[0], label=f"number {strong + 1}")
    ax.plot(normal, normal, ":", color=plots.INK, linewidth=1.2)
    ax.set(xlabel="quantile of $N(0, 1)$", xticks=range(-2, 3))
    ax.legend(loc="upper left")
    return ax


@plots._styled
def small_maps(maps: Mapping[str, Any], labels) -> Figure:
    """The same points on several maps, {title: (n, 2)}, in the colours of their classes."""
    fig, _ = plots.figure(ncols=len(maps), height=4.6, titles=list(maps))
    colours = np.array(plots.CLASS_COLOURS)[labels]
    for ax, (x, y) in zip(fig.axes, (places.T for places in maps.values()), strict=True):
        ax.scatter(x, y, c=colours, s=3, linewidths=0, rasterized=True)
        ax.set(xticks=[], yticks=[], box_aspect=1)
        ax.set_aspect("equal", adjustable="datalim")
        ax.spines[:].set_visible(True)
    return fig


def hole_marked(images, mask) -> np.ndarray:
    """Images with NaN, drawn in the colour HIDDEN, where the mask (28, 28) is True: (n, 28, 28)."""
    return np.where(mask, np.nan, plots._squeezed(images, 3))


def filling_rows(images, mask, fillings) -> list[np.ndarray]:
    """Rows for `image_rows`, one for each of n images: itself, with its hole, and its fillings.

    fillings: so many arrays of n filled images each; a row has shape (2 + fillings, 28, 28).
    """
    filled = [plots._squeezed(filling, 3) for filling in fillings]
    return list(np.stack([plots._squeezed(images, 3), hole_marked(images, mask), *filled], axis=1))


@plots._styled
def interval_curves(curves: Mapping[str, Mapping], ax: Axes, ticks, unnamed=()) -> Axes:
    """Means over seeds with their intervals against a number, on a logarithmic axis.

    curves: by name, {number: Interval}, an interval of one seed without its bar; ticks: all
    numbers, of which those in `unnamed` have no room for a name.
    """
    style: dict[str, Any] = {"capsize": 2, "linewidth": 1.2, "elinewidth": 0.8}
    looks = zip(plots.CLASS_COLOURS, "os", strict=False)
    for (name, found), (colour, marker) in zip(curves.items(), looks, strict=False):
        half = [each.high - each.mean if each.n > 1 else 0 for each in found.values()]
        means, line = [each.mean for each in found.values()], f"-{marker}"
        ax.errorbar(list(found), means, half, fmt=line, color=colour, label=name, **style)
    ax.set(xscale="log", xlabel="latent dimensions")
    ax.set_xticks(ticks, ["" if tick in unnamed else str(tick) for tick in ticks], fontsize=7)
    ax.minorticks_off()
    if len(curves) > 1:
        ax.set_ylim(bottom=0)
        ax.legend(fontsize=7, loc="lower center")
    return ax


@plots._styled
def rate_and_distortion(dimensions, distortion, rate) -> Figure:
    """Loss and its parts by latent dimension, and the parts against each other: (n,) each, nats."""
    fig, (left, right) = plots.figure(
        2, height=6, titles=("(a) loss and its two parts", "(b) what a nat of rate buys")
    )
    first, second = plots.CLASS_COLOURS[:2]
    loss = np.add(distortion, rate)
    left.fill_between(dimensions, distortion, loss, color=second, alpha=0.35, label="rate")
    left.plot(dimensions, loss, "-o", color=first, label="loss")
    left.plot(dimensions, distortion, "--s", color=second, label="distortion")
    left.set(xscale="log", xlabel="latent dimensions", ylabel="nats per image")
    left.set_xticks(dimensions, [str(d) for d in dimensions])
    left.minorticks_off()
    left.legend()
    for d, *point in zip(dimensions, rate, distortion, strict=True):
        right.axline(point, slope=-1, color=plots.INK, linewidth=0.8, linestyle=":")
        right.plot(*point, "o", color=first)
        right.annotate(f"{d}-D", point, (6, 4), textcoords="offset points", fontsize=8)
    right.margins(0.2)
    right.set(xlabel="rate (nats)", ylabel="distortion (nats)")
    return fig
