"""Bilinear resizing of one tensor to the height and width of another."""

import keras
import numpy as np
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
            resized = self._resize_on_tensorflow(x, reference)
        elif self.align_corners:
            resized = _resize_side(x, reference.shape[1], axis=1)
            resized = _resize_side(resized, reference.shape[2], axis=2)
        else:
            size = tuple(reference.shape[1:3])
            resized = ops.image.resize(
                x, size, interpolation="bilinear", data_format="channels_last"
            )
        return ops.cast(resized, self.compute_dtype)

    def _resize_on_tensorflow(self, x, reference):
        import tensorflow as tf

        size = tf.shape(reference)[1:3]
        if not self.align_corners:
            return tf.image.resize(x, size)
        return tf.raw_ops.ResizeBilinear(images=x, size=size, align_corners=True)

    def compute_output_shape(self, x_shape, reference_shape):
        """Returns `x_shape` with the height and width of `reference_shape`."""
        return (x_shape[0], reference_shape[1], reference_shape[2], x_shape[3])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "align_corners": self.align_corners}


def _resize_side(x, size, axis):
    """Interpolates linearly between the corner-aligned pixels of one axis."""
    last = x.shape[axis] - 1
    position = np.linspace(0, last, size) if size > 1 else np.zeros(1)
    low = np.floor(position).astype("int32")
    high = np.minimum(low + 1, last)
    weight = np.expand_dims(position - low, [i for i in range(4) if i != axis])
    weight = ops.cast(weight, x.dtype)
    below, above = ops.take(x, low, axis=axis), ops.take(x, high, axis=axis)
    return below + weight * (above - below)
