"""What the losses on one logit per class share, and their means."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from keras import ops

from kseg.losses.pixel_weights import PixelWeightedLoss, mask_and_factors

CLASSES = ("present", "all")


class Pixels(NamedTuple):
    """The pixels of a batch of masks, each tensor `(batch, height, width)`.

    Args:
        labels: Class ids, int32; 0 where a pixel counts nothing.
        valid: Whether a pixel counts, 1 or 0, float.
        factors: The weight of a pixel, float; 0 where it counts nothing.
    """

    labels: Any
    valid: Any
    factors: Any

    def one_hot(self, num_classes: int):
        """Returns 1 for the class of a valid pixel, 0 elsewhere.

        Args:
            num_classes: Size of the last axis.

        Returns:
            Float tensor `(batch, height, width, num_classes)`.
        """
        valid = self.valid[..., None]
        return ops.one_hot(self.labels, num_classes, dtype=valid.dtype) * valid


class ClassLoss(PixelWeightedLoss):
    """A loss per image on one logit per class, with weights of classes.

    A mask with an id that is neither a class nor ignored makes the loss of its image
    NaN, on every backend and device.

    Args:
        ignore_class: As in `PixelWeightedLoss`.
        class_weights: One factor per class, or `None` for 1 everywhere.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in.

    Raises:
        ValueError: If a class weight is negative or not finite, or an id is no
            integer.
    """

    def __init__(
        self,
        ignore_class: int | Sequence[int] | None,
        class_weights: Sequence[float] | None,
        reduction: str | None,
        name: str,
        dtype: str | None,
    ):
        """Checks and stores the arguments."""
        super().__init__(ignore_class, reduction, name, dtype)
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
        num_classes = y_pred.shape[-1]
        if num_classes == 1:
            raise ValueError(
                f"`{type(self).__name__}` needs a logit for every class. Received: "
                f"one, of shape {tuple(y_pred.shape)}. `ClassBalancedCrossEntropy` "
                "takes one."
            )
        weights = self.class_weights
        if weights is not None and len(weights) != num_classes:
            raise ValueError(
                f"`class_weights` must have one number per class, {num_classes}. "
                f"Received: {len(weights)}."
            )
        labels, factors = mask_and_factors(y_true, y_pred.dtype)
        ignored = self.is_ignored(labels)
        known = ignored | ((labels >= 0) & (labels < num_classes))
        counts = known & ~ignored
        valid = ops.cast(counts, y_pred.dtype)
        pixels = Pixels(ops.where(counts, labels, 0), valid, valid * factors)
        loss = self.of_images(pixels, y_pred)
        return ops.where(ops.all(known, axis=(1, 2)), loss, float("nan"))

    @abstractmethod
    def of_images(self, pixels: Pixels, logits):
        """Computes the loss of each image from checked arguments.

        Args:
            pixels: The masks.
            logits: Logits `(batch, height, width, num_classes)`.

        Returns:
            Float tensor `(batch,)`.
        """

    def mean_over_pixels(self, losses, pixels: Pixels, among=None, least=1):
        """Averages over the pixels of each image.

        Args:
            losses: The loss of each pixel, `(batch, height, width)`.
            pixels: The masks.
            among: 1 for the pixels that are averaged, 0 for others; `None` for all
                that are valid.
            least: What is divided by at least, a number or `(batch,)`.

        Returns:
            The sum of the losses, times the weights of pixels and classes, divided
            by the number of pixels, `(batch,)`; 0 where there is none.
        """
        among = pixels.valid if among is None else among
        losses = losses * pixels.factors * among
        if self.class_weights is not None:
            weights = ops.convert_to_tensor(self.class_weights, losses.dtype)
            losses = losses * ops.take(weights, pixels.labels)
        return sums(losses) / ops.maximum(sums(among), least)

    def mean_over_classes(self, losses, counted):
        """Averages over the classes of each image.

        Args:
            losses: The loss of each class, `(batch, num_classes)`.
            counted: Whether a class counts, of the same shape.

        Returns:
            The mean, weighted by the weights of the classes, `(batch,)`; 0 where no
            class counts.
        """
        weights = ops.cast(counted, losses.dtype)
        if self.class_weights is not None:
            weights = weights * ops.convert_to_tensor(self.class_weights, losses.dtype)
        total = ops.sum(weights, axis=-1)
        mean = ops.sum(losses * weights, axis=-1) / ops.where(total > 0, total, 1)
        return ops.where(total > 0, mean, 0)

    def get_config(self):
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "class_weights": self.class_weights}


def sums(values):
    """Returns the sums over the pixels of each image."""
    return ops.sum(values, axis=(1, 2))


def counted_classes(present, classes: str):
    """Returns which classes count in the mean over the classes of an image.

    Args:
        present: Which classes are in the mask, at pixels that weigh something,
            boolean `(batch, num_classes)`.
        classes: `"present"` for these; `"all"` for all, unless there are none.

    Returns:
        Boolean tensor `(batch, num_classes)`.
    """
    if classes == "present":
        return present
    return present | ops.any(present, axis=-1, keepdims=True)


def check_classes(classes: str) -> None:
    """Raises if `classes`, of the losses that are means over classes, is unknown."""
    if classes not in CLASSES:
        raise ValueError(f"`classes` must be one of {CLASSES}. Received: {classes!r}.")
