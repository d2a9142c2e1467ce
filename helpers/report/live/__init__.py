"""Live figures: a trained encoder and decoder that run in the reader's browser, and stored runs.

`plane`, `confusion`, `slider`, `sliders` and `board`, and of stored runs `courses` and `verdicts`,
make a `LiveFigure` to end a notebook's cell with. Its `content` is a dictionary that is ready for
JSON, or None where the page's engine cannot run the model, or nothing is stored; then the static
picture stands alone:

    {"figure": name, "data": {...}, "parts": {digest: a network, points or pictures}}

In `data` a part goes by its digest, so that figures share it. `item` is always what an image is
called, `static` the picture in the live figure's place; all raise ValueError for what does not fit
together. A page that shows them holds figures.css, each part once and, after these, `script`; it
asks the network for nothing.
"""

import base64
import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from helpers.errors import check_choice
from helpers.plots import DIGITS

FOLDER = Path(__file__).parent
SCRIPTS = ("engine.js", "common.js", "plane.js", "sliders.js", "board.js", "stored.js", "figures.js")
CELLS, EACH = 30, 5  # the plane keeps an image for each of 30 × 30 cells, a pair of classes five
SHEET = 32  # images in a row of a sheet
LIMIT = 3.0  # of the sliders: standard deviations of the prior
LARGEST = 32767  # the largest 16-bit integer
LOSSES = ("bce", "mse")  # pixel losses that the board's chain computes
LAYERS = {"Dense": "dense", "Conv2D": "convolution", "Conv2DTranspose": "transposed"}
LAYERS |= {"Reshape": "reshape", "Flatten": "reshape"}
ACTIVATIONS = ("linear", "relu", "sigmoid")


@dataclass(frozen=True)
class LiveFigure:
    """What moves in the HTML report, and the picture in its place elsewhere."""
    content: dict | None
    static: Figure

    def javascript(self) -> str:
        """The figure, which has content, as a notebook's own output: it needs no kernel.

        A saved notebook holds all of it; who is not trusted to run it shows nothing in its place.
        """
        style, content = (
            json.dumps(text).replace("<", r"\u003c")
            for text in ((FOLDER / "figures.css").read_text("utf-8"), self.content)
        )
        code = script(f"show(element, {style}, {content});\n")
        return f'if (typeof element !== "undefined") ((element) => {{\n{code}}})(element);\n'


def plane(
    model: Any, means: np.ndarray, labels: np.ndarray, images: np.ndarray, *,
    static: Figure, names: Sequence[str] = DIGITS, item: str = "digit",
) -> LiveFigure:
    """The latent plane: test images' means (n, 2), coloured by label (n,), and a point's image.

    images: (n, 28, 28, 1), of which the page keeps some, spread over the plane, to show the nearest
    ones; names: of the labels. Points are rounded to 1/32767 of the largest coordinate.
    """
    check_choice("latent dimensions of the plane", model.decoder.inputs[0].shape[-1], [2])
    points, data = _points(means, labels, names, item)
    cells = np.floor(np.asarray(means) / data["extent"] * CELLS / 2)
    kept = np.unique(cells, axis=0, return_index=True)[1]
    parts = {"points": points, "sheet": _sheet(images, kept, len(labels))}
    return _figure("plane", data, static, parts, model, ["encoder", "decoder"])


def confusion(
    means: np.ndarray, labels: np.ndarray, votes: np.ndarray, images: np.ndarray, *,
    static: Figure, names: Sequence[str] = DIGITS, item: str = "digit",
) -> LiveFigure:
    """Labels against votes (n,), counted: a cell lights up its points of the plane and its images.

    means, images, names: as for `plane`; of each cell the page keeps some images.
    """
    points, data = _points(means, labels, names, item)
    check_choice("shape of votes", np.shape(votes), [np.shape(labels)])
    pairs = np.asarray(labels).astype(int) * len(names) + votes
    kept = [np.flatnonzero(pairs == pair)[:EACH] for pair in np.unique(pairs)]
    parts = {"points": points, "sheet": _sheet(images, np.concatenate(kept), len(labels))}
    return _figure("confusion", data | {"votes": _base64(votes, "uint8")}, static, parts)


def slider(
    model: Any, quantiles: np.ndarray, samples: int = 15, *, static: Figure, item: str = "digit"
) -> LiveFigure:
    """One latent dimension: a slider through the prior's quantiles (n,), some shown beside it.

    quantiles: as `latent.prior_quantiles` gives them, of which `samples` are shown.
    """
    check_choice("latent dimensions of the slider", model.decoder.inputs[0].shape[-1], [1])
    rounded = [round(float(z), 5) for z in quantiles]
    data = {"quantiles": rounded, "samples": samples, "item": item}
    return _figure("slider", data, static, {}, model, ["decoder"])


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
    return _figure("sliders", data, static, {}, model, ["decoder"])


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
    return _figure("board", data, static, {}, model, ["encoder", "decoder"])


def courses(runs: Sequence[Mapping], dimensions: int, *, static: Figure) -> LiveFigure:
    """Trainings by epoch: a slider, and a bar for each run's rate.

    runs: with a name, rate and distortion by epoch (nats), active, the latent dimensions in use by
    epoch ([] where that is not stored), and used, those in use in the end (or None).
    """
    rounded = {"rate": 3, "distortion": 2, "active": 0}
    kept = [
        {**run, **{key: [round(float(x), n) for x in run[key]] for key, n in rounded.items()}}
        for run in runs
    ]
    if not kept:
        return LiveFigure(None, static)
    return _figure("courses", {"runs": kept, "dimensions": dimensions}, static, {})


