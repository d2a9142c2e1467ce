"""Masks and scores of fillings, each against a second way, with negative controls."""

import random

import numpy as np
import pytest
import scipy.ndimage
from skimage.metrics import peak_signal_noise_ratio

from helpers import data
from helpers.metrics import holes

MASK = holes.square_mask()
SMALL = holes.square_mask()[8:14, 8:14]  # 16 of 36 pixels: nothing depends on the images' size


def test_the_hole_is_the_originals():
    mask = holes.square_mask()
    rows, columns = np.nonzero(mask)
    assert mask.sum() == 100
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 19, 10, 19)


@pytest.mark.parametrize("square", [(20, 0, 10), (-1, 0, 5), (0, 25, 4), (0, 0, 0)])
def test_a_hole_outside_the_image_is_refused(square):
    with pytest.raises(ValueError, match="does not fit"):
        holes.square_mask(*square)


def test_the_three_digits_are_chosen_as_the_original_chose_them():
    random.seed(471)
    assert holes.original_choice() == random.sample(range(10_000), 3)
    state = random.getstate()
    holes.original_choice()
    assert random.getstate() == state  # nobody else's random numbers are disturbed


def test_hiding_zeroes_the_hole_and_nothing_else():
    images = data.test_set(3)[0] * 0.5 + 0.5
    mask = holes.square_mask()
    hidden = holes.hide(images, mask)
    assert np.all(hidden[:, mask] == 0)
    np.testing.assert_array_equal(hidden[:, ~mask], images[:, ~mask])
    assert images.min() >= 0.5  # the originals are untouched


def test_few_fillings_give_an_honest_interval():
    """The inner gaps of 19 draws hold a twentieth with probability 18/20."""
    draws = np.random.default_rng(5).random((20, 500, 6, 6, 1))
    found = holes.coverage(draws[0], draws[1:], SMALL)
    assert found["coverage"].mean() == pytest.approx(0.9, abs=0.02)
    low, high = np.quantile(draws[1:], [0.05, 0.95], axis=0)
    assert ((low <= draws[0]) & (draws[0] <= high)).mean() < 0.85  # negative control


def test_paper_is_covered_within_half_a_grey_level(monkeypatch):
    paper = np.zeros((1, 6, 6, 1), "float32")
    fillings = np.random.default_rng(6).uniform(1e-6, 1e-3, (19, 1, 6, 6, 1))
    assert holes.coverage(paper, fillings, SMALL)["coverage"] == 1
    assert holes.coverage(paper + 0.01, fillings, SMALL)["coverage"] == 0
    monkeypatch.setattr(holes, "HALF_A_LEVEL", 0)
    assert holes.coverage(paper, fillings, SMALL)["coverage"] == 0


def test_an_interval_takes_enough_fillings():
    with pytest.raises(ValueError, match="at least 19"):
        holes.coverage(np.zeros((1, 6, 6, 1)), np.zeros((18, 1, 6, 6, 1)), SMALL)


def test_half_the_image_and_scattered_pixels():
    half = holes.half_mask()
    assert half.dtype == bool and half[14:].all() and not half[:14].any()
    scattered = holes.random_mask(0.3, seed=0)
    assert scattered.dtype == bool and scattered.sum() == round(0.3 * 784)
    np.testing.assert_array_equal(scattered, holes.random_mask(0.3, seed=0))
    assert np.any(scattered != holes.random_mask(0.3, seed=1))
    assert 0.2 < scattered[:14].mean() < 0.4  # no corner is preferred


@pytest.mark.parametrize("share", [0, 1, -0.2, 1e-4])
def test_masks_that_do_not_exist_are_refused(share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        holes.random_mask(share, seed=0)


def test_errors_count_in_the_hole_alone():
    x = np.random.default_rng(10).uniform(0.2, 0.8, (2, 28, 28, 1))
    filled = x.copy()
    filled[0, 10:20, 10:15] += 0.1
    assert holes.rmse(x, filled, MASK) == pytest.approx([0.1 / np.sqrt(2), 0])
    expected = peak_signal_noise_ratio(x[0][MASK], filled[0][MASK], data_range=1)
    assert holes.psnr(x, filled, MASK) == pytest.approx([expected, np.inf])
    seen = holes.paste(1 - x, MASK, x)
    assert np.all(holes.rmse(x, seen, MASK) < 1e-6)  # negative control: visible errors do not count


def similarity(x, y):
    """Wang et al. 2004, eq. 13, pixel by pixel, with their Gaussian window and constants."""

    def blur(image):
        return scipy.ndimage.gaussian_filter(image, sigma=1.5, truncate=3.5)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    return (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))


def test_structural_similarity_against_its_formula():
    x = data.test_set(3)[0].astype(float)
    filled = holes.paste(x, MASK, np.random.default_rng(11).random(x.shape))
    expected = [
        similarity(one[..., 0], other[..., 0])[MASK].mean()
        for one, other in zip(x, filled, strict=True)
    ]
    np.testing.assert_allclose(holes.ssim(x, filled, MASK), expected, atol=1e-4)
    assert holes.ssim(x, x, MASK) == pytest.approx(1)
    assert np.all(holes.ssim(x, filled, MASK) < 0.3)  # negative control: noise
