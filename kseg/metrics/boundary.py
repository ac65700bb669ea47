"""Boundary F1 (BF): how well the outlines of classes agree.

Csurka, Larlus and Perronnin, "What is a good evaluation measure for semantic
segmentation?", BMVC 2013. For an image and a class, precision is the share
of predicted boundary pixels within a tolerance of a true one, recall the share of true
ones within the tolerance of a predicted one, and BF their harmonic mean.

A boundary pixel has one of its four neighbours in another class; neither the edge of
the image nor void makes a boundary. A class counted in an image has a boundary in the
labels or in the prediction; with only one of them its BF is 0. An image without such
a class is left out.
Departure: a pixel exactly at the tolerance is within it.

The script of SegNet's authors, `computeBFmeasure.m`
(https://github.com/alexgkendall/SegNet-Tutorial), is `match="bipartite"`,
`boundary="seg2bmap"` and `empty="zero"`. It knows no void: give void an id behind the
classes, `ignore_class=None`, and drop that class from `boundary_f1`.
"""

from types import ModuleType
from typing import Any

import numpy as np

from kseg.metrics.averages import mean_of_known, ratio
from kseg.metrics.class_ids import IgnoreClass, check_one_image, scored_pixels
from kseg.metrics.outlines import (
    NO_BOUNDARY,
    count_near,
    count_pairs,
    inner4,
    seg2bmap,
    squared_reach,
)

_MATCHES = ("distance", "bipartite")
_BOUNDARIES = ("inner4", "seg2bmap")
_EMPTY = ("skip", "zero")


def boundary_f1(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_classes: int,
    ignore_class: IgnoreClass = 255,
    tolerance: float = 0.0075,
    match: str = "distance",
    boundary: str = "inner4",
) -> np.ndarray:
    """Scores the boundaries of one image, class by class.

    Args:
        labels: True class ids, integers `(height, width)`.
        predictions: Predicted class ids, integers `(height, width)`.
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        tolerance: The distance up to which boundary pixels agree, as a fraction of
            the diagonal of the image.
        match: `"distance"` takes any boundary pixel within the tolerance;
            `"bipartite"` gives each at most one partner, so its F1 is never above.
        boundary: `"inner4"`, or the Berkeley benchmark's `"seg2bmap"`, whose
            boundaries are half a pixel up and left: a pixel is on that of a class if
            it or its right, lower or lower right neighbour is of the class, but not
            all of them.

    Returns:
        float64 `(num_classes,)`, from 0 to 1; NaN for a class without a boundary.

    Raises:
        ValueError: If the maps are not one image, `tolerance` is negative, `match` or
            `boundary` is unknown, or as `kseg.metrics.confusion_matrix` does.
    """
    counts = boundary_counts(
        labels, predictions, num_classes, ignore_class, tolerance, match, boundary
    )
    return f1_of_counts(np, *counts.astype(np.float64))


