"""helpers.panels: what the panels draw, read back from the figure."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from scipy.stats import norm

from helpers import panels, plots
from helpers.evidence.statistics import interval
from helpers.metrics import holes

IMAGES = np.random.default_rng(0).random((3, 28, 28, 1)).astype("float32")
MASK = holes.square_mask(4, 6, 5)
Z = np.linspace(-5, 5, 1001)


def test_a_mosaic_places_its_panels_as_the_text_says():
    fig, axes = panels.mosaic("aa;bc", 9, {"a": "above"}, height_ratios=[1, 3])
    fig.canvas.draw()
    above, left, right = (axes[letter].get_position() for letter in "abc")
    assert above.y0 > left.y1 and above.width > left.width + right.width
    assert left.height == pytest.approx(3 * above.height, rel=0.2)
    assert axes["a"].get_title(loc="left") == "above"


def test_density_pairs_show_only_where_a_density_is_visible():
    narrow, shifted = norm.pdf(Z, 0, 0.1), norm.pdf(Z, 1, 0.1)
    densities = {"true": [narrow] * 2, "encoder": [narrow, shifted]}
    fig = panels.density_pairs(Z, densities, [3, 4], "ab")
    same, apart = fig.axes
    reach = 0.1 * np.sqrt(2 * np.log(1000))  # where a normal density is a thousandth of its maximum
    assert same.get_xlim() == pytest.approx((-reach, reach), abs=0.011)
    assert apart.get_xlim() == pytest.approx((-reach, 1 + reach), abs=0.011)
    assert apart.lines[0].get_xdata()[apart.lines[0].get_ydata().argmax()] == pytest.approx(1)
    assert same.collections[0].get_facecolor()[0][:3] == pytest.approx(plots.CLASS_COLOURS[3])
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["true", "encoder"]


def test_normal_quantiles_lie_on_the_dotted_line_for_normal_codes_alone():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((20_000, 2)) * [1, 0.5]
    *pale, strong, dotted = panels.normal_quantiles(codes, strong=1).lines
    assert dotted.get_ydata() == pytest.approx(dotted.get_xdata())
    assert pale[0].get_ydata() == pytest.approx(dotted.get_ydata(), abs=0.15)
    assert strong.get_ydata() == pytest.approx(dotted.get_ydata() / 2, abs=0.1)
    assert strong.get_label() == "number 2"


def test_small_maps_draw_each_map_in_the_colours_of_the_classes():
    maps = {"one": np.zeros((3, 2)), "two": np.arange(6).reshape(3, 2)}
    fig = panels.small_maps(maps, np.array([0, 1, 1]))
    for ax, (title, places) in zip(fig.axes, maps.items(), strict=True):
        assert ax.get_title(loc="left") == title
        assert np.array_equal(ax.collections[0].get_offsets(), places)
        colours = [to_rgba(plots.CLASS_COLOURS[label]) for label in (0, 1, 1)]
        assert np.allclose(ax.collections[0].get_facecolors(), colours)


@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0]])
def test_marked_hole_is_missing_and_nothing_else(images):
    marked = panels.hole_marked(images, MASK)
    assert np.array_equal(np.isnan(marked), np.broadcast_to(MASK, marked.shape))
    assert np.array_equal(marked[:, ~MASK], IMAGES[..., 0][:, ~MASK])


def test_a_row_holds_one_image_its_hole_and_its_fillings():
    fillings = np.stack([IMAGES * 0.5, IMAGES * 0.25])
    rows = panels.filling_rows(IMAGES, MASK, fillings)
    assert [row.shape for row in rows] == [(4, 28, 28)] * 3
    for row, image in zip(rows, IMAGES[..., 0], strict=True):
        assert np.allclose(row[[0, 2, 3]], [image, image / 2, image / 4])
        assert np.array_equal(np.isnan(row[1]), MASK)
    assert plots.image_rows(rows).images[0].get_array().shape == (3 * 30, 4 * 30)


def test_interval_curves_draw_means_and_no_bar_for_a_single_seed():
    found = {1: interval([1.0, 3.0]), 10: interval([4.0])}
    ax = plots.figure()[1]
    panels.interval_curves({"bound": found, "other": {1: interval([2.0])}}, ax, [1, 8, 10], (8,))
    bound, other = ax.containers
    assert bound[0].get_xydata().tolist() == [[1, 2], [10, 4]]
    low, high = (place[1] for place in bound[2][0].get_segments()[0])
    assert (low, high) == pytest.approx((found[1].low, found[1].high))
    assert np.ptp(bound[2][0].get_segments()[1][:, 1]) == 0
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "", "10"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["bound", "other"]
    alone = plots.figure()[1]
    assert panels.interval_curves({"": found}, alone, [1, 10]).get_legend() is None


def test_rate_stands_on_the_distortion_and_equal_losses_share_a_line():
    left, right = panels.rate_and_distortion([1, 2], [160.0, 140.0], [5.0, 7.0]).axes
    loss, distortion = left.lines
    assert loss.get_ydata().tolist() == [165, 147] and distortion.get_ydata().tolist() == [160, 140]
    assert [line.get_slope() for line in right.lines[::2]] == [-1, -1]
    assert [point.get_xydata().tolist() for point in right.lines[1::2]] == [[[5, 160]], [[7, 140]]]
