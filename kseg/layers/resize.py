"""Bilinear resizing of one tensor to the height and width of another."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseg")
class ResizeLike(keras.layers.Layer):
    """Resizes `x` to the height and width of `reference`, whatever they are.

    Bilinear without antialiasing. It works where a side is unknown until the
    graph runs, which `keras.ops.image.resize` refuses on TensorFlow; so there it
    calls TensorFlow, and exports as one `RESIZE_BILINEAR` operator.

    Args:
        align_corners: Whether the centres of the corner pixels stay where they
            are, as the code of PSPNet and DeepLab has it; otherwise the borders
            do, and pixel centres lie at halves.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.
    """

    def __init__(self, align_corners: bool = False, **kwargs):
        """Stores the geometry."""
        super().__init__(**kwargs)
        self.align_corners = align_corners

    def call(self, x, reference):
        """Resizes.

        Args:
            x: Float tensor `(batch, height, width, channels)`.
            reference: Tensor `(batch, new_height, new_width, any)`.

        Returns:
            Float tensor `(batch, new_height, new_width, channels)`.
        """
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            size = tf.shape(reference)[1:3]
        else:
            size = reference.shape[1:3]
        return ops.cast(
            resize_bilinear(x, size, self.align_corners), self.compute_dtype
        )

    def compute_output_shape(self, x_shape, reference_shape):
        """Returns `x_shape` with the height and width of `reference_shape`."""
        return (x_shape[0], reference_shape[1], reference_shape[2], x_shape[3])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "align_corners": self.align_corners}


def resize_bilinear(x, size, align_corners: bool = False):
    """Resizes without antialiasing.

    Args:
        x: Float tensor `(batch, height, width, channels)`.
        size: New height and width, on TensorFlow also as an int32 tensor `(2,)`.
        align_corners: As in `ResizeLike`.

    Returns:
        Float tensor `(batch, new_height, new_width, channels)`.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        if not align_corners:
            return tf.image.resize(x, size)
        return tf.raw_ops.ResizeBilinear(images=x, size=size, align_corners=True)
    if align_corners:
        return _resize_side(_resize_side(x, size[0], axis=1), size[1], axis=2)
    return ops.image.resize(
        x, tuple(size), interpolation="bilinear", data_format="channels_last"
    )


def source_positions(size, old_size, align_corners: bool):
    """Returns where the pixels of a resized side lie on the side as it was.

    They are computed in float32, as TensorFlow's own resizing does.

    Args:
        size: Pixels of the new side, an integer or an int32 scalar.
        old_size: Pixels of the old side, likewise.
        align_corners: As in `ResizeLike`.

    Returns:
        Float tensor `(size,)`, 0 to `old_size - 1`.
    """
    pixels = ops.arange(size, dtype="float32")
    size, old_size = ops.cast(size, "float32"), ops.cast(old_size, "float32")
    if align_corners:
        positions = pixels * ((old_size - 1) / ops.maximum(size - 1, 1))
    else:
        positions = (pixels + 0.5) * (old_size / size) - 0.5
    return ops.clip(positions, 0, old_size - 1)


def _resize_side(x, size, axis):
    """Interpolates linearly between the corner-aligned pixels of one axis."""
    position = source_positions(size, x.shape[axis], align_corners=True)
    low = ops.floor(position)
    weight = ops.expand_dims(position - low, [i for i in range(4) if i != axis])
    weight = ops.cast(weight, x.dtype)
    low = ops.cast(low, "int32")
    high = ops.minimum(low + 1, x.shape[axis] - 1)
    below, above = ops.take(x, low, axis=axis), ops.take(x, high, axis=axis)
    return below + weight * (above - below)