def boundary_counts(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_classes: int,
    ignore_class: IgnoreClass = 255,
    tolerance: float = 0.0075,
    match: str = "distance",
    boundary: str = "inner4",
) -> np.ndarray:
    """Counts the boundary pixels of one image that agree, class by class.

    Args:
        labels: As in `boundary_f1`, as are all arguments.
        predictions: Predicted class ids.
        num_classes: Number of classes.
        ignore_class: The label, or labels, of void pixels.
        tolerance: The distance, as a fraction of the diagonal.
        match: `"distance"` or `"bipartite"`.
        boundary: `"inner4"` or `"seg2bmap"`.

    Returns:
        int64 `(4, num_classes)`: predicted boundary pixels that agree with a true one,
        all predicted ones, true ones that agree with a predicted one, all true ones.

    Raises:
        ValueError: As `boundary_f1` does.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    check_one_image(labels)
    height, width = labels.shape
    reach = squared_reach(height, width, tolerance)
    _check_option("match", match, _MATCHES)
    _check_option("boundary", boundary, _BOUNDARIES)
    scored = scored_pixels(labels, predictions, num_classes, ignore_class)
    outline = inner4 if boundary == "inner4" else seg2bmap
    true, predicted = (
        outline(np.where(scored, ids.astype(np.int32), NO_BOUNDARY))
        for ids in (labels, predictions)
    )
    if match == "distance":
        agreeing = count_near(predicted, true, labels.shape, num_classes, reach)
        found = count_near(true, predicted, labels.shape, num_classes, reach)
    else:
        found = count_pairs(predicted, true, labels.shape, num_classes, tolerance)
        agreeing = found
    sizes = [
        np.bincount(points[0], minlength=num_classes) for points in (predicted, true)
    ]
    return np.stack([agreeing, sizes[0], found, sizes[1]]).astype(np.int64)


def mean_boundary_f1(
    per_image: np.ndarray, empty: str = "skip"
) -> tuple[float, np.ndarray]:
    """Averages BF over the images of a data set.

    Args:
        per_image: `(images, num_classes)`, each row from `boundary_f1`.
        empty: `"skip"` leaves images without a score out of the mean; `"zero"` is the
            rule of SegNet's script, which divides by the number of all images.

    Returns:
        The mean, over the images that have a score, of the mean over their classes;
        and float64 `(num_classes,)`, the mean of each class over the images that
        score it. NaN where nothing is scored.

    Raises:
        ValueError: If `empty` is unknown.

    Example:
    >>> mean, classes = mean_boundary_f1([[1.0, 0.5], [0.25, float("nan")]])
    >>> mean, classes.tolist()
    (0.5, [0.625, 0.5])
    """
    _check_option("empty", empty, _EMPTY)
    per_image = np.asarray(per_image, dtype=np.float64)
    means = mean_of_known(np, per_image, axis=1)
    if empty == "zero":
        means = np.nan_to_num(means)
    score = mean_of_known(np, means)
    return float(score), mean_of_known(np, per_image, axis=0)


class BoundaryScores:
    """Collects the boundaries of a data set, image by image.

    Args:
        num_classes: As in `boundary_f1`, as are all but the last.
        ignore_class: The label, or labels, of void pixels.
        tolerance: The distance, as a fraction of the diagonal of each image.
        match: `"distance"` or `"bipartite"`.
        boundary: `"inner4"` or `"seg2bmap"`.
        empty: As in `mean_boundary_f1`.

    Raises:
        ValueError: If `tolerance` is negative or an option is unknown.

    Example:
    >>> mask = np.array([[0, 0, 1, 1, 1]])
    >>> collected = BoundaryScores(2, tolerance=0.0)
    >>> collected.update(mask, mask)
    >>> collected.update(mask, np.array([[0, 0, 1, 0, 0]]))
    >>> result = collected.result()
    >>> result["class_boundary_f1"].tolist()  # the mean over two images
    [0.8333333333333333, 1.0]
    >>> result["pooled_class_boundary_f1"].tolist()  # all pixels at once
    [0.8, 1.0]
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: IgnoreClass = 255,
        tolerance: float = 0.0075,
        match: str = "distance",
        boundary: str = "inner4",
        empty: str = "skip",
    ):
        """Starts with nothing collected."""
        squared_reach(1, 1, tolerance)
        _check_option("match", match, _MATCHES)
        _check_option("boundary", boundary, _BOUNDARIES)
        _check_option("empty", empty, _EMPTY)
        self.arguments = (num_classes, ignore_class, tolerance, match, boundary)
        self.empty = empty
        self.counts = np.zeros((4, num_classes), np.int64)
        self.per_image: list[np.ndarray] = []

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Adds an image.

        Args:
            labels: True class ids, integers `(height, width)`.
            predictions: Predicted class ids, integers `(height, width)`.

        Raises:
            ValueError: As `boundary_f1` does.
        """
        counts = boundary_counts(labels, predictions, *self.arguments)
        self.counts += counts
        self.per_image.append(f1_of_counts(np, *counts.astype(np.float64)))

    def result(self) -> dict[str, Any]:
        """Returns the scores.

        Returns:
            `boundary_f1`, the mean over images, and `class_boundary_f1`
            `(num_classes,)`, as `mean_boundary_f1` has them. Of the counts summed over
            the images: `pooled_class_precision`, `pooled_class_recall` and
            `pooled_class_boundary_f1` `(num_classes,)`, and `pooled_boundary_f1`, the
            mean of the last over the classes that have a boundary. NaN where nothing
            is scored.
        """
        per_image = self.per_image or [np.full(self.counts.shape[1], np.nan)]
        empty = self.empty if self.per_image else "skip"
        mean, by_class = mean_boundary_f1(np.stack(per_image), empty)
        counts = self.counts.astype(np.float64)
        pooled = f1_of_counts(np, *counts)
        return {
            "boundary_f1": mean,
            "class_boundary_f1": by_class,
            "pooled_boundary_f1": float(mean_of_known(np, pooled)),
            "pooled_class_boundary_f1": pooled,
            "pooled_class_precision": ratio(np, counts[0], counts[1]),
            "pooled_class_recall": ratio(np, counts[2], counts[3]),
        }


def f1_of_counts(
    xp: ModuleType, near_true: Any, predicted: Any, near_predicted: Any, true: Any
) -> Any:
    """Returns F1 from counts in floating point; NaN without a boundary."""
    precision = near_true / xp.maximum(predicted, 1.0)
    recall = near_predicted / xp.maximum(true, 1.0)
    total = precision + recall
    f1 = 2.0 * precision * recall / xp.where(total > 0, total, xp.ones_like(total))
    return xp.where(predicted + true > 0, f1, float("nan"))


def _check_option(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"`{name}` must be one of {known}. Received: {value!r}.")
