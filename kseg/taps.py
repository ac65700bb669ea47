"""Convolutions as sums over the taps of their kernels, where processors gain by it.

The taps of a high rate lie so far apart that most of them meet the zeros around the
map: at rate 36 all but the middle one, on a map of 32 pixels. oneDNN and XLA multiply
by these zeros, too, and slowly. Nor has XLA quick kernels on processors for depthwise
convolutions, or for those of one tap, which are products of matrices. Parts of a map,
times the weights of one tap, are what both are quick at.
"""

import contextlib
import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import keras
from keras import layers, ops

# Where taps meet more of the map than this, oneDNN and XLA are as quick.
_MOST = 2 / 3


@contextlib.contextmanager
def sums_of_taps(model: keras.Model) -> Iterator[None]:
    """Has a model compute convolutions as sums over their taps, where that is quicker.

    On processors these are dilated convolutions whose taps lie over a quarter of the
    map from each other, and on JAX those of one tap and depthwise ones too; on maps of
    a known size. Results differ in the order of additions alone. What is traced inside
    stays so; the layers are afterwards what they were, so that an export has
    convolutions.

    Args:
        model: Its layers, and those of models in it, are changed meanwhile.
    """
    changed = []
    if _on_processors():
        by_xla = keras.backend.backend() == "jax"
        changed = [x for x in model._flatten_layers() if _is_one(x, by_xla)]
    for layer in changed:
        if isinstance(layer, layers.DepthwiseConv2D):
            layer.call = functools.partial(_depthwise, layer)
        else:
            layer.convolution_op = functools.partial(_convolution, layer)
    try:
        yield
    finally:
        for layer in changed:
            # Another thread may have been here first.
            layer.__dict__.pop("call", None)
            layer.__dict__.pop("convolution_op", None)


def _on_processors() -> bool:
    """Says whether the backend computes on processors."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.default_backend() == "cpu"
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return not tf.config.list_logical_devices("GPU")
    return False


def _is_one(layer: layers.Layer, by_xla: bool) -> bool:
    """Says whether a layer is a convolution that may be quicker as a sum."""
    if layer.__dict__.keys() & {"call", "convolution_op"}:
        return False  # as of a block around this one
    # A class of one's own may compute something else.
    if type(layer) is layers.DepthwiseConv2D:
        quicker = by_xla
    elif type(layer) is layers.Conv2D and layer.groups == 1:
        one_tap = layer.kernel_size == (1, 1)
        quicker = max(layer.dilation_rate) > 1 or by_xla and one_tap
    else:
        quicker = False
    return quicker and layer.data_format == "channels_last"


def _convolution(layer: layers.Conv2D, inputs, kernel):
    """Computes a convolution, without its bias."""
    if None in inputs.shape[1:]:
        return type(layer).convolution_op(layer, inputs, kernel)
    rows, columns = _taps(layer, inputs.shape)
    if _share(rows) * _share(columns) > _MOST and layer.kernel_size != (1, 1):
        return type(layer).convolution_op(layer, inputs, kernel)
    channels, filters = kernel.shape[-2:]

    def product(part, weights):
        pixels = ops.matmul(ops.reshape(part, (-1, channels)), weights)
        return ops.reshape(pixels, (-1, *part.shape[1:3], filters))

    return _sum(inputs, kernel, rows, columns, product)


def _depthwise(layer: layers.DepthwiseConv2D, inputs):
    """Computes a depthwise convolution with its bias and activation."""
    if None in inputs.shape[1:]:
        return type(layer).call(layer, inputs)
    channels = inputs.shape[-1] * layer.depth_multiplier

    def product(part, weights):
        values = ops.expand_dims(part, -1) * weights
        return ops.reshape(values, (-1, *part.shape[1:3], channels))

    rows, columns = _taps(layer, inputs.shape)
    result = _sum(inputs, layer.kernel, rows, columns, product)
    if layer.use_bias:
        result += layer.bias
    return result if layer.activation is None else layer.activation(result)


class _Tap(NamedTuple):
    """What a row or a column of a kernel does along its axis of a map.

    Attributes:
        part: The pixels of the input that it meets.
        padding: How many pixels of the result are ahead of those that it adds to, and
            behind them: there it meets the zeros around the map.
        length: How many it adds to.
    """

    part: slice
    padding: tuple[int, int]
    length: int


def _taps(layer, shape) -> list[list[_Tap]]:
    """Returns the taps of a kernel along the two axes of a map."""
    axes = zip(
        shape[1:3], layer.kernel_size, layer.strides, layer.dilation_rate, strict=True
    )
    return [list(_taps_of_axis(*axis, layer.padding == "same")) for axis in axes]


def _taps_of_axis(
    size: int, taps: int, stride: int, rate: int, same: bool
) -> Iterator[_Tap]:
    """Yields the taps of a kernel along an axis."""
    reach = (taps - 1) * rate
    length = -(-(size if same else size - reach) // stride)
    before = max(0, (length - 1) * stride + reach + 1 - size) // 2 if same else 0
    for first in range(-before, reach - before + 1, rate):
        begin = max(0, -(first // stride))
        end = max(begin, min(length, -((first - size) // stride)))
        pixels = slice(first + begin * stride, first + end * stride, stride)
        yield _Tap(pixels, (begin, length - end), end - begin)


def _share(taps: list[_Tap]) -> float:
    """Returns the share of the pixels of a result that its taps add to."""
    return sum(tap.length / (tap.length + sum(tap.padding)) for tap in taps) / len(taps)


def _sum(inputs, kernel, rows, columns, product):
    """Sums what the taps add, in float32 where the inputs have half of it."""
    total = 0
    for (i, row), (j, column) in itertools.product(enumerate(rows), enumerate(columns)):
        if row.length and column.length:
            added = product(inputs[:, row.part, column.part], kernel[i, j])
            added = ops.pad(added, ((0, 0), row.padding, column.padding, (0, 0)))
            total += ops.cast(added, keras.backend.result_type(added.dtype, "float32"))
    return ops.cast(total, inputs.dtype)
