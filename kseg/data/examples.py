"""Examples as a function of seed and position, the same in every loader.

Position p of the training stream is one example of one epoch's permutation,
augmented by random numbers drawn from (seed, p). So any worker can make any
example, a run continues where another stopped, and no batch is uneven.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from kseg.data.augment import NEUTRAL, fit_inside
from kseg.data.sources import Source
from kseg.layers import crop_centre


def fitted(
    source: Source, size: tuple[int, int], most: int | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the examples of a source at one size, in order.

    Args:
        source: Where images and masks come from.
        size: Height and width that they are fitted into, in pixels.
        most: Yields about so many, evenly spaced; `None` for all.

    Yields:
        An image and its mask, as `fit_inside` makes them.
    """
    step = max(len(source) // most, 1) if most else 1
    for index in range(0, len(source), step):
        yield fit_inside(*source[index], size, source.labels.ignore_class)


class Examples:
    """Examples of one fixed size.

    With `augment` it is an endless stream, each pass in its own random order.
    Without, it is the source once, in order, each image fitted into the size,
    and filled to whole batches by images whose mask is all `ignore_class`.

    Args:
        source: Where images and masks come from.
        size: Height and width in pixels.
        batch_size: Examples in a batch, over all devices.
        augment: Functions of `(image, mask, rng)`; the last ones must leave
            `size`. `None` for evaluation.
        seed: What order and augmentation are drawn from.
        mask_size: Height and width of the masks where the network returns only
            the middle of an image; `None` for `size`.

    Raises:
        ValueError: If the source is empty or `batch_size` is below 1.
    """

    def __init__(
        self,
        source: Source,
        size: tuple[int, int],
        batch_size: int,
        augment: Sequence[Callable] | None = None,
        seed: int = 0,
        mask_size: tuple[int, int] | None = None,
    ):
        """Checks and stores the arguments."""
        if len(source) == 0 or batch_size < 1:
            raise ValueError(
                "A feed needs one example or more and a `batch_size` of 1 or "
                f"more. Received: {len(source)} examples, batch_size={batch_size}."
            )
        self.source = source
        self.size = (int(size[0]), int(size[1]))
        self.batch_size = batch_size
        self.augment = augment
        self.seed = seed
        self.mask_size: tuple[int, int] = mask_size or self.size

    @property
    def steps(self) -> int:
        """Batches in one pass over the source, the last one filled up."""
        return -(-len(self.source) // self.batch_size)

    @property
    def mask_dtype(self) -> str:
        """The integer type of the masks."""
        return np.min_scalar_type(self.source.labels.ignore_class).name

    def example(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the example at a position of the stream.

        Args:
            position: 0 or more; for evaluation below `steps * batch_size`.

        Returns:
            A uint8 image `size + (3,)` and an integer mask `mask_size`.
        """
        labels = self.source.labels
        count = len(self.source)
        if self.augment is None:
            if position >= count:
                image = np.full((*self.size, 3), NEUTRAL, np.uint8)
                mask = np.full(self.size, labels.ignore_class)
            else:
                image, mask = self.source[position]
                image, mask = fit_inside(image, mask, self.size, labels.ignore_class)
        else:
            order = np.random.default_rng((self.seed, 0, position // count))
            image, mask = self.source[int(order.permutation(count)[position % count])]
            rng = np.random.default_rng((self.seed, 1, position))
            for function in self.augment:
                image, mask = function(image, mask, rng)
        mask = crop_centre(mask, self.mask_size)
        return np.ascontiguousarray(image), mask.astype(self.mask_dtype)

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the batch of one training or evaluation step.

        Args:
            step: Number of the step since the start of training.

        Returns:
            uint8 images `(batch_size, height, width, 3)` and integer masks
            `(batch_size, mask height, mask width)`.
        """
        first = step * self.batch_size
        pairs = [self.example(first + i) for i in range(self.batch_size)]
        images, masks = zip(*pairs, strict=True)
        return np.stack(images), np.stack(masks)
