"""Small networks of every kind that a file can be of, and images."""

import keras
import numpy as np

import kseg

SIZE = (36, 52)


def build(kind):
    """Builds a small network: whole images, their middle, or one logit for two."""
    keras.utils.set_random_seed(1)
    if kind == "one_logit":
        image = keras.Input((*SIZE, 3), name="image")
        x = keras.layers.Rescaling(1 / 64, -2)(image)
        return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same")(x))
    padding = "valid" if kind == "middle" else "same"
    return kseg.build("unet", num_classes=4, filters=4, depth=2, padding=padding)


def draw(size, seed=0, noise=20):
    """Draws an image of few colours with noise, so that classes have areas."""
    rng = np.random.default_rng(seed)
    height, width = size
    coarse = rng.integers(0, 256, (5, 7, 3))
    rows, columns = np.arange(height) * 5 // height, np.arange(width) * 7 // width
    grain = rng.normal(0, noise, (height, width, 3))
    return (coarse[rows][:, columns] + grain).clip(0, 255).astype(np.uint8)
