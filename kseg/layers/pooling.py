"""Max pooling that keeps the resolution."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseg")
class DilatedMaxPooling2D(keras.layers.Layer):
    """2x2 max pooling of stride 1 whose taps lie apart.

    It takes the place of 2x2 pooling of stride 2 in a network made denser: at
    every position it sees what the strided pooling would, had that its window
    there. Taps beyond the lower and right border count nothing.

    Args:
        dilation_rate: Distance between the taps in pixels.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.
    """

    def __init__(self, dilation_rate: int = 1, **kwargs):
        """Stores the distance."""
        super().__init__(**kwargs)
        self.dilation_rate = dilation_rate

    def call(self, x):
        """Pools.

        Args:
            x: Tensor `(batch, height, width, channels)`.

        Returns:
            Tensor of the same shape.
        """
        # Where there is no tap, a pixel stands for it.
        apart = self.dilation_rate
        x = ops.maximum(x, ops.concatenate([x[:, apart:], x[:, -apart:]], axis=1))
        return ops.maximum(
            x, ops.concatenate([x[:, :, apart:], x[:, :, -apart:]], axis=2)
        )

    def compute_output_shape(self, shape):
        """Returns `shape`."""
        return shape

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "dilation_rate": self.dilation_rate}
