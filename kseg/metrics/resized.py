"""A metric of small logits and large masks, which takes the memory of a band of rows.

The logits are enlarged as `kseg.layers.Enlarged` describes, and of each pixel only the
class is kept; the metric then counts as it does on large logits.
"""

from typing import Any

import keras
from keras import ops

from kseg.layers import Enlarged, map_pixels
from kseg.layers.enlarged import BAND_PIXELS
from kseg.metrics.calibration_metric import ExpectedCalibrationError
from kseg.metrics.mask_metric import MaskMetric


@keras.saving.register_keras_serializable(package="kseg", name="ResizedMetric")
class Resized(keras.metrics.Metric):
    """A metric of logits that are enlarged to the mask, a band of rows at a time.

    Args:
        metric: A metric of masks of this package, such as `MeanIoU`; it holds the
            counts, and can be asked for what it has beside the score.
        align_corners: How logits are enlarged, as in `kseg.layers.ResizeLike`.
        band_pixels: Most pixels of a band, in all images of the batch together.
        name: Name in the logs; that of the metric by default.
        dtype: Dtype of the result; that of the metric by default.

    Raises:
        ValueError: If the metric is no metric of masks, or one that needs
            probabilities, or `band_pixels` is below 1.

    Example:
    >>> import numpy as np
    >>> from kseg.metrics import MeanIoU
    >>> metric = Resized(MeanIoU(num_classes=2))
    >>> metric.update_state(np.zeros((1, 8, 8), int), np.array([[[[1.0, 0.0]]]]))
    >>> metric.metric.confusion_matrix().tolist()
    [[64, 0], [0, 0]]
    """

    def __init__(
        self,
        metric: MaskMetric,
        align_corners: bool = False,
        band_pixels: int = BAND_PIXELS,
        name: str | None = None,
        dtype: str | None = None,
    ):
        """Checks and stores the arguments."""
        if not isinstance(metric, MaskMetric) or isinstance(
            metric, ExpectedCalibrationError
        ):
            raise ValueError(
                "`metric` must be a metric of masks, such as `kseg.metrics.MeanIoU`, "
                f"that needs no probabilities. Received: {metric!r}."
            )
        if band_pixels < 1:
            raise ValueError(
                f"`band_pixels` must be 1 or more. Received: {band_pixels}."
            )
        super().__init__(name=name or metric.name, dtype=dtype or metric.dtype)
        self._direction = "up"  # ModelCheckpoint and EarlyStopping look here
        self.metric = metric
        self.align_corners = align_corners
        self.band_pixels = band_pixels

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Adds a batch.

        Args:
            y_true: True class ids, `(batch, height, width)` or with a last axis of 1.
            y_pred: Floating point logits
                `(batch, small_height, small_width, num_classes)`.
            sample_weight: As in the metric.

        Raises:
            ValueError: As the metric does.
        """
        y_true = ops.convert_to_tensor(y_true)
        size = ops.shape(y_true)[1:3]
        logits = ops.cast(y_pred, "float32")
        logits = Enlarged(logits, size, self.align_corners, self.band_pixels)
        predictions = map_pixels(self.metric.class_ids, logits, dtype="int32")
        self.metric.update_state(y_true, predictions, sample_weight)

    def result(self) -> Any:
        """Returns the score of the metric."""
        return self.metric.result()

    def get_config(self) -> dict:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "metric": keras.metrics.serialize(self.metric),
            "align_corners": self.align_corners,
            "band_pixels": self.band_pixels,
        }

    @classmethod
    def from_config(cls, config):
        """Returns the metric that `get_config` described."""
        metric = keras.metrics.deserialize(config["metric"])
        return cls(**{**config, "metric": metric})
