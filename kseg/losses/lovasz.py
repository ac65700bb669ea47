"""Lovász softmax: a surrogate of the IoU itself.

Berman, Rannen Triki and Blaschko, "The Lovász-Softmax loss: A tractable surrogate for
the optimization of the intersection-over-union measure in neural networks", CVPR 2018,
section 3 and algorithm 1. https://arxiv.org/abs/1705.08790
Departures: always image by image, the authors' `per_image=True`; pixels have weights,
the measure of the sets whose IoU it is, and a void pixel has none.
"""

from collections.abc import Sequence

import keras
from keras import ops

from kseg.losses.class_loss import ClassLoss, check_classes, counted_classes


@keras.saving.register_keras_serializable(package="kseg")
class LovaszSoftmax(ClassLoss):
    """The Lovász extension of 1 - IoU at the errors of a class, a mean over classes.

    The error of a pixel is 1 minus the probability of the class on its pixels, and the
    probability elsewhere. Where every error is 0 or 1 the loss of a class is 1 - IoU.
    Means over classes and images are those of `Tversky`; an image without a valid
    pixel counts 0. Weights of pixels, 0 or more, which come as `sample_weight`
    `(batch, height, width)`, are how much a pixel counts in intersection and union.

    Args:
        ignore_class: The id in masks that counts nothing, or a list of several;
            `None` for no such id.
        class_weights: One factor per class in the mean, or `None` for 1 everywhere.
        classes: `"present"` counts the classes in the mask of an image, `"all"` every
            class; the loss of one that is absent is its largest probability.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If `classes` or a class weight is wrong, or an id is no integer.

    Example:
    >>> import numpy as np
    >>> mask = np.array([[[0, 0, 1]]])
    >>> logits = np.array([[[[99.0, 0], [0, 99.0], [0, 99.0]]]])  # IoU 1/2 and 1/2
    >>> round(float(LovaszSoftmax()(mask, logits)), 6)
    0.5
    """

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        class_weights: Sequence[float] | None = None,
        classes: str = "present",
        reduction: str | None = "sum_over_batch_size",
        name: str = "lovasz_softmax",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(ignore_class, class_weights, reduction, name, dtype)
        check_classes(classes)
        self.classes = classes

    def of_images(self, pixels, logits):
        """Computes the loss of each image, as `ClassLoss.call` describes."""
        num_classes = logits.shape[-1]
        truth = pixels.one_hot(num_classes)
        errors = ops.abs(truth - ops.softmax(logits, axis=-1))
        measure = pixels.factors[..., None] * ops.ones_like(truth)
        losses = lovasz_extension(*map(_by_class, (errors, truth, measure)))
        present = ops.any(truth * measure > 0, axis=(1, 2))
        return self.mean_over_classes(losses, counted_classes(present, self.classes))

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "classes": self.classes}


def lovasz_extension(errors, truth, measure):
    """Computes the Lovász extension of 1 - IoU.

    With the pixels in the order of falling errors, J_i is 1 - IoU when the first i are
    wrong, and the loss is the sum of the errors times J_i - J_(i-1). These differences
    are written without subtracting one J from the next, which are nearly the same.

    Args:
        errors: The error of each pixel, `(..., pixels)`, 0 to 1.
        truth: 1 on the pixels of the class, 0 elsewhere, of the same shape.
        measure: How much each pixel counts, 0 or more, of the same shape.

    Returns:
        Float tensor `(...)`.
    """
    order = ops.argsort(-ops.stop_gradient(errors), axis=-1)
    errors, truth, measure = (
        ops.take_along_axis(values, order, axis=-1)
        for values in (errors, truth, measure)
    )
    inside, outside = measure * truth, measure * (1 - truth)
    size = ops.sum(inside, axis=-1, keepdims=True)
    intersection = size - ops.cumsum(inside, axis=-1)
    wrong = ops.cumsum(outside, axis=-1)
    union, union_before = size + wrong, size + (wrong - outside)
    # A pixel of the class leaves the intersection, another one enters the union.
    leaves = inside / ops.where(union > 0, union, 1)
    both = union * union_before
    enters = intersection * outside / ops.where(both > 0, both, 1)
    # Of an absent class the first wrong pixel makes the IoU 0, from 0 / 0.
    first = ops.cast((outside > 0) & (union_before <= 0), errors.dtype)
    return ops.sum(errors * (leaves + enters + first), axis=-1)


def _by_class(values):
    """Turns `(batch, height, width, classes)` into `(batch, classes, pixels)`."""
    batch, num_classes = ops.shape(values)[0], values.shape[-1]
    return ops.reshape(ops.transpose(values, (0, 3, 1, 2)), (batch, num_classes, -1))
