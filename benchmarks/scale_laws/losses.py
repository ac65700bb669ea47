"""How losses and their gradients grow."""

import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from kseg import losses
from scale_laws.law import Law, Work, squares
from scale_laws.scenes import label_map

CLASSES = 19
_PIXELS = squares(32, 64, 128, 256, 512)
_CLASSES = [2, 4, 8, 16, 32, 64, 128]
_SIDE = 128

LOSSES: dict[str, tuple[Callable, dict[str, float], str]] = {
    "cross-entropy": (
        lambda classes: losses.CrossEntropy(),
        {"seconds": 1, "megabytes": 1},
        "each logit a few times",
    ),
    "cross-entropy, weighted": (
        lambda classes: losses.CrossEntropy(class_weights=[1.0] * classes),
        {"seconds": 1},
        "and a weight a pixel",
    ),
    "OHEM": (
        lambda classes: losses.OhemCrossEntropy(),
        {"seconds": 1, "megabytes": 1},
        "sorts the pixels, n log n",
    ),
    "Dice": (
        lambda classes: losses.Dice(),
        {"seconds": 1, "megabytes": 1},
        "sums over pixels",
    ),
    "Lovász softmax": (
        lambda classes: losses.LovaszSoftmax(),
        {"seconds": 1, "megabytes": 1},
        "sorts the pixels of each class, n log n",
    ),
    "boundary loss to 16 pixels": (
        lambda classes: losses.BoundaryLoss(max_distance=16),
        {"seconds": 1, "megabytes": 1},
        "as many passes as `max_distance`",
    ),
}


@functools.lru_cache(maxsize=32)
def _with_gradient(name: str, classes: int) -> Callable:
    """Returns a compiled function of masks and logits: to value and gradient."""
    loss = LOSSES[name][0](classes)
    masks = tf.TensorSpec((1, None, None), tf.uint8)
    logits = tf.TensorSpec((1, None, None, classes), tf.float32)

    @tf.function(autograph=False, input_signature=(masks, logits))
    def function(masks, logits):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = loss(masks, logits)
        return value, tape.gradient(value, logits)

    return function


def _work(name: str, side: int, classes: int) -> Work:
    """Prepares a loss of random logits and its gradient to them."""
    function = _with_gradient(name, classes)
    logits = np.random.default_rng(0).standard_normal(
        (1, side, side, classes), np.float32
    )
    masks = tf.constant(label_map(side, classes)[np.newaxis])
    logits = tf.constant(logits)
    return lambda: [x.numpy() for x in function(masks, logits)]


def _laws(name: str, must: dict[str, float], why: str) -> list[Law]:
    """Returns the laws of a loss."""

    def over_pixels(pixels: int, folder: Path) -> Work:
        return _work(name, math.isqrt(pixels), CLASSES)

    def over_classes(classes: int, folder: Path) -> Work:
        return _work(name, _SIDE, classes)

    return [
        Law("losses", name, "pixels", _PIXELS, over_pixels, must, why),
        Law("losses", name, "classes", _CLASSES, over_classes, {"seconds": 1}, why),
    ]


LAWS = [
    law for name, (_, must, why) in LOSSES.items() for law in _laws(name, must, why)
]
