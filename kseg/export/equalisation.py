"""Cross-layer equalisation: channels of one tensor made alike, the function kept.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, section 4.1. https://arxiv.org/abs/1906.04721
What leaves a channel of one layer can be divided by a number that the next layer's
kernel is multiplied by: ReLU lets it pass. Departure: ReLU6 does not, and the paper
puts ReLU in its place. Here it stays, as it costs nothing in an int8 file, and a
channel is enlarged only so far that it stays below 6 on the images given; one that
reaches 6 is left alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from kseg.export.convolutions import (
    Convolution,
    ceiling,
    copy_of,
    find_convolutions,
    is_linear,
    readers,
    watch,
)
from kseg.layers.folding import folded, input_axis, output_axes

# They hand each channel on as it is, or the largest or the mean of its values.
_TRANSPARENT = (
    layers.AveragePooling2D,
    layers.Dropout,
    layers.MaxPooling2D,
    layers.ZeroPadding2D,
)
_ROUNDS = 20


class _Pair(NamedTuple):
    """Two operators, of which the second alone reads the first; and its highest."""

    first: Convolution
    second: Convolution
    highest: np.ndarray


def equalise(model: keras.Model, images: Sequence[np.ndarray]) -> keras.Model:
    """Equalises the channels between convolutions that follow each other.

    Args:
        model: A functional or sequential model.
        images: Typical ones, `(height, width, channels)`, 0 to 255: on these, and on
            others whose activations go no higher, the new model computes what the
            model does.

    Returns:
        A model of the same layers with other weights; `model` stays as it is.

    Raises:
        ValueError: If there is no image.
    """
    if not len(images):
        raise ValueError("`images` must hold at least one image. Received: none.")
    copy = copy_of(model)
    found = _pairs(copy)
    if not found:
        return copy
    highest = [np.full(first.output.shape[-1], -np.inf) for first, _ in found]
    for seen in watch(copy, [first.output for first, _ in found], images):
        tops = [values.max(axis=(0, 1, 2)) for values in seen]
        highest = [np.maximum(*both) for both in zip(highest, tops, strict=True)]
    pairs = [_Pair(*both, high) for both, high in zip(found, highest, strict=True)]
    for _ in range(_ROUNDS):  # a layer between two others takes part twice
        if max([_equalise(pair) for pair in pairs]) < 1e-3:
            break
    return copy


def _pairs(model: keras.Model) -> list[tuple[Convolution, Convolution]]:
    """Returns the operators whose output one other operator alone reads."""
    read, found = readers(model), []
    convolutions = {id(x.layer): x for x in find_convolutions(model)}
    for first in convolutions.values():
        following = read.get(id(first.output), [])
        while len(following) == 1 and isinstance(following[0], _TRANSPARENT):
            following = read.get(id(following[0].output), [])
        second = convolutions.get(id(following[0])) if len(following) == 1 else None
        if second and _scalable(first) and _takes_scales(second):
            found.append((first, second))
    return found


def _scalable(first: Convolution) -> bool:
    """Returns whether the output channels of an operator can be divided."""
    relu = first.layer.activation in (keras.activations.relu, keras.activations.relu6)
    norm = first.norm
    return (is_linear(first.layer) or relu) and (
        norm is None or (norm.scale and norm.center)
    )


def _takes_scales(second: Convolution) -> bool:
    """Returns whether the input channels of an operator can be multiplied."""
    layer = second.layer
    if isinstance(layer, layers.DepthwiseConv2D):
        return layer.depth_multiplier == 1
    return getattr(layer, "groups", 1) == 1


def _equalise(pair: _Pair) -> float:
    """Scales a pair; returns the largest change, 0 if nothing changed."""
    first, second, highest = pair
    ahead = _channel_ranges(first, output_axes(first.layer))
    behind = _channel_ranges(second, (input_axis(second.layer),))
    used = (ahead > 0) & (behind > 0)
    divisor = np.ones_like(ahead)
    divisor[used] = np.sqrt(ahead[used] / behind[used])  # equation 11
    top = ceiling(first)
    if top is not None:
        divisor = np.maximum(divisor, highest / top)
        divisor[highest >= top] = 1.0
    _divide_outputs(first, divisor)
    shape = [1] * len(second.layer.kernel.shape)
    shape[input_axis(second.layer)] = -1
    second.layer.kernel.assign(second.layer.kernel * divisor.reshape(shape))
    highest /= divisor
    return float(np.abs(divisor - 1).max())


def _channel_ranges(convolution: Convolution, axes: tuple[int, ...]) -> np.ndarray:
    """Returns the largest weight of each channel, batch norm multiplied in."""
    kernel = np.abs(folded(convolution.layer, convolution.norm)[0])
    others = tuple(axis for axis in range(kernel.ndim) if axis not in axes)
    return kernel.max(axis=others).reshape(-1)


def _divide_outputs(convolution: Convolution, divisor: np.ndarray) -> None:
    """Divides what an operator gives, channel by channel."""
    layer, norm = convolution.layer, convolution.norm
    if norm is not None:
        norm.gamma.assign(norm.gamma / divisor)
        norm.beta.assign(norm.beta / divisor)
        return
    axes = output_axes(layer)
    shape = [n if axis in axes else 1 for axis, n in enumerate(layer.kernel.shape)]
    layer.kernel.assign(layer.kernel / divisor.reshape(shape))
    if layer.bias is not None:
        layer.bias.assign(layer.bias / divisor)
