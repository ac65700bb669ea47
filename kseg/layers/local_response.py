"""Local response normalisation across channels, as AlexNet introduced it."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseg")
class LocalResponseNormalization(keras.layers.Layer):
    """Divides each value by a power of its neighbours' energy across channels.

    `y = x / (k + alpha / size * sum(x'^2)) ** beta` over the `size` channels around
    each one (Krizhevsky et al. 2012, section 3.3, with `alpha` over `size` as in
    Caffe). It computes in float32 under every policy: squares of pixels overflow
    in float16.

    Args:
        size: Number of channels summed over, odd.
        alpha: Factor of the mean energy.
        beta: The power.
        k: What is added to the energy.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.

    Raises:
        ValueError: If `size` is even.
    """

    def __init__(
        self,
        size: int = 5,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        **kwargs,
    ):
        """Checks and stores the arguments."""
        super().__init__(**kwargs)
        if size < 1 or size % 2 == 0:
            raise ValueError(f"`size` must be odd. Received: {size}.")
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def call(self, x):
        """Normalises.

        Args:
            x: Float tensor `(batch, height, width, channels)`.

        Returns:
            Float tensor of the same shape.
        """
        channels = x.shape[-1]
        x = ops.cast(x, "float32")
        reach = self.size // 2
        squares = ops.pad(x * x, ((0, 0), (0, 0), (0, 0), (reach, reach)))
        energy = sum(squares[..., i : i + channels] for i in range(self.size))
        scale = self.k + self.alpha / self.size * energy
        # A power without POW, which has no integer form in LiteRT.
        return ops.cast(x * ops.exp(-self.beta * ops.log(scale)), self.compute_dtype)

    def compute_output_shape(self, shape):
        """Returns `shape`."""
        return shape

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "size": self.size,
            "alpha": self.alpha,
            "beta": self.beta,
            "k": self.k,
        }
