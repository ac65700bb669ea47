"""Pooling that Keras does not have: over taps apart, and into a number of bins."""

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


@keras.saving.register_keras_serializable(package="kseg")
class AdaptiveAveragePooling2D(keras.layers.Layer):
    """Averages a map of any size into a number of bins, as PyTorch does.

    Of `size` pixels bin i holds those from `i * size / bins`, rounded down, up to
    `(i + 1) * size / bins`, rounded up: bins overlap where `bins` does not divide
    the size, and share pixels where there are fewer pixels than bins. Keras's layer
    of this name does not take sizes that are unknown until the graph runs.

    Args:
        bins: Height and width of the result.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.
    """

    def __init__(self, bins: int, **kwargs):
        """Stores the number of bins."""
        super().__init__(**kwargs)
        self.bins = bins

    def call(self, x, training=None):
        """Pools.

        Args:
            x: Float tensor `(batch, height, width, channels)`.
            training: Whether gradients are wanted.

        Returns:
            Float tensor `(batch, bins, bins, channels)`.
        """
        for axis in (1, 2):  # a mean of means, as a bin's rows are alike
            size = ops.shape(x)[axis]
            if isinstance(size, int) and size % self.bins == 0:
                # One operator, whose gradient needs no map per bin.
                length = size // self.bins
                window = (length, 1) if axis == 1 else (1, length)
                x = ops.average_pool(x, window, window, data_format="channels_last")
            elif training:
                x = self._by_product(x, axis)
            else:
                x = self._by_slices(x, axis)
        return x

    def _by_product(self, x, axis):
        """Averages along one axis; a gradient of slices would be a map per bin."""
        _, height, width, channels = ops.shape(x)
        size = height if axis == 1 else width
        bins, pixels = ops.arange(self.bins)[:, None], ops.arange(size)
        start, end = self._bounds(bins, size)
        inside = ops.cast((pixels >= start) & (pixels < end), x.dtype)
        count = ops.cast(end - start, x.dtype)
        if axis == 2:
            return ops.matmul(inside, x) / count
        rows = ops.reshape(x, (-1, height, width * channels))
        return ops.reshape(
            ops.matmul(inside, rows) / count, (-1, self.bins, width, channels)
        )

    def _bounds(self, number, size):
        """Returns where a bin begins, rounded down, and ends, rounded up.

        Without negative numbers, which ONNX divides otherwise.
        """
        end = (number + 1) * size + self.bins - 1
        return number * size // self.bins, end // self.bins

    def _by_slices(self, x, axis):
        """Averages along one axis by operators that devices take."""
        size = ops.shape(x)[axis]
        means = []
        for i in range(self.bins):
            start, end = self._bounds(i, size)
            pixels = x[:, start:end] if axis == 1 else x[:, :, start:end]
            means.append(ops.mean(pixels, axis=axis, keepdims=True))
        while len(means) > 1:  # LiteRT's fast kernels join five maps at the most
            fives = [means[i : i + 5] for i in range(0, len(means), 5)]
            means = [ops.concatenate(maps, axis=axis) for maps in fives]
        return means[0]

    def compute_output_shape(self, shape):
        """Returns `shape` with the bins for height and width."""
        return (shape[0], self.bins, self.bins, shape[3])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "bins": self.bins}
