"""Parts of transformers over maps, in float32 where it matters."""

import math

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable(package="kseg")
class LayerNormalization(layers.LayerNormalization):
    """Layer normalisation over channels, in float32 whatever the precision.

    It is Keras's in steps that LiteRT all has in 8 bits; Keras negates the mean, for
    which it has none.
    """

    def call(self, x):
        """Normalises.

        Args:
            x: Float tensor `(batch, height, width, channels)`.

        Returns:
            Float tensor of the same shape.
        """
        x, gamma, beta = (ops.cast(y, "float32") for y in (x, self.gamma, self.beta))
        x = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(ops.square(x), axis=-1, keepdims=True)
        x = x * ops.rsqrt(variance + self.epsilon) * gamma + beta
        return ops.cast(x, self.compute_dtype)


@keras.saving.register_keras_serializable(package="kseg")
class MapAttention(keras.layers.Layer):
    """Scaled dot-product attention between the positions of maps, of several heads.

    The softmax is taken in float32 whatever the precision.

    Args:
        heads: Number of equal parts of the channels, each with its own weights.
        **kwargs: `name` and `dtype` of `keras.layers.Layer`.
    """

    def __init__(self, heads: int, **kwargs):
        """Stores the number of heads."""
        super().__init__(**kwargs)
        self.heads = heads

    def call(self, query, key, value):
        """Attends.

        Args:
            query: Float tensor `(batch, height, width, channels)`.
            key: Float tensor `(batch, key_height, key_width, channels)`.
            value: Float tensor of the shape of `key`.

        Returns:
            Float tensor of the shape of `query`.
        """
        shape = ops.shape(query)
        scale = (query.shape[-1] // self.heads) ** -0.5
        query, key, value = map(self._split, (query * scale, key, value))
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))
        scores = ops.cast(scores, "float32")
        # Keras warns of a softmax over one number, which is 1.
        weights = ops.softmax(scores) if scores.shape[-1] != 1 else 0 * scores + 1
        x = ops.matmul(ops.cast(weights, self.compute_dtype), value)
        return ops.reshape(ops.transpose(x, (0, 2, 1, 3)), shape)

    def _split(self, x):
        """Returns `(batch, heads, positions, channels of a head)`."""
        shape = ops.shape(x)[0], -1, self.heads, x.shape[-1] // self.heads
        return ops.transpose(ops.reshape(x, shape), (0, 2, 1, 3))

    def compute_output_shape(self, query_shape, key_shape, value_shape):
        """Returns `query_shape`."""
        return query_shape

    def multiply_adds(self, query_shape, key_shape, value_shape) -> int:
        """Returns the multiply-adds of the scores and of the sums of values."""
        pairs = math.prod(query_shape[:3]) * math.prod(key_shape[1:3])
        return pairs * (query_shape[3] + value_shape[3])

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "heads": self.heads}
