"""Pixel-wise cross-entropy with an ignored class, class weights and pixel weights."""

from collections.abc import Sequence

import keras
from keras import ops

from kseg.losses.pixel_weights import PixelWeightedLoss, mask_and_factors


@keras.saving.register_keras_serializable(package="kseg")
class CrossEntropy(PixelWeightedLoss):
    """Cross-entropy, averaged over the valid pixels of each image.

    The mean is taken image by image and then over the batch, so the value and
    the gradient do not depend on how a batch is split over devices, which they
    do when every device divides by its own number of valid pixels. An image
    without a valid pixel counts 0. With class weights the sum of the weighted
    losses is divided by the number of valid pixels, as in SegNet's Caffe layer; and
    so with the weights of pixels, which come as `sample_weight` `(batch, height,
    width)` (Ronneberger et al., "U-Net", equation 1). Both multiply.

    Args:
        ignore_class: The id in masks that counts nothing; `None` for no such id.
        class_weights: One factor per class, or `None` for 1 everywhere.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If a class weight is negative or not finite.

    Example:
    >>> import numpy as np
    >>> loss = CrossEntropy()
    >>> mask = np.array([[[0, 1, 255]]])
    >>> logits = np.array([[[[5.0, -5.0], [-5.0, 5.0], [0.0, 9.0]]]])
    >>> round(float(loss(mask, logits)), 6)
    4.5e-05
    """

    def __init__(
        self,
        ignore_class: int | None = 255,
        class_weights: Sequence[float] | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "cross_entropy",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.ignore_class = ignore_class
        self.class_weights = (
            None if class_weights is None else [float(w) for w in class_weights]
        )
        if self.class_weights is not None and not all(
            0 <= w < float("inf") for w in self.class_weights
        ):
            raise ValueError(
                "`class_weights` must be finite and not negative. Received: "
                f"{self.class_weights}."
            )

    def call(self, y_true, y_pred):
        """Computes the loss of each image.

        Args:
            y_true: Class ids `(batch, height, width)`, or with a last axis of 1; or
                a tuple of them and the factors of the pixels, of the same shape.
            y_pred: Logits `(batch, height, width, num_classes)`.

        Returns:
            Float tensor `(batch,)`.

        Raises:
            ValueError: If there are not as many class weights as classes, or there
                is one logit only.
        """
        if y_pred.shape[-1] == 1:
            raise ValueError(
                "Cross-entropy needs a logit for every class. Received: one, of shape "
                f"{tuple(y_pred.shape)}. `ClassBalancedCrossEntropy` takes one."
            )
        weights = self.class_weights
        if weights is not None and len(weights) != y_pred.shape[-1]:
            raise ValueError(
                "`class_weights` must have one number per class, "
                f"{y_pred.shape[-1]}. Received: {len(weights)}."
            )
        labels, factors = mask_and_factors(y_true, y_pred.dtype)
        valid = ops.ones_like(labels, dtype="bool")
        if self.ignore_class is not None:
            valid = labels != self.ignore_class
        labels = ops.where(valid, labels, 0)
        loss = ops.sparse_categorical_crossentropy(labels, y_pred, from_logits=True)
        loss = loss * factors
        if weights is not None:
            loss = loss * ops.take(ops.convert_to_tensor(weights, loss.dtype), labels)
        valid = ops.cast(valid, loss.dtype)
        pixels = ops.sum(valid, axis=(1, 2))
        return ops.sum(loss * valid, axis=(1, 2)) / ops.maximum(pixels, 1)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "ignore_class": self.ignore_class,
            "class_weights": self.class_weights,
        }
