"""Arrays of PyTorch into the layers of Keras.

A convolution of PyTorch keeps its kernel as (out, in, height, width), a transposed one
as (in, out, height, width), a linear layer as (out, in); Keras has the sides first,
and the channels the other way round.
https://docs.pytorch.org/docs/stable/nn.html
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np

Tensors = dict[str, np.ndarray]
Options = Mapping[str, Any]

# What a variable of Keras is called in a state dictionary.
_PARAMETERS = {
    "kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


class Recipe(NamedTuple):
    """How the tensors of a checkpoint become a network.

    Args:
        network: Name of the network, `None` where there is only its backbone.
        arguments: Those of `kseg.build` that the checkpoint decides.
        tensors: Tensors by name; rearranged where the forms differ.
        layers: Name of every module of the checkpoint to that of its layer.
        left_out: Regular expression of the beginning of names that only training
            needs.
    """

    network: str | None
    arguments: dict[str, Any]
    tensors: Tensors
    layers: dict[str, str]
    left_out: str = "$"


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


def sequence(module: str, layer: str, first: int = 0) -> dict[str, str]:
    """Names a convolution and the batch norm behind it in an `nn.Sequential`.

    Args:
        module: Name of the sequence.
        layer: Name of the convolution here; that of the batch norm ends in `_bn`.
        first: Place of the convolution in the sequence.

    Returns:
        The two modules and their layers.

    Example:
    >>> sequence("classifier", "fuse", first=1)
    {'classifier.1': 'fuse', 'classifier.2': 'fuse_bn'}
    """
    return {f"{module}.{first}": layer, f"{module}.{first + 1}": f"{layer}_bn"}


def modules_of(tensors: Tensors, prefix: str = "") -> list[str]:
    """Returns the modules whose names begin with a prefix, each once, without it.

    Args:
        tensors: Arrays by the names of a state dictionary.
        prefix: What the names must begin with.
    """
    names = (name.rpartition(".")[0] for name in tensors)
    return list(
        dict.fromkeys(
            name.removeprefix(prefix) for name in names if name.startswith(prefix)
        )
    )


def count_of(tensors: Tensors, pattern: str) -> int:
    """Returns how many modules there are of a name that is numbered from 0.

    Args:
        tensors: Arrays by the names of a state dictionary.
        pattern: Regular expression of the beginning of a name, with one group for
            the number.

    Returns:
        The largest number and 1, or 0 where no name begins so.
    """
    found = (re.match(pattern, name) for name in tensors)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
