"""Plots: one contract for all of them, then what each one shows, read back from what it drew."""

import subprocess
import sys
from copy import deepcopy

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from scipy.stats import gaussian_kde, norm
from skimage.color import deltaE_ciede2000, rgb2lab

from helpers import data, plots

RNG = np.random.default_rng(0)
IMAGES = RNG.random((6, 28, 28))
GRID = RNG.random((4, 4, 28, 28))
VALUES = norm.ppf((np.arange(4) + 0.5) / 4)
LABELS = np.repeat(np.arange(10, dtype=np.uint8), 20)
CENTRES = 6 * np.stack([np.cos(np.arange(10)), np.sin(np.arange(10))], axis=1)
POINTS = CENTRES[LABELS] + 0.3 * RNG.standard_normal((200, 2))
Z = np.linspace(-5, 5, 1001)
HISTORY = {"loss": [210.0, 170.0, 160.0], "val_loss": [180.0, 165.0, 161.0]}

PLOTS = {
    plots.loss_curves: (HISTORY,),
    plots.latent_grid: (GRID, VALUES),
    plots.latent_line: (IMAGES[:4], VALUES),
    plots.latent_classes: (POINTS, LABELS),
    plots.latent_strip: (POINTS[:, 0], LABELS),
    plots.image_rows: ([IMAGES, IMAGES],),
    plots.dimension_bars: (np.arange(5.0),),
}
ALL = pytest.mark.parametrize(
    ("plot", "arguments"), PLOTS.items(), ids=lambda value: getattr(value, "__name__", "")
)


@pytest.fixture(autouse=True)
def fresh_settings():
    """Matplotlib's defaults before each test; and no test may leave a figure open."""
    with mpl.rc_context():
        mpl.rcdefaults()
        yield
    assert not plt.get_fignums()


def drawn(ax):
    """The figure of the Axes as pixels."""
    canvas = FigureCanvasAgg(ax.figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())


def tile(ax, row, column, gap):
    """The 28 × 28 pixels at a place of a mosaic, without the gap around them."""
    mosaic = ax.images[0].get_array()
    step = 28 + 2 * gap
    return mosaic[row * step + gap :, column * step + gap :][:28, :28]


def at(ax, x, y):
    """The value of the mosaic's pixel under a point in data units."""
    left, right, bottom, top = ax.images[0].get_extent()
    pixels = ax.images[0].get_array()
    row, column = (top - y) / (top - bottom), (x - left) / (right - left)
    return pixels[int(row * len(pixels)), int(column * len(pixels[0]))]


def badges(ax):
    return {int(text.get_text()): text for text in ax.texts}


# The contract


@ALL
def test_draws_on_the_given_axes_and_opens_no_other_figure(plot, arguments):
    fig, (left, right) = plots.figure(2)
    blank = drawn(left).copy()
    assert plot(*arguments, ax=right) is right
    assert not plt.get_fignums()
    assert len(fig.axes) == 2
    assert not left.has_data()
    assert not np.array_equal(drawn(right), blank)


@ALL
def test_makes_a_figure_of_its_own_that_pyplot_does_not_hold(plot, arguments):
    ax = plot(*arguments)
    assert ax.figure.axes == [ax]
    assert not plt.get_fignums()


@ALL
def test_leaves_arguments_and_settings_as_they_were(plot, arguments):
    copies, settings = deepcopy(arguments), dict(mpl.rcParams)
    plot(*arguments)
    assert dict(mpl.rcParams) == settings
    for before, after in zip(copies, arguments, strict=True):
        assert np.array_equal(before, after)


@ALL
def test_fits_the_page_on_white_in_letters_of_eight_points_or_more(plot, arguments):
    ax = plot(*arguments)
    assert tuple(drawn(ax)[0, 0]) == (255, 255, 255, 255)
    assert ax.figure.get_size_inches()[0] <= 16 / 2.54 + 1e-9
    texts = [text for text in ax.figure.findobj(mpl.text.Text) if text.get_visible()]
    assert all(text.get_fontsize() >= 8 for text in texts if text.get_text())
    sizes = {text.get_fontsize() for text in ax.get_xticklabels() if text.get_text()}
    assert sizes <= {9}


@ALL
def test_the_same_arguments_give_the_same_pixels(plot, arguments):
    first = drawn(plot(*arguments)).copy()
    assert np.array_equal(first, drawn(plot(*arguments)))


