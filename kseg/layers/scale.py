"""Smaller images for a network, and its scores at their size again."""

from fractions import Fraction

import keras
from keras import ops

from kseg.layers.crop import CropLike
from kseg.layers.resize import ResizeLike
from kseg.layers.transposed import bilinear_transposed


@keras.saving.register_keras_serializable(package="kseg")
class Shrink(keras.layers.Layer):
    """Makes an image smaller by a factor, whatever its size is.

    A side of n pixels becomes `factor * n`, rounded up. Bilinear between half-pixel
    centres without antialiasing, as `ResizeLike`, which enlarges a result again.

    Args:
        factor: From 0.001 to 1.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.

    Raises:
        ValueError: If `factor` is out of this range.

    Example:
    >>> tuple(Shrink(0.75)(keras.ops.ones((1, 321, 4, 3))).shape)
    (1, 241, 3, 3)
    """

    def __init__(self, factor: float, **kwargs):
        """Stores the factor."""
        super().__init__(**kwargs)
        if not 0.001 <= factor <= 1:
            raise ValueError(f"`factor` must be from 0.001 to 1. Received: {factor!r}.")
        self.factor = factor
        # A ratio of small numbers: whole numbers round alike on every backend.
        self._ratio = Fraction(factor).limit_denominator(1000)

    def build(self, shape):
        """Creates the layer that resizes."""
        self._resize = ResizeLike(dtype=self.dtype_policy)

    def call(self, x):
        """Shrinks.

        Args:
            x: Float tensor `(batch, height, width, channels)`.

        Returns:
            Float tensor `(batch, new_height, new_width, channels)`.
        """
        height, width = (self._smaller(side) for side in ops.shape(x)[1:3])
        return self._resize(x, x[:, :height, :width])

    def _smaller(self, side):
        """Works for a number, and for a tensor where the graph does not know it."""
        numerator, denominator = self._ratio.as_integer_ratio()
        # Rounded up without negative numbers, which ONNX divides otherwise.
        return (side * numerator + denominator - 1) // denominator

    def compute_output_shape(self, shape):
        """Returns `shape` with the smaller height and width."""
        sides = [None if side is None else self._smaller(side) for side in shape[1:3]]
        return (shape[0], *sides, shape[3])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "factor": self.factor}


def enlarge_cells(scores, image, stride: int, *, kernel_name: str, name: str):
    """Interpolates between cells that lie on the pixels 0, `stride`, 2 `stride`, ...

    So lie those of networks whose strided kernels are odd and padded at both sides;
    `ResizeLike` takes a cell to be the middle of its pixels. It is a fixed transposed
    convolution, which repeats the last cell where the image goes on behind it.

    Args:
        scores: Float tensor `(batch, height / stride, width / stride, channels)`, its
            sides rounded up.
        image: Tensor `(batch, height, width, any)`.
        stride: Pixels from one cell to the next.
        kernel_name: Name of the layer that enlarges, which has the fixed kernel.
        name: Name of the layer that gives the result.

    Returns:
        Float32 tensor `(batch, height, width, channels)`.
    """
    x = bilinear_transposed(
        scores,
        stride,
        kernel_size=2 * stride - 1,
        extend=True,
        trainable=False,
        dtype="float32",
        name=kernel_name,
    )
    # The kernel begins `stride - 1` pixels ahead of its cell, and the cell that is
    # ahead of the first one lies at `-stride`.
    return CropLike(2 * stride - 1, dtype="float32", name=name)(x, image)
