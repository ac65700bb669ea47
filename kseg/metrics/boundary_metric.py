"""Boundary F1 (BF) as a metric of Keras; see `kseg.metrics.boundary`."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kseg.metrics.averages import mean_of_known, ratio
from kseg.metrics.boundary import f1_of_counts
from kseg.metrics.class_ids import IgnoreClass
from kseg.metrics.mask_metric import MaskMetric, static_size, to_numpy
from kseg.metrics.outlines import NO_BOUNDARY, boundaries, squared_reach


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
        squared_reach(1, 1, tolerance)
        self.tolerance = tolerance

        def zeros(shape, name):
            return self.add_variable(shape, "zeros", dtype="float32", name=name)

        self.image_total = zeros((), "image_total")
        self.image_count = zeros((), "image_count")
        self.class_total = zeros((num_classes,), "class_total")
        self.class_count = zeros((num_classes,), "class_count")

    def accumulate(self, labels: Any, predictions: Any, scored: Any) -> None:
        """Adds the scores of each image in the batch."""
        height, width = static_size(self, labels, predictions, "boundary_f1")
        reach = squared_reach(height, width, self.tolerance)
        true, predicted = (
            boundaries(ops, ops.where(scored, ids, NO_BOUNDARY))
            for ids in (labels, predictions)
        )
        per_image = f1_of_counts(
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


def _near(ids: Any, others: Any, reach: int) -> Any:
    """Marks the pixels of `ids` that have their class in reach in `others`."""
    radius = int(reach**0.5)
    steps = np.arange(-radius, radius + 1)
    disk = steps[:, None] ** 2 + steps**2 <= reach
    starts = np.pad(np.argwhere(disk), ((0, 0), (1, 0)))  # 0 on the batch axis
    starts = ops.convert_to_tensor(starts, dtype="int32")
    margin = ((0, 0), (radius, radius), (radius, radius))
    padded = ops.pad(others, margin, constant_values=NO_BOUNDARY)
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
