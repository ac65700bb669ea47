"""Pixel-wise cross-entropy with an ignored class, class weights and pixel weights."""

from collections.abc import Sequence

import keras
from keras import ops

from kseg.layers import map_pixels
from kseg.losses.class_loss import ClassLoss


@keras.saving.register_keras_serializable(package="kseg")
class CrossEntropy(ClassLoss):
    """Cross-entropy, averaged over the valid pixels of each image.

    The mean is taken image by image and then over the batch, so the value and
    the gradient do not depend on how a batch is split over devices, which they
    do when every device divides by its own number of valid pixels. An image
    without a valid pixel counts 0. With class weights the sum of the weighted
    losses is divided by the number of valid pixels, as in SegNet's Caffe layer; and
    so with the weights of pixels, which come as `sample_weight` `(batch, height,
    width)` (Ronneberger et al., "U-Net", equation 1). Both multiply.

    Smoothed labels are the share `1 - label_smoothing` of the pixel's class and
    `label_smoothing / num_classes` of every class (Szegedy et al., "Rethinking the
    Inception Architecture", 2016, section 7); the weight of the pixel's class
    multiplies all of it.

    Args:
        ignore_class: The id in masks that counts nothing, or a list of several;
            `None` for no such id.
        class_weights: One factor per class, or `None` for 1 everywhere.
        label_smoothing: Share of a label that is spread over all classes, 0 to 1.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If a class weight is negative or not finite, an id is no integer,
            or `label_smoothing` is out of range.

    Example:
    >>> import numpy as np
    >>> loss = CrossEntropy()
    >>> mask = np.array([[[0, 1, 255]]])
    >>> logits = np.array([[[[5.0, -5.0], [-5.0, 5.0], [0.0, 9.0]]]])
    >>> round(float(loss(mask, logits)), 6)
    4.5e-05
    """

    by_bands = True

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        class_weights: Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cross_entropy",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(ignore_class, class_weights, reduction, name, dtype)
        check_label_smoothing(label_smoothing)
        self.label_smoothing = label_smoothing

    def of_images(self, pixels, logits):
        """Computes the loss of each image, as `ClassLoss.call` describes."""
        losses = of_pixels(pixels.labels, logits, self.label_smoothing)
        return self.mean_over_pixels(losses, pixels)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "label_smoothing": self.label_smoothing}


def of_pixels(labels, logits, label_smoothing: float = 0.0):
    """Computes the cross-entropy of each pixel.

    Args:
        labels: Class ids `(batch, height, width)`, int32.
        logits: Logits `(batch, height, width, num_classes)`, or `Enlarged` ones.
        label_smoothing: Share of a label that is spread over all classes.

    Returns:
        Float tensor `(batch, height, width)`.
    """

    def of_part(logits, labels):
        losses = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
        if not label_smoothing:
            return losses
        of_all = -ops.mean(ops.log_softmax(logits, axis=-1), axis=-1)
        return (1 - label_smoothing) * losses + label_smoothing * of_all

    return map_pixels(of_part, logits, labels)


def check_label_smoothing(label_smoothing: float) -> None:
    """Raises unless `label_smoothing` is from 0 to below 1."""
    if not 0 <= label_smoothing < 1:
        raise ValueError(
            "`label_smoothing` must be 0 or more and below 1. Received: "
            f"{label_smoothing}."
        )
