"""Boundary loss: how far probability lies outside of its class.

Kervadec et al., "Boundary loss for highly unbalanced segmentation", MIDL 2019,
equation 5. https://arxiv.org/abs/1812.07032
The signed distance is that of the authors' code (LIVIAETS/boundary-loss): outside, how
far it is to the nearest pixel of the class; inside, 1 minus how far it is to the
nearest pixel that is not; 0 for a class which an image has not.
Departure: void pixels belong to no class, and are no outside either, so that a
boundary may lie in them; an image of one class has none, and counts 0.
"""

from collections.abc import Sequence

import keras
from keras import ops

from kseg.losses.class_loss import ClassLoss
from kseg.losses.distance import signed_distances


@keras.saving.register_keras_serializable(package="kseg")
class BoundaryLoss(ClassLoss):
    """The signed distance to a class times its probability, summed over the classes.

    It is averaged over the valid pixels of an image and over the classes, then over
    the batch, as in the authors' code; the unit is a pixel. Where all is right it is
    below 0. A prediction without the class costs little, so it is added to a loss of
    regions, as the authors do: `WeightedSum([Dice(), BoundaryLoss()], [1, 0.01])`.

    Distances are computed from the masks at every step (`kseg.losses.distance`), which
    takes as many passes over the batch as the largest of them has pixels; with
    `max_distance`, no more than that.

    Args:
        ignore_class: The id in masks that counts nothing, or a list of several;
            `None` for no such id.
        class_weights: One factor per class, or `None` for 1 everywhere; 0 leaves a
            class out, such as background.
        max_distance: Where distances end, in pixels, 1 or more; `None` for exact ones.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If an argument is out of range, or an id is no integer.

    Example:
    >>> import numpy as np
    >>> mask = np.array([[[0, 0, 0, 1]]])  # distances 0 0 0 1 -> -2 -1 0 1, 3 2 1 0
    >>> logits = np.zeros((1, 1, 4, 2))
    >>> float(BoundaryLoss()(mask, logits))  # half of -2 + 6, over 4 pixels, 2 classes
    0.25
    """

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None = 255,
        class_weights: Sequence[float] | None = None,
        max_distance: float | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "boundary",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(ignore_class, class_weights, reduction, name, dtype)
        if max_distance is not None and not max_distance >= 1:
            raise ValueError(
                f"`max_distance` must be 1 or more, or None. Received: {max_distance}."
            )
        self.max_distance = max_distance

    def of_images(self, pixels, logits):
        """Computes the loss of each image, as `ClassLoss.call` describes."""
        num_classes = logits.shape[-1]
        labels = ops.where(pixels.valid > 0, pixels.labels, -1)
        distances = signed_distances(labels, num_classes, self.max_distance)
        distances = ops.cast(ops.stop_gradient(distances), logits.dtype)
        if self.class_weights is not None:
            weights = ops.convert_to_tensor(self.class_weights, logits.dtype)
            distances = distances * weights
        outside = ops.mean(ops.softmax(logits, axis=-1) * distances, axis=-1)
        total = ops.sum(outside * pixels.factors, axis=(1, 2))
        return total / ops.maximum(ops.sum(pixels.valid, axis=(1, 2)), 1)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "max_distance": self.max_distance}
