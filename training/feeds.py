"""The data of a run: sources, and the feeds of training and validation."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from kseg import data
from kseg.data import Examples, RandomScaleCrop, Source, presets
from kseg.registry import unknown


@dataclasses.dataclass(frozen=True)
class Feeds:
    """What a run trains and is judged on.

    Args:
        train: Source of the training split.
        val: Source of the validation split.
        train_examples: Stream of augmented training examples.
        val_examples: Validation examples at one size.
        workers: Threads or processes that make batches.
        processes: Whether they are processes, where TensorFlow is not.
        checked: Whether the data need not be read once before training.
    """

    train: Source
    val: Source
    train_examples: Examples
    val_examples: Examples
    workers: int | None = None
    processes: bool = False
    checked: bool = False

    def check(self) -> None:
        """Reads every example once, unless that was declined.

        Raises:
            ValueError: If one is broken; the message names the file.
        """
        if not self.checked:
            # What is read here need not be read again, where there is memory for it.
            data.check_source(self.train_examples.source, "training data")
            data.check_source(self.val_examples.source, "validation data")

    def spread(self, devices: int, host: tuple[int, int] = (0, 1)) -> None:
        """Makes batches that can be split evenly over devices.

        Batches of validation get as many images more as that takes. What fills up the
        last one counts nothing, so no score depends on their size.

        Args:
            devices: Number of devices, of all hosts together.
            host: Which host this is, and of how many: it makes its part of each batch.

        Raises:
            ValueError: If a training batch is not a multiple of the devices. It
                cannot be filled up: its batch norms would see what fills it.
        """
        if self.train_examples.batch_size % devices:
            raise ValueError(
                "`data.batch_size` must be a multiple of the number of devices, "
                f"{devices}. Received: {self.train_examples.batch_size}."
            )
        self.val_examples.batch_size += -self.val_examples.batch_size % devices
        self.train_examples.shard = self.val_examples.shard = host

    def clear(self) -> None:
        """Gives the memory of decoded examples back: TensorFlow keeps its feeds."""
        for examples in (self.train_examples, self.val_examples):
            if isinstance(examples.source, data.CachedSource):
                examples.source.clear()

    def training(self, start_step: int = 0, outputs: Sequence[str] = ()):
        """Returns the feed that `fit` trains on.

        Args:
            start_step: The training step to begin with.
            outputs: The model's heads, which all get the masks and weights; none for
                a single one.
        """
        return self._feed(self.train_examples, start_step, outputs)

    def training_batch(self, step: int) -> tuple[np.ndarray, list[str]]:
        """Returns a batch of training again, to look for what was wrong with it.

        Args:
            step: Number of the batch since the start of training.

        Returns:
            The images, uint8 `(batch, height, width, 3)`, and what they are called.
        """
        examples = self.train_examples
        return examples.batch(step)[0], examples.names(step)

    def validation(self, outputs: Sequence[str] = ()):
        """Returns the feed that `fit` validates on; `outputs` as for training."""
        return self._feed(self.val_examples, 0, outputs)

    def _feed(self, examples: Examples, start_step: int, outputs: Sequence[str]):
        """Chooses the feed of the backend."""
        if keras.backend.backend() == "tensorflow":
            return data.tf_feed(examples, start_step, outputs, self.workers)
        return data.keras_feed(
            examples, start_step, outputs, self.workers, self.processes
        )

    def crop_masks(self, model: keras.Model) -> None:
        """Crops masks to what a network returns of an image.

        Networks with `valid` convolutions return the middle of it only. With the
        border `"mirror"` random crops are then placed by their middle.

        Args:
            model: A network from images to logits.
        """
        for examples in (self.train_examples, self.val_examples):
            shape = model.compute_output_shape((None, *examples.size, 3))
            examples.mask_size = (shape[1], shape[2])
            if examples.augment is not None:
                examples.augment = [
                    dataclasses.replace(function, mask_size=examples.mask_size)
                    if isinstance(function, RandomScaleCrop)
                    else function
                    for function in examples.augment
                ]


def open_feeds(
    name: str,
    crop: tuple[int, int] = (360, 480),
    batch_size: int = 8,
    scale: tuple[float, float] = (0.5, 2.0),
    cat_max_ratio: float = 1.0,
    rare_classes: bool | float | Mapping = False,
    flip: float = 0.5,
    vertical_flip: float = 0.0,
    quarter_turns: bool = False,
    rotation: float = 0.0,
    elastic: float = 0.0,
    border: str = "void",
    brightness: float = 0.2,
    contrast: float = 0.2,
    saturation: float = 0.2,
    augment: str | Sequence[Mapping] | None = None,
    mixes: str | Sequence[Mapping | str] = (),
    weight_map: bool | Mapping = False,
    val_size: tuple[int, int] | None = None,
    val_batch_size: int | None = None,
    seed: int = 0,
    cache: bool | int = True,
    workers: int | None = None,
    processes: bool = False,
    check: bool = True,
    train: Source | None = None,
    **options,
) -> Feeds:
    """Opens a data set and says how it is fed.

    Args:
        name: Name of the data set, one of `kseg.data.names()`.
        crop: Height and width of the training crops in pixels.
        batch_size: Crops in a batch, over all devices.
        scale: Smallest and largest factor of the random scale.
        cat_max_ratio: Largest share of one class in the valid pixels of a crop, as in
            `kseg.data.RandomScaleCrop`; 1 for any.
        rare_classes: How often a crop is put around a pixel of a drawn class, 0 to 1;
            or the arguments of `kseg.data.class_centre`, `probability` and `draw`;
            true for its defaults.
        flip: Probability of mirroring left and right.
        vertical_flip: Probability of mirroring top and bottom.
        quarter_turns: Whether to turn by 0, 90, 180 or 270 degrees.
        rotation: Largest angle to either side, in degrees up to 180; 0 for none. It
            and `elastic` move the whole image before the crop is cut out.
        elastic: Standard deviation of the displacements of
            `kseg.data.ElasticDeformation`, in pixels of the image; 0 for none.
        border: What is beyond the border of an image that is smaller than its crop,
            rotated or deformed: `"void"`, grey that counts nothing; or `"mirror"`, as
            U-Net has it. Then a network of `valid` convolutions is trained on all
            pixels of an image, whose crops reach beyond it where only context is.
        brightness: Largest relative change; 0 for none.
        contrast: Largest relative change.
        saturation: Largest relative change.
        augment: A preset of `kseg.data.presets`, or descriptions such as
            `[dict(name="gaussian_blur", probability=0.2)]`, in their order. They take
            the place of the change of colours; where one is a `scale_crop`, a `flip`
            or a `color_jitter`, the keys above say what it leaves open. A list without
            a `scale_crop` gets it and the flip in front.
        mixes: Descriptions or names of what makes one example of several, such as
            `["class_mix"]`, in their order.
        weight_map: Whether pixels between two objects count more, as U-Net has it, or
            the arguments of `kseg.data.mask_weights`: `w0`, `sigma`, `background`,
            and `class_weights` as the loss has them. Those of the loss multiply all.
        val_size: Height and width that validation images are fitted into,
            keeping their proportions; `None` for `crop`. With the border `"mirror"`
            and a network of `valid` convolutions they are fitted into what it
            returns of this size, and are shrunk where that is smaller: images of
            512x512 want 700x700 of U-Net.
        val_batch_size: Images in a validation batch, over all devices; `None` for
            `batch_size`. Scores and loss do not depend on it.
        seed: What order and augmentation are drawn from.
        cache: Whether decoded images and masks stay in memory, those of each split
            up to a quarter of what is free; or up to so many bytes. Of worker
            processes each keeps its own, so many bytes, and by default none.
        workers: Threads or processes that make batches; `None` for one a core, up
            to 16.
        processes: Whether they are processes; on TensorFlow they are threads.
        check: Whether to read all examples once before training, so that a broken
            file stops the run at once and not in the night.
        train: What to train on; `None` for the training split of the data set.
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
    if train is None:
        train = data.open_source(name, "train", **options)
    val = data.open_source(name, "val", **options)
    void = train.labels.ignore_class
    chain: list[Mapping] = []
    if quarter_turns:
        chain.append({"name": "quarter_turn"})
    if rotation:
        chain.append({"name": "rotation", "degrees": rotation})
    if elastic:
        chain.append({"name": "elastic", "sigma": elastic})
    colors = {"brightness": brightness, "contrast": contrast, "saturation": saturation}
    chain += _chain(augment, bool(flip or vertical_flip), any(colors.values()))
    keys = {
        "scale_crop": {
            "scale": scale,
            "cat_max_ratio": cat_max_ratio,
            "centre": _centre(train, rare_classes),
        },
        "flip": {"probability": flip, "vertical": vertical_flip},
        "color_jitter": colors,
    }
    filled = {"size": crop, "ignore_class": void, "border": border}
    augmentations = [
        presets.make({**keys.get(each["name"], {}), **each}, filled) for each in chain
    ]
    mixes = [mixes] if isinstance(mixes, str) else mixes
    mixed = [presets.make_mix(mix, void) for mix in mixes]
    weights = _weights(train, weight_map)
    val_size, val_batch_size = val_size or crop, val_batch_size or batch_size
    return Feeds(
        train,
        val,
        Examples(
            _cached(train, cache, processes),
            crop,
            batch_size,
            augmentations,
            seed,
            None,
            weights,
            mixes=mixed,
        ),
        Examples(
            _cached(val, cache, processes),
            val_size,
            val_batch_size,
            border=border,
            weigh_images=True,
        ),
        workers,
        processes,
        not check,
    )


