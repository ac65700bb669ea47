"""Boundary IoU: intersection over union of bands inside the outlines of classes.

Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation",
CVPR 2021, section 4. https://arxiv.org/abs/2103.16562. The band of a class holds its
pixels that are at most `d` rows and columns from what is not of the class, and what is
beyond the edge of the image is not. `d` is 2 % of the image's diagonal, rounded, and at
least 1. The intersections and the unions of the bands are summed over the images, class
by class, before they are divided; a class without a band in labels and predictions has
no score, one with a band in only one of them has 0.

Void pixels are left out of both maps. They make no band: whether a border is there is
unknown, and a band beside them would be the same in both maps and raise every score.
The next class beyond a narrow rim of void does make one.

All classes are looked at together: a pixel is in the band of its class if the window
around it holds two classes, that is if its largest and its smallest id differ.
"""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from kseg.metrics.averages import mean_of_known, ratio
from kseg.metrics.class_ids import IgnoreClass, check_one_image, scored_pixels
from kseg.metrics.confusion import confusion_matrix
from kseg.metrics.exact_counts import ExactCounts
from kseg.metrics.mask_metric import MaskMetric, static_size


def boundary_iou(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_classes: int,
    ignore_class: IgnoreClass = 255,
    width: float = 0.02,
) -> tuple[np.ndarray, np.ndarray]:
    """Measures the bands of one image, class by class.

    Args:
        labels: True class ids, integers `(height, width)`.
        predictions: Predicted class ids, integers `(height, width)`.
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        width: Of the bands, as a fraction of the diagonal of the image.

    Returns:
        The pixels of the intersections of the bands and those of their unions, int64
        `(num_classes,)` each; to be summed over images before they are divided.

    Raises:
        ValueError: If the maps are not one image, `width` is not above 0, or as
            `kseg.metrics.confusion_matrix` does.

    Example:
    >>> labels = np.zeros((6, 6), int)
    >>> labels[:, 3:] = 1
    >>> intersection, union = boundary_iou(labels, labels, 2)
    >>> intersection.tolist(), union.tolist()  # 18 pixels each, without the inner ones
    ([14, 14], [14, 14])
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    check_one_image(labels)
    rows, columns = labels.shape
    distance = _distance(rows, columns, width)
    scored = scored_pixels(labels, predictions, num_classes, ignore_class)
    dtype = np.min_scalar_type(num_classes + 1)
    # What is in no band counts as one class more, which is dropped again.
    bands = [
        np.where(_band(np, shifted, num_classes, distance), shifted - 1, num_classes)
        for shifted in (
            np.where(scored, ids.astype(dtype) + dtype.type(1), dtype.type(0))
            for ids in (labels, predictions)
        )
    ]
    table = confusion_matrix(bands[0], bands[1], num_classes + 1, None)
    intersection = np.diagonal(table)[:-1].copy()
    return intersection, table[:-1].sum(axis=1) + table[:, :-1].sum(
        axis=0
    ) - intersection


class BoundaryIoUScores:
    """Collects the bands of a data set, image by image.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        width: Of the bands, as a fraction of the diagonal of each image.

    Raises:
        ValueError: If `width` is not above 0.

    Example:
    >>> collected = BoundaryIoUScores(2)
    >>> collected.update(np.array([[0, 0, 1, 1]]), np.array([[0, 1, 1, 1]]))
    >>> collected.result()["class_boundary_iou"].tolist()
    [0.5, 0.6666666666666666]
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: IgnoreClass = 255,
        width: float = 0.02,
    ):
        """Starts with nothing collected."""
        _distance(1, 1, width)
        self.arguments = (num_classes, ignore_class, width)
        self.intersection = np.zeros(num_classes, np.int64)
        self.union = np.zeros(num_classes, np.int64)

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Adds an image.

        Args:
            labels: True class ids, integers `(height, width)`.
            predictions: Predicted class ids, integers `(height, width)`.

        Raises:
            ValueError: As `boundary_iou` does.
        """
        intersection, union = boundary_iou(labels, predictions, *self.arguments)
        self.intersection += intersection
        self.union += union

    def result(self) -> dict[str, Any]:
        """Returns the scores.

        Returns:
            `boundary_iou`, the mean over the classes that have a score, and
            `class_boundary_iou`, float64 `(num_classes,)`; NaN where nothing is scored.
        """
        by_class = ratio(np, self.intersection.astype(np.float64), self.union)
        return {
            "boundary_iou": float(mean_of_known(np, by_class)),
            "class_boundary_iou": by_class,
        }


@keras.saving.register_keras_serializable(package="kseg")
class BoundaryIoU(MaskMetric):
    """The mean over classes of the boundary IoU.

    The numbers are those of `BoundaryIoUScores`, and the counts are exact, see
    `ExactCounts`. Height and width must be known when a graph is traced, since the
    width of the bands depends on them.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        width: Of the bands, as a fraction of the diagonal of the image.
        name: Name in the logs; `"boundary_iou"` by default.
        dtype: Dtype of the result; float32 by default.

    Raises:
        ValueError: If `num_classes` is below 2 or `width` is not above 0.
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: IgnoreClass = 255,
        width: float = 0.02,
        name: str | None = None,
        dtype: str | None = None,
    ):
        """Creates the counts."""
        super().__init__(num_classes, ignore_class, name or "boundary_iou", dtype)
        _distance(1, 1, width)
        self.width = width
        # Of the intersections and of the unions; the last are pixels of no class.
        self.counts = ExactCounts(self, (2, num_classes + 1))

    def accumulate(self, labels: Any, predictions: Any, scored: Any) -> None:
        """Adds the bands of each image in the batch."""
        height, width = static_size(self, labels, predictions, "boundary_iou")
        distance = _distance(height, width, self.width)
        nothing = self.num_classes

        def band(ids):
            ids = ops.where(scored, ids + 1, 0)
            inside = _band(ops, ids, self.num_classes, distance)
            return ops.where(inside, ids - 1, nothing)

        true, predicted = band(labels), band(predictions)
        both = ops.where(true == predicted, true, nothing)
        other = ops.where(true == predicted, nothing, predicted)
        intersection = self._count(both)
        self.counts.add(
            ops.stack([intersection, self._count(true) + self._count(other)])
        )

    def _count(self, ids):
        """Counts the pixels of each id."""
        ids = ops.reshape(ids, (-1,))
        return ops.segment_sum(ops.ones_like(ids), ids, self.num_classes + 1)

    def score(self) -> Any:
        """Returns the mean over the classes that have a score."""
        dtype = keras.backend.result_type(self.dtype, "float32")
        intersection, union = ops.unstack(self.counts.tensor(dtype)[:, :-1], 2)
        return mean_of_known(ops, ratio(ops, intersection, union))

    def class_boundary_iou(self) -> np.ndarray:
        """Returns the score of each class so far, float64 `(num_classes,)`.

        Raises:
            ValueError: If a compiled graph met ids out of range.
        """
        self.check()
        intersection, union = self.counts.numpy()[:, :-1].astype(np.float64)
        return ratio(np, intersection, union)

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "width": self.width}


