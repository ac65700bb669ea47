"""How metrics grow."""

import math
from pathlib import Path

import numpy as np

from kseg import metrics
from kseg.labels import Labels
from kseg.metrics.resampling import ImageScores
from scale_laws.law import Law, Work, squares
from scale_laws.scenes import label_map, maps

CLASSES = 21
_PIXELS = squares(128, 256, 512, 1024, 2048)
_CLASSES = [2, 4, 8, 16, 32, 64, 128, 256]
_SIDE = 512
_IMAGES = [16, 64, 256, 1024, 4096]


def _over_pixels(score):
    """Prepares a score of two maps of as many pixels."""

    def prepare(pixels: int, folder: Path) -> Work:
        pair = maps(math.isqrt(pixels), CLASSES)
        return lambda: score(*pair, CLASSES)

    return prepare


def _over_classes(score, side: int = _SIDE):
    """Prepares a score of two maps of as many classes."""

    def prepare(classes: int, folder: Path) -> Work:
        pair = maps(side, classes)
        return lambda: score(*pair, classes, None)

    return prepare


def _not_predicted(pixels: int, folder: Path) -> Work:
    """Prepares a map without a class of the labels: nothing ends in a near row."""
    labels = label_map(math.isqrt(pixels), CLASSES - 3)
    predictions = label_map(math.isqrt(pixels), 3, 1) + np.uint8(CLASSES - 3)
    return lambda: metrics.boundary_f1(labels, predictions, CLASSES)


def _warping(pixels: int, folder: Path) -> Work:
    """Prepares a cell that grows over the image."""
    side = math.isqrt(pixels)
    truth, prediction = np.zeros((2, side, side), bool)
    truth[side // 8 : side // 4, side // 8 : -side // 8] = True
    prediction[side // 8 : -side // 8, side // 8 : -side // 8] = True
    return lambda: metrics.warping_error(truth, prediction)


def _law(name, over, prepare, must, why) -> Law:
    sizes = {"pixels": _PIXELS, "classes": _CLASSES, "images": _IMAGES}[over]
    return Law("metrics", name, over, sizes, prepare, must, why)


def _objects(labels, predictions, num_classes, ignore_class=255):
    metrics.ObjectScores(num_classes, ignore_class).update(labels, predictions)


def _collect(images: int, folder: Path) -> Work:
    """Prepares the scores of a data set of small images."""
    pair = maps(32, CLASSES, 8)

    def work():
        collected = metrics.DatasetScores(Labels.numbered(CLASSES))
        for _ in range(images):
            collected.update(*pair)
        return collected.result()

    return work


def _intervals(images: int, folder: Path) -> Work:
    """Prepares the bootstrap."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 1000, (images, 3, CLASSES))
    counts[:, 0] = counts.min(axis=1)
    known = ImageScores(
        counts,
        rng.random((images, CLASSES)),
        np.sort(rng.integers(1, 1000, (images, 2, CLASSES)), axis=1),
    )
    return lambda: metrics.intervals(known)


LAWS = [
    _law(
        "confusion matrix",
        "pixels",
        _over_pixels(metrics.confusion_matrix),
        {"seconds": 1, "megabytes": 0},
        "each pixel once, a chunk at a time",
    ),
    _law(
        "confusion matrix",
        "classes",
        _over_classes(metrics.confusion_matrix),
        {"seconds": 0},
        "a pixel is one cell of the table",
    ),
    Law(
        "metrics",
        "confusion matrix of many classes",
        "classes",
        [128, 256, 512, 1024],
        _over_classes(metrics.confusion_matrix, 1024),
        {"seconds": 1, "megabytes": 2},
        "a table of classes², made as often as pixels fill it",
    ),
    _law(
        "boundary F1",
        "pixels",
        _over_pixels(metrics.boundary_f1),
        {"seconds": 1, "megabytes": 1},
        "the borders grow with the scene",
    ),
    Law(
        "metrics",
        "boundary F1, no class of the labels predicted",
        "pixels",
        squares(512, 1024, 2048, 4096),
        _not_predicted,
        {"seconds": 1},
        "a tree takes what no near row holds",
    ),
    _law(
        "boundary F1",
        "classes",
        _over_classes(metrics.boundary_f1),
        {"seconds": 0},
        "all classes at once",
    ),
    _law(
        "boundary IoU",
        "pixels",
        _over_pixels(metrics.boundary_iou),
        {"seconds": 1, "megabytes": 1},
        "windows double, so a logarithm",
    ),
    Law(
        "metrics",
        "boundary IoU",
        "classes",
        _CLASSES[:-1],
        _over_classes(metrics.boundary_iou),
        {"seconds": 0},
        "all classes at once; beyond 254 ids are twice as wide",
    ),
    _law(
        "objects",
        "pixels",
        _over_pixels(_objects),
        {"seconds": 1, "megabytes": 1},
        "components of each class",
    ),
    _law(
        "objects",
        "classes",
        _over_classes(_objects),
        {"seconds": 1},
        "a pass a class over the box of the class",
    ),
    Law(
        "metrics",
        "warping error of a cell that grows",
        "pixels",
        squares(64, 128, 256, 512, 1024),
        _warping,
        {"seconds": 1, "megabytes": 1},
        "pixels are looked at again beside those that flip",
    ),
    _law(
        "all scores of a data set",
        "images",
        _collect,
        {"seconds": 1, "megabytes": 1},
        "six numbers a class and image are kept",
    ),
    _law(
        "bootstrap intervals",
        "images",
        _intervals,
        {"seconds": 1, "megabytes": 1},
        "2000 samples of as many images",
    ),
]
