"""The images of a data set, each fitted into one size."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from kseg.data.geometry import Example, fit_inside
from kseg.data.sources import Source
from kseg.labels import Labels


@dataclasses.dataclass(frozen=True)
class FittedSource:
    """A data set at one size.

    Args:
        source: Where images and masks come from.
        size: Height and width that they are fitted into, in pixels.
    """

    source: Source
    size: tuple[int, int]

    @property
    def labels(self) -> Labels:
        """The classes."""
        return self.source.labels

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns an image and its mask, as `fit_inside` makes them."""
        example = example_at(self.source, index)
        example = fit_inside(example, self.size, self.labels.ignore_class)
        return example.image, example.mask

    def name(self, index: int) -> str:
        """Returns what the source calls an example."""
        return self.source.name(index)


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
    sized = FittedSource(source, size)
    for index in range(0, len(source), step):
        yield sized[index]


def example_at(source: Source, index: int) -> Example:
    """Reads an example, whose mask may be of any integer type."""
    image, mask = source[index]
    return Example(image, np.asarray(mask).astype(source.labels.mask_dtype, copy=False))