def _cached(source: Source, cache: bool | int, processes: bool) -> Source:
    """Returns a source that keeps what it has read, if that is wanted."""
    if not isinstance(cache, int):
        raise ValueError(
            f"`cache` must be true, false or a number of bytes. Received: {cache!r}."
        )
    apart = processes and keras.backend.backend() != "tensorflow"
    if cache is False or (cache is True and apart):
        return source
    return data.CachedSource(source, None if cache is True else cache)


def _chain(augment, flips: bool, colors: bool) -> Sequence[Mapping]:
    """Returns the descriptions of augmentations, the crop among them."""
    chain: list[Mapping] = []
    if augment is None:
        chain += [{"name": "color_jitter"}] if colors else []
    elif isinstance(augment, str):
        chain = list(presets.find_preset(augment))
    else:
        chain = list(augment)
    for each in chain:
        presets.check_description(each, "augmentation")
    if all(each["name"] != "scale_crop" for each in chain):
        front = ["scale_crop", "flip"] if flips else ["scale_crop"]
        chain = [*({"name": name} for name in front), *chain]
    return chain


def _centre(train: Source, rare_classes: bool | float | Mapping) -> Callable | None:
    """Returns what puts crops around rare classes, or `None`."""
    if rare_classes is False or rare_classes == 0:
        return None
    if rare_classes is True:
        return data.class_centre(train)
    if isinstance(rare_classes, int | float):
        return data.class_centre(train, rare_classes)
    if not isinstance(rare_classes, Mapping):
        raise ValueError(
            "`rare_classes` must be true, false, a share of the crops, or the "
            f"arguments of `kseg.data.class_centre`. Received: {rare_classes!r}."
        )
    known = sorted(set(inspect.signature(data.class_centre).parameters) - {"source"})
    for key in rare_classes:
        if key not in known:
            raise ValueError(unknown("key of 'rare_classes'", key, known))
    return data.class_centre(train, **rare_classes)


def _weights(train: Source, weight_map: bool | Mapping) -> Callable | None:
    """Returns what makes the weights of a mask, or `None`."""
    if weight_map is False:
        return None
    if weight_map is not True and not isinstance(weight_map, Mapping):
        raise ValueError(
            "`weight_map` must be true, false, or the arguments of "
            f"`kseg.data.mask_weights`. Received: {weight_map!r}."
        )
    arguments = {} if weight_map is True else dict(weight_map)
    known = sorted(
        set(inspect.signature(data.mask_weights).parameters) - {"mask", "ignore_class"}
    )
    for key in arguments:
        if key not in known:
            raise ValueError(unknown("key of 'weight_map'", key, known))
    if "class_weights" in arguments:
        method = arguments["class_weights"]
        arguments["class_weights"] = data.class_weights(train, method)
    arguments["ignore_class"] = train.labels.ignore_class
    weights = functools.partial(data.mask_weights, **arguments)
    weights(train.mask(0))  # so that a wrong number is an error now
    return weights
