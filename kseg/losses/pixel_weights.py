"""What all losses share: ids that count nothing, and a factor for every pixel."""

from collections.abc import Sequence

import keras
from keras import ops


class PixelWeightedLoss(keras.losses.Loss):
    """A loss per image that ignores pixels, and takes weights of images and pixels.

    Keras multiplies `sample_weight` with what `call` returns, here one value per
    image. Factors of pixels have to come in before the sum over an image, so they
    reach `call` beside the mask; `mask_and_factors` takes the two apart.

    Args:
        ignore_class: The id in masks that counts nothing, or a list of several;
            `None` for no such id.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in.

    Raises:
        ValueError: If an id is no integer.
    """

    # Whether `call` takes logits that are `kseg.layers.Enlarged`.
    by_bands = False

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None,
        reduction: str | None,
        name: str,
        dtype: str | None,
    ):
        """Checks and stores the arguments."""
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        several = isinstance(ignore_class, list | tuple)
        ids = list(ignore_class) if several else [ignore_class]
        if not all(isinstance(x, int) for x in ids) and ids != [None]:
            raise ValueError(
                "`ignore_class` must be an id, a list of ids, or None. Received: "
                f"{ignore_class!r}."
            )
        self.ignore_class = ids if several else ignore_class
        self.ignored_ids: list[int] = [] if ids == [None] else ids

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
        if sample_weight is None or len(ops.shape(sample_weight)) < 3:
            return super().__call__(y_true, y_pred, sample_weight)
        return super().__call__((y_true, sample_weight), y_pred)

    def is_ignored(self, labels):
        """Returns where a pixel counts nothing.

        Args:
            labels: Class ids, int32.

        Returns:
            Boolean tensor of the shape of `labels`.
        """
        ignored = ops.zeros_like(labels, dtype="bool")
        for identity in self.ignored_ids:
            ignored = ignored | (labels == identity)
        return ignored

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "dtype": self.dtype,
            "ignore_class": self.ignore_class,
        }


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
