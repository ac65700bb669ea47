"""A small network with every kind of layer that export has to carry, and its data."""

import keras
import numpy as np
from keras import layers

from kseg.labels import Labels

SIZE = (33, 46)
LABELS = Labels.named(("ground", "red", "blue"))


@keras.saving.register_keras_serializable(package="kseg_tests")
class Resize(layers.Layer):
    """Bilinear resize to the size of another tensor."""

    def call(self, x, reference):
        import tensorflow as tf

        resized = tf.image.resize(x, tf.shape(reference)[1:3])
        return tf.cast(resized, self.compute_dtype)

    def compute_output_shape(self, x_shape, reference_shape):
        return (x_shape[0], *reference_shape[1:3], x_shape[-1])


def build(input_shape=(None, None, 3), num_classes=3):
    keras.utils.set_random_seed(0)
    image = keras.Input(input_shape, name="image")
    x = layers.Rescaling(1 / 127.5, -1)(image)
    x = layers.Conv2D(12, 3, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = layers.Conv2D(12, 3, dilation_rate=2, padding="same", activation="relu")(x)
    x = layers.DepthwiseConv2D(3, dilation_rate=4, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6)(x)
    x = layers.Conv2DTranspose(12, 2, strides=2, padding="same", activation="relu")(x)
    x = layers.Dropout(0.1)(x)
    x = layers.Conv2D(num_classes, 1)(x)
    logits = Resize(dtype="float32", name="logits")(x, image)
    return keras.Model(image, logits, name="tiny")


def draw(count, size=SIZE, seed=0):
    """Draws noisy grey images with one red and one blue box, and their masks."""
    rng = np.random.default_rng(seed)
    height, width = size
    images = rng.normal(110, 20, (count, height, width, 3))
    masks = np.zeros((count, height, width), "uint8")
    for image, mask in zip(images, masks, strict=True):
        for identity, channel in ((1, 0), (2, 2)):
            top, left = rng.integers(0, (height - 8, width - 8))
            box = np.s_[top : top + rng.integers(8, 20), left : left + 16]
            image[box] += np.eye(3)[channel] * 90 - 30
            mask[box] = identity
        mask[:2] = 255
    return images.clip(0, 255).astype("uint8"), masks
