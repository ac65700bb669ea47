"""Examples as a function of seed and position, the same in every loader.

Position p of the training stream is one example of one epoch's permutation,
augmented by random numbers drawn from (seed, p). So any worker can make any
example, a run continues where another stopped, and no batch is uneven.
"""

import functools
from collections.abc import Callable, Sequence

import numpy as np

from kseg.data.augment.mixes import Mix
from kseg.data.fitted_source import example_at
from kseg.data.geometry import NEUTRAL, Example, check_border, fit_inside
from kseg.data.sources import Source
from kseg.layers import crop_centre

# Weights of more than this altogether are computed anew whenever they are wanted.
KEPT_BYTES = 2**28


class Examples:
    """Examples of one fixed size.

    With `augment` it is an endless stream, each pass in its own random order.
    Without, it is the source once, in order, each image fitted into the size,
    and filled to whole batches by images whose mask is all `ignore_class`. With
    `weigh_images` the mean of a loss over these batches is that over the source.

    Args:
        source: Where images and masks come from.
        size: Height and width in pixels.
        batch_size: Examples in a batch, over all devices.
        augment: Functions of `(example, rng)` that return an `Example`; the last
            ones must leave `size`. `None` for evaluation.
        seed: What order and augmentation are drawn from.
        mask_size: Height and width of the masks where the network returns only
            the middle of an image; `None` for `size`.
        weights: From a mask of the source to the factor of each pixel's loss, float
            `(height, width)`; `None` for examples without weights. What it returns
            is augmented with the mask, and kept for the next time: 4 bytes a pixel,
            up to 256 MiB in a process (250 masks of 512x512). Augmentations must not
            change it in place.
        border: What images that are fitted into the size are filled with, as in
            `kseg.data.fit_inside`; augmentations have their own.
        mixes: What makes one example of several augmented ones, in this order
            (`kseg.data.augment.Mix`); not for evaluation. Partners are drawn from the
            source at random, with repetition.
        shard: Which worker of how many these examples are for, `(index, count)`. Each
            makes its slice of every batch: batches of all workers, concatenated in
            the order of the index, are those of one worker alone.
        weigh_images: Whether batches of evaluation that had to be filled have a weight
            for every image: 0 for what fills them, and so much more for the others
            that the weights of all batches are 1 in the mean. Not beside `weights`.

    Raises:
        ValueError: If the source is empty, `batch_size` is below 1, the border is
            another, the shard is none of `count` even slices of a batch, or there are
            weights of pixels beside those of images.
    """

    def __init__(
        self,
        source: Source,
        size: tuple[int, int],
        batch_size: int,
        augment: Sequence[Callable] | None = None,
        seed: int = 0,
        mask_size: tuple[int, int] | None = None,
        weights: Callable[[np.ndarray], np.ndarray] | None = None,
        border: str = "void",
        mixes: Sequence[Mix] = (),
        shard: tuple[int, int] = (0, 1),
        weigh_images: bool = False,
    ):
        """Checks and stores the arguments."""
        if len(source) == 0 or batch_size < 1:
            raise ValueError(
                "A feed needs one example or more and a `batch_size` of 1 or "
                f"more. Received: {len(source)} examples, batch_size={batch_size}."
            )
        index, count = shard
        if not 0 <= index < count or batch_size % count:
            raise ValueError(
                "`shard` must be (index, count) with an index of 0 to count - 1 and a "
                f"count that divides `batch_size`. Received: {shard} and "
                f"batch_size={batch_size}."
            )
        if weigh_images and (weights is not None or augment is not None):
            raise ValueError(
                "`weigh_images` is for evaluation without weights of pixels. Received: "
                f"augment={augment}, weights={weights}."
            )
        if seed < 0:
            raise ValueError(f"`seed` must not be negative. Received: {seed}.")
        check_border(border)
        self.source = source
        self.size = (int(size[0]), int(size[1]))
        self.batch_size = batch_size
        self.augment = augment
        self.seed = seed
        self.mask_size: tuple[int, int] = mask_size or self.size
        self.weights = weights
        self.border = border
        self.mixes = tuple(mixes)
        self.shard = (index, count)
        self.weigh_images = weigh_images
        self._kept: dict[int, np.ndarray] = {}
        self._kept_bytes = 0

    def __getstate__(self):
        """Returns what a worker process gets: all but the weights that are kept."""
        return {**self.__dict__, "_kept": {}, "_kept_bytes": 0}

    @property
    def steps(self) -> int:
        """Batches in one pass over the source, the last one filled up."""
        return -(-len(self.source) // self.batch_size)

    @property
    def share(self) -> int:
        """Examples of every batch that are made here: all, or those of the shard."""
        return self.batch_size // self.shard[1]

    @property
    def weights_shape(self) -> tuple[int, ...] | None:
        """The shape of a batch's weights, of pixels or images; `None` for none."""
        if self.weights is not None:
            return (self.share, *self.mask_size)
        filled = self.steps * self.batch_size > len(self.source)
        return (self.share,) if self.weigh_images and filled else None

    def position(self, number: int) -> int:
        """Returns the position in the stream of the n-th example that is made here.

        Args:
            number: 0 or more.
        """
        step, place = divmod(number, self.share)
        return step * self.batch_size + self.shard[0] * self.share + place

    @property
    def mask_dtype(self) -> str:
        """The integer type of the masks."""
        return self.source.labels.mask_dtype

    def example(self, position: int) -> Example:
        """Returns the example at a position of the stream.

        Args:
            position: 0 or more; for evaluation below `steps * batch_size`.

        Returns:
            A uint8 image `size + (3,)`, an integer mask `mask_size`, and float32
            weights `mask_size` or `None`.

        Raises:
            ValueError: If `weights` returns another shape than the mask's, or an
                augmentation loses the weights.
        """
        labels = self.source.labels
        count = len(self.source)
        if self.augment is None:
            example = self._filling()
            if position < count:
                example = fit_inside(
                    self._read(position),
                    self.size,
                    labels.ignore_class,
                    self.border,
                    self.mask_size,
                )
        else:
            index = self._index(position)
            rng = np.random.default_rng((self.seed, 1, position))
            example = self._augmented(index, self.augment, rng)
            for mix in self.mixes:
                if rng.random() < mix.probability:
                    partners = [
                        self._augmented(int(rng.integers(count)), self.augment, rng)
                        for _ in range(mix.partners)
                    ]
                    example = mix([example, *partners], rng)
        image, mask, weights = example
        mask = crop_centre(mask, self.mask_size).astype(self.mask_dtype)
        if weights is not None:
            weights = crop_centre(weights, self.mask_size).astype(np.float32)
        return Example(np.ascontiguousarray(image), mask, weights)

    def batch(self, step: int) -> tuple[np.ndarray, ...]:
        """Returns the batch of one training or evaluation step.

        Args:
            step: Number of the step since the start of training.

        Returns:
            uint8 images `(share, height, width, 3)`, integer masks
            `(share, mask height, mask width)` and, if there are any, float32 weights
            of the masks' shape or of images, `(share,)`; `share` is `batch_size`, or
            its part in a shard.
        """
        first = self.position(step * self.share)
        examples = [self.example(first + i) for i in range(self.share)]
        arrays = zip(*examples, strict=True)
        batch = tuple(np.stack(a) for a in arrays if a[0] is not None)
        if self.weights_shape != (self.share,):
            return batch
        count = len(self.source)
        weight = self.steps * self.batch_size / count
        real = np.arange(first, first + self.share) < count
        return *batch, np.where(real, weight, 0).astype(np.float32)

    def names(self, step: int) -> list[str]:
        """Returns what the examples of a training batch are called in the source.

        Args:
            step: Number of the step since the start of training.
        """
        first = self.position(step * self.share)
        return [self.source.name(self._index(first + i)) for i in range(self.share)]

    def _index(self, position: int) -> int:
        """Returns the example of the source at a position of the training stream."""
        epoch, place = divmod(position, len(self.source))
        return int(_order(self.seed, epoch, len(self.source))[place])

    def _augmented(
        self, index: int, augment: Sequence[Callable], rng: np.random.Generator
    ) -> Example:
        """Returns an example of the source, augmented."""
        example = self._read(index)
        for function in augment:
            example = function(example, rng)
        if self.weights is not None and example.weights is None:
            raise ValueError(
                "An augmentation must pass on the weights of its example. "
                "Received: an Example without them. `example._replace(image=...)` "
                "keeps the rest, `example.each(function)` moves all."
            )
        return example

    def _read(self, index: int) -> Example:
        """Reads an example of the source and computes its weights."""
        example = example_at(self.source, index)
        if self.weights is None:
            return example
        weights = self._kept.get(index)
        if weights is None:
            weights = np.array(self.weights(example.mask), np.float32)
            if weights.shape != example.mask.shape:
                raise ValueError(
                    "`weights` must return one factor per pixel of the mask. "
                    f"Received: {weights.shape} for a mask of {example.mask.shape}."
                )
            weights.setflags(write=False)
            # Threads may compute the same weights at once; they are counted twice then.
            if self._kept_bytes + weights.nbytes <= KEPT_BYTES:
                self._kept[index] = weights
                self._kept_bytes += weights.nbytes
        return example._replace(weights=weights)

    def _filling(self) -> Example:
        """Returns an example that counts nothing."""
        image = np.full((*self.size, 3), NEUTRAL, np.uint8)
        mask = np.full(self.size, self.source.labels.ignore_class)
        weights = np.zeros(self.size, np.float32)
        return Example(image, mask, None if self.weights is None else weights)


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Returns the order of an epoch, a permutation of 0 to count - 1."""
    return np.random.default_rng((seed, 0, epoch)).permutation(count)
