"""Transposed convolution that starts as bilinear interpolation."""

import keras
import numpy as np
from keras import layers


@keras.saving.register_keras_serializable(package="kseg")
class BilinearKernel(keras.initializers.Initializer):
    """Bilinear interpolation of each channel, for `Conv2DTranspose`.

    The kernel is zero between different channels (Long et al., "Fully Convolutional
    Networks", section 3.3; the authors' `surgery.py`).

    Args:
        factor: How many times the convolution enlarges; `None` for the one that
            needs all of the kernel. Of a larger kernel the border is zero.
    """

    def __init__(self, factor: int | None = None):
        """Stores the factor."""
        self.factor = factor

    def __call__(self, shape, dtype=None):
        """Returns the kernel `(height, width, filters, channels)`."""
        sides = []
        for size in shape[:2]:
            factor = self.factor or (size + 1) // 2
            distance = np.abs(np.arange(size) - (size - 1) / 2)
            sides.append(np.maximum(1 - distance / factor, 0))
        kernel = np.zeros(shape, "float32")
        for channel in range(min(shape[2:])):
            kernel[:, :, channel, channel] = np.outer(*sides)
        return keras.ops.convert_to_tensor(kernel, dtype)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {"factor": self.factor}


def bilinear_transposed(
    x,
    factor: int,
    *,
    name: str,
    kernel_size: int | None = None,
    extend: bool = False,
    trainable: bool = True,
    dtype: str | None = None,
):
    """Enlarges by a transposed convolution that starts as bilinear interpolation.

    There is no bias. A side of n pixels becomes `factor * (n - 1)` plus the kernel's,
    so that the pixel n lies at `factor * n + (kernel_size - 1) / 2`.

    Args:
        x: Float tensor `(batch, height, width, channels)`.
        factor: How many times finer the result is.
        name: Name of the layer.
        kernel_size: Side of the kernel in pixels; `None` for what interpolates
            evenly, `2 * factor - factor % 2`.
        extend: Whether the values at the border are repeated one pixel further, so
            that the result does not fade there; all of it then lies `factor` pixels
            further down and to the right.
        trainable: Whether the kernel is learned.
        dtype: Type or policy of the layer; `None` for Keras's current policy.

    Returns:
        Float tensor `(batch, new_height, new_width, channels)`.
    """
    if extend:
        x = keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    return layers.Conv2DTranspose(
        x.shape[-1],
        kernel_size or 2 * factor - factor % 2,
        strides=factor,
        use_bias=False,
        kernel_initializer=BilinearKernel(),
        trainable=trainable,
        dtype=dtype,
        name=name,
    )(x)
