"""What live figures show: data and packed networks, ready for JSON."""

import base64
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import to_hex

from helpers.errors import check_choice
from helpers.provenance import digest
from helpers.report.live.weights import pack
from helpers.plots import CLASS_COLOURS, HIDDEN

LIMIT = 3.0  # of the sliders: standard deviations of the prior
SHORT = 32767  # the largest 16-bit integer


def plane(model, means: np.ndarray, labels: np.ndarray, start: Sequence[float] = (0.0, 0.0)) -> dict:
    """The latent plane: points of test digits (n, 2), coloured by their labels (n,), and the digit at a point.

    start: the point shown first. Points are rounded to 1/32767 of the largest coordinate. Raises ValueError unless the
    model and the points have two dimensions.
    """
    means = np.asarray(means, "float64")
    if means.shape != (len(labels), 2):
        raise ValueError(f"means of shape {means.shape} for {len(labels)} labels: the plane takes ({len(labels)}, 2)")
    _check_dimension(model, (2,), "the plane")
    scale = np.abs(means).max() / SHORT or 1.0
    data = {
        "means": {"scale": scale, "values": _base64(np.round(means / scale).astype("<i2"))},
        "labels": _digits(labels),
        "colours": [to_hex(colour) for colour in CLASS_COLOURS],
        "extent": max(float(np.abs(means).max()) * 1.05, 3.0),
        "start": [float(z) for z in start],
    }
    return _content("plane", data, model, ["decoder"])


def slider(model, quantiles: np.ndarray, samples: int = 15) -> dict:
    """One latent dimension: a slider through the prior's quantiles (n,), of which `samples` stand beside it as digits.

    quantiles: as `latent.prior_quantiles` gives them. Raises ValueError unless the model has one dimension.
    """
    _check_dimension(model, (1,), "the slider")
    data = {"quantiles": [round(float(z), 5) for z in quantiles], "samples": samples}
    return _content("slider", data, model, ["decoder"])


def sliders(model, kl: Sequence[float], active: Sequence[bool], seed: int = 0) -> dict:
    """A slider for each latent dimension, with its KL divergence in nats (d,) and whether it is active (d,).

    seed: of "Sample from the prior". Raises ValueError unless both have as many values as the model has dimensions.
    """
    _check_dimension(model, (len(kl), len(active)), "the sliders")
    data = {"kl": [round(float(nats), 3) for nats in kl], "active": [bool(unit) for unit in active]}
    return _content("sliders", data | {"limit": LIMIT, "seed": seed}, model, ["decoder"])


def inpainting(
    model, images: np.ndarray, labels: np.ndarray, mask: np.ndarray, steps: int = 300, warm_up: int = 20, seed: int = 0
) -> dict:
    """Digits (n, 28, 28, 1) with a hole, filled by encoding and decoding once, and by a chain of `steps` steps.

    mask: the hole at first, bool (28, 28), True where hidden; the reader paints another. warm_up: the chain's first
    steps, pseudo-Gibbs in any case, that its mean leaves out; seed: of the chain. Digits are stored with 8 bits.
    Raises ValueError for shapes that do not fit, and for a model with another pixel loss than "bce" or "mse".
    """
    loss = model.settings["pixel_loss"]
    check_choice("pixel_loss", loss, ("bce", "mse"))
    images, mask = np.asarray(images), np.asarray(mask)
    shapes = (images.shape, mask.shape)
    if shapes != ((len(labels), 28, 28, 1), (28, 28)):
        raise ValueError(f"images and mask of shapes {shapes}, {len(labels)} labels: takes (n, 28, 28, 1), (28, 28), n")
    data = {
        "images": _base64(np.round(images * 255).astype("uint8")),
        "labels": _digits(labels),
        "hole": _base64(mask.astype("uint8")),
        "colour": HIDDEN,
        "loss": loss,
    }
    return _content("inpainting", data | {"steps": steps, "warm_up": warm_up, "seed": seed}, model, ["encoder", "decoder"])


def _content(figure: str, data: dict, model, parts: list[str]) -> dict:
    """A figure's content; networks go by the digest of what is in them."""
    packed = pack(model, parts)
    names = {part: digest(network) for part, network in packed.items()}
    return {"figure": figure, "data": data | names, "networks": {names[part]: packed[part] for part in parts}}


def _check_dimension(model, allowed: Sequence[int], what: str) -> None:
    """Raise ValueError unless the model's latent dimension is each of `allowed`."""
    dimension = model.decoder.inputs[0].shape[-1]
    if set(allowed) != {dimension}:
        raise ValueError(f"a model of {dimension} latent dimensions: {what} needs {' and '.join(map(str, allowed))}")


def _digits(labels: np.ndarray) -> str:
    """Labels as one text, a character each."""
    return "".join(str(int(label)) for label in labels)


def _base64(array: np.ndarray) -> str:
    """The bytes of an array."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
