"""Losses whose `sample_weight` may hold a factor for every pixel."""

import keras
from keras import ops


class PixelWeightedLoss(keras.losses.Loss):
    """A loss per image that takes weights of images and of pixels.

    Keras multiplies `sample_weight` with what `call` returns, here one value per
    image. Factors of pixels have to come in before the sum over an image, so they
    reach `call` beside the mask; `mask_and_factors` takes the two apart.
    """

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Computes the loss.

        Args:
            y_true: Class ids `(batch, height, width)`, or with a last axis of 1.
            y_pred: Logits `(batch, height, width, channels)`.
            sample_weight: A factor for every image, `(batch,)`, or for every pixel,
                `(batch, height, width)` or with a last axis of 1; `None` for 1.

        Returns:
            Float scalar, or `(batch,)` where the reduction is `None`.
        """
        if sample_weight is None or len(sample_weight.shape) < 3:
            return super().__call__(y_true, y_pred, sample_weight)
        return super().__call__((y_true, sample_weight), y_pred)


def mask_and_factors(y_true, dtype):
    """Takes apart what `PixelWeightedLoss` gives to `call` as `y_true`.

    Args:
        y_true: Class ids, or a tuple of them and the factors of the pixels, each
            `(batch, height, width)` or with a last axis of 1.
        dtype: Type of the factors.

    Returns:
        Class ids `(batch, height, width)`, int32, and the factors of that shape, or 1.
    """
    y_true, factors = y_true if isinstance(y_true, tuple) else (y_true, None)
    labels = ops.cast(_without_channel(y_true), "int32")
    if factors is None:
        return labels, 1
    return labels, ops.cast(_without_channel(factors), dtype)


def _without_channel(pixels):
    """Returns `(batch, height, width)`, without a last axis of 1."""
    return ops.squeeze(pixels, -1) if len(pixels.shape) == 4 else pixels
