"""The confusion matrix and the scores read from it.

Pixel accuracy, mean accuracy, mean IoU and frequency weighted IoU: Long, Shelhamer
and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015,
section 5. https://arxiv.org/abs/1411.4038. Dice is 2 IoU / (1 + IoU), class by class.

One matrix is summed over the whole data set, in integers, and then divided. A class
that is neither in the labels nor in the predictions has no score; one that is only
predicted has IoU and Dice 0, and no accuracy. Without a pixel to score all is NaN.
"""

import math
from types import ModuleType
from typing import Any

import keras
import numpy as np
from keras import ops

from kseg.metrics.averages import mean_of_known, ratio
from kseg.metrics.class_ids import IgnoreClass, check_ids, ignored_ids, scored_pixels
from kseg.metrics.exact_counts import ExactCounts
from kseg.metrics.mask_metric import MaskMetric

# Pixels counted at a time, so that they stay in the cache; or as many as the table has
# cells, which is made anew each time.
_CHUNK = 2**16
_SMALL = 2**16  # cells of a table that 16 bits can number


def confusion_matrix(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_classes: int,
    ignore_class: IgnoreClass = 255,
) -> np.ndarray:
    """Counts the pixels of each true and predicted class.

    Args:
        labels: True class ids, integers of any shape.
        predictions: Predicted class ids, integers of the same shape; anything is
            allowed where the label is void.
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.

    Returns:
        int64 `(num_classes, num_classes)`: at `[i, j]` the pixels of true class `i`
        that are predicted as `j`.

    Raises:
        ValueError: If `num_classes` is below 2, the ids are no integers, the shapes
            differ, or an id at a pixel that is not void is outside the classes.

    Example:
    >>> import numpy as np
    >>> confusion_matrix(np.array([0, 0, 1, 255]), np.array([0, 1, 1, 1]), 2)
    array([[1, 1],
           [0, 1]])
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    check_ids(labels, predictions, num_classes)
    shape = [
        max(num_classes, int(ids.max(initial=0)) + 1) for ids in (labels, predictions)
    ]
    negative = labels.min(initial=0) < 0 or predictions.min(initial=0) < 0
    if not negative and math.prod(shape) <= max(_SMALL, num_classes**2):
        # What is void or wrong is cheaper to tell in a larger table than at pixels.
        table = _count(labels, predictions, *shape)
        table[[i for i in ignored_ids(ignore_class) if 0 <= i < len(table)]] = 0
        matrix = table[:num_classes, :num_classes]
        if matrix.sum() == table.sum():
            return matrix.copy()
    # An id is out of range, which raises here, unless it is at a void pixel.
    scored = scored_pixels(labels, predictions, num_classes, ignore_class)
    return _count(labels[scored], predictions[scored], num_classes, num_classes)


def _count(
    labels: np.ndarray, predictions: np.ndarray, rows: int, columns: int
) -> np.ndarray:
    """Returns the table of pairs of ids, int64 `(rows, columns)`."""
    labels, predictions = labels.reshape(-1), predictions.reshape(-1)
    size = rows * columns
    dtype = np.uint16 if size <= _SMALL else np.int64
    table = np.zeros(size, np.int64)
    step = max(_CHUNK, size)
    for start in range(0, labels.size, step):
        chunk = slice(start, start + step)
        cells = labels[chunk].astype(dtype)
        cells *= columns
        cells += predictions[chunk].astype(dtype)
        table += np.bincount(cells, minlength=size)
    return table.reshape(rows, columns)


def scores(matrix: np.ndarray, absent: str = "skip") -> dict[str, Any]:
    """Divides a confusion matrix into the scores of the field.

    Args:
        matrix: `(num_classes, num_classes)` counts from `confusion_matrix`, or their
            sum over images.
        absent: `"skip"` leaves classes without a score out of the means, as the
            authors of FCN do. `"zero"` is the rule of SegNet's script: only classes
            in the labels get a score, the others count as 0 in the means.

    Returns:
        Floats `pixel_accuracy`, `mean_accuracy`, `mean_iou`,
        `frequency_weighted_iou`, `mean_dice`, from 0 to 1 or NaN, and float64 arrays
        `(num_classes,)` `class_accuracy`, `class_iou`, `class_dice`, NaN for classes
        without a score.

    Raises:
        ValueError: If `matrix` is not a square of counts, or `absent` is unknown.

    Example:
    >>> import numpy as np
    >>> scores(np.array([[3, 1], [0, 4]]))["class_iou"].tolist()
    [0.75, 0.8]
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or (matrix < 0).any():
        raise ValueError(
            "`matrix` must hold counts of shape (num_classes, num_classes). Received: "
            f"shape {matrix.shape}, minimum {matrix.min(initial=0)}."
        )
    if absent not in ("skip", "zero"):
        raise ValueError(f"`absent` must be 'skip' or 'zero'. Received: {absent!r}.")
    return {
        name: value if value.ndim else float(value)
        for name, value in scores_of_counts(class_counts(matrix), absent).items()
    }


def class_counts(matrix: np.ndarray) -> np.ndarray:
    """Returns what the scores need of a confusion matrix.

    Args:
        matrix: `(num_classes, num_classes)` counts from `confusion_matrix`.

    Returns:
        `(3, num_classes)`: pixels that are right, true pixels, and predicted ones.
    """
    return np.stack([np.diagonal(matrix), matrix.sum(axis=1), matrix.sum(axis=0)])


