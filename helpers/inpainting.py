"""Filling a hidden part of a digit with a trained VAE."""

import random

import numpy as np


def original_choice() -> list[int]:
    """The three test digits of the original report, chosen exactly as it chose them."""
    return random.Random(471).sample(range(10_000), 3)


def square_mask(top: int = 10, left: int = 10, size: int = 10) -> np.ndarray:
    """A square hole: bool (28, 28), True where hidden; the default is rows and columns 10 to 19.

    Raises ValueError when the square does not lie within the image.
    """
    if size < 1 or min(top, left) < 0 or max(top, left) + size > 28:
        raise ValueError(f"a square of {size} pixels at row {top}, column {left} does not fit into 28 x 28")
    mask = np.zeros((28, 28), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def hide(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Copies of images (n, 28, 28, 1) with the hidden pixels set to 0."""
    return np.where(mask[..., np.newaxis], 0, images).astype(images.dtype)


def encode_decode(model, hidden: np.ndarray, seed: int) -> np.ndarray:
    """What the original does: encode the damaged digits, draw one z each, decode.

    hidden: (n, 28, 28, 1), holes set to 0. Returns images of the same shape.
    """
    mean, log_var = model.encode(hidden)
    noise = np.random.default_rng(seed).standard_normal(mean.shape)
    return model.decode((mean + np.exp(log_var / 2) * noise).astype("float32"))
