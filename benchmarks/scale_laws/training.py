"""How a step of training grows."""

import functools
import math

import keras
import numpy as np

import kseg
from kseg.losses import CrossEntropy
from scale_laws.law import Law, Work, squares
from scale_laws.scenes import label_map, photograph

CLASSES = 8


@functools.cache
def _network() -> keras.Model:
    keras.utils.set_random_seed(0)
    model = kseg.build("unet", num_classes=CLASSES, filters=8, depth=3)
    model.compile("sgd", CrossEntropy())
    return model


def _step(batch: int, side: int) -> Work:
    images = np.repeat(photograph(side)[np.newaxis].astype("float32"), batch, axis=0)
    masks = np.repeat(label_map(side, CLASSES)[np.newaxis], batch, axis=0)
    return lambda: _network().train_on_batch(images, masks)


LAWS = [
    Law(
        "training",
        "a step",
        "images of a batch",
        [1, 2, 4, 8, 16, 32],
        lambda batch, folder: _step(batch, 64),
        {"seconds": 1, "megabytes": 1},
        "activations of all images",
    ),
    Law(
        "training",
        "a step",
        "pixels",
        squares(32, 64, 128, 256, 512),
        lambda pixels, folder: _step(1, math.isqrt(pixels)),
        {"seconds": 1, "megabytes": 1},
        "activations of all pixels",
    ),
]