@pytest.mark.parametrize(
    ("plot", "arguments"),
    [
        (plots.latent_grid, (GRID[..., np.newaxis], VALUES)),
        (plots.latent_line, (IMAGES[:4, ..., np.newaxis], VALUES)),
        (plots.image_rows, ([IMAGES[..., np.newaxis], IMAGES],)),
    ],
)
def test_a_channel_axis_changes_nothing(plot, arguments):
    with_channel = plot(*arguments).images[0].get_array()
    assert np.array_equal(with_channel, plot(*PLOTS[plot]).images[0].get_array())


def test_needs_neither_keras_nor_pyplot():
    code = "import sys, helpers.plots as p; p.figure(); print(*sys.modules)"
    run = [sys.executable, "-c", code]
    loaded = subprocess.run(run, check=True, cwd=data.paths.ROOT, capture_output=True, text=True)
    assert not {"keras", "tensorflow", "matplotlib.pyplot"} & set(loaded.stdout.split())


# Figures


def test_figure_has_the_size_panels_and_titles_asked_for():
    fig, axes = plots.figure(2, 3, width=12, height=9, titles=list("abcdef"))
    assert axes.shape == (3, 2)
    assert np.allclose(fig.get_size_inches() * 2.54, [12, 9])
    assert [ax.get_title(loc="left") for ax in axes.ravel()] == list("abcdef")
    with pytest.raises(ValueError):
        plots.figure(2, titles=["only one"])


def test_figure_panels_share_axes_when_asked():
    _, (left, right) = plots.figure(2, sharey=True)
    right.set_ylim(3, 4)
    assert left.get_ylim() == (3, 4)


def test_ticks_keep_the_style_after_the_figure_is_made():
    fig, ax = plots.figure()
    ax.plot([0, 1e3], [0, 1])
    drawn(ax)
    for axis in (ax.xaxis, ax.yaxis):
        assert len(axis.get_ticklabels()) > 3
        looks = {(label.get_fontsize(), label.get_color()) for label in axis.get_ticklabels()}
        assert looks == {(9, plots.INK)}
        assert {line.get_markeredgewidth() for line in axis.get_ticklines()} == {0.6}


def nearest_colours(colours, opacity):
    """The least difference, in CIEDE2000, of colours on white among each other and from white."""
    seen = np.array([opacity * np.array(to_rgb(c)) + 1 - opacity for c in [*colours, "white"]])
    lab = rgb2lab(seen[None])[0]
    return min(deltaE_ciede2000(a, b) for i, a in enumerate(lab) for b in lab[:i])


@pytest.mark.parametrize(("opacity", "least"), [(1, 20), (plots.AREA, 15)])
def test_ten_colours_stay_apart_as_lines_and_as_pale_areas(opacity, least):
    assert len(plots.CLASS_COLOURS) == 10
    assert nearest_colours(plots.CLASS_COLOURS, opacity) > least
    earlier = mpl.color_sequences["petroff10"]  # negative control: 3 and 8 were hard to tell
    assert nearest_colours(earlier, opacity) < least


def test_letters_are_of_one_design_with_those_of_formulas_and_of_later_ticks():
    ax = plots.loss_curves(HISTORY)
    drawn(ax)
    texts = [text for text in ax.figure.findobj(mpl.text.Text) if text.get_text()]
    assert {text.get_fontfamily()[0] for text in texts} == {plots.FONT}


# Loss


def test_loss_curves_show_both_histories_by_dash_and_by_name():
    ax = plots.loss_curves(HISTORY)
    training, test = ax.lines
    assert np.array_equal(training.get_xdata(), [1, 2, 3])
    assert list(training.get_ydata()) == HISTORY["loss"]
    assert list(test.get_ydata()) == HISTORY["val_loss"]
    assert training.get_linestyle() != test.get_linestyle()
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["training digits", "test digits"]
    drawn(ax)
    assert all(tick == int(tick) for tick in ax.get_xticks())


