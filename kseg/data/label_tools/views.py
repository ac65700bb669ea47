"""What `kseg import` makes of a source: a part of it, and a count of what is read."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kseg.data.label_tools.annotations import AnnotationSource
from kseg.data.sources import Source, image_file
from kseg.data.statistics import count_pixels
from kseg.labels import Labels


@dataclasses.dataclass(frozen=True)
class Part:
    """Some examples of a source.

    Args:
        source: The source.
        indices: Positions of the examples in it.
    """

    source: Source
    indices: Sequence[int]

    @property
    def labels(self) -> Labels:
        """The classes."""
        return self.source.labels

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads an example."""
        return self.source[self.indices[index]]

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        return self.source.mask(self.indices[index])

    def name(self, index: int) -> str:
        """Returns what the source calls an example."""
        return self.source.name(self.indices[index])

    def image_path(self, index: int) -> Path | None:
        """Returns the file of an image, if it is one."""
        return image_file(self.source, self.indices[index])


class Tally:
    """A source that counts objects and the pixels of the classes while it is read."""

    def __init__(self, source: Source):
        """Counts nothing yet."""
        self._source = source
        self._pixels: dict[int, np.ndarray] = {}
        self._objects: dict[int, int] = {}
        self.labels = source.labels

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self._source)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads and counts an example."""
        image, mask = self._source[index]
        self._count(index, mask)
        return image, mask

    def mask(self, index: int) -> np.ndarray:
        """Reads and counts a mask."""
        mask = self._source.mask(index)
        self._count(index, mask)
        return mask

    def name(self, index: int) -> str:
        """Returns what the source calls an example."""
        return self._source.name(index)

    def image_path(self, index: int) -> Path | None:
        """Returns the file of an image, if it is one."""
        return image_file(self._source, index)

    @property
    def objects(self) -> int | None:
        """The number of objects read; `None` where masks have none."""
        drawn = isinstance(self._source, AnnotationSource)
        return sum(self._objects.values()) if drawn else None

    def rows(self) -> list[tuple[str, int, float]]:
        """Returns name, pixels and share of each class, and of void if it is there."""
        nothing = np.zeros(self.labels.num_classes + 1, np.int64)
        total = sum(self._pixels.values(), nothing)
        named = [*zip((*self.labels.names, "void"), total.tolist(), strict=True)]
        named = named if total[-1] else named[:-1]
        whole = max(int(total.sum()), 1)
        return [(name, pixels, pixels / whole) for name, pixels in named]

    def _count(self, index: int, mask: np.ndarray) -> None:
        self._pixels[index] = count_pixels(mask, self.labels)
        if isinstance(self._source, AnnotationSource):
            self._objects[index] = len(self._source.objects(index))
