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
"""

from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops
from scipy.spatial import KDTree

from kseg.metrics.mask_metric import (
    IgnoreClass,
    MaskMetric,
    mean_of_known,
    ratio,
    scored_pixels,
    to_numpy,
)

_NO_BOUNDARY = -1


def boundary_f1(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_classes: int,
    ignore_class: IgnoreClass = 255,
    tolerance: float = 0.0075,
) -> np.ndarray:
    """Scores the boundaries of one image, class by class.

    Args:
        labels: True class ids, integers `(height, width)`.
        predictions: Predicted class ids, integers `(height, width)`.
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        tolerance: The distance up to which boundary pixels agree, as a fraction of
            the diagonal of the image.

    Returns:
        float64 `(num_classes,)`, from 0 to 1; NaN for a class without a boundary.

    Raises:
        ValueError: If the maps are not one image, `tolerance` is negative, or as
            `kseg.metrics.confusion_matrix` does.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 2:
        raise ValueError(
            "`labels` must be one image of shape (height, width). Received: shape "
            f"{labels.shape}. Score the images of a batch one by one."
        )
    height, width = labels.shape
    reach = _squared_reach(height, width, tolerance)
    scored = scored_pixels(labels, predictions, num_classes, ignore_class)
    outlines = [
        _points_by_class(_boundaries(np, np.where(scored, ids.astype(int), -1)))
        for ids in (labels, predictions)
    ]
    none = np.empty((0, 2), int)
    counts = np.zeros((4, num_classes))
    for c in range(num_classes):
        true, predicted = (points.get(c, none) for points in outlines)
        counts[:, c] = (
            _count_near(predicted, true, reach),
            len(predicted),
            _count_near(true, predicted, reach),
            len(true),
        )
    return _f1(np, *counts)


def mean_boundary_f1(per_image: np.ndarray) -> tuple[float, np.ndarray]:
    """Averages BF over the images of a data set.

    Args:
        per_image: `(images, num_classes)`, each row from `boundary_f1`.

    Returns:
        The mean, over the images that have a score, of the mean over their classes;
        and float64 `(num_classes,)`, the mean of each class over the images that
        score it. NaN where nothing is scored.

    Example:
    >>> mean, classes = mean_boundary_f1([[1.0, 0.5], [0.25, float("nan")]])
    >>> mean, classes.tolist()
    (0.5, [0.625, 0.5])
    """
    per_image = np.asarray(per_image, dtype=np.float64)
    score = mean_of_known(np, mean_of_known(np, per_image, axis=1))
    return float(score), mean_of_known(np, per_image, axis=0)


