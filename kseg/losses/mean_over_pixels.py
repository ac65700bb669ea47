"""The mean of a map whose pixels are losses already."""

from collections.abc import Sequence

import keras
from keras import ops

from kseg.losses.class_loss import sums
from kseg.losses.pixel_weights import PixelWeightedLoss, mask_and_factors


@keras.saving.register_keras_serializable(package="kseg")
class MeanOverPixels(PixelWeightedLoss):
    """The mean of a network's output over the pixels of an image that count.

    For outputs that are the loss of each pixel, as `kseg.layers.TeacherDivergence`.

    Args:
        ignore_class: As in `PixelWeightedLoss`.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in.

    Raises:
        ValueError: If an id is no integer.
    """

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        reduction: str | None = "sum_over_batch_size",
        name: str = "mean_over_pixels",
        dtype: str | None = None,
    ):
        """Stores the arguments."""
        super().__init__(ignore_class, reduction, name, dtype)

    def call(self, y_true, y_pred):
        """Averages the map of each image.

        Args:
            y_true: Class ids `(batch, height, width)`, or with a last axis of 1; or
                a tuple of them and the factors of the pixels, of the same shape.
            y_pred: The map, `(batch, height, width, 1)`.

        Returns:
            Float tensor `(batch,)`; 0 where no pixel counts.
        """
        losses = ops.squeeze(y_pred, -1)
        labels, factors = mask_and_factors(y_true, losses.dtype)
        valid = ops.cast(~self.is_ignored(labels), losses.dtype)
        return sums(losses * factors * valid) / ops.maximum(sums(valid), 1)
