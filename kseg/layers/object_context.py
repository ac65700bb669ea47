"""Object-contextual representations: a pixel looks at the classes of its image.

Yuan, Chen and Wang, "Object-Contextual Representations for Semantic Segmentation",
ECCV 2020, section 3.2 and figure 3. https://arxiv.org/abs/1909.11065
The two layers have no weights: the transforms around them are convolutions.
"""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseg")
class ObjectRegions(keras.layers.Layer):
    """Describes every class by the features of the pixels that may be of it.

    The representation of class k is the mean of the features over all pixels, where
    the share of a pixel is the softmax, over space, of its logit of class k.
    """

    def call(self, features, logits):
        """Gathers.

        Args:
            features: Float tensor `(batch, height, width, channels)`.
            logits: Float tensor `(batch, height, width, num_classes)`, the soft
                object regions.

        Returns:
            Float tensor `(batch, num_classes, 1, channels)`: a map with one row per
            class, for convolutions to go on with.
        """
        features, logits = _flat(features), _flat(logits)
        # A pixel's share is tiny where there are many. Divided last, it is not below
        # what 8 bits can say.
        shares = ops.exp(logits - ops.max(logits, axis=1, keepdims=True))
        shares = ops.transpose(shares, (0, 2, 1))
        total = ops.sum(shares, axis=2, keepdims=True)
        return ops.expand_dims(ops.matmul(shares, features) / total, 2)

    def compute_output_shape(self, features_shape, logits_shape):
        """Returns the shape of one row per class."""
        return (features_shape[0], logits_shape[-1], 1, features_shape[-1])

    def multiply_adds(self, features_shape, logits_shape) -> int:
        """Returns the multiply-adds of the means."""
        return math.prod(features_shape) * logits_shape[-1]


@keras.saving.register_keras_serializable(package="kseg")
class ObjectAttention(keras.layers.Layer):
    """Gives every pixel a mean of the classes' values, weighted by its relation.

    The relation of a pixel and a class is the softmax over the classes of query times
    key, which is divided by the square root of the channels as in the authors' code
    (`lib/models/seg_hrnet_ocr.py` of HRNet/HRNet-Semantic-Segmentation).
    """

    def call(self, query, key, value):
        """Attends.

        Args:
            query: Float tensor `(batch, height, width, key_channels)`.
            key: Float tensor `(batch, num_classes, 1, key_channels)`.
            value: Float tensor `(batch, num_classes, 1, channels)`.

        Returns:
            Float tensor `(batch, height, width, channels)`.
        """
        _, height, width, channels = ops.shape(query)
        query = _flat(query) * channels**-0.5
        key, value = _flat(key), _flat(value)
        relation = ops.softmax(ops.matmul(query, ops.transpose(key, (0, 2, 1))))
        context = ops.matmul(relation, value)
        return ops.reshape(context, (-1, height, width, value.shape[-1]))

    def compute_output_shape(self, query_shape, key_shape, value_shape):
        """Returns `query_shape` with the channels of `value_shape`."""
        return (*query_shape[:3], value_shape[-1])

    def multiply_adds(self, query_shape, key_shape, value_shape) -> int:
        """Returns the multiply-adds of the relations and of the sums of values."""
        pairs = math.prod(query_shape[:3]) * key_shape[1]
        return pairs * (query_shape[3] + value_shape[3])


def _flat(x):
    """Returns a map's pixels in one row."""
    _, height, width, channels = ops.shape(x)
    return ops.reshape(x, (-1, height * width, channels))
