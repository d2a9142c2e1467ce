"""Rows of images with holes and their fillings."""

import numpy as np
import pytest

from helpers import plots
from helpers.metrics import holes

IMAGES = np.random.default_rng(0).random((3, 28, 28, 1)).astype("float32")
MASK = holes.square_mask(4, 6, 5)


@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0]])
def test_marked_hole_is_missing_and_nothing_else(images):
    marked = plots.hole_marked(images, MASK)
    assert np.array_equal(np.isnan(marked), np.broadcast_to(MASK, marked.shape))
    assert np.array_equal(marked[:, ~MASK], IMAGES[..., 0][:, ~MASK])


def test_a_row_holds_one_image_its_hole_and_its_fillings():
    fillings = np.stack([IMAGES * 0.5, IMAGES * 0.25])
    rows = plots.filling_rows(IMAGES, MASK, fillings)
    assert [row.shape for row in rows] == [(4, 28, 28)] * 3
    for row, image in zip(rows, IMAGES[..., 0], strict=True):
        assert np.allclose(row[[0, 2, 3]], [image, image / 2, image / 4])
        assert np.array_equal(np.isnan(row[1]), MASK)
    assert plots.image_rows(rows).images[0].get_array().shape == (3 * 30, 4 * 30)
