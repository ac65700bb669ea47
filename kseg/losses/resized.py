"""A loss on small logits and large masks, which takes the memory of a band of rows.

Networks end by enlarging their logits to the image. This does it in the loss instead,
as `kseg.layers.Enlarged` describes: value and gradient are those of the loss on the
large logits, which are never there as a whole.
"""

import keras
from keras import ops

from kseg.layers import Enlarged
from kseg.layers.enlarged import BAND_PIXELS
from kseg.losses.pixel_weights import PixelWeightedLoss


@keras.saving.register_keras_serializable(package="kseg", name="ResizedLoss")
class Resized(PixelWeightedLoss):
    """A loss of logits that are enlarged to the mask, a band of rows at a time.

    What it wraps and ignores, and how it weighs classes and pixels, is the loss's own
    matter. Losses can be computed by bands when they are made of one value per pixel,
    or of sums over pixels: cross-entropy, focal, OHEM, class-balanced, Dice, Jaccard,
    Tversky and sums of these. Weights of pixels are constants to the gradient.

    Logits that have the size of the mask already stay as they are, and still the
    softmax takes the memory of a band.

    Args:
        loss: A loss of this package; its own reduction does not matter.
        align_corners: How logits are enlarged, as in `kseg.layers.ResizeLike`.
        band_pixels: Most pixels of a band, in all images of the batch together.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If the loss cannot be computed by bands, or `band_pixels` is below
            1.

    Example:
    >>> import numpy as np
    >>> from kseg.losses import CrossEntropy
    >>> masks = np.random.default_rng(0).integers(0, 3, (1, 32, 48))
    >>> small = np.zeros((1, 8, 12, 3))
    >>> round(float(Resized(CrossEntropy())(masks, small) / np.log(3)), 6)
    1.0
    """

    def __init__(
        self,
        loss: PixelWeightedLoss,
        align_corners: bool = False,
        band_pixels: int = BAND_PIXELS,
        reduction: str | None = "sum_over_batch_size",
        name: str = "resized",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(None, reduction, name, dtype)
        if not getattr(loss, "by_bands", False):
            raise ValueError(
                "`loss` must be one of `kseg.losses` whose value is made of one value "
                "per pixel or of sums over pixels, and not, as Lovász softmax and the "
                f"boundary loss, of the whole map at once. Received: {loss!r}. "
                "Enlarge the logits for it with `kseg.layers.ResizeLike`."
            )
        if band_pixels < 1:
            raise ValueError(
                f"`band_pixels` must be 1 or more. Received: {band_pixels}."
            )
        self.loss = loss
        self.align_corners = align_corners
        self.band_pixels = band_pixels

    def call(self, y_true, y_pred):
        """Computes the loss of each image.

        Args:
            y_true: Class ids `(batch, height, width)`, or with a last axis of 1; or
                a tuple of them and the factors of the pixels, of the same shape.
            y_pred: Logits `(batch, small_height, small_width, num_classes)`.

        Returns:
            Float tensor `(batch,)`.
        """
        mask = y_true[0] if isinstance(y_true, tuple) else y_true
        size = ops.shape(mask)[1:3]
        logits = Enlarged(y_pred, size, self.align_corners, self.band_pixels)
        return self.loss.call(y_true, logits)

    def get_config(self):
        """Returns the arguments of the constructor."""
        config = super().get_config()
        del config["ignore_class"]  # the loss has its own
        return {
            **config,
            "loss": keras.losses.serialize(self.loss),
            "align_corners": self.align_corners,
            "band_pixels": self.band_pixels,
        }

    @classmethod
    def from_config(cls, config):
        """Returns the loss that `get_config` described."""
        return cls(**{**config, "loss": keras.losses.deserialize(config["loss"])})
