"""Metrics against their peers: confusion matrix, boundary F1, boundary IoU.

python benchmarks/metrics.py

All ways run in turn in one process on the same maps, each once more before it is timed;
what is printed is the ratio of their medians, which is steadier than seconds are.
torchmetrics, scikit-learn and OpenCV are compared where they can be imported; the
erosions are SciPy's without OpenCV. Where torch and TensorFlow do not load together,
set KERAS_BACKEND=torch.
"""

import importlib
import math
import platform
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy
from scipy import ndimage

from kseg import metrics

CLASSES = 21
SHARE = 0.0075


def optional(name: str):
    """Returns a module, or `None`."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def maps(side: int, cell: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels of ragged blocks with void, and predictions with moved borders."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, CLASSES, (side // cell + 2, side // cell + 2))
    row, column = np.indices((side, side)) + rng.integers(0, 2, (2, side, side))
    labels = coarse[row // cell, column // cell]
    row, column = np.indices((side, side)) + 3
    predictions = coarse[row // cell, column // cell]
    other = rng.integers(0, CLASSES, coarse.shape)[row // cell, column // cell]
    predictions = np.where((column // cell + row // cell) % 4, predictions, other)
    labels[ndimage.maximum_filter(rng.random((side, side)) > 0.9995, 5)] = 255
    return labels.astype(np.uint8), predictions.astype(np.uint8)


def f1_by_distance_transforms(labels: np.ndarray, predictions: np.ndarray):
    """Returns boundary F1 by two distance transforms for each class."""
    theta = SHARE * math.hypot(*labels.shape)
    scored = labels != 255
    result = np.full(CLASSES, np.nan)
    for c in range(CLASSES):
        edges = []
        for ids in (labels, predictions):
            mask = scored & (ids == c)
            other = scored & ~mask
            edges.append(mask & ndimage.binary_dilation(other))
        if not (edges[0].any() or edges[1].any()):
            continue
        shares = [
            np.mean(ndimage.distance_transform_edt(~other)[edge] <= theta + 1e-9)
            if edge.any() and other.any()
            else 0.0
            for edge, other in (edges, edges[::-1])
        ]
        result[c] = 2 * math.prod(shares) / (sum(shares) or 1)
    return result


def iou_by_erosions(cv2) -> Callable:
    """Returns the authors' recipe, void left out and not eroding."""
    kernel = np.ones((3, 3), np.uint8)

    def eroded(mask, distance):
        if cv2 is None:
            return ndimage.binary_erosion(mask, kernel, distance)
        return cv2.erode(mask.astype(np.uint8), kernel, iterations=distance) > 0

    def run(labels, predictions):
        void = labels == 255
        distance = max(1, round(0.02 * math.hypot(*labels.shape)))
        sums = np.zeros((2, CLASSES), int)
        for c in range(CLASSES):
            bands = []
            for ids in (labels, predictions):
                mask = (ids == c) & ~void
                inner = eroded(np.pad(mask | void, 1), distance)[1:-1, 1:-1]
                bands.append(mask & ~inner)
            sums[:, c] = np.sum(bands[0] & bands[1]), np.sum(bands[0] | bands[1])
        return sums

    return run


def measure(ways: dict[str, Callable], rounds: int) -> dict[str, float]:
    """Returns the median time of each way; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            way()  # what ran before has filled the caches
            start = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def report(title: str, ways: dict[str, Callable], rounds: int) -> None:
    """Prints a table with the ratio of each way to the first, which is kseg's."""
    medians = measure(ways, rounds)
    first = next(iter(medians.values()))
    print(f"\n{title}, median of {rounds}")
    for name, median in medians.items():
        print(f"  {name:<32} {1000 * median:9.2f} ms  {median / first:7.2f}")


def check(found, expected) -> None:
    """Stops unless two ways agree, which makes their times comparable."""
    if not np.allclose(found, expected, equal_nan=True):
        raise SystemExit("Two ways differ.")


def confusion() -> None:
    """Compares the confusion matrix of a million pixels."""
    labels, predictions = maps(1024)
    joined = np.where(labels == 255, 0, labels).astype(np.int64) * CLASSES
    joined = (joined + predictions).ravel()
    wide = predictions.astype(np.int64)
    expected = metrics.confusion_matrix(labels, predictions, CLASSES)
    ways: dict[str, Callable] = {
        "kseg, uint8": lambda: metrics.confusion_matrix(labels, predictions, CLASSES),
        "kseg, int64 predictions": lambda: metrics.confusion_matrix(
            labels, wide, CLASSES
        ),
        "np.bincount, already joined": lambda: np.bincount(joined, None, CLASSES**2),
    }
    if torchmetrics := optional("torchmetrics"):
        import torch

        torch.set_num_threads(1)
        both = torch.from_numpy(wide), torch.from_numpy(labels.astype(np.int64))
        for checked in (True, False):
            metric = torchmetrics.classification.MulticlassConfusionMatrix(
                CLASSES, ignore_index=255, validate_args=checked
            )
            check(metric(*both).numpy(), expected)
            name = f"torchmetrics, validate_args={checked}"
            ways[name] = lambda metric=metric: metric.update(*both)
    if sklearn := optional("sklearn.metrics"):

        def by_sklearn():
            kept = labels != 255
            return sklearn.confusion_matrix(
                labels[kept], predictions[kept], labels=range(CLASSES)
            )

        check(by_sklearn(), expected)
        ways["scikit-learn"] = by_sklearn
    report(f"confusion matrix, 1024x1024, {CLASSES} classes", ways, 9)


def boundaries() -> None:
    """Compares boundary F1 and boundary IoU of one image."""
    pair = maps(512)
    check(metrics.boundary_f1(*pair, CLASSES), f1_by_distance_transforms(*pair))
    ways: dict[str, Callable] = {
        "kseg": lambda: metrics.boundary_f1(*pair, CLASSES),
        "distance transforms per class": lambda: f1_by_distance_transforms(*pair),
        "kseg, one to one": lambda: metrics.boundary_f1(
            *pair, CLASSES, match="bipartite"
        ),
    }
    report(f"boundary F1, 512x512, {CLASSES} classes", ways, 5)
    cv2 = optional("cv2")
    by_erosions = iou_by_erosions(cv2)
    check(metrics.boundary_iou(*pair, CLASSES), by_erosions(*pair))
    tool = "OpenCV" if cv2 else "SciPy"
    ways = {
        "kseg": lambda: metrics.boundary_iou(*pair, CLASSES),
        f"erosions per class, {tool}": lambda: by_erosions(*pair),
    }
    report(f"boundary IoU, 512x512, {CLASSES} classes", ways, 5)


def main() -> None:
    """Prints versions and all comparisons."""
    found = {"numpy": np.__version__, "scipy": scipy.__version__}
    for name in ("torch", "torchmetrics", "sklearn", "cv2"):
        if module := optional(name):
            found[name] = module.__version__
    versions = ", ".join(f"{name} {version}" for name, version in found.items())
    print(f"Python {platform.python_version()}, {versions}")
    confusion()
    boundaries()


if __name__ == "__main__":
    main()