def scores_of_counts(counts: np.ndarray, absent: str = "skip") -> dict[str, np.ndarray]:
    """Divides counts, such as those of many samples of a data set at once.

    Args:
        counts: `(..., 3, num_classes)` from `class_counts`, or sums of them.
        absent: As in `scores`.

    Returns:
        float64 arrays by the names that `scores` has: `(...)` those of the whole,
        `(..., num_classes)` those of the classes.
    """
    counts = np.asarray(counts, np.float64)
    hits, truth, predicted = np.moveaxis(counts, -2, 0)
    return _scores(np, hits, truth, predicted, absent)


def _scores(
    xp: ModuleType, hits: Any, truth: Any, predicted: Any, absent: str = "skip"
) -> dict[str, Any]:
    """Returns all scores of floating point counts of `numpy` or `keras.ops`."""
    pixels = xp.sum(truth, axis=-1)
    union = truth + predicted - hits
    classes = {
        "class_accuracy": ratio(xp, hits, truth),
        "class_iou": ratio(xp, hits, union),
        "class_dice": ratio(xp, 2.0 * hits, truth + predicted),
    }
    if absent == "zero":
        zero = xp.where(xp.expand_dims(pixels, -1) > 0, 0.0, float("nan"))
        classes = {k: xp.where(truth > 0, v, zero) for k, v in classes.items()}
    weighted_iou = truth * hits / xp.maximum(union, 1.0)  # without a union, 0 / 1
    return {
        "pixel_accuracy": ratio(xp, xp.sum(hits, axis=-1), pixels),
        "mean_accuracy": mean_of_known(xp, classes["class_accuracy"], axis=-1),
        "mean_iou": mean_of_known(xp, classes["class_iou"], axis=-1),
        "frequency_weighted_iou": ratio(xp, xp.sum(weighted_iou, axis=-1), pixels),
        "mean_dice": mean_of_known(xp, classes["class_dice"], axis=-1),
        **classes,
    }


class ConfusionMatrixMetric(MaskMetric):
    """Base of the metrics that are read from one confusion matrix.

    The counts are exact beyond 2^31 pixels, see `ExactCounts`.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        name: Name in the logs; that of the score in `scores` by default.
        dtype: Dtype of the result; float32 by default.
    """

    score_name: str

    def __init__(
        self,
        num_classes: int,
        ignore_class: IgnoreClass = 255,
        name: str | None = None,
        dtype: str | None = None,
    ):
        """Creates the matrix."""
        super().__init__(num_classes, ignore_class, name or self.score_name, dtype)
        self.counts = ExactCounts(self, (num_classes, num_classes))

    def accumulate(self, labels: Any, predictions: Any, scored: Any) -> None:
        """Adds the pairs of ids at the scored pixels to the matrix."""
        cell = ops.where(scored, labels * self.num_classes + predictions, 0)
        counts = ops.segment_sum(
            ops.reshape(ops.cast(scored, "int32"), (-1,)),
            ops.reshape(cell, (-1,)),
            num_segments=self.num_classes**2,
        )
        self.counts.add(ops.reshape(counts, (self.num_classes, self.num_classes)))

    def score(self) -> Any:
        """Returns the score that the class is named after."""
        dtype = keras.backend.result_type(self.dtype, "float32")
        matrix = self.counts.tensor(dtype)
        hits, truth = ops.diagonal(matrix), ops.sum(matrix, axis=1)
        return _scores(ops, hits, truth, ops.sum(matrix, axis=0))[self.score_name]

    def confusion_matrix(self) -> np.ndarray:
        """Returns the exact counts so far, int64 `(num_classes, num_classes)`.

        Raises:
            ValueError: If a compiled graph met ids out of range.
        """
        self.check()
        return self.counts.numpy()

    def class_iou(self) -> np.ndarray:
        """Returns the IoU of each class so far, float64 `(num_classes,)`.

        Raises:
            ValueError: If a compiled graph met ids out of range.
        """
        return scores(self.confusion_matrix())["class_iou"]


@keras.saving.register_keras_serializable(package="kseg")
class PixelAccuracy(ConfusionMatrixMetric):
    """The share of pixels whose class is right.

    Arguments: see `ConfusionMatrixMetric`.
    """

    score_name = "pixel_accuracy"


@keras.saving.register_keras_serializable(package="kseg")
class MeanAccuracy(ConfusionMatrixMetric):
    """The mean, over the true classes, of the share of right pixels.

    Arguments: see `ConfusionMatrixMetric`.
    """

    score_name = "mean_accuracy"


@keras.saving.register_keras_serializable(package="kseg")
class MeanIoU(ConfusionMatrixMetric):
    """The mean over classes of intersection over union.

    Arguments: see `ConfusionMatrixMetric`.

    Example:
    >>> import numpy as np
    >>> metric = MeanIoU(num_classes=2)
    >>> metric.update_state(np.array([[[0, 0, 1, 255]]]), np.array([[[0, 1, 1, 1]]]))
    >>> float(metric.result())
    0.5
    """

    score_name = "mean_iou"


@keras.saving.register_keras_serializable(package="kseg")
class FrequencyWeightedIoU(ConfusionMatrixMetric):
    """The mean over classes of IoU, weighted by their pixels.

    Arguments: see `ConfusionMatrixMetric`.
    """

    score_name = "frequency_weighted_iou"


@keras.saving.register_keras_serializable(package="kseg")
class Dice(ConfusionMatrixMetric):
    """The mean over classes of Dice, which is F1 of the pixels.

    Arguments: see `ConfusionMatrixMetric`.
    """

    score_name = "mean_dice"
