"""Class-balanced cross-entropy: edges are few and count as much as the rest.

Xie and Tu, "Holistically-Nested Edge Detection", ICCV 2015, equation 2, as in the
authors' Caffe layer `sigmoid_cross_entropy_loss_layer.cpp` of s9xie/hed.
https://arxiv.org/abs/1504.06375
"""

from collections.abc import Sequence

import keras
from keras import ops

from kseg.layers import map_pixels
from kseg.losses.pixel_weights import PixelWeightedLoss, mask_and_factors


@keras.saving.register_keras_serializable(package="kseg")
class ClassBalancedCrossEntropy(PixelWeightedLoss):
    """Sigmoid cross-entropy in which both classes of an image weigh the same.

    With E edges among the P valid pixels of an image, an edge counts 1 - E / P and
    any other pixel E / P. An image of one class only, or without a valid pixel,
    counts 0. The shares are those of each image, so value and gradient do not
    depend on how a batch is split over devices. Weights of pixels, which come as
    `sample_weight` `(batch, height, width)`, multiply the losses of the pixels; the
    shares and the number of valid pixels stay as they are.

    Args:
        ignore_class: The id in masks that counts nothing, or a list of several;
            `None` for no such id.
        pixels: `"mean"` divides the sum over an image by its valid pixels, for
            learning rates as in classification; `"sum"` does not, as the authors,
            whose learning rate is 1e-6.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If `pixels` is neither, or `ignore_class` is 0 or 1.

    Example:
    >>> import numpy as np
    >>> loss = ClassBalancedCrossEntropy(pixels="sum")
    >>> mask = np.array([[[0, 0, 1, 255]]])
    >>> logits = np.zeros((1, 1, 4, 1))
    >>> round(float(loss(mask, logits) / np.log(2)), 6)  # 1/3 + 1/3 + 2/3
    1.333333
    """

    by_bands = True

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        pixels: str = "mean",
        reduction: str | None = "sum_over_batch_size",
        name: str = "class_balanced_cross_entropy",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(ignore_class, reduction, name, dtype)
        if pixels not in ("mean", "sum"):
            raise ValueError(f"`pixels` must be 'mean' or 'sum'. Received: {pixels!r}.")
        if {0, 1} & set(self.ignored_ids):
            raise ValueError(
                "`ignore_class` must not be 0 or 1, the rest and the edges. Received: "
                f"{ignore_class}."
            )
        self.pixels = pixels

    def call(self, y_true, y_pred):
        """Computes the loss of each image.

        Args:
            y_true: Ids `(batch, height, width)`, or with a last axis of 1: 1 at
                edges, 0 elsewhere, or `ignore_class`. Another id makes the loss of
                its image NaN. Or a tuple of them and the factors of the pixels, of
                the same shape.
            y_pred: Logits `(batch, height, width, 1)`.

        Returns:
            Float tensor `(batch,)`.

        Raises:
            ValueError: If there is more than one logit per pixel.
        """
        if y_pred.shape[-1] != 1:
            raise ValueError(
                "`ClassBalancedCrossEntropy` takes one logit per pixel, shape (batch, "
                f"height, width, 1). Received: {tuple(y_pred.shape)}. CrossEntropy "
                "takes one per class."
            )
        logits = map_pixels(lambda x: ops.squeeze(x, -1), y_pred)
        labels, factors = mask_and_factors(y_true, logits.dtype)
        edge, rest = labels == 1, labels == 0
        known = edge | rest | self.is_ignored(labels)

        def total(values):
            return ops.sum(ops.cast(values, logits.dtype), axis=(1, 2))

        edges, others = total(edge), total(rest)
        valid = ops.maximum(edges + others, 1)
        of_edges = total(ops.where(edge, factors * ops.softplus(-logits), 0))
        of_others = total(ops.where(rest, factors * ops.softplus(logits), 0))
        loss = others / valid * of_edges + edges / valid * of_others
        if self.pixels == "mean":
            loss = loss / valid
        return ops.where(ops.all(known, axis=(1, 2)), loss, float("nan"))

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "pixels": self.pixels}