@keras.saving.register_keras_serializable(package="kseg")
class BoundaryF1(MaskMetric):
    """The mean over images of the mean over classes of the boundary F1.

    The numbers are those of `boundary_f1` and `mean_boundary_f1`. The time grows with
    the square of the tolerance in pixels; height and width must be known when a graph
    is traced, since the tolerance depends on them.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        tolerance: The distance up to which boundary pixels agree, as a fraction of
            the diagonal of the image.
        name: Name in the logs; `"boundary_f1"` by default.
        dtype: Dtype of the result; float32 by default.

    Raises:
        ValueError: If `num_classes` is below 2 or `tolerance` is negative.
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: IgnoreClass = 255,
        tolerance: float = 0.0075,
        name: str | None = None,
        dtype: str | None = None,
    ):
        """Creates the sums over images."""
        super().__init__(num_classes, ignore_class, name or "boundary_f1", dtype)
        _squared_reach(1, 1, tolerance)
        self.tolerance = tolerance

        def zeros(shape, name):
            return self.add_variable(shape, "zeros", dtype="float32", name=name)

        self.image_total = zeros((), "image_total")
        self.image_count = zeros((), "image_count")
        self.class_total = zeros((num_classes,), "class_total")
        self.class_count = zeros((num_classes,), "class_count")

    def accumulate(self, labels: Any, predictions: Any, scored: Any) -> None:
        """Adds the scores of each image in the batch."""
        pairs = zip(labels.shape[1:], predictions.shape[1:], strict=True)
        height, width = (first or second for first, second in pairs)
        if height is None or width is None:
            raise ValueError(
                "`BoundaryF1` must know height and width when its graph is traced. "
                f"Received: labels of shape {tuple(labels.shape)} and predictions of "
                f"shape {tuple(predictions.shape)}. Fix the size of the images, or "
                "score them one by one with `kseg.metrics.boundary_f1`."
            )
        reach = _squared_reach(height, width, self.tolerance)
        true, predicted = (
            _boundaries(ops, ops.where(scored, ids, _NO_BOUNDARY))
            for ids in (labels, predictions)
        )
        per_image = _f1(
            ops,
            *_sums_by_class(predicted, _near(predicted, true, reach), self.num_classes),
            *_sums_by_class(true, _near(true, predicted, reach), self.num_classes),
        )
        _add(self.image_total, self.image_count, mean_of_known(ops, per_image, axis=1))
        _add(self.class_total, self.class_count, per_image)

    def score(self) -> Any:
        """Returns the mean over the images that have a score."""
        return ratio(ops, self.image_total, self.image_count)

    def class_f1(self) -> np.ndarray:
        """Returns the mean of each class so far, float32 `(num_classes,)`.

        Raises:
            ValueError: If a compiled graph met ids out of range.
        """
        self.check()
        return to_numpy(ratio(ops, self.class_total, self.class_count))

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "tolerance": self.tolerance}


def _squared_reach(height: int, width: int, tolerance: float) -> int:
    """Returns the largest square of a distance between pixels within tolerance."""
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` must be 0 or more. Received: {tolerance}.")
    return int(tolerance**2 * (height**2 + width**2) + 1e-9)  # 15.0 px is not 14.9999


def _boundaries(xp: ModuleType, ids: Any) -> Any:
    """Keeps the ids of boundary pixels and writes -1 elsewhere.

    Args:
        xp: `numpy` or `keras.ops`, whichever the array belongs to.
        ids: Class ids `(..., height, width)`, -1 at void pixels.
    """
    rows = _differ(ids[..., 1:, :], ids[..., :-1, :])
    columns = _differ(ids[..., :, 1:], ids[..., :, :-1])
    margin = [(0, 0)] * (len(ids.shape) - 2)
    edge = (
        xp.pad(rows, [*margin, (1, 0), (0, 0)])
        | xp.pad(rows, [*margin, (0, 1), (0, 0)])
        | xp.pad(columns, [*margin, (0, 0), (1, 0)])
        | xp.pad(columns, [*margin, (0, 0), (0, 1)])
    )
    return xp.where(edge, ids, _NO_BOUNDARY)


def _differ(first: Any, second: Any) -> Any:
    """Marks neighbours in two classes; void is in none."""
    return (first != second) & (first >= 0) & (second >= 0)


def _f1(xp: ModuleType, near_true: Any, predicted: Any, near_predicted: Any, true: Any):
    """Returns F1 from counts in floating point; NaN without a boundary."""
    precision = near_true / xp.maximum(predicted, 1.0)
    recall = near_predicted / xp.maximum(true, 1.0)
    total = precision + recall
    f1 = 2.0 * precision * recall / xp.where(total > 0, total, xp.ones_like(total))
    return xp.where(predicted + true > 0, f1, float("nan"))


def _points_by_class(boundaries: np.ndarray) -> dict[int, np.ndarray]:
    """Returns `(points, 2)` coordinates for each class that has a boundary."""
    points = np.argwhere(boundaries != _NO_BOUNDARY)
    classes = boundaries[tuple(points.T)]
    return {int(c): points[classes == c] for c in np.unique(classes)}


def _count_near(points: np.ndarray, others: np.ndarray, reach: int) -> int:
    """Counts the points that have one of the others in reach."""
    if not len(points) or not len(others):
        return 0
    # The bound is strict, and squared distances between pixels are whole numbers.
    distance, _ = KDTree(others).query(
        points, distance_upper_bound=(reach + 0.5) ** 0.5
    )
    return int(np.isfinite(distance).sum())


def _near(ids: Any, others: Any, reach: int) -> Any:
    """Marks the pixels of `ids` that have their class in reach in `others`."""
    radius = int(reach**0.5)
    steps = np.arange(-radius, radius + 1)
    disk = steps[:, None] ** 2 + steps**2 <= reach
    starts = np.pad(np.argwhere(disk), ((0, 0), (1, 0)))  # 0 on the batch axis
    starts = ops.convert_to_tensor(starts, dtype="int32")
    margin = ((0, 0), (radius, radius), (radius, radius))
    padded = ops.pad(others, margin, constant_values=_NO_BOUNDARY)
    size = ops.shape(ids)

    def look(i, near):
        window = ops.slice(padded, ops.take(starts, i, axis=0), size)
        return near | (window == ids)

    return ops.fori_loop(0, int(disk.sum()), look, ops.zeros_like(ids, dtype="bool"))


def _sums_by_class(ids: Any, near: Any, num_classes: int) -> tuple[Any, Any]:
    """Counts near and all boundary pixels, float32 `(batch, num_classes)` each."""
    boundary = ops.one_hot(ids, num_classes, dtype="float32")  # of -1: all zeros
    near = ops.expand_dims(ops.cast(near, "float32"), axis=-1)
    return (
        ops.sum(ops.multiply(boundary, near), axis=(1, 2)),
        ops.sum(boundary, axis=(1, 2)),
    )


def _add(total: Any, count: Any, values: Any) -> None:
    """Adds what is not NaN along the first axis, and how much that is."""
    known = ops.logical_not(ops.isnan(values))
    total.assign(total + ops.sum(ops.where(known, values, 0.0), axis=0))
    count.assign(count + ops.sum(ops.cast(known, "float32"), axis=0))
