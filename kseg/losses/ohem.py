"""Online hard example mining: only pixels that are wrong or unsure count.

Shrivastava, Gupta and Girshick, "Training Region-based Object Detectors with Online
Hard Example Mining", CVPR 2016. https://arxiv.org/abs/1604.03540
For segmentation it is taken with a threshold on the probability and a least number of
pixels, which mmsegmentation's `OHEMPixelSampler` calls `thresh` and `min_kept` too.
Departure: pixels are chosen image by image, and not over the part of a batch that a
device has, so that the split of a batch changes nothing.
"""

import math
from collections.abc import Sequence

import keras
from keras import ops

from kseg.losses.class_loss import ClassLoss, sums
from kseg.losses.cross_entropy import check_label_smoothing, of_pixels


@keras.saving.register_keras_serializable(package="kseg")
class OhemCrossEntropy(ClassLoss):
    """Cross-entropy, averaged over the hard pixels of each image.

    A valid pixel is hard where the probability of its class is below `thresh`, or it
    is among the `min_kept` least probable ones of its image; of pixels that tie for
    the last place all are. Weights of classes and pixels multiply the losses, and do
    not choose.

    Args:
        ignore_class: The id in masks that counts nothing, or a list of several;
            `None` for no such id.
        class_weights: One factor per class, or `None` for 1 everywhere.
        thresh: Probability below which a pixel is hard, above 0 and up to 1.
        min_kept: How many pixels of an image are kept at least: a share of its valid
            ones if below 1, their number otherwise.
        label_smoothing: Share of a label that is spread over all classes; it does
            not choose either.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If an argument is out of range, or an id is no integer.

    Example:
    >>> import numpy as np
    >>> mask = np.array([[[0, 0, 0, 0]]])
    >>> logits = np.array([[[[9.0, 0], [8.0, 0], [7.0, 0], [0.0, 0.0]]]])
    >>> float(OhemCrossEntropy(min_kept=1)(mask, logits) / np.log(2))
    1.0
    """

    by_bands = True

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        class_weights: Sequence[float] | None = None,
        thresh: float = 0.7,
        min_kept: float = 1 / 16,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "ohem",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(ignore_class, class_weights, reduction, name, dtype)
        check_label_smoothing(label_smoothing)
        if not 0 < thresh <= 1:
            raise ValueError(
                f"`thresh` must be above 0 and up to 1. Received: {thresh}."
            )
        if min_kept <= 0 or (min_kept > 1 and min_kept != int(min_kept)):
            raise ValueError(
                "`min_kept` must be a share between 0 and 1, or a number of pixels. "
                f"Received: {min_kept}."
            )
        self.thresh = thresh
        self.min_kept = min_kept
        self.label_smoothing = label_smoothing

    def of_images(self, pixels, logits):
        """Computes the loss of each image, as `ClassLoss.call` describes."""
        losses = of_pixels(pixels.labels, logits)
        hardness = ops.where(pixels.valid > 0, ops.stop_gradient(losses), -1.0)
        last, wanted = self._last(hardness)
        # Of what is as sure as can be there may be any number, at a loss of 0: it must
        # not thin out the rest.
        hard = (hardness > -math.log(self.thresh)) | (hardness >= last) & (hardness > 0)
        kept = ops.cast(hard, losses.dtype) * pixels.valid
        if self.label_smoothing:
            losses = of_pixels(pixels.labels, logits, self.label_smoothing)
        return self.mean_over_pixels(losses, pixels, kept, wanted)

    def _last(self, hardness):
        """Returns the hardness of the last of the `min_kept` pixels, and their number.

        Their shapes are `(batch, 1, 1)` and `(batch,)`.
        """
        dtype = hardness.dtype
        valid = sums(ops.cast(hardness >= 0, dtype))
        kept = valid * self.min_kept if self.min_kept < 1 else self.min_kept
        kept = ops.maximum(ops.minimum(ops.ceil(kept), valid), 1)
        in_order = ops.sort(ops.reshape(hardness, (ops.shape(hardness)[0], -1)))
        place = ops.shape(in_order)[1] - ops.cast(kept, "int32")
        last = ops.take_along_axis(in_order, place[:, None], axis=1)
        return last[..., None], kept

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "thresh": self.thresh,
            "min_kept": self.min_kept,
            "label_smoothing": self.label_smoothing,
        }