def verdicts(
    claims: Sequence[Mapping], seeds: Sequence[int], forms: Sequence[str],
    marks: Mapping[str, str], *, static: Figure,
) -> LiveFigure:
    """Claims by verdict: switches of the form of the evidence and of the seed left out move them.

    claims: with an id, words, found, for each form the verdict and what it is based on, and
    without, for each form the verdicts with one of the seeds left out; marks: the sign of every
    verdict.
    """
    data = {"claims": list(claims), "seeds": list(seeds)}
    data |= {"forms": list(forms), "marks": list(marks.items())}
    return _figure("verdicts", data, static, {})


def script(end: str = "activate(document);\n") -> str:
    """The engine and the figures as one module without imports and exports, and its last line."""
    texts = [(FOLDER / name).read_text("utf-8") for name in SCRIPTS]
    return re.sub(r"^import [^;]*;\n|^export ", "", "".join(texts), flags=re.M) + end


def pack(network: Any) -> dict:
    """A Keras model, a chain of layers that may end in several dense heads, ready for JSON.

    Returns {"layers": [...], "weights": base64 of little-endian int16, "scales": [...]}; shapes are
    without the batch. Kernels lie as (rows, columns, channels, filters), also those of transposed
    convolutions; each kernel and bias has its scale, 1/32767 of its largest weight: that is ten
    times nearer to float32 than float16. An encoder's two heads become one dense layer: means,
    log-variances. ValueError for a layer that the engine lacks.
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
    scales = [_scale(array) for array in arrays]
    values = [np.round(array / scale).ravel() for array, scale in zip(arrays, scales, strict=True)]
    weights = _base64(np.concatenate(values), "<i2")
    return {"layers": [*described, last[0]], "weights": weights, "scales": scales}


def _described(layer: Any) -> dict:
    """A layer without its weights; ValueError for an option that the engine does not have."""
    check_choice("layer", type(layer).__name__, LAYERS)
    shapes = {"input": list(layer.input.shape[1:]), "output": list(layer.output.shape[1:])}
    described = {"type": LAYERS[type(layer).__name__], **shapes}
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
    if LAYERS[type(layer).__name__] == "transposed":
        kernel = np.swapaxes(kernel, -1, -2)
    return [kernel, *(bias or [np.zeros(kernel.shape[-1], "float32")])]


def _figure(
    figure: str, data: dict, static: Figure, parts: dict, model: Any = None, networks: Sequence = ()
) -> LiveFigure:
    """The figure; its parts go by the digest of what is in them."""
    try:
        parts = parts | {part: pack(getattr(model, part)) for part in networks}
    except ValueError:  # a model that the engine cannot run
        return LiveFigure(None, static)
    texts = {part: json.dumps(packed, sort_keys=True) for part, packed in parts.items()}
    names = {part: hashlib.sha256(text.encode()).hexdigest()[:16] for part, text in texts.items()}
    content = {"figure": figure, "data": data | names}
    return LiveFigure(content | {"parts": {names[part]: parts[part] for part in parts}}, static)


def _points(
    means: np.ndarray, labels: np.ndarray, names: Sequence[str], item: str
) -> tuple[dict, dict]:
    """Points of the plane, as figures share them, and what each says of its axes."""
    from helpers.plots import CLASS_COLOURS  # here: who renders a report needs no SciPy

    means = np.asarray(means, "float64")
    check_choice("shape of means", means.shape, [(len(labels), 2)])
    scale, extent = _scale(means), max(float(np.abs(means).max()) * 1.05, 3.0)
    colours = [to_hex(CLASS_COLOURS[n % len(CLASS_COLOURS)]) for n in range(len(names))]
    points = {"scale": scale, "means": _base64(np.round(means / scale), "<i2"), "colours": colours}
    return points | _labels(labels, names, item), {"extent": extent}


def _sheet(images: np.ndarray, kept: np.ndarray, count: int) -> dict:
    """Some of `count` images as one picture, dark on white with 16 levels of grey, in rows."""
    from PIL import Image

    check_choice("shape of images", np.shape(images), [(count, 28, 28, 1)])
    rows = -(-len(kept) // SHEET)
    tiles = np.zeros((rows * SHEET, 28, 28))
    tiles[: len(kept)] = np.asarray(images)[kept, ..., 0]
    grey = 255 - 17 * np.round(15 * tiles.reshape(rows, SHEET, 28, 28).swapaxes(1, 2))
    picture = Image.fromarray(grey.reshape(rows * 28, SHEET * 28).astype("uint8")).convert("RGB")
    picture.save(made := io.BytesIO(), "webp", lossless=True, quality=100, method=6)
    return {"places": _base64(kept, "<u2"), "picture": base64.b64encode(made.getvalue()).decode()}


def _scale(array: np.ndarray) -> float:
    """What one step of a 16-bit integer stands for."""
    return float(np.abs(array).max()) / LARGEST or 1.0


def _labels(labels: np.ndarray, names: Sequence[str], item: str) -> dict:
    """Labels as bytes, their names, and what an image is called."""
    numbers = np.asarray(labels)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(names):
        raise ValueError(f"labels up to {numbers.max()}, but {len(names)} names")
    return {"labels": _base64(numbers, "uint8"), "names": list(names), "item": item}


def _base64(array: np.ndarray, kind: str) -> str:
    """The bytes of an array, as numbers of a kind."""
    return base64.b64encode(array.astype(kind).tobytes()).decode()
