"""Focal loss: pixels that are right already count little.

Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017, section 3.
https://arxiv.org/abs/1708.02002
Departures: a softmax over all classes takes the place of a sigmoid, p_t being the
probability of the pixel's class (equation 5 with alpha as `class_weights`); the sum
is divided by the valid pixels of the image, where a detector has its anchors.
"""

from collections.abc import Sequence

import keras
from keras import ops

from kseg.losses.class_loss import ClassLoss
from kseg.losses.cross_entropy import of_pixels


@keras.saving.register_keras_serializable(package="kseg")
class FocalCrossEntropy(ClassLoss):
    """Cross-entropy times (1 - p) ** gamma, p the probability of the right class.

    Means, weights and ignored pixels are those of `CrossEntropy`, which it is with
    `gamma=0`.

    Args:
        ignore_class: The id in masks that counts nothing, or a list of several;
            `None` for no such id.
        class_weights: One factor per class, the paper's alpha, or `None` for 1.
        gamma: How little easy pixels count, 0 or more; 2 in the paper.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If `gamma` or a class weight is negative or not finite, or an id
            is no integer.

    Example:
    >>> import numpy as np
    >>> mask, logits = np.array([[[0]]]), np.zeros((1, 1, 1, 2))
    >>> round(float(FocalCrossEntropy(gamma=2)(mask, logits) / np.log(2)), 6)
    0.25
    """

    by_bands = True

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        class_weights: Sequence[float] | None = None,
        gamma: float = 2.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "focal",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(ignore_class, class_weights, reduction, name, dtype)
        if not 0 <= gamma < float("inf"):
            raise ValueError(f"`gamma` must be 0 or more. Received: {gamma}.")
        self.gamma = gamma

    def of_images(self, pixels, logits):
        """Computes the loss of each image, as `ClassLoss.call` describes."""
        losses = of_pixels(pixels.labels, logits)
        # Away from 0, where a power below 1 has no finite slope.
        wrong = ops.maximum(-ops.expm1(-losses), 1e-7)
        return self.mean_over_pixels(wrong**self.gamma * losses, pixels)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "gamma": self.gamma}