def _distance(height: int, width: int, share: float) -> int:
    """Returns the width of the bands in pixels."""
    if not share > 0:
        raise ValueError(f"`width` must be above 0. Received: {share}.")
    return max(1, round(share * math.hypot(height, width)))


def _band(xp: ModuleType, ids: Any, num_classes: int, distance: int) -> Any:
    """Marks the pixels, not void, that have another class or the outside in reach.

    Args:
        xp: `numpy` or `keras.ops`, whichever the array belongs to.
        ids: Class ids from 1 on, `(..., height, width)`; 0 at void pixels.
        num_classes: The largest id.
        distance: Of the reach, in rows and columns.
    """
    margin = [(0, 0)] * (len(ids.shape) - 2) + [(distance, distance)] * 2
    outside = num_classes + 1  # larger than every class, and not smaller than any
    known = xp.where(ids > 0, ids, xp.full_like(ids, outside))
    largest = _over_windows(
        xp.maximum, xp.pad(ids, margin, constant_values=outside), distance
    )
    smallest = _over_windows(
        xp.minimum, xp.pad(known, margin, constant_values=outside), distance
    )
    return (largest > smallest) & (ids > 0)


def _over_windows(reduce: Callable, values: Any, distance: int) -> Any:
    """Reduces squares of `2 * distance + 1` pixels; windows grow by doubling."""
    size = 2 * distance + 1
    for axis in (-2, -1):
        reached = 1
        while reached < size:
            step = min(reached, size - reached)
            if axis == -2:
                values = reduce(values[..., :-step, :], values[..., step:, :])
            else:
                values = reduce(values[..., :-step], values[..., step:])
            reached += step
    return values
