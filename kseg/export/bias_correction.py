"""Bias correction: the mean error that rounded kernels make, taken off the biases.

Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, section 4.2. https://arxiv.org/abs/1906.04721
Departure: the mean of each input channel is measured on images, where the paper derives
it from batch norms; the paper's appendix D does so too.
"""

from collections.abc import Collection, Sequence
from typing import Any

import keras
import numpy as np

from kseg.export.convolutions import Convolution, copy_of, find_convolutions, watch
from kseg.layers.fake_quantisation import fake_quantise_kernel
from kseg.layers.folding import folded, input_axis, output_axes


def correct_biases(
    model: keras.Model, images: Sequence[np.ndarray], leave: Collection[str] = ()
) -> keras.Model:
    """Corrects the biases of a model for what int8 does to its kernels.

    Args:
        model: A functional or sequential model.
        images: Typical ones, `(height, width, channels)`, 0 to 255.
        leave: Names of layers whose kernels will not be rounded.

    Returns:
        A model of the same layers, to be exported as int8: its biases lack what the
        rounding of its kernels will add. `model` stays as it is.

    Raises:
        ValueError: If there is no image.
    """
    if not len(images):
        raise ValueError("`images` must hold at least one image. Received: none.")
    copy = copy_of(model)
    found = [
        x
        for x in find_convolutions(copy)
        if _bias(x) is not None and x.layer.name not in leave
    ]
    if not found:
        return copy
    means = [np.zeros(x.layer.input.shape[-1]) for x in found]
    for seen in watch(copy, [x.layer.input for x in found], images):
        for mean, values in zip(means, seen, strict=True):
            pixels = values.reshape(-1, values.shape[-1])
            mean += pixels.mean(axis=0, dtype="float64") / len(images)
    for convolution, mean in zip(found, means, strict=True):
        bias: Any = _bias(convolution)
        bias.assign(bias - mean_error(convolution, mean).astype("float32"))
    return copy


def mean_error(convolution: Convolution, mean: np.ndarray) -> np.ndarray:
    """Returns what rounding a kernel to int8 adds to each output channel on average.

    Args:
        convolution: From `kseg.export.convolutions.find_convolutions`.
        mean: Float `(input channels,)`, the mean of each.

    Returns:
        Float `(output channels,)`.
    """
    layer = convolution.layer
    kernel, _ = folded(layer, convolution.norm)
    rounded = fake_quantise_kernel(kernel, output_axes(layer))
    error = np.asarray(rounded, "float64") - np.asarray(kernel, "float64")
    shape = [1] * error.ndim
    shape[input_axis(layer)] = -1
    axes = tuple(axis for axis in range(error.ndim) if axis not in output_axes(layer))
    return (error * mean.reshape(shape)).sum(axis=axes).reshape(-1)


def _bias(convolution: Convolution):
    """Returns the variable that is added to each output channel, or `None`."""
    if getattr(convolution.layer, "groups", 1) > 1:
        return None
    if convolution.norm is None:
        return convolution.layer.bias
    return convolution.norm.beta if convolution.norm.center else None
