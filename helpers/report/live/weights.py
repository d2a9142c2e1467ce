"""A trained encoder and decoder as data for the page's engine: layers, shapes, base64 weights."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.errors import check_choice

TYPES = {"Dense": "dense", "Conv2D": "convolution", "Conv2DTranspose": "transposed"}
TYPES |= {"Reshape": "reshape", "Flatten": "reshape"}
ACTIVATIONS = ("linear", "relu", "sigmoid")


def pack(model: Any, parts: Sequence[str] = ("encoder", "decoder")) -> dict[str, dict]:
    """The encoder and the decoder of a VAE (or one of them), ready for JSON.

    Returns {part: {"layers": [...], "weights": base64 of little-endian float32}}; a layer has its
    type, the shapes of input and output without the batch, and, where it has weights, kernel,
    strides and activation. Kernels lie as (rows, columns, channels, filters), also those of
    transposed convolutions. The encoder's two heads become one dense layer: means, log-variances.

    Float32, because rounding shows: on the report's models, float16 changes decoded pixels by up to
    0.005 and 16-bit integers, scaled per filter, by up to 0.0006. Raises ValueError for a layer
    that the engine does not have.
    """
    return {part: _network(getattr(model, part)) for part in parts}


def _network(network: Any) -> dict:
    """One packed Keras model, a chain of layers that may end in several dense heads."""
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
    described.append(last[0])
    arrays = [array for layer in stack for array in _arrays(layer)]
    arrays += [np.concatenate(pair, axis=-1) for pair in zip(*map(_arrays, heads), strict=True)]
    values = np.concatenate([array.ravel() for array in arrays]).astype("<f4")
    return {"layers": described, "weights": base64.b64encode(values.tobytes()).decode()}


def _described(layer: Any) -> dict:
    """A layer without its weights; ValueError for an option that the engine does not have."""
    check_choice("layer", type(layer).__name__, TYPES)
    described = {"type": TYPES[type(layer).__name__], "input": list(layer.input.shape[1:])}
    described["output"] = list(layer.output.shape[1:])
    if described["type"] == "reshape":
        return described
    check_choice(f"activation of {layer.name}", layer.activation.__name__, ACTIVATIONS)
    described["activation"] = layer.activation.__name__
    if described["type"] == "dense":
        check_choice(f"axes of the input of {layer.name}", len(described["input"]), (1,))
        return described
    options = (layer.data_format, tuple(layer.dilation_rate), getattr(layer, "groups", 1))
    what = f"data_format, dilation_rate and groups of {layer.name}"
    check_choice(what, options, (("channels_last", (1, 1), 1),))
    return described | {"kernel": list(layer.kernel_size), "strides": list(layer.strides)}


def _arrays(layer: Any) -> list[np.ndarray]:
    """Kernel and bias of a layer, or nothing; the kernel's last axes are channels and filters."""
    if TYPES[type(layer).__name__] == "reshape":
        return []
    kernel, *bias = [np.asarray(weight) for weight in layer.get_weights()]
    if TYPES[type(layer).__name__] == "transposed":
        kernel = np.swapaxes(kernel, -1, -2)
    return [kernel, *(bias or [np.zeros(kernel.shape[-1], "float32")])]
