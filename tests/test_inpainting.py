"""The hole, the original's three digits, and the naive filling."""

import random

import numpy as np
import pytest

from helpers import data, inpainting


def test_the_hole_is_the_originals():
    mask = inpainting.square_mask()
    rows, columns = np.nonzero(mask)
    assert mask.sum() == 100
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 19, 10, 19)


@pytest.mark.parametrize("square", [(20, 0, 10), (-1, 0, 5), (0, 25, 4), (0, 0, 0)])
def test_a_hole_outside_the_image_is_refused(square):
    with pytest.raises(ValueError, match="does not fit"):
        inpainting.square_mask(*square)


def test_the_three_digits_are_chosen_as_the_original_chose_them():
    random.seed(471)
    assert inpainting.original_choice() == random.sample(range(10_000), 3)
    state = random.getstate()
    inpainting.original_choice()
    assert random.getstate() == state  # nobody else's random numbers are disturbed


def test_hiding_zeroes_the_hole_and_nothing_else():
    images = data.test_digits(3)[0] * 0.5 + 0.5
    mask = inpainting.square_mask()
    hidden = inpainting.hide(images, mask)
    assert np.all(hidden[:, mask] == 0)
    np.testing.assert_array_equal(hidden[:, ~mask], images[:, ~mask])
    assert images.min() >= 0.5  # the originals are untouched


def test_filling_is_encode_sample_decode(trained):
    hidden = inpainting.hide(data.test_digits(5)[0], inpainting.square_mask())
    first, again = (inpainting.encode_decode(trained.model, hidden, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == hidden.shape
    mean, log_var = trained.model.encode(hidden)
    z = mean + np.exp(log_var / 2) * np.random.default_rng(1).standard_normal(mean.shape)
    np.testing.assert_allclose(first, trained.model.decode(z), atol=1e-5)
    assert not np.allclose(first, inpainting.encode_decode(trained.model, hidden, seed=2))
