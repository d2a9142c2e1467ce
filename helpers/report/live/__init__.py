"""Live figures: a trained encoder and decoder that run in the reader's browser.

`plane`, `slider`, `sliders` and `board` make a `LiveFigure` to end a notebook's cell with. Its
`content` is a dictionary that is ready for JSON, or None where the page's engine cannot run the
model; then the static picture stands alone:

    {"figure": name, "data": {...}, "networks": {name: a packed network}}

Nothing of it asks the network for anything. `item` is always what an image is called, `static` the
picture in the live figure's place.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from helpers.plots import CLASS_COLOURS, HIDDEN
from helpers.report.live import page
from helpers.report.live.weights import pack

LIMIT = 3.0  # of the sliders: standard deviations of the prior
SHORT = 32767  # the largest 16-bit integer
LOSSES = ("bce", "mse")  # pixel losses that the board's chain computes
DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class LiveFigure:
    """What moves in the HTML report, and the picture in its place elsewhere."""
    content: dict | None
    static: Figure

    def widget(self) -> Any:
        """The figure, which has content, for front ends of Jupyter's widgets; needs anywidget."""
        import anywidget
        import traitlets

        class Live(anywidget.AnyWidget):
            """One live figure."""
            _esm = page.module() + "export default { render };\n"
            _css = page.style()
            figure = traitlets.Unicode().tag(sync=True)
            data = traitlets.Dict().tag(sync=True)
            networks = traitlets.Dict().tag(sync=True)

        return Live(**(self.content or {}))


def plane(
    model: Any, means: np.ndarray, labels: np.ndarray, start: Sequence[float] = (0.0, 0.0), *,
    static: Figure, names: Sequence[str] = DIGITS, item: str = "digit",
) -> LiveFigure:
    """The latent plane: test images' means (n, 2), coloured by label (n,), and a point's image.

    start: the point shown first; names: of the labels. Points are rounded to 1/32767 of the largest
    coordinate. Raises ValueError unless the model and the points have two dimensions, and for a
    label without a name.
    """
    means = np.asarray(means, "float64")
    if means.shape != (len(labels), 2):
        wanted = f"the plane takes ({len(labels)}, 2)"
        raise ValueError(f"means of shape {means.shape} for {len(labels)} labels: {wanted}")
    _check_dimension(model, (2,), "the plane")
    scale = np.abs(means).max() / SHORT or 1.0
    data = {
        "means": {"scale": scale, "values": _base64(np.round(means / scale), "<i2")},
        "colours": [to_hex(CLASS_COLOURS[n % len(CLASS_COLOURS)]) for n in range(len(names))],
        "extent": max(float(np.abs(means).max()) * 1.05, 3.0),
        "start": [float(z) for z in start],
        **_labels(labels, names, item),
    }
    return _figure("plane", data, model, ["decoder"], static)


def slider(
    model: Any, quantiles: np.ndarray, samples: int = 15, *, static: Figure, item: str = "digit"
) -> LiveFigure:
    """One latent dimension: a slider through the prior's quantiles (n,), some shown beside it.

    quantiles: as `latent.prior_quantiles` gives them, of which `samples` are shown. Raises
    ValueError unless the model has one dimension.
    """
    _check_dimension(model, (1,), "the slider")
    rounded = [round(float(z), 5) for z in quantiles]
    data = {"quantiles": rounded, "samples": samples, "item": item}
    return _figure("slider", data, model, ["decoder"], static)


def sliders(
    model: Any, kl: Sequence[float], active: Sequence[bool], seed: int = 0, *,
    static: Figure, item: str = "digit",
) -> LiveFigure:
    """A slider for each latent dimension, with its KL in nats (d,) and whether it is active (d,).

    seed: of "Sample from the prior". Raises ValueError unless both have as many values as the model
    has dimensions.
    """
    _check_dimension(model, (len(kl), len(active)), "the sliders")
    data = {"kl": [round(float(nats), 3) for nats in kl], "active": [bool(unit) for unit in active]}
    data |= {"limit": LIMIT, "seed": seed, "item": item}
    return _figure("sliders", data, model, ["decoder"], static)


def board(
    model: Any, images: np.ndarray, labels: np.ndarray, mask: np.ndarray, steps: int = 300,
    warm_up: int = 20, seed: int = 0, *, static: Figure, names: Sequence[str] = DIGITS,
    item: str = "digit",
) -> LiveFigure:
    """Images (n, 28, 28, 1) with a hole, filled by one encoding and decoding, and by a chain.

    mask: the hole at first, bool (28, 28), True where hidden; the reader paints another. steps: of
    the chain; warm_up: its first steps, pseudo-Gibbs in any case, which its mean leaves out; seed:
    of the chain; names: of the labels. Images are stored with 8 bits. Raises ValueError for shapes
    that do not fit.
    """
    images, mask = np.asarray(images), np.asarray(mask)
    shapes = (images.shape, mask.shape)
    if shapes != ((len(labels), 28, 28, 1), (28, 28)):
        wanted = "takes (n, 28, 28, 1), (28, 28), n"
        raise ValueError(f"images and mask of shapes {shapes}, {len(labels)} labels: {wanted}")
    loss = model.pixel_loss.key
    data = {
        "images": _base64(np.round(images * 255), "uint8"), "hole": _base64(mask, "uint8"),
        "colour": HIDDEN, "loss": loss, **_labels(labels, names, item),
        "steps": steps, "warm_up": warm_up, "seed": seed,
    }
    if loss not in LOSSES:
        return LiveFigure(None, static)
    return _figure("board", data, model, ["encoder", "decoder"], static)


def _figure(figure: str, data: dict, model: Any, parts: list[str], static: Figure) -> LiveFigure:
    """The figure; networks go by the digest of what is in them."""
    try:
        packed = pack(model, parts)
    except ValueError:  # a model that the engine cannot run
        return LiveFigure(None, static)
    texts = {part: json.dumps(network, sort_keys=True) for part, network in packed.items()}
    names = {part: hashlib.sha256(text.encode()).hexdigest()[:16] for part, text in texts.items()}
    networks = {names[part]: packed[part] for part in parts}
    return LiveFigure({"figure": figure, "data": data | names, "networks": networks}, static)


def _check_dimension(model: Any, allowed: Sequence[int], what: str) -> None:
    """Raise ValueError unless the model's latent dimension is each of `allowed`."""
    dimension = model.decoder.inputs[0].shape[-1]
    if set(allowed) != {dimension}:
        wanted = f"{what} needs {' and '.join(map(str, allowed))}"
        raise ValueError(f"a model of {dimension} latent dimensions: {wanted}")


def _labels(labels: np.ndarray, names: Sequence[str], item: str) -> dict:
    """Labels as bytes, their names, and what an image is called."""
    numbers = np.asarray(labels)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(names):
        raise ValueError(f"labels up to {numbers.max()}, but {len(names)} names")
    return {"labels": _base64(numbers, "uint8"), "names": list(names), "item": item}


def _base64(array: np.ndarray, kind: str) -> str:
    """The bytes of an array, as numbers of a kind."""
    return base64.b64encode(np.ascontiguousarray(array.astype(kind)).tobytes()).decode()
