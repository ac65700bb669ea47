"""The data of a run: sources, and the feeds of training and validation."""

import dataclasses
from collections.abc import Callable

import keras

from kseg import data
from kseg.data import Examples, Source


@dataclasses.dataclass(frozen=True)
class Feeds:
    """What a run trains and is judged on.

    Args:
        train: Source of the training split.
        val: Source of the validation split.
        train_examples: Stream of augmented training examples.
        val_examples: Validation examples at one size.
    """

    train: Source
    val: Source
    train_examples: Examples
    val_examples: Examples

    def training(self, start_step: int = 0):
        """Returns the feed that `fit` trains on, from a step on."""
        return _feed(self.train_examples, start_step)

    def validation(self):
        """Returns the feed that `fit` validates on."""
        return _feed(self.val_examples)

    def crop_masks(self, model: keras.Model) -> None:
        """Crops masks to what a network returns of an image.

        Networks with `valid` convolutions return the middle of it only.

        Args:
            model: A network from images to logits.
        """
        for examples in (self.train_examples, self.val_examples):
            shape = model.compute_output_shape((None, *examples.size, 3))
            examples.mask_size = (shape[1], shape[2])


def open_feeds(
    name: str,
    crop: tuple[int, int] = (360, 480),
    batch_size: int = 8,
    scale: tuple[float, float] = (0.5, 2.0),
    flip: float = 0.5,
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
    val_size: tuple[int, int] | None = None,
    val_batch_size: int | None = None,
    seed: int = 0,
    **options,
) -> Feeds:
    """Opens a data set and says how it is fed.

    Args:
        name: Name of the data set, one of `kseg.data.names()`.
        crop: Height and width of the training crops in pixels.
        batch_size: Crops in a batch, over all devices.
        scale: Smallest and largest factor of the random scale.
        flip: Probability of mirroring left and right.
        brightness: Largest relative change; 0 for none.
        contrast: Largest relative change.
        saturation: Largest relative change.
        val_size: Height and width that validation images are fitted into,
            keeping their proportions; `None` for `crop`.
        val_batch_size: Images in a validation batch; `None` for `batch_size`.
        seed: What order and augmentation are drawn from.
        **options: Options of the data set, as `kseg.data.open_source` takes and
            checks them.

    Returns:
        The feeds.

    Raises:
        ValueError: If the name or an option is unknown, or the data is broken.
        FileNotFoundError: If a folder or file is missing.
    """
    train = data.open_source(name, "train", **options)
    val = data.open_source(name, "val", **options)
    augment: list[Callable] = [
        data.RandomScaleCrop(crop, scale, train.labels.ignore_class)
    ]
    if flip:
        augment.append(data.RandomFlip(flip))
    if brightness or contrast or saturation:
        augment.append(data.ColorJitter(brightness, contrast, saturation))
    return Feeds(
        train,
        val,
        Examples(train, crop, batch_size, augment, seed),
        Examples(val, val_size or crop, val_batch_size or batch_size),
    )


def _feed(examples: Examples, start_step: int = 0):
    """Chooses the feed of the backend."""
    if keras.backend.backend() == "tensorflow":
        return data.tf_feed(examples, start_step)
    return data.keras_feed(examples, start_step, workers=2, max_queue_size=8)
