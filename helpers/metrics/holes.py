"""Holes in images: masks that hide pixels, and scores of what fills them.

Images are float32 (n, 28, 28, 1) in [0, 1]; a mask is bool (28, 28), True where hidden.
"""

import random

import numpy as np
from skimage.metrics import structural_similarity

from helpers.errors import check_integer
from helpers.metrics.images import WANG

LEVEL = 0.9  # of the intervals whose coverage is measured
HALF_A_LEVEL = 0.5 / 255  # half a step between the grey levels of the data


def original_choice() -> list[int]:
    """The three test images of the original report, chosen exactly as it chose them."""
    return random.Random(471).sample(range(10_000), 3)


def square_mask(top: int = 10, left: int = 10, size: int = 10) -> np.ndarray:
    """A square hole; the default is rows and columns 10 to 19, as in the original report."""
    if size < 1 or min(top, left) < 0 or max(top, left) + size > 28:
        square = f"a square of {size} pixels at row {top}, column {left}"
        raise ValueError(f"{square} does not fit into 28 x 28")
    mask = np.zeros((28, 28), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def half_mask() -> np.ndarray:
    """A hole of the lower half of the image."""
    return np.repeat(np.arange(28) >= 14, 28).reshape(28, 28)


def random_mask(share: float, seed: int) -> np.ndarray:
    """Scattered single hidden pixels: share · 784 of them, rounded."""
    count = round(share * 784)
    if not 0 < count < 784:
        raise ValueError(f"share={share!r} must be between 0 and 1 and leave a pixel on each side")
    return np.random.default_rng(seed).permutation(np.arange(784) < count).reshape(28, 28)


def check(mask: np.ndarray, **counts: int) -> None:
    """Raise ValueError unless the mask hides some pixels, not all, and counts are positive."""
    if mask.dtype != bool or mask.all() or not mask.any():
        one = "at least one hidden (True) and one visible (False) pixel"
        raise ValueError(f"the mask must be of type bool, with {one}")
    for field, value in counts.items():
        check_integer(field, value, 1, 1_000_000)


def hide(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Copies of images with the hidden pixels set to 0."""
    return np.where(mask[..., np.newaxis], 0, images).astype(images.dtype)


def paste(hidden: np.ndarray, mask: np.ndarray, filling: np.ndarray) -> np.ndarray:
    """The visible pixels of `hidden`, the others of `filling` (shapes broadcast): float32."""
    return np.where(mask[..., np.newaxis], filling, hidden).astype("float32")


def _squared_error(x, filled, mask):
    return np.square(np.float64(filled) - x)[:, mask].mean(axis=(1, 2))


def rmse(x, filled, mask: np.ndarray) -> np.ndarray:
    """Root mean squared error over the hidden pixels, in grey levels from 0 to 1: shape (n,)."""
    return np.sqrt(_squared_error(x, filled, mask))


def psnr(x, filled, mask: np.ndarray) -> np.ndarray:
    """Peak signal-to-noise ratio over the hidden pixels: decibels, (n,); infinite without error."""
    with np.errstate(divide="ignore"):
        return -10 * np.log10(_squared_error(x, filled, mask))


def ssim(x, filled, mask: np.ndarray) -> np.ndarray:
    """Mean of the structural similarity map (see `images.ssim`) over the hidden pixels: (n,)."""
    pairs = zip(x[..., 0], filled[..., 0], strict=True)
    maps = [structural_similarity(*pair, full=True, **WANG)[1] for pair in pairs]
    return np.array([similarity[mask].mean() for similarity in maps])


def coverage(x, fillings, mask) -> dict[str, np.ndarray]:
    """Share of hidden pixels within the interval spanned by fillings (m, n, 28, 28, 1), its width.

    "coverage" and "width", (n,) each. The interval leaves out (1 - LEVEL) / 2 of the fillings on
    either side; with Weibull's quantiles it holds another draw with probability LEVEL whatever m.
    HALF_A_LEVEL is tolerated: blank background is exactly 0, which no decoder gives.
    """
    least = round(2 / (1 - LEVEL) - 1)
    if len(fillings) < least:
        raise ValueError(f"{LEVEL:.0%} takes at least {least} fillings, not {len(fillings)}")
    tails = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    low, high = np.quantile(fillings[:, :, mask, 0], tails, axis=0, method="weibull")
    truth = x[:, mask, 0]
    inside = (low - HALF_A_LEVEL <= truth) & (truth <= high + HALF_A_LEVEL)
    return {"coverage": inside.mean(axis=1), "width": (high - low).mean(axis=1)}
