"""Bilinear resizing of one tensor to the height and width of another."""

import keras


@keras.saving.register_keras_serializable(package="kseg")
class ResizeLike(keras.layers.Layer):
    """Resizes `x` to the height and width of `reference`, whatever they are.

    Bilinear with half-pixel centres and no antialiasing. It works where a side
    is unknown until the graph runs, which `keras.ops.image.resize` refuses on
    TensorFlow; so there it calls TensorFlow, and exports as one
    `RESIZE_BILINEAR` operator.
    """

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

            resized = tf.image.resize(x, tf.shape(reference)[1:3])
        else:
            size = tuple(reference.shape[1:3])
            resized = keras.ops.image.resize(
                x, size, interpolation="bilinear", data_format="channels_last"
            )
        return keras.ops.cast(resized, self.compute_dtype)

    def compute_output_shape(self, x_shape, reference_shape):
        """Returns `x_shape` with the height and width of `reference_shape`."""
        return (x_shape[0], reference_shape[1], reference_shape[2], x_shape[3])
