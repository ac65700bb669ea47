"""Expected calibration error as a metric of Keras; see `kseg.metrics.calibration`."""

from typing import Any

import keras
import numpy as np
from keras import ops

from kseg.layers import class_logits
from kseg.metrics.averages import ratio
from kseg.metrics.calibration import (
    SUM_TOLERANCE,
    calibration_error,
    check_bins,
    reliability,
)
from kseg.metrics.class_ids import IgnoreClass
from kseg.metrics.exact_counts import ExactCounts
from kseg.metrics.mask_metric import MaskMetric

_STEPS = 2**6  # twice: a confidence is counted in 1 / 4096 of the width of its bin


@keras.saving.register_keras_serializable(package="kseg")
class ExpectedCalibrationError(MaskMetric):
    """The mean over pixels of the gap between accuracy and confidence in their bin.

    The numbers are those of `CalibrationScores`, up to rounding each confidence to 1 /
    4096 of the width of a bin, which makes all sums exact, see `ExactCounts`.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        bins: Number of bins of equal width.
        from_logits: Whether `y_pred` holds logits; `False` for probabilities.
        name: Name in the logs; `"expected_calibration_error"` by default.
        dtype: Dtype of the result; float32 by default.

    Raises:
        ValueError: If `num_classes` is below 2 or `bins` below 1.

    Example:
    >>> import numpy as np
    >>> metric = ExpectedCalibrationError(num_classes=2, from_logits=False)
    >>> metric.update_state(np.array([[[0, 1]]]), np.array([[[[0.75, 0.25]] * 2]]))
    >>> round(float(metric.result()), 4)  # half of the pixels are right
    0.25
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: IgnoreClass = 255,
        bins: int = 15,
        from_logits: bool = True,
        name: str | None = None,
        dtype: str | None = None,
    ):
        """Creates the counts."""
        name = name or "expected_calibration_error"
        super().__init__(num_classes, ignore_class, name, dtype)
        check_bins(bins)
        self._direction = "down"
        self.bins = bins
        self.from_logits = from_logits
        # By predicted class and bin: pixels, right ones, and their confidences above
        # the lower edge of the bin, in coarse and in fine steps.
        self.counts = ExactCounts(self, (num_classes * bins, 4))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: True class ids, as in all metrics of masks.
            y_pred: Floating point logits, or probabilities if not `from_logits`,
                `(batch, height, width, num_classes)`; for two classes also the logit of
                class 1, `(batch, height, width, 1)`.
            sample_weight: `(batch,)` of 0 and 1: 0 leaves the image out, as padding.

        Raises:
            ValueError: If a shape is wrong; and, where values can be seen, if an id is
                out of range or a score is not finite or no probability.
        """
        y_pred = ops.convert_to_tensor(y_pred)
        channels = y_pred.shape[-1]
        if not keras.backend.is_float_dtype(y_pred.dtype) or (
            channels == 1 and not self.from_logits
        ):
            raise ValueError(
                "`y_pred` must be floating point scores of shape (batch, height, "
                f"width, {self.num_classes}), one for each class. Received: "
                f"{y_pred.dtype} of shape {tuple(y_pred.shape)}."
            )
        predicted = self.class_ids(y_pred)
        scores = ops.cast(class_logits(y_pred), "float32")
        if self.from_logits:
            scores = ops.softmax(scores, axis=-1)
        else:
            wrong = ops.abs(ops.sum(scores, axis=-1) - 1) > SUM_TOLERANCE
            wrong = ops.logical_or(wrong, ops.any(scores < 0, axis=-1))
            predicted = self.refuse(predicted, wrong)
        checked = self.checked(y_true, predicted, sample_weight)
        self.accumulate(*checked, confidence=ops.max(scores, axis=-1))

    def accumulate(
        self, labels: Any, predictions: Any, scored: Any, confidence: Any = None
    ) -> None:
        """Adds the confidence of each pixel, float32 in 0 to 1, to its bin."""
        place = ops.where(scored, ops.clip(confidence, 0.0, 1.0), 1.0) * self.bins
        index = ops.clip(ops.cast(ops.ceil(place), "int32") - 1, 0, self.bins - 1)
        above = place - ops.cast(index, "float32")
        steps = ops.cast(ops.round(above * _STEPS**2), "int32")
        cell = ops.where(scored, predictions * self.bins + index, 0)
        ones = ops.cast(scored, "int32")
        right = ones * ops.cast(labels == predictions, "int32")
        columns = (ones, right, ones * (steps // _STEPS), ones * (steps % _STEPS))
        counts = [
            ops.segment_sum(
                ops.reshape(column, (-1,)),
                ops.reshape(cell, (-1,)),
                num_segments=self.num_classes * self.bins,
            )
            for column in columns
        ]
        self.counts.add(ops.stack(counts, axis=-1))

    def score(self) -> Any:
        """Returns the error over all pixels."""
        dtype = keras.backend.result_type(self.dtype, "float32")
        shape = (self.num_classes, self.bins, 4)
        counts = ops.sum(ops.reshape(self.counts.tensor(dtype), shape), axis=0)
        pixels, right, confidence = self._sums(
            ops.arange(self.bins, dtype=dtype), counts
        )
        gaps = ops.sum(ops.abs(right - confidence))
        return ratio(ops, gaps, ops.sum(pixels))

    def reliability(self) -> dict[str, Any]:
        """Returns the reliability diagram so far, as `CalibrationScores.result` does.

        Returns:
            `bin_count`, `bin_confidence`, `bin_accuracy`, `maximum_calibration_error`
            and `class_expected_calibration_error`.

        Raises:
            ValueError: If a compiled graph met ids out of range.
        """
        self.check()
        counts = self.counts.numpy().reshape(self.num_classes, self.bins, 4)
        sums = np.stack(self._sums(np.arange(self.bins), counts.astype(np.float64)))
        by_class = {"class_expected_calibration_error": calibration_error(sums)}
        return reliability(sums) | by_class

    def _sums(self, edges, counts):
        """Returns pixels, right pixels and sums of confidences."""
        pixels, right, coarse, fine = (counts[..., k] for k in range(4))
        above = coarse / _STEPS + fine / _STEPS**2
        return pixels, right, (edges * pixels + above) / self.bins

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "bins": self.bins,
            "from_logits": self.from_logits,
        }
