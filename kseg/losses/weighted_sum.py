"""Several losses as one, such as cross-entropy and Dice."""

from collections.abc import Sequence

import keras

from kseg.losses.pixel_weights import PixelWeightedLoss


@keras.saving.register_keras_serializable(package="kseg")
class WeightedSum(PixelWeightedLoss):
    """The sum of losses, each times a factor, image by image.

    Each loss has its own `ignore_class` and weights of classes; weights of pixels go
    to all. Their own reductions do not matter.

    Args:
        losses: Losses of this package.
        factors: A factor for each, or `None` for 1 everywhere.
        reduction: As in `keras.losses.Loss`; `None` returns a loss per image.
        name: Name of the loss.
        dtype: Type the loss is computed in, float32 under every policy.

    Raises:
        ValueError: If there is no loss, one is from elsewhere, or a factor is missing
            or negative.

    Example:
    >>> from kseg.losses import CrossEntropy, Dice
    >>> loss = WeightedSum([CrossEntropy(), Dice()], [1, 0.5])
    """

    def __init__(
        self,
        losses: Sequence[PixelWeightedLoss],
        factors: Sequence[float] | None = None,
        reduction: str | None = "sum_over_batch_size",
        name: str = "weighted_sum",
        dtype: str | None = "float32",
    ):
        """Checks and stores the arguments."""
        super().__init__(None, reduction, name, dtype)
        if not losses or not all(isinstance(x, PixelWeightedLoss) for x in losses):
            raise ValueError(
                "`losses` must be losses of `kseg.losses`, which have a value per "
                f"image. Received: {losses!r}."
            )
        factors = [1.0] * len(losses) if factors is None else list(factors)
        right = all(0 <= factor < float("inf") for factor in factors)
        if len(factors) != len(losses) or not right:
            raise ValueError(
                f"`factors` must be {len(losses)} numbers of 0 or more, one for each "
                f"loss. Received: {factors}."
            )
        self.losses = list(losses)
        self.factors = [float(factor) for factor in factors]

    @property
    def by_bands(self) -> bool:
        """Whether all of the losses can be computed band by band."""
        return all(loss.by_bands for loss in self.losses)

    def call(self, y_true, y_pred):
        """Computes the loss of each image; the arguments are those of the losses."""
        terms = zip(self.factors, self.losses, strict=True)
        return sum(factor * loss.call(y_true, y_pred) for factor, loss in terms)

    def get_config(self):
        """Returns the arguments of the constructor."""
        config = super().get_config()
        del config["ignore_class"]  # each loss has its own
        return {
            **config,
            "losses": [keras.losses.serialize(loss) for loss in self.losses],
            "factors": self.factors,
        }

    @classmethod
    def from_config(cls, config):
        """Returns the loss that `get_config` described."""
        losses = [keras.losses.deserialize(loss) for loss in config["losses"]]
        return cls(**{**config, "losses": losses})
