"""Arrays of PyTorch into the layers of Keras.

A convolution of PyTorch keeps its kernel as (out, in, height, width), a transposed one
as (in, out, height, width), a linear layer as (out, in); Keras has the sides first,
and the channels the other way round.
https://docs.pytorch.org/docs/stable/nn.html
"""

from collections.abc import Collection
from typing import NamedTuple

import keras
import numpy as np

Tensors = dict[str, np.ndarray]

# What a variable of Keras is called in a state dictionary.
_PARAMETERS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class Filled(NamedTuple):
    """What did not meet its like when a model was filled; for messages.

    Args:
        unused: Names of tensors that no layer took.
        empty: Names of variables that no tensor came for, as `layer/variable`.
        unlike: Sentences about shapes that differ.
    """

    unused: list[str]
    empty: list[str]
    unlike: list[str]


def fill(
    model: keras.Model,
    tensors: Tensors,
    layers: dict[str, str],
    only: Collection[str] | None = None,
) -> Filled:
    """Assigns the tensors of a checkpoint to the variables of a model.

    Args:
        model: The model to fill.
        tensors: Arrays of any float dtype by the names of a state dictionary.
        layers: Module of the state dictionary to layer of the model.
        only: Names of the layers to fill; `None` for all that have weights.

    Returns:
        What is left on either side.
    """
    modules = {layer: module for module, layer in layers.items()}
    left, empty, unlike = dict(tensors), [], []
    for layer in model.layers:
        if only is not None and layer.name not in only:
            continue
        for variable in layer.weights:
            name = f"{modules.get(layer.name)}.{_PARAMETERS[variable.name]}"
            if name not in left:
                empty.append(f"{layer.name}/{variable.name}")
                continue
            value = left.pop(name)
            if variable.name == "kernel":
                value = kernel_of(layer, value)
            if value.shape == tuple(variable.shape):
                variable.assign(value.astype("float32"))
            else:
                unlike.append(
                    f"{name} for {layer.name!r} is {value.shape}, not "
                    f"{tuple(variable.shape)}"
                )
    return Filled(list(left), empty, unlike)


def kernel_of(layer: keras.Layer, weight: np.ndarray) -> np.ndarray:
    """Returns a weight of PyTorch as the kernel of a layer.

    Args:
        layer: A dense layer or a convolution, built.
        weight: Array `(out, in)`, `(out, in, height, width)`, or for a transposed
            convolution `(in, out, height, width)`.

    Returns:
        The same numbers, for a convolution `(height, width, in, out)`, for a
        depthwise one `(height, width, in, multiplier)` and for a transposed one
        `(height, width, out, in)`. A linear layer over a map is a 1x1 convolution.
    """
    if isinstance(layer, keras.layers.Dense):
        return weight.T
    if weight.ndim == 2:
        weight = weight[:, :, np.newaxis, np.newaxis]
    if weight.ndim != 4:
        return weight  # which fits no convolution
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        # Groups of one channel; all results of a channel follow each other.
        multiplier = layer.depth_multiplier
        weight = weight.reshape(-1, multiplier, *weight.shape[2:]).swapaxes(0, 1)
    return weight.transpose(2, 3, 1, 0)
