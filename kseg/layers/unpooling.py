"""Max pooling that remembers where the maxima were, and unpooling back there.

SegNet and DeconvNet carry these places ("pooling indices", "switches") from their
encoder to their decoder.
Badrinarayanan et al., "SegNet", section 3. https://arxiv.org/abs/1511.00561
Noh et al., "Learning Deconvolution Network for Semantic Segmentation", section 3.2.
https://arxiv.org/abs/1505.04366
The formulation is one that LiteRT has operators for, in float and in integers:
comparisons and selections, and reshapes for reading and writing every second pixel.
LiteRT compares int8 values exactly where one step is 1/256 or more and below 1, so in
an int8 file the pooled map must have a range of 1 to 255, as it has behind batch norm.
Below it, values less than 1/256 apart count as equal; above, `kseg.export` refuses.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseg")
class MaxPoolingWithIndices(keras.layers.Layer):
    """2x2 max pooling of stride 2 that also says which of the four it took.

    Sides are rounded up, as with `padding="same"`. Of equal maxima the first in
    raster order counts. The gradient goes to the pixel that was taken.

    Example:
    >>> x = keras.ops.reshape(keras.ops.arange(12.0), (1, 3, 4, 1))
    >>> pooled, indices = MaxPoolingWithIndices()(x)
    >>> keras.ops.convert_to_numpy(pooled)[0, ..., 0].tolist()
    [[5.0, 7.0], [9.0, 11.0]]
    >>> keras.ops.convert_to_numpy(indices)[0, ..., 0].tolist()
    [[3, 3], [1, 1]]
    """

    def call(self, x):
        """Pools.

        Args:
            x: Float tensor `(batch, height, width, channels)`.

        Returns:
            The pooled tensor, `(batch, ceil(height / 2), ceil(width / 2), channels)`,
            and of the same shape uint8 indices: 0 is the top left pixel of the four,
            1 the top right, 2 the bottom left and 3 the bottom right.
        """
        pooled = ops.max_pool(x, 2, 2, padding="same", data_format="channels_last")
        # A pixel that repeats an earlier one of the four is never the first.
        x = _even(_even(x, 1), 2)
        _, height, width, channels = ops.shape(x)
        # A row and the one below lie side by side, then so do a pixel and the next.
        rows = ops.reshape(x, (-1, height // 2, 2 * width, channels))
        pairs = (-1, height // 2, width // 2, 2 * channels)
        top = ops.reshape(rows[:, :, :width], pairs)
        bottom = ops.reshape(rows[:, :, width:], pairs)
        indices = ops.where(ops.equal(bottom[..., :channels], pooled), 2, 3)
        indices = ops.where(ops.equal(top[..., channels:], pooled), 1, indices)
        indices = ops.where(ops.equal(top[..., :channels], pooled), 0, indices)
        return pooled, ops.cast(indices, "uint8")

    def compute_output_shape(self, x_shape):
        """Returns the shapes of the pooled tensor and of the indices, which agree."""
        batch, height, width, channels = x_shape
        half = [None if side is None else -(-side // 2) for side in (height, width)]
        return ((batch, *half, channels),) * 2

    def compute_output_spec(self, x):
        """Returns the two outputs without values."""
        pooled, indices = self.compute_output_shape(x.shape)
        return (
            keras.KerasTensor(pooled, self.compute_dtype),
            keras.KerasTensor(indices, "uint8"),
        )


@keras.saving.register_keras_serializable(package="kseg")
class MaxUnpooling(keras.layers.Layer):
    """Puts every value back where `MaxPoolingWithIndices` took one; else zeros."""

    def call(self, x, indices, reference):
        """Unpools.

        Args:
            x: Float tensor `(batch, height, width, channels)`.
            indices: uint8 tensor of the same shape, 0 to 3.
            reference: The tensor that was pooled, for its height and width:
                `(batch, new_height, new_width, any)`.

        Returns:
            Tensor `(batch, new_height, new_width, channels)`.
        """
        indices = ops.cast(indices, "int32")
        zeros = ops.zeros_like(x)
        places = [ops.where(ops.equal(indices, i), x, zeros) for i in range(4)]
        _, height, width, channels = ops.shape(x)
        # Pixels alternate within each of two rows, then these rows do.
        row = (-1, height, 2 * width, channels)
        top = ops.reshape(ops.concatenate(places[:2], axis=3), row)
        bottom = ops.reshape(ops.concatenate(places[2:], axis=3), row)
        unpooled = ops.concatenate([top, bottom], axis=2)
        unpooled = ops.reshape(unpooled, (-1, 2 * height, 2 * width, channels))
        _, height, width, _ = ops.shape(reference)
        return unpooled[:, :height, :width]

    def compute_output_shape(self, x_shape, indices_shape, reference_shape):
        """Returns `x_shape` with the height and width of `reference_shape`."""
        return (x_shape[0], *reference_shape[1:3], x_shape[3])


def _even(x, axis: int):
    """Repeats the last row or column where their number is odd."""
    size = ops.shape(x)[axis]
    if isinstance(size, int) and size % 2 == 0:
        return x
    last = x[:, -1:] if axis == 1 else x[:, :, -1:]
    doubled = ops.concatenate([x, last], axis=axis)
    even = size + size % 2
    return doubled[:, :even] if axis == 1 else doubled[:, :, :even]