def test_loss_against_time_shows_every_plain_run_the_best_end_and_whole_runs():
    plain = [([1, 2, 4], [9.0, 8.0, 6.0]), ([1, 2, 4], [9.5, 7.0, 5.0])]
    course = {"plain": plain, "Adam": [([2.0], [6.5])], "fast": [([0.5, 1.0], [7.0, 4.5])]}
    fig = plots.loss_against_time({"": course})
    first, second, end, adam, fast = fig.axes[0].lines
    assert [list(line.get_ydata()) for line in (first, second)] == [losses for _, losses in plain]
    assert set(end.get_ydata()) == {5.0} and end.get_linestyle() == ":"
    assert list(adam.get_xdata()) == [2] and list(fast.get_ydata()) == [7.0, 4.5]
    low, high = fig.axes[0].get_ylim()
    assert fig.axes[0].get_xscale() == "log" and low < 4.5 < 7.0 < high
    legend = [text.get_text() for text in fig.axes[-1].get_legend().get_texts()]
    assert legend == ["plain, each seed", "Adam, whole runs", "fast, whole runs"]


def test_published_line_lies_at_its_value():
    ax = plots.loss_curves(HISTORY, published=151.5)
    line = ax.lines[-1]
    assert set(line.get_ydata()) == {151.5}
    assert line.get_linestyle() == ":"
    assert ax.get_ylim()[0] < 151.5 < ax.get_ylim()[1]
    assert ax.get_legend().get_texts()[-1].get_text() == "published: 151.5"
    assert len(plots.loss_curves(HISTORY).lines) == 2  # negative control


# Mosaics


def test_latent_grid_puts_every_image_in_its_place():
    ax = plots.latent_grid(GRID, VALUES)
    for row in range(4):
        for column in range(4):
            assert np.array_equal(tile(ax, row, column, gap=0), GRID[row, column])
            assert at(ax, column, 3 - row) == GRID[row, column, 14, 14]
    assert not np.array_equal(tile(ax, 0, 1, gap=0), GRID[1, 0])  # negative control: transposed
    assert ax.get_ylim()[0] < ax.get_ylim()[1]  # z2 grows upwards


@pytest.mark.parametrize("panels", [1, 3])
def test_latent_grid_ticks_stand_where_z_is(panels):
    """A tile's brightness is its z: what lies under a tick is what the tick says."""
    values = norm.ppf((np.arange(21) + 0.5) / 21)
    images = np.broadcast_to(values[::-1, np.newaxis, np.newaxis, np.newaxis], (21, 21, 28, 28))
    ax = plots.latent_grid(images, values, plots.figure(panels, squeeze=False)[1][0, 0])
    labels = [label.get_text().replace("−", "-") for label in ax.get_yticklabels()]
    assert float(labels[0]) == -float(labels[-1]) and 0 in map(float, labels)
    for place, label in zip(ax.get_yticks(), labels, strict=True):
        assert abs(at(ax, 10, place) - float(label)) <= np.diff(values).max()
    assert np.array_equal(ax.get_xticks(), ax.get_yticks())
    assert len(labels) == {1: 7, 3: 3}[panels]  # fewer names where there is less room
    assert len(labels) + len(ax.get_yticks(minor=True)) == 7  # ticks at all halves


def test_latent_line_runs_from_small_to_large_z():
    ax = plots.latent_line(IMAGES[:4], VALUES)
    for column in range(4):
        assert np.array_equal(tile(ax, 0, column, gap=0), IMAGES[column])
    assert np.all(np.diff(ax.get_xticks()) > 0)
    zero = [label.get_text() for label in ax.get_xticklabels()].index("0.0")
    assert ax.get_xticks()[zero] == pytest.approx(1.5)


def test_image_rows_put_images_under_their_titles_and_beside_their_row_titles():
    digits = data.test_set(5)[0][..., 0]
    ax = plots.image_rows([digits, 1 - digits], list("abcde"), row_titles=["ink", "negative"])
    for column in range(5):
        assert np.allclose(tile(ax, 0, column, gap=1), digits[column])
        assert np.allclose(tile(ax, 1, column, gap=1), 1 - digits[column])
    assert [label.get_text() for label in ax.get_xticklabels()] == list("abcde")
    names = [label.get_text() for label in ax.get_yticklabels()]
    heights = dict(zip(names, ax.get_yticks(), strict=True))
    assert at(ax, 0, heights["negative"]) == pytest.approx(1 - at(ax, 0, heights["ink"]))
    assert heights["ink"] > heights["negative"]
    assert len(ax.images) == 1 and len(ax.figure.axes) == 1


