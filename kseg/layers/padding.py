"""Padding of maps that are too small for what follows."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseg")
class PadToLeast(keras.layers.Layer):
    """Adds zeros at the bottom and at the right up to a least height and width.

    Args:
        size: The least height and width, in pixels; larger maps stay as they are.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.
    """

    def __init__(self, size: int, **kwargs):
        """Stores the size."""
        super().__init__(**kwargs)
        self.size = size

    def call(self, x):
        """Pads.

        Args:
            x: Tensor `(batch, height, width, channels)`.

        Returns:
            Tensor `(batch, new_height, new_width, channels)`.
        """
        _, height, width, _ = ops.shape(x)
        more = (0, self.size - 1)
        padded = ops.pad(x, ((0, 0), more, more, (0, 0)))
        return padded[:, : self._at_least(height), : self._at_least(width)]

    def _at_least(self, side):
        """Works for a number, and for a tensor where the graph does not know it."""
        if isinstance(side, int):
            return max(side, self.size)
        return ops.maximum(side, self.size)

    def compute_output_shape(self, shape):
        """Returns `shape` with no side below the least."""
        sides = [None if side is None else max(side, self.size) for side in shape[1:3]]
        return (shape[0], *sides, shape[3])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "size": self.size}
