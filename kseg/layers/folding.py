"""Kernels as an int8 file has them: with the batch norm behind them multiplied in.

Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", CVPR 2018, section 3.2.
https://arxiv.org/abs/1712.05877
"""

import keras
from keras import layers, ops

# The axes of a kernel that count the channels that go out, and those that come in.
_AXES = {
    layers.Conv2D: ((3,), 2),
    layers.Conv2DTranspose: ((2,), 3),
    layers.Dense: ((1,), 0),
    layers.DepthwiseConv2D: ((2, 3), 2),
}
KERNEL_LAYERS = tuple(_AXES)


def output_axes(layer: keras.Layer) -> tuple[int, ...]:
    """Returns the axes of a layer's kernel that its output channels lie on.

    Args:
        layer: One of `KERNEL_LAYERS`.
    """
    return _AXES[type(layer)][0]


def input_axis(layer: keras.Layer) -> int:
    """Returns the axis of a layer's kernel that its input channels lie on.

    Args:
        layer: One of `KERNEL_LAYERS`, without groups.
    """
    return _AXES[type(layer)][1]


def along_outputs(layer: keras.Layer, values):
    """Brings one value per output channel into a shape that fits the kernel.

    Args:
        layer: One of `KERNEL_LAYERS`, built.
        values: Tensor `(channels,)`.
    """
    axes = output_axes(layer)
    shape = [n if axis in axes else 1 for axis, n in enumerate(layer.kernel.shape)]
    return ops.reshape(values, shape)


def folded(layer: keras.Layer, norm: layers.BatchNormalization | None = None):
    """Returns the kernel and the bias of a layer and the batch norm behind it in one.

    Args:
        layer: One of `KERNEL_LAYERS`, built.
        norm: The batch norm, which keeps its statistics; `None` for none.

    Returns:
        Tensors: the kernel, of its shape, and the bias `(channels,)`.
    """
    kernel = ops.convert_to_tensor(layer.kernel)
    bias = 0.0 if layer.bias is None else ops.convert_to_tensor(layer.bias)
    if norm is None:
        channels = 1
        for axis in output_axes(layer):
            channels *= kernel.shape[axis]
        return kernel, bias + ops.zeros((channels,), kernel.dtype)
    factor = ops.rsqrt(ops.convert_to_tensor(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        factor = factor * norm.gamma
    bias = (bias - ops.convert_to_tensor(norm.moving_mean)) * factor
    if norm.center:
        bias = bias + norm.beta
    return kernel * along_outputs(layer, factor), bias
