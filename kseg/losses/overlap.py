"""Losses of overlap: what prediction and mask of a class have in common.

Salehi, Erdogmus and Gholipour, "Tversky Loss Function for Image Segmentation Using 3D
Fully Convolutional Deep Networks", 2017, equation 3. https://arxiv.org/abs/1706.05721
Dice and Jaccard are the cases alpha = beta = 1/2 and alpha = beta = 1. Dice has the sum
of probabilities in its denominator, not of their squares as Milletari, Navab and
Ahmadi, "V-Net", 2016. https://arxiv.org/abs/1606.04797

With p the probabilities of a class, g 1 on its pixels and 0 elsewhere, and sums over
the valid pixels of an image, weighted by the factors of the pixels:
TP = sum p g, FP = sum p (1 - g), FN = sum (1 - p) g.
"""

from collections.abc import Sequence

import keras
from keras import ops

from kseg.layers import sum_pixels
from kseg.losses.class_loss import (
    ClassLoss,
    Pixels,
    check_classes,
    counted_classes,
    sums,
)


def _overlaps(logits, *pixels):
    """Returns TP, FP, FN and the number of pixels, `(batch, 4, num_classes)`."""
    pixels = Pixels(*pixels)
    truth = pixels.one_hot(logits.shape[-1])
    factors = pixels.factors[..., None]
    predicted = ops.softmax(logits, axis=-1)
    both = sums(factors * truth * predicted)
    extra = sums(factors * (1 - truth) * predicted)
    missed = sums(factors * truth * (1 - predicted))
    count = sums(ops.cast(factors * truth > 0, factors.dtype))
    return ops.stack([both, extra, missed, count], axis=1)


class _Overlap(ClassLoss):
    """1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth), a mean over classes."""

    by_bands = True

    def __init__(self, alpha, beta, smooth, classes, *arguments):
        """Checks and stores the arguments; the last are those of `ClassLoss`."""
        super().__init__(*arguments)
        check_classes(classes)
        for name, value in (("alpha", alpha), ("beta", beta), ("smooth", smooth)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"`{name}` must be 0 or more. Received: {value}.")
        if classes == "all" and not smooth:
            raise ValueError(
                "With `classes='all'`, `smooth` must be positive: a class that is "
                f"nowhere would be 0 / 0. Received: smooth={smooth}."
            )
        self._alpha, self._beta = alpha, beta
        self.smooth = smooth
        self.classes = classes

    def of_images(self, pixels, logits):
        """Computes the loss of each image, as `ClassLoss.call` describes."""
        summed = sum_pixels(_overlaps, logits, *pixels)
        both, extra, missed, count = ops.unstack(summed, 4, axis=1)
        smooth = self._smooth_of_tversky()
        whole = both + self._alpha * extra + self._beta * missed + smooth
        index = (both + smooth) / ops.where(whole > 0, whole, 1)
        return self.mean_over_classes(
            1 - index, counted_classes(count > 0, self.classes)
        )

    def _smooth_of_tversky(self) -> float:
        return self.smooth

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "smooth": self.smooth,
            "classes": self.classes,
        }


@keras.saving.register_keras_serializable(package="kseg")
class Tversky(_Overlap):
    """1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth), a mean over classes.

    It is taken for each class of each image, then over the classes, weighted by
    `class_weights`, then over the batch; so it does not depend on how a batch is split
    over devices. An image without a valid pixel counts 0. Weights of pixels, which
    come as `sample_weight` `(batch, height, width)`, multiply in every sum.

    Args:
        ignore_class: The id in masks that counts nothing, or a list of several;
            `None` for no such id.
        class_weights: One factor per class in the mean, or `None` for 1 everywhere; 0
            leaves a class out, such as background.
        alpha: How much wrong pixels of a class count, 0 or more.
        beta: How much missed pixels count; above `alpha` for more recall.
        smooth: In pixels; what keeps tiny classes from jumping.
        classes: `"present"` counts the classes in the mask of an image; a pixel that
            is wrongly given to another class still costs its own class. `"all"` counts
            every class, and one that is absent is right when its probability is 0
            everywhere.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If an argument is out of range, or an id is no integer.

    Example:
    >>> import numpy as np
    >>> mask = np.array([[[0, 0, 0, 1]]])
    >>> logits = np.zeros((1, 1, 4, 2))  # TP 1.5 and 0.5, FP 0.5 and 1.5
    >>> loss = Tversky(alpha=0, beta=1, smooth=0)  # as TP + FN is 3 and 1
    >>> float(loss(mask, logits))
    0.5
    """

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        class_weights: Sequence[float] | None = None,
        alpha: float = 0.3,
        beta: float = 0.7,
        smooth: float = 1.0,
        classes: str = "present",
        reduction: str | None = "sum_over_batch_size",
        name: str = "tversky",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        inherited = ignore_class, class_weights, reduction, name, dtype
        super().__init__(alpha, beta, smooth, classes, *inherited)
        self.alpha, self.beta = alpha, beta

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


# `kseg.metrics.Dice` has its own name already.
@keras.saving.register_keras_serializable(package="kseg", name="DiceLoss")
class Dice(_Overlap):
    """1 - (2 TP + smooth) / (2 TP + FP + FN + smooth), a mean over classes.

    Means, weights and ignored pixels are those of `Tversky`.

    Args:
        ignore_class: As in `Tversky`.
        class_weights: As in `Tversky`.
        smooth: As in the formula; `Tversky` with half of it is the same.
        classes: As in `Tversky`.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If an argument is out of range, or an id is no integer.

    Example:
    >>> import numpy as np
    >>> mask = np.array([[[0, 0, 0, 1]]])
    >>> logits = np.zeros((1, 1, 4, 2))  # Dice 2 * 1.5 / 5 and 2 * 0.5 / 3
    >>> round(float(Dice(smooth=0)(mask, logits)), 6)
    0.533333
    """

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        class_weights: Sequence[float] | None = None,
        smooth: float = 1.0,
        classes: str = "present",
        reduction: str | None = "sum_over_batch_size",
        name: str = "dice",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        inherited = ignore_class, class_weights, reduction, name, dtype
        super().__init__(0.5, 0.5, smooth, classes, *inherited)

    def _smooth_of_tversky(self) -> float:
        return self.smooth / 2


@keras.saving.register_keras_serializable(package="kseg")
class Jaccard(_Overlap):
    """1 - (TP + smooth) / (TP + FP + FN + smooth), a mean over classes: soft IoU.

    Means, weights and ignored pixels are those of `Tversky`.

    Args:
        ignore_class: As in `Tversky`.
        class_weights: As in `Tversky`.
        smooth: As in `Tversky`.
        classes: As in `Tversky`.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If an argument is out of range, or an id is no integer.
    """

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        class_weights: Sequence[float] | None = None,
        smooth: float = 1.0,
        classes: str = "present",
        reduction: str | None = "sum_over_batch_size",
        name: str = "jaccard",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        inherited = ignore_class, class_weights, reduction, name, dtype
        super().__init__(1, 1, smooth, classes, *inherited)
