"""Live figures: a trained encoder and decoder that run in the reader's browser.

`plane`, `slider`, `sliders` and `board` make a `LiveFigure` to end a notebook's cell with. Its
`content` is a dictionary that is ready for JSON, or None where the page's engine cannot run the
model; then the static picture stands alone:

    {"figure": name, "data": {...}, "networks": {name: a packed network}}

`item` is always what an image is called, `static` the picture in the live figure's place; all four
raise ValueError for what does not fit together. A page that shows them holds figures.css, each
network once and, after these, `script`; it asks the network for nothing.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from helpers.errors import check_choice

FOLDER = Path(__file__).parent
LIMIT = 3.0  # of the sliders: standard deviations of the prior
SHORT = 32767  # the largest 16-bit integer
LOSSES = ("bce", "mse")  # pixel losses that the board's chain computes
DIGITS = tuple("0123456789")
TYPES = {"Dense": "dense", "Conv2D": "convolution", "Conv2DTranspose": "transposed"}
TYPES |= {"Reshape": "reshape", "Flatten": "reshape"}
ACTIVATIONS = ("linear", "relu", "sigmoid")


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
            _esm = script("export default { render };\n")
            _css = FOLDER / "figures.css"
            figure = traitlets.Unicode().tag(sync=True)
            data = traitlets.Dict().tag(sync=True)
            networks = traitlets.Dict().tag(sync=True)

        return Live(**(self.content or {}))


def plane(
    model: Any, means: np.ndarray, labels: np.ndarray, *,
    static: Figure, names: Sequence[str] = DIGITS, item: str = "digit",
) -> LiveFigure:
    """The latent plane: test images' means (n, 2), coloured by label (n,), and a point's image.

    names: of the labels. Points are rounded to 1/32767 of the largest coordinate.
    """
    from helpers.plots import CLASS_COLOURS  # here: who renders a report needs no SciPy

    means = np.asarray(means, "float64")
    check_choice("shape of means", means.shape, [(len(labels), 2)])
    check_choice("latent dimensions of the plane", model.decoder.inputs[0].shape[-1], [2])
    scale = np.abs(means).max() / SHORT or 1.0
    data = {
        "means": {"scale": scale, "values": _base64(np.round(means / scale), "<i2")},
        "colours": [to_hex(CLASS_COLOURS[n % len(CLASS_COLOURS)]) for n in range(len(names))],
        "extent": max(float(np.abs(means).max()) * 1.05, 3.0),
        "start": [0.0, 0.0],
        **_labels(labels, names, item),
    }
    return _figure("plane", data, model, ["decoder"], static)


def slider(
    model: Any, quantiles: np.ndarray, samples: int = 15, *, static: Figure, item: str = "digit"
) -> LiveFigure:
    """One latent dimension: a slider through the prior's quantiles (n,), some shown beside it.

    quantiles: as `latent.prior_quantiles` gives them, of which `samples` are shown.
    """
    check_choice("latent dimensions of the slider", model.decoder.inputs[0].shape[-1], [1])
    rounded = [round(float(z), 5) for z in quantiles]
    data = {"quantiles": rounded, "samples": samples, "item": item}
    return _figure("slider", data, model, ["decoder"], static)


def sliders(
    model: Any, kl: Sequence[float], active: Sequence[bool], seed: int = 0, *,
    static: Figure, item: str = "digit",
) -> LiveFigure:
    """A slider for each latent dimension, with its KL in nats (d,) and whether it is active (d,).

    seed: of "Sample from the prior".
    """
    dimensions = model.decoder.inputs[0].shape[-1]
    check_choice("values in kl and active", (len(kl), len(active)), [(dimensions, dimensions)])
    data = {"kl": [round(float(nats), 3) for nats in kl], "active": [bool(unit) for unit in active]}
    data |= {"limit": LIMIT, "seed": seed, "item": item}
    return _figure("sliders", data, model, ["decoder"], static)


def board(
    model: Any, images: np.ndarray, labels: np.ndarray, mask: np.ndarray, steps: int = 300,
    warm_up: int = 20, seed: int = 0, *, static: Figure, names: Sequence[str] = DIGITS,
    item: str = "digit",
) -> LiveFigure:
    """Images (n, 28, 28, 1) with a hole, filled by one encoding and decoding, and by a chain.

    mask: the hole at first, bool (28, 28), True where hidden; the reader paints another. steps and
    seed: of the chain; warm_up: its first steps, pseudo-Gibbs in any case, which its mean leaves
    out; names: of the labels. Images are stored with 8 bits.
    """
    from helpers.plots import HIDDEN

    images, mask = np.asarray(images), np.asarray(mask)
    shapes, fitting = (images.shape, mask.shape), ((len(labels), 28, 28, 1), (28, 28))
    check_choice("shapes of images and mask", shapes, [fitting])
    loss = model.pixel_loss.key
    data = {
        "images": _base64(np.round(images * 255), "uint8"), "hole": _base64(mask, "uint8"),
        "colour": HIDDEN, "loss": loss, **_labels(labels, names, item),
        "steps": steps, "warm_up": warm_up, "seed": seed,
    }
    if loss not in LOSSES:
        return LiveFigure(None, static)
    return _figure("board", data, model, ["encoder", "decoder"], static)


def script(end: str = "activate(document);\n") -> str:
    """The engine and the figures as one module without imports and exports, and its last line."""
    texts = [(FOLDER / name).read_text("utf-8") for name in ("engine.js", "figures.js")]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("import ")]
    return "".join(line.removeprefix("export ") + "\n" for line in lines) + end


def pack(network: Any) -> dict:
    """A Keras model, a chain of layers that may end in several dense heads, ready for JSON.

    Returns {"layers": [...], "weights": base64 of little-endian float32}; shapes are without the
    batch. Kernels lie as (rows, columns, channels, filters), also those of transposed convolutions.
    An encoder's two heads become one dense layer: means, log-variances. Float32, because float16
    would change decoded pixels by up to 0.005. ValueError for a layer that the engine lacks.
    """
    layers = [layer for layer in network.layers if type(layer).__name__ != "InputLayer"]
    stack, heads = layers[: -len(network.outputs)], layers[-len(network.outputs) :]
    sources = [network.inputs[0], *(layer.output for layer in stack)]
    for number, layer in enumerate(layers):
        if layer.input is not sources[min(number, len(stack))]:
            problem = "does not follow the layer before it: only a chain can be packed"
            raise ValueError(f"layer {layer.name} {problem}")
    described, last = [_described(layer) for layer in stack], [_described(head) for head in heads]
    if len(last) > 1:
        if {(head["type"], head.get("activation")) for head in last} != {("dense", "linear")}:
            raise ValueError("of several outputs each must be a dense layer without activation")
        last[0]["output"] = [sum(head["output"][0] for head in last)]
    arrays = [array for layer in stack for array in _arrays(layer)]
    arrays += [np.concatenate(pair, axis=-1) for pair in zip(*map(_arrays, heads), strict=True)]
    values = np.concatenate([array.ravel() for array in arrays])
    return {"layers": [*described, last[0]], "weights": _base64(values, "<f4")}


def _described(layer: Any) -> dict:
    """A layer without its weights; ValueError for an option that the engine does not have."""
    check_choice("layer", type(layer).__name__, TYPES)
    shapes = {"input": list(layer.input.shape[1:]), "output": list(layer.output.shape[1:])}
    described = {"type": TYPES[type(layer).__name__], **shapes}
    if described["type"] == "reshape":
        return described
    check_choice(f"activation of {layer.name}", layer.activation.__name__, ACTIVATIONS)
    described["activation"] = layer.activation.__name__
    if described["type"] == "dense":
        check_choice(f"axes of the input of {layer.name}", len(described["input"]), [1])
        return described
    options = (layer.data_format, tuple(layer.dilation_rate), getattr(layer, "groups", 1))
    what = f"data_format, dilation_rate and groups of {layer.name}"
    check_choice(what, options, [("channels_last", (1, 1), 1)])
    return described | {"kernel": list(layer.kernel_size), "strides": list(layer.strides)}


def _arrays(layer: Any) -> list[np.ndarray]:
    """Kernel and bias of a layer, or nothing; the kernel's last axes are channels and filters."""
    if not layer.weights:
        return []
    kernel, *bias = layer.get_weights()
    if TYPES[type(layer).__name__] == "transposed":
        kernel = np.swapaxes(kernel, -1, -2)
    return [kernel, *(bias or [np.zeros(kernel.shape[-1], "float32")])]


def _figure(figure: str, data: dict, model: Any, parts: list[str], static: Figure) -> LiveFigure:
    """The figure; networks go by the digest of what is in them."""
    try:
        packed = {part: pack(getattr(model, part)) for part in parts}
    except ValueError:  # a model that the engine cannot run
        return LiveFigure(None, static)
    texts = {part: json.dumps(network, sort_keys=True) for part, network in packed.items()}
    names = {part: hashlib.sha256(text.encode()).hexdigest()[:16] for part, text in texts.items()}
    networks = {names[part]: packed[part] for part in parts}
    return LiveFigure({"figure": figure, "data": data | names, "networks": networks}, static)


def _labels(labels: np.ndarray, names: Sequence[str], item: str) -> dict:
    """Labels as bytes, their names, and what an image is called."""
    numbers = np.asarray(labels)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(names):
        raise ValueError(f"labels up to {numbers.max()}, but {len(names)} names")
    return {"labels": _base64(numbers, "uint8"), "names": list(names), "item": item}


def _base64(array: np.ndarray, kind: str) -> str:
    """The bytes of an array, as numbers of a kind."""
    return base64.b64encode(array.astype(kind).tobytes()).decode()
