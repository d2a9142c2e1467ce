"""A trained encoder and decoder as data for the page's engine: layers, shapes, base64 weights."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.errors import check_choice

TYPES = {"Dense": "dense", "Conv2D": "convolution", "Conv2DTranspose": "transposed"}
TYPES |= {"Reshape": "reshape", "Flatten": "reshape"}
ACTIVATIONS = ("linear", "relu", "sigmoid")
PARTS = ("encoder", "decoder")


def pack(model: Any, parts: Sequence[str] = PARTS) -> dict[str, dict]:
    """The encoder and the decoder of a VAE (or one of them), ready for JSON.

    Returns {part: {"layers": [...], "weights": base64 of little-endian float32}}; a layer has its
    type, the shapes of input and output without the batch, and, where it has weights, kernel,
    strides and activation. Kernels lie as (rows, columns, channels, filters), also those of
    transposed convolutions. The encoder's two heads become one dense layer: means, log-variances.

    Float32, because rounding shows: on the report's models, float16 changes decoded pixels by up to
    0.005 and 16-bit integers, scaled per filter, by up to 0.0006. Raises ValueError for a layer
    that the engine does not have.
    """
    for part in parts:
        check_choice("part", part, PARTS)
    return {part: _network(getattr(model, part)) for part in parts}


def _network(network: Any) -> dict:
    """One packed Keras model, a chain of layers that may end in several dense heads."""
    layers = [layer for layer in network.layers if type(layer).__name__ != "InputLayer"]
    stack, last = layers[: -len(network.outputs)], layers[-len(network.outputs) :]
    _check(network, stack, last)
    described = [_described(layer) for layer in stack] + [_joined(last)]
    arrays = [array for layer in stack for array in _arrays(layer)]
    arrays += [np.concatenate(pair, axis=-1) for pair in zip(*map(_arrays, last), strict=True)]
    values = np.concatenate([array.ravel() for array in arrays]).astype("<f4")
    return {"layers": described, "weights": base64.b64encode(values.tobytes()).decode()}


def _check(network: Any, stack: list, heads: list) -> None:
    """Raise ValueError unless the layers are a chain, and several heads are dense."""
    sources = [network.inputs[0], *(layer.output for layer in stack)]
    sources += [sources[-1]] * (len(heads) - 1)
    for layer, source in zip([*stack, *heads], sources, strict=True):
        check_choice("layer", type(layer).__name__, TYPES)
        if layer.input is not source:
            problem = "does not follow the layer before it: only a chain can be packed"
            raise ValueError(f"layer {layer.name} {problem}")
    for head in heads if len(heads) > 1 else []:
        what = f"layer {head.name}, one of {len(heads)} outputs,"
        check_choice(what, type(head).__name__, ("Dense",))


def _described(layer: Any) -> dict:
    """A layer without its weights; ValueError for an option that the engine does not have."""
    kind = TYPES[type(layer).__name__]
    shapes = {"input": list(layer.input.shape[1:]), "output": list(layer.output.shape[1:])}
    described = {"type": kind} | shapes
    if kind == "reshape":
        return described
    check_choice(f"activation of {layer.name}", layer.activation.__name__, ACTIVATIONS)
    described["activation"] = layer.activation.__name__
    if kind == "dense":
        check_choice(f"axes of the input of {layer.name}", len(described["input"]), (1,))
        return described
    check_choice(f"data_format of {layer.name}", layer.data_format, ("channels_last",))
    check_choice(f"dilation_rate of {layer.name}", tuple(layer.dilation_rate), ((1, 1),))
    check_choice(f"groups of {layer.name}", getattr(layer, "groups", 1), (1,))
    return described | {"kernel": list(layer.kernel_size), "strides": list(layer.strides)}


def _joined(heads: list) -> dict:
    """One layer for all heads."""
    first, *others = [_described(layer) for layer in heads]
    for other in others:
        check_choice("activation of a head", other["activation"], (first["activation"],))
        first["output"] = [first["output"][0] + other["output"][0]]
    return first


def _arrays(layer: Any) -> list[np.ndarray]:
    """Kernel and bias of a layer, or nothing; the kernel's last axes are channels and filters."""
    if TYPES[type(layer).__name__] == "reshape":
        return []
    kernel, *bias = [np.asarray(weight) for weight in layer.get_weights()]
    if TYPES[type(layer).__name__] == "transposed":
        kernel = np.swapaxes(kernel, -1, -2)
    return [kernel, *(bias or [np.zeros(kernel.shape[-1], "float32")])]
