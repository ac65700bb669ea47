"""How prediction grows."""

import functools
import math
from pathlib import Path

import keras
from large_image import write_image

import kseg
from kseg.inference import predict_file
from scale_laws.law import Law, Work, squares
from scale_laws.scenes import photograph

CLASSES = 21
_CLASSES = [2, 4, 8, 16, 32, 64, 128, 256]


@functools.lru_cache(maxsize=16)
def network(classes: int, side: int | None = None) -> keras.Model:
    """Returns a small U-Net, so that what lies around the network is seen.

    Args:
        classes: Number of classes.
        side: The height and width that it takes; `None` for any.
    """
    keras.utils.set_random_seed(0)
    shape = (side, side, 3)
    return kseg.build(
        "unet", num_classes=classes, filters=2, depth=2, input_shape=shape
    )


def _tiled(pixels: int, folder: Path) -> Work:
    image = photograph(math.isqrt(pixels))
    return lambda: kseg.predict(network(CLASSES), image, (256, 256), overlap=64)


def _file(pixels: int, folder: Path) -> Work:
    path, output = folder / "image.tif", folder / "ids.tif"
    write_image(path, math.isqrt(pixels))
    return lambda: predict_file(
        network(CLASSES), path, output, tile=(512, 512), overlap=64, block=1024
    )


def _whole(pixels: int, folder: Path) -> Work:
    image = photograph(math.isqrt(pixels))
    return lambda: kseg.predict(network(CLASSES), image)


def _classes(classes: int, folder: Path) -> Work:
    image = photograph(256)
    return lambda: kseg.predict(network(classes), image)


def _fixed_size(classes: int, folder: Path) -> Work:
    image = photograph(1024)
    return lambda: kseg.predict(network(classes, 64), image)


_law = functools.partial(Law, "prediction")

LAWS = [
    _law(
        "image in memory, by tiles",
        "pixels",
        squares(256, 512, 1024, 1536, 2048),
        _tiled,
        {"seconds": 1, "megabytes": 0.25},
        "a block of tiles at a time, and the class map, a byte a pixel",
    ),
    _law(
        "from file to file",
        "pixels",
        squares(256, 512, 1024, 2048),
        _file,
        {"seconds": 1, "megabytes": 0.5},
        "a row of blocks: the width",
    ),
    _law(
        "whole image at once",
        "pixels",
        squares(128, 256, 512, 1024),
        _whole,
        {"seconds": 1, "megabytes": 1},
        "the logits of all pixels",
    ),
    _law(
        "whole image at once",
        "classes",
        _CLASSES,
        _classes,
        {"seconds": 1, "megabytes": 1},
        "the logits of all classes",
    ),
    _law(
        "network of a fixed size, on a larger image",
        "classes",
        _CLASSES[:-1],
        _fixed_size,
        {"seconds": 1, "megabytes": 0},
        "classes are enlarged one at a time; its own map is small",
    ),
]
