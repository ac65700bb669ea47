"""Convolution, batch normalisation and ReLU, in the orders that networks use."""

import keras
from keras import layers


@keras.saving.register_keras_serializable(package="kseg")
class BatchNormalization(layers.BatchNormalization):
    """Keras's batch normalisation, over all replicas of the batch.

    Keras offers `synchronized=True` on TensorFlow only, and a model saved so
    does not load on another backend. Here it is always on where it exists (on
    JAX a sharded batch is one batch anyway), so one replica and many train
    alike and a saved model loads everywhere. The momentum is 0.9 where Keras has
    0.99, whose moving statistics need more steps than a small data set has in
    several epochs: the network trains well and validates badly. On TensorFlow with
    one replica the statistics and the normalisation are one operator, and so are the
    gradients, where Keras has a dozen that all go over the whole map.

    Args:
        momentum: Share of the moving statistics that a step keeps.
        **kwargs: Other arguments of `keras.layers.BatchNormalization`, without
            `synchronized`.
    """

    def __init__(self, momentum: float = 0.9, **kwargs):
        """Turns synchronisation on where the backend has it."""
        synchronized = keras.backend.backend() == "tensorflow"
        super().__init__(momentum=momentum, synchronized=synchronized, **kwargs)

    def call(self, inputs, training=None, mask=None):
        """Normalises, in training by the statistics of the batch.

        Args:
            inputs: Tensor `(batch, height, width, channels)`, or of other axes.
            training: Whether to, and to move the moving statistics.
            mask: As in `keras.layers.BatchNormalization`.

        Returns:
            Tensor of the shape of `inputs`.
        """
        if training and self.trainable and mask is None and self._is_one_operator():
            return self._by_one_operator(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _is_one_operator(self) -> bool:
        """Says whether TensorFlow's operator does what is asked for."""
        if keras.backend.backend() != "tensorflow":
            return False
        import tensorflow as tf

        # It knows of no other replicas.
        return (
            tf.distribute.get_strategy().num_replicas_in_sync == 1
            and self.compute_dtype != "float64"
            and self.axis in (-1, 3)
            and self._reduction_axes == [0, 1, 2]
            and self.scale
            and self.center
            and not self.renorm
        )

    def _by_one_operator(self, inputs):
        """Normalises by the statistics of the batch, which move the moving ones."""
        import tensorflow as tf

        result, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=[],
            variance=[],
            epsilon=self.epsilon,
        )
        # The operator tells the variance of what the batch is a sample of.
        count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), "float32")
        variance *= (count - 1) / count
        statistics = ((self.moving_mean, mean), (self.moving_variance, variance))
        for moving, now in statistics:
            moving.assign(moving * self.momentum + now * (1 - self.momentum))
        return result

    def get_config(self):
        """Returns the arguments of the constructor."""
        config = super().get_config()
        config.pop("synchronized")
        return config


def conv_relu(
    x, filters: int, kernel_size: int, *, name: str, padding: str = "same", **options
):
    """Applies a convolution with a bias, and ReLU.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        filters: Channels of the result.
        kernel_size: Side of the kernel in pixels.
        name: Name of the layer.
        padding: `"same"` or `"valid"`.
        **options: Other arguments of `keras.layers.Conv2D`.

    Returns:
        Tensor `(batch, height, width, filters)`; less high and wide where the padding
        or a stride makes it so.
    """
    return layers.Conv2D(
        filters,
        kernel_size,
        padding=padding,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
        **options,
    )(x)


def conv_bn_relu(
    x,
    filters: int,
    kernel_size: int,
    *,
    name: str,
    dilation_rate: int = 1,
    use_bias: bool = False,
):
    """Applies a `same` convolution, batch normalisation and ReLU.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        filters: Channels of the result.
        kernel_size: Side of the kernel in pixels.
        name: Name of the convolution; `name_bn` and `name_relu` follow it.
        dilation_rate: Distance between kernel taps in pixels.
        use_bias: Whether the convolution has a bias, as published weights may;
            the normalisation makes it idle.

    Returns:
        Tensor `(batch, height, width, filters)`.
    """
    x = layers.Conv2D(
        filters,
        kernel_size,
        dilation_rate=dilation_rate,
        padding="same",
        use_bias=use_bias,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    return norm_relu(x, name=name)


def norm_relu(x, *, name: str):
    """Applies batch normalisation and ReLU.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        name: What `_bn` and `_relu` follow in the names of the layers.

    Returns:
        Tensor of the shape of `x`.
    """
    x = BatchNormalization(epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def separable_conv_bn_relu(
    x, filters: int, kernel_size: int, *, name: str, dilation_rate: int = 1
):
    """Applies a depthwise then a pointwise convolution, BN and ReLU after each.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        filters: Channels of the result.
        kernel_size: Side of the depthwise kernel in pixels.
        name: Prefix of the names of the six layers.
        dilation_rate: Distance between depthwise kernel taps in pixels.

    Returns:
        Tensor `(batch, height, width, filters)`.
    """
    x = layers.DepthwiseConv2D(
        kernel_size,
        dilation_rate=dilation_rate,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise",
    )(x)
    x = norm_relu(x, name=f"{name}_depthwise")
    return conv_bn_relu(x, filters, 1, name=f"{name}_pointwise")


def fixed_padding(x, kernel_size: int, *, name: str):
    """Pads so that a strided `valid` convolution is centred as in Caffe and slim.

    Keras's `same` padding puts the odd pixel at the end where the size is even,
    which moves a strided kernel by half a stride against these frameworks.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        kernel_size: Odd side of the kernel that follows, in pixels.
        name: Name of the layer.

    Returns:
        Tensor with `kernel_size // 2` zeros added at every side.
    """
    return layers.ZeroPadding2D(kernel_size // 2, name=name)(x)
