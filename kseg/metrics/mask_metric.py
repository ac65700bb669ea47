"""What the metrics of masks share: void pixels, ids out of range, NaN for nothing.

An id out of range is an error of the data or of the model, so it is never dropped:
a metric that drops it scores the pixels that are left, and scores too high. So are
scores, of a pixel that is not void, that are NaN or infinite.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kseg.layers import class_logits
from kseg.metrics.class_ids import (
    NOTHING,
    IgnoreClass,
    ignored_ids,
    listed,
    out_of_range,
    outside,
)
from kseg.registry import check_num_classes


def to_numpy(tensor: Any) -> np.ndarray:
    """Returns the value of a tensor or a variable."""
    return np.asarray(tensor)


def static_size(
    metric: keras.metrics.Metric, labels: Any, predictions: Any, function: str
) -> tuple[int, int]:
    """Returns height and width, which a distance in pixels depends on.

    Args:
        metric: Whose graph is traced.
        labels: Tensor `(batch, height, width)`.
        predictions: Tensor of the same shape.
        function: The name in `kseg.metrics` of what scores images of any size.

    Raises:
        ValueError: If neither tensor knows them.
    """
    pairs = zip(labels.shape[1:], predictions.shape[1:], strict=True)
    height, width = (first or second for first, second in pairs)
    if height is None or width is None:
        raise ValueError(
            f"`{type(metric).__name__}` must know height and width when its graph is "
            f"traced. Received: labels of shape {tuple(labels.shape)} and predictions "
            f"of shape {tuple(predictions.shape)}. Fix the size of the images, or "
            f"score them one by one with `kseg.metrics.{function}`."
        )
    return height, width


class MaskMetric(keras.metrics.Metric):
    """Base of the metrics that compare two maps of class ids.

    A subclass writes `accumulate` and `score`. An id out of range raises at once where
    values can be seen. Inside a compiled graph nothing can be raised: such pixels are
    counted, `result` is NaN there, and the next `result` outside of a graph raises,
    which in `fit` and `evaluate` is the one at the end of the epoch.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        name: Name in the logs.
        dtype: Dtype of the result; float32 by default.

    Raises:
        ValueError: If `num_classes` is below 2.
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: IgnoreClass = 255,
        name: str | None = None,
        dtype: str | None = None,
    ):
        """Creates the count of pixels out of range."""
        check_num_classes(num_classes)
        super().__init__(name=name, dtype=dtype)
        self._direction = "up"  # ModelCheckpoint and EarlyStopping look here
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.out_of_range = self.add_variable(
            (), "zeros", dtype="int32", name="out_of_range"
        )

    def accumulate(self, labels: Any, predictions: Any, scored: Any) -> None:
        """Adds a batch to the state.

        Args:
            labels: True class ids, int32 `(batch, height, width)`.
            predictions: Predicted class ids, int32 `(batch, height, width)`.
            scored: Booleans `(batch, height, width)`: where both ids are classes and
                the pixel is not void. Elsewhere the ids can be anything.
        """
        raise NotImplementedError

    def score(self) -> Any:
        """Returns the scalar that the state stands for."""
        raise NotImplementedError

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: True class ids, `(batch, height, width)` or with a last axis of 1;
                integers, or whole numbers in floating point.
            y_pred: Floating point logits or probabilities
                `(batch, height, width, num_classes)`; where there are two classes
                also `(batch, height, width, 1)`, the logit of class 1 and never its
                probability, which counts where it is above 0; or integer class ids
                shaped as `y_true`.
            sample_weight: `(batch,)` of 0 and 1: 0 leaves the image out, as padding.

        Raises:
            ValueError: If a shape is wrong; and, where values can be seen, if an id is
                out of range, a score not finite or a weight neither 0 nor 1.
        """
        predicted = self.class_ids(ops.convert_to_tensor(y_pred))
        self.accumulate(*self.checked(y_true, predicted, sample_weight))

    def checked(self, y_true: Any, predicted: Any, sample_weight: Any) -> tuple:
        """Refuses ids out of range, or counts them inside a compiled graph.

        Args:
            y_true: As in `update_state`.
            predicted: From `class_ids`.
            sample_weight: As in `update_state`.

        Returns:
            The arguments of `accumulate`.

        Raises:
            ValueError: As `update_state` does.
        """
        true = _mask(ops.convert_to_tensor(y_true), "y_true")
        pairs = zip(tuple(true.shape), tuple(predicted.shape), strict=True)
        if any(None not in pair and pair[0] != pair[1] for pair in pairs):
            raise ValueError(
                "`y_true` and `y_pred` must agree in batch, height and width. "
                f"Received: {tuple(true.shape)} and {tuple(predicted.shape)}."
            )
        labels, predictions = _whole_ids(true), _whole_ids(predicted)
        wrong = {
            "labels": (true, outside(labels, self.num_classes)),
            "predictions": (predicted, outside(predictions, self.num_classes)),
        }
        scored = ops.ones_like(labels, dtype="bool")
        for identity in ignored_ids(self.ignore_class):
            scored = ops.logical_and(scored, labels != identity)
        if sample_weight is not None:
            weight = _per_image(ops.convert_to_tensor(sample_weight), labels)
            wrong["sample weights"] = (weight, weight != 1)
            scored = ops.logical_and(scored, weight != 0)

        right = scored
        for _, marked in wrong.values():
            right = ops.logical_and(right, ops.logical_not(marked))
        refused = ops.logical_and(scored, ops.logical_not(right))
        count = ops.sum(ops.cast(refused, "int32"))
        if _concrete(count):
            values = {
                name: to_numpy(received)[to_numpy(ops.logical_and(scored, marked))]
                for name, (received, marked) in wrong.items()
            }
            raise self._out_of_range(listed(values))
        self.out_of_range.assign(self.out_of_range + count)
        return labels, predictions, right

    def result(self) -> Any:
        """Returns the score over all batches, a scalar; NaN if no pixel counted.

        Raises:
            ValueError: If an id was out of range, unless inside a compiled graph,
                where the result is NaN then.
        """
        if _concrete(self.out_of_range):
            self.check()
        refused = ops.not_equal(self.out_of_range, 0)
        return ops.cast(ops.where(refused, float("nan"), self.score()), self.dtype)

    def check(self) -> None:
        """Raises if a compiled graph met ids out of range since the last reset.

        Raises:
            ValueError: With the rule and the number of such pixels.
        """
        count = int(to_numpy(self.out_of_range))
        if count:
            raise self._out_of_range(
                f"something else at {count} pixels, counted inside a compiled graph; "
                "`run_eagerly=True` shows the values"
            )

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
        }

    def class_ids(self, y_pred: Any) -> Any:
        """Returns the predicted class of each pixel.

        Args:
            y_pred: Scores or ids, as `update_state` takes them.

        Returns:
            Class ids `(batch, height, width)`, int32 where they come from scores; the
            id of nothing, out of range, where a score is NaN or infinite.

        Raises:
            ValueError: If the shape is wrong.
        """
        if not keras.backend.is_float_dtype(y_pred.dtype):
            return _mask(y_pred, "y_pred")
        shape = tuple(y_pred.shape)
        if len(shape) == 4 and shape[-1] == 1 and self.num_classes == 2:
            y_pred = class_logits(y_pred)
        elif len(shape) != 4 or shape[-1] not in (self.num_classes, None):
            raise ValueError(
                "Floating point `y_pred` must be scores of shape (batch, height, "
                f"width, {self.num_classes}), one for each class. Received: {shape}. "
                "Cast class ids to int32."
            )
        ids = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        wrong = ops.logical_not(ops.all(ops.isfinite(y_pred), axis=-1))
        return self.refuse(ids, wrong)

    def refuse(self, ids: Any, wrong: Any) -> Any:
        """Gives the pixels marked as wrong the id of nothing, which is out of range."""
        return ops.where(wrong, NOTHING, ids)

    def _out_of_range(self, received: str) -> ValueError:
        """Returns the error for ids out of range."""
        return out_of_range(
            received,
            self.num_classes,
            ignored_ids(self.ignore_class),
            weights=", scores finite, and sample weights 0 or 1",
        )


def _mask(ids: Any, name: str) -> Any:
    """Returns ids as `(batch, height, width)`."""
    shape = tuple(ids.shape)
    if len(shape) == 4 and shape[-1] == 1:
        return ops.squeeze(ids, axis=-1)
    if len(shape) != 3:
        raise ValueError(
            f"`{name}`, as class ids, must have the shape (batch, height, width) or "
            f"(batch, height, width, 1). Received: {shape}."
        )
    return ids


def _whole_ids(received: Any) -> Any:
    """Casts to int32; a number that this changes becomes the id of nothing."""
    ids = ops.cast(received, "int32")
    return ops.where(ops.cast(ids, received.dtype) == received, ids, NOTHING)


def _per_image(sample_weight: Any, labels: Any) -> Any:
    """Spreads `(batch,)` over the pixels of each image."""
    if len(sample_weight.shape) != 1:
        raise ValueError(
            "`sample_weight` must have the shape (batch,), one weight for each image. "
            f"Received: {tuple(sample_weight.shape)}. Void pixels need no weight: "
            "give them a label named in `ignore_class`."
        )
    return ops.broadcast_to(ops.reshape(sample_weight, (-1, 1, 1)), ops.shape(labels))


def _concrete(tensor: Any) -> np.ndarray | None:
    """Returns the value, or `None` inside a compiled graph, which has none yet."""
    try:
        return to_numpy(tensor)
    except (NotImplementedError, TypeError):  # TensorFlow's graph, JAX's tracer
        return None
