"""Windows of a source's images as a source: the two stages of DeconvNet's training.

Noh, Hong and Han, "Learning Deconvolution Network for Semantic Segmentation", ICCV
2015, sections 4.2 and 6.1. https://arxiv.org/abs/1505.04366 The network first learns
from single objects in the middle of a window, then from windows as proposals cut them.
Departure: where masks tell classes and not objects, an object is a connected region
of a class, so that objects of a class which touch are one.
"""

from collections.abc import Sequence

import numpy as np
import tqdm
from scipy import ndimage

from kseg.data.sources import Source
from kseg.layers import Box, enlarge_box

# Pixels that touch at a corner belong together.
_NEIGHBOURS = np.ones((3, 3), int)


class ObjectCrops:
    """One example per object: its surroundings, and its pixels alone in the mask.

    Everything else in the window is background, other objects of the class too;
    void stays void. The masks are read once, when the source is made.

    Args:
        source: Where images and masks come from.
        context: How much higher and wider than the object the window is; it ends
            at the border of the image.
        background: The class that objects are not, and all else becomes.
        least_pixels: Smaller regions are no objects.
        balanced: Whether objects of rarer classes come repeatedly, so that every
            class that occurs has as many examples as the most frequent one.

    Raises:
        ValueError: If `context` is below 1, `background` is no class, or there is
            no object.
    """

    def __init__(
        self,
        source: Source,
        context: float = 1.2,
        background: int = 0,
        least_pixels: int = 1,
        balanced: bool = False,
    ):
        """Finds the objects."""
        if context < 1:
            raise ValueError(f"`context` must be 1 or more. Received: {context}.")
        if not 0 <= background < source.labels.num_classes:
            raise ValueError(
                "`background` must be one of the classes, 0 to "
                f"{source.labels.num_classes - 1}. Received: {background}."
            )
        self.source = source
        self.labels = source.labels
        self.context = context
        self.background = background
        self._objects = []  # of each: image, class, number of the region
        for index in tqdm.trange(len(source), desc="objects", leave=False):
            mask = source.mask(index)
            for identity in np.unique(mask).tolist():
                if identity in (background, self.labels.ignore_class):
                    continue
                sizes = np.bincount(_regions(mask, identity).ravel())[1:]
                numbers = 1 + np.flatnonzero(sizes >= least_pixels)
                self._objects += [(index, identity, n) for n in numbers.tolist()]
        if not self._objects:
            raise ValueError(
                "The masks must hold an object: a region of a class other than the "
                f"background {background}, of {least_pixels} pixels or more. "
                f"Received: none in {len(source)} masks."
            )
        if balanced:
            self._objects = _balanced(self._objects)

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self._objects)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads the image and cuts out the window of an object."""
        image, mask = self.source[self._objects[index][0]]
        (top, left, bottom, right), mask = self._window(index, mask)
        return image[top:bottom, left:right], mask

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        return self._window(index, self.source.mask(self._objects[index][0]))[1]

    def name(self, index: int) -> str:
        """Returns the image's name, and the class and number of the object."""
        image, identity, number = self._objects[index]
        return f"{self.source.name(image)}_{identity}_{number}"

    def _window(self, index: int, mask: np.ndarray) -> tuple[Box, np.ndarray]:
        """Returns the window of an object and the mask in it."""
        _, identity, number = self._objects[index]
        regions = _regions(mask, identity)
        rows, columns = ndimage.find_objects(regions, max_label=number)[number - 1]
        tight = (rows.start, columns.start, rows.stop, columns.stop)
        box = top, left, bottom, right = enlarge_box(tight, self.context, mask.shape)
        mask = mask[top:bottom, left:right]
        other = (regions[top:bottom, left:right] != number) & (
            mask != self.labels.ignore_class
        )
        return box, np.where(other, mask.dtype.type(self.background), mask)


class WindowCrops:
    """One example per window, with all that the mask says in it.

    Args:
        source: Where images and masks come from.
        windows: The windows of each image of the source, as
            `kseg.inference.proposal_boxes` finds them: top, left, bottom and right in
            pixels; the last two are outside.

    Raises:
        ValueError: If `windows` is not one list for each image, or holds no window
            at all or an empty one; when it is read, if a window leaves its image.
    """

    def __init__(self, source: Source, windows: Sequence[Sequence[Box]]):
        """Numbers the windows."""
        if len(windows) != len(source):
            raise ValueError(
                "`windows` must hold a list of windows for each image. Received: "
                f"{len(windows)} lists for {len(source)} images."
            )
        self.source = source
        self.labels = source.labels
        self._windows = [
            (index, tuple(map(int, box)))
            for index, boxes in enumerate(windows)
            for box in boxes
        ]
        for index, (top, left, bottom, right) in self._windows:
            if not (0 <= top < bottom and 0 <= left < right):
                raise ValueError(
                    "A window must be top, left, bottom and right in order. Received: "
                    f"{(top, left, bottom, right)} for {source.name(index)}."
                )
        if not self._windows:
            raise ValueError("There must be one window or more. Received: none.")

    def __len__(self) -> int:
        """Returns the number of windows."""
        return len(self._windows)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads an image and its mask and cuts out a window."""
        image_index, _ = self._windows[index]
        image, mask = self.source[image_index]
        return self._cut(index, image), self._cut(index, mask)

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        return self._cut(index, self.source.mask(self._windows[index][0]))

    def name(self, index: int) -> str:
        """Returns the image's name and the window."""
        image_index, box = self._windows[index]
        return "_".join([self.source.name(image_index), *map(str, box)])

    def _cut(self, index: int, array: np.ndarray) -> np.ndarray:
        """Returns the window of an image or a mask."""
        image_index, (top, left, bottom, right) = self._windows[index]
        if bottom > array.shape[0] or right > array.shape[1]:
            raise ValueError(
                "A window must lie in its image. Received: "
                f"{(top, left, bottom, right)} for {self.source.name(image_index)}, of "
                f"{array.shape[0]}x{array.shape[1]} pixels."
            )
        return array[top:bottom, left:right]


def _regions(mask: np.ndarray, identity: int) -> np.ndarray:
    """Numbers the connected regions of a class from 1."""
    return ndimage.label(mask == identity, _NEIGHBOURS)[0]


def _balanced(objects: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Repeats the objects of rarer classes."""
    by_class: dict[int, list] = {}
    for each in objects:
        by_class.setdefault(each[1], []).append(each)
    most = max(map(len, by_class.values()))
    return [
        those[i % len(those)] for _, those in sorted(by_class.items())
        for i in range(most)
    ]  # fmt: skip