def test_a_shorter_row_ends_in_white():
    ax = plots.image_rows(np.array_split(IMAGES[:5], 2))
    assert ax.images[0].get_array().shape == (2 * 30, 3 * 30)
    for index in range(5):
        assert np.array_equal(tile(ax, index // 3, index % 3, gap=1), IMAGES[index])
    assert not tile(ax, 1, 2, gap=1).any()


def test_ink_is_dark_paper_white_and_hidden_pixels_coloured():
    image = np.zeros((1, 28, 28))
    image[0, :14], image[0, 14:, :14] = 1, np.nan
    ax = plots.image_rows([image])
    colours = ax.images[0].cmap(ax.images[0].norm(ax.images[0].get_array()))
    assert tuple(colours[5, 5]) == to_rgba("black")
    assert tuple(colours[20, 20]) == to_rgba("white")
    assert tuple(colours[20, 5]) == to_rgba(plots.HIDDEN)


def test_brightness_has_one_scale_for_all_images():
    assert plots.image_rows([IMAGES * 0.1]).images[0].get_clim() == (0, 1)


# Latent spaces


def test_classes_name_digits_at_their_medians_in_their_colours():
    ax = plots.latent_classes(POINTS, LABELS, axis_names=("t-SNE 1", "t-SNE 2"))
    found = badges(ax)
    assert sorted(found) == list(range(10))
    for digit, text in found.items():
        assert np.allclose(text.get_position(), np.median(POINTS[digit == LABELS], axis=0))
        assert to_rgb(text.get_bbox_patch().get_edgecolor()) == plots.CLASS_COLOURS[digit]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("t-SNE 1", "t-SNE 2")


def test_a_digit_keeps_its_colour_when_others_are_missing():
    some = LABELS >= 7
    ax = plots.latent_classes(POINTS[some], LABELS[some])
    assert sorted(badges(ax)) == [7, 8, 9]
    assert np.allclose(ax.collections[0].get_facecolors()[0, :3], plots.CLASS_COLOURS[7])


@pytest.mark.parametrize("panels", [1, 3])
def test_badges_of_digits_that_lie_on_each_other_do_not_overlap(panels):
    heap = RNG.standard_normal((200, 2))
    ax = plots.latent_classes(heap, LABELS, plots.figure(panels, squeeze=False)[1][0, 0])
    drawn(ax)
    boxes = [text.get_bbox_patch().get_window_extent() for text in ax.texts]
    centres = np.array([[(box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2] for box in boxes])
    distances = np.linalg.norm(centres[:, None] - centres, axis=-1)[~np.eye(10, dtype=bool)]
    assert distances.min() >= max(box.width for box in boxes)


GARMENTS = ("T-shirt/top", "trouser", "pullover", "dress", "coat")
GARMENTS += ("sandal", "shirt", "sneaker", "bag", "ankle boot")


def test_classes_may_have_names_of_several_letters():
    ax = plots.latent_classes(POINTS, LABELS, names=GARMENTS)
    assert [text.get_text() for text in ax.texts] == list(GARMENTS)
    some = LABELS > 6
    ax = plots.latent_strip(POINTS[some, 0], LABELS[some], names=GARMENTS, item="garment")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["sneaker", "bag", "ankle boot"]
    assert ax.get_ylabel() == "garment" and list(ax.get_yticks()) == [7, 8, 9]
    legend = plots.loss_curves(HISTORY, items="garments").get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["training garments", "test garments"]


def test_badges_with_names_in_a_heap_stay_legible():
    heap = 1e-3 * RNG.standard_normal((200, 2))
    heap[0], heap[1] = [-1, -1], [1, 1]
    ax = plots.latent_classes(heap, LABELS, names=GARMENTS)
    drawn(ax)
    boxes = [text.get_window_extent() for text in ax.texts]
    overlaps = [a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert sum(overlaps) == 0


def test_spread_moves_only_what_is_crowded():
    apart = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert np.array_equal(plots._spread(apart, 2.9), apart)
    moved = plots._spread([[0.0, 0.0], [0.0, 0.0], [9.0, 9.0]], 1.0)
    assert np.hypot(*(moved[0] - moved[1])) == pytest.approx(1)
    assert np.allclose(moved.mean(0), [3, 3])
    wide = plots._spread([[0.0, 0.0], [0.0, 0.1]], [[5.0, 1.0], [3.0, 1.0]])
    assert wide[1] - wide[0] == pytest.approx([0, 1])


@pytest.mark.parametrize("shape", [(200,), (200, 1)])
def test_strip_shows_the_density_of_each_digit(shape):
    z = POINTS[:, 0]
    ax = plots.latent_strip(z.reshape(shape), LABELS)
    assert len(ax.collections) == 10
    peaks, factors = [], []
    for digit, ridge in enumerate(ax.collections):
        outline = ridge.get_paths()[0].vertices
        own = z[digit == LABELS]
        top = outline[outline[:, 1].argmin()]
        peaks.append(top[1])
        assert outline[:, 1].max() == digit
        assert abs(top[0] - own.mean()) < 0.4
        assert np.allclose(ridge.get_facecolor()[0, :3], plots.CLASS_COLOURS[digit])
        height, density = digit - outline[:, 1], gaussian_kde(own)(outline[:, 0])
        inside = height > height.max() / 100
        ratio = height[inside] / density[inside]
        assert np.allclose(ratio, ratio[0], rtol=0.01)  # proportional to the density …
        factors.append(ratio[0])
    assert factors == pytest.approx([factors[0]] * 10)  # … by one factor for all digits
    assert ax.yaxis_inverted()
    assert "".join(label.get_text() for label in ax.get_yticklabels()) == "0123456789"


# Bars


def test_bars_have_the_heights_of_the_values_and_pale_under_the_threshold():
    values = np.array([0.5, 0.001, 1.5, 0.01])
    ax = plots.dimension_bars(values, ylabel="variance", threshold=0.01)
    assert [bar.get_height() for bar in ax.patches] == list(values)
    assert [bar.get_x() + bar.get_width() / 2 for bar in ax.patches] == pytest.approx([1, 2, 3, 4])
    pale = [to_rgb(bar.get_facecolor()) == to_rgb(plots.PALE) for bar in ax.patches]
    assert pale == [False, True, False, False]
    assert set(ax.lines[0].get_ydata()) == {0.01}
    assert ax.get_ylabel() == "variance"


def test_bars_without_a_threshold_are_all_alike():
    ax = plots.dimension_bars([0.0, 2.0])
    assert len({bar.get_facecolor() for bar in ax.patches}) == 1
    assert not ax.lines and ax.get_legend() is None


# Figures of single sections


def test_smoothness_compares_the_decoder_with_the_square_of_the_length():
    relative, control = [0.01, 0.03, 0.1], [1.0, 1.1, 0.9]
    ax = plots.smoothness([0.1, 0.2, 0.4], relative, control)
    lines = {line.get_label(): line.get_ydata() for line in ax.lines}
    np.testing.assert_allclose(lines["square of the length"], [0.01, 0.04, 0.16])
    np.testing.assert_array_equal(lines["decoder"], relative)
    np.testing.assert_array_equal(lines["decoder, points shuffled"], control)


def test_confusion_colours_the_shares_of_each_row_and_writes_the_diagonal():
    ax = plots.confusion(np.array([[8, 2], [5, 15]]), ["a", "b"])
    shares = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)
    np.testing.assert_allclose(shares, [[np.nan, 0.2], [0.25, np.nan]])
    assert [text.get_text() for text in ax.texts] == ["80", "75"]
    assert [label.get_rotation() for label in ax.get_xticklabels()] == [0, 0]
    turned = plots.confusion(np.eye(2), ["T-shirt", "coat"]).get_xticklabels()
    assert [label.get_rotation() for label in turned] == [90, 90]


def test_panels_of_loss_against_time_have_one_legend_and_no_empty_frames():
    course = {"plain": [([1, 2, 3], [9.0, 7, 6])], "fast": [([0.5, 1], [6.5, 5.5])]}
    fig = plots.loss_against_time({"first": course, "second": course})
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["first", "second", ""]
    assert [ax.axison for ax in fig.axes] == [True, True, False]
    assert [ax.get_legend() is None for ax in fig.axes] == [True, True, False]
    assert not any(ax.axison for ax in plots.loss_against_time({}).axes)


def test_a_mosaic_places_its_panels_as_the_text_says():
    fig, axes = plots.figure(height=9, mosaic="aa;bc", titles="abc", height_ratios=[1, 3])
    fig.canvas.draw()
    above, left, right = (axes[letter].get_position() for letter in "abc")
    assert above.y0 > left.y1 and above.width > left.width + right.width
    assert left.height == pytest.approx(3 * above.height, rel=0.2)
    assert axes["a"].get_title(loc="left") == "a"


def test_density_pairs_show_only_where_a_density_is_visible():
    narrow, shifted = norm.pdf(Z, 0, 0.1), norm.pdf(Z, 1, 0.1)
    densities = {"true": [narrow] * 2, "encoder": [narrow, shifted]}
    fig = plots.density_pairs(Z, densities, [3, 4], "ab")
    same, apart = fig.axes
    reach = 0.1 * np.sqrt(2 * np.log(1000))  # where a normal density is a thousandth of its maximum
    assert same.get_xlim() == pytest.approx((-reach, reach), abs=0.011)
    assert apart.get_xlim() == pytest.approx((-reach, 1 + reach), abs=0.011)
    assert apart.lines[0].get_xdata()[apart.lines[0].get_ydata().argmax()] == pytest.approx(1)
    assert same.collections[0].get_facecolor()[0][:3] == pytest.approx(plots.CLASS_COLOURS[3])
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["true", "encoder"]


def test_half_of_a_class_lies_in_its_area_and_most_of_it_in_its_line():
    rng = np.random.default_rng(1)
    points, labels = rng.standard_normal((20_000, 2)) + [[3.0, 0.0]], np.zeros(20_000, int)
    area, line = plots.latent_classes(points, labels, names=()).collections
    for drawn_, share in ((area, 0.5), (line, 0.9)):
        found = drawn_.get_paths()[0].contains_points(points).mean()
        assert found == pytest.approx(share, abs=0.05)


def test_every_seed_is_a_dot_and_hollow_where_dimensions_are_unused():
    rows = {"a": {"plain": [1.0, 5.0], "fast": [2.0]}, "b": {"plain": [3.0]}}
    ax = plots.seed_dots(rows, published={"a": 4.0}, unused={"a": {"plain": [False, True]}})
    drawn_ = [line for line in ax.lines if line.get_color() != plots.PALE]
    full = {(x, y): line for line in drawn_ for x, y in line.get_xydata()}
    dots = {x: line for (x, _), line in full.items()}
    assert [x for x in (1, 2, 3, 5) if dots[x].get_markerfacecolor() == "white"] == [5]
    assert dots[1].get_color() == dots[3].get_color() != dots[2].get_color()
    assert {x for (x, y) in full if abs(y) < 0.5} == {1, 2, 4, 5}
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    legend = plots.seed_panels({"": rows}, unused={"a": {"plain": [False, True]}}).legends[0]
    names = ["plain", "plain, with unused dimensions", "fast"]
    assert [text.get_text() for text in legend.get_texts()] == names


def test_the_number_of_dimensions_in_use_stands_above_a_hollow_dot():
    rows = {"a": {"plain": [1.0, 2.0]}, "b": {"plain": [3.0]}}
    ax = plots.seed_dots(rows, unused={"a": {"plain": [2.0, 0.0]}})
    assert [(text.get_text(), text.get_position()[0]) for text in ax.texts] == [("2", 1.0)]
    assert not plots.seed_dots(rows, unused={"a": {"plain": [True, False]}}).texts


def test_curves_over_dimensions_show_every_seed_and_join_their_means():
    ax = plots.figure()[1]
    plots.seed_curves({"one": {1: [1.0, 3.0], 8: [4.0]}, "two": {1: [0.0]}}, ax, [1, 2, 8], (2,))
    dots, _, line, *_ = ax.lines
    assert dots.get_ydata().tolist() == [1, 3] and line.get_xydata().tolist() == [[1, 2], [8, 4]]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "", "8"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]


def test_courses_have_a_line_for_each_run_and_one_name_for_each_recipe():
    ax = plots.figure()[1]
    plots.run_courses({"plain": [[1.0, 2.0], [3.0]], "fast": [[4.0]]}, ax, "rate")
    assert [list(line.get_ydata()) for line in ax.lines] == [[1.0, 2.0], [3.0], [4.0]]
    assert ax.get_legend_handles_labels()[1] == ["plain", "fast"]
    assert ax.lines[0].get_color() == ax.lines[1].get_color() != ax.lines[2].get_color()
