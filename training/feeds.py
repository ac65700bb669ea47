"""The data of a run: sources, and the feeds of training and validation."""

import dataclasses
from collections.abc import Callable, Sequence

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
        workers: Threads or processes that make batches where TensorFlow is not.
        processes: Whether they are processes.
        checked: Whether the data need not be read once before training.
    """

    train: Source
    val: Source
    train_examples: Examples
    val_examples: Examples
    workers: int = 2
    processes: bool = False
    checked: bool = False

    def check(self) -> None:
        """Reads every example once, unless that was declined.

        Raises:
            ValueError: If one is broken; the message names the file.
        """
        if not self.checked:
            data.check_source(self.train, "training data")
            data.check_source(self.val, "validation data")

    def check_replicas(self, count: int) -> None:
        """Raises unless batches can be split evenly over devices.

        Args:
            count: Number of devices.

        Raises:
            ValueError: If a batch size is not a multiple of it.
        """
        for key, examples in (
            ("batch_size", self.train_examples),
            ("val_batch_size", self.val_examples),
        ):
            if examples.batch_size % count:
                raise ValueError(
                    f"`data.{key}` must be a multiple of the number of devices, "
                    f"{count}. Received: {examples.batch_size}."
                )

    def training(self, start_step: int = 0, outputs: Sequence[str] = ()):
        """Returns the feed that `fit` trains on.

        Args:
            start_step: The training step to begin with.
            outputs: The model's heads, which all get the masks; none for a single one.
        """
        return self._feed(self.train_examples, start_step, outputs)

    def validation(self, outputs: Sequence[str] = ()):
        """Returns the feed that `fit` validates on; `outputs` as for training."""
        return self._feed(self.val_examples, 0, outputs)

    def _feed(self, examples: Examples, start_step: int, outputs: Sequence[str]):
        """Chooses the feed of the backend."""
        if keras.backend.backend() == "tensorflow":
            return data.tf_feed(examples, start_step, outputs)
        return data.keras_feed(
            examples, start_step, outputs, self.workers, self.processes
        )

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
    workers: int = 2,
    processes: bool = False,
    check: bool = True,
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
        workers: Threads or processes that make batches where TensorFlow is not;
            `tf.data` chooses its own number.
        processes: Whether they are processes.
        check: Whether to read all examples once before training, so that a broken
            file stops the run at once and not in the night.
        **options: Options of the data set, as `kseg.data.open_source` takes and
            checks them.

    Returns:
        The feeds.

    Raises:
        ValueError: If the name or an option is unknown, or the data is broken.
        FileNotFoundError: If a folder or file is missing.
    """
    for key, pair in (("crop", crop), ("val_size", val_size), ("scale", scale)):
        if pair is not None and not (isinstance(pair, list | tuple) and len(pair) == 2):
            raise ValueError(f"`{key}` must be two numbers. Received: {pair!r}.")
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
        workers,
        processes,
        not check,
    )
