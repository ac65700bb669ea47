"""Sources: images and masks by position, without reading them all."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from kseg.data.images import check_ids, read_mask, translate
from kseg.labels import Color, Labels
from kseg.raster import read_image


class Source(Protocol):
    """What feeds and evaluation read from: any random-access set of examples."""

    @property
    def labels(self) -> Labels:
        """The classes."""
        ...

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns an image, uint8 `(h, w, 3)`, and its mask of ids `(h, w)`."""
        ...

    def mask(self, index: int) -> np.ndarray:
        """Returns the mask of an example, without reading its image."""
        ...

    def name(self, index: int) -> str:
        """Returns what to call an example in messages and file names."""
        ...


@dataclasses.dataclass(frozen=True)
class FileSource:
    """Pairs of image and mask files.

    Args:
        pairs: Paths of image and mask.
        labels: The classes.
        color_map: RGB colour to class id, for masks in colour.
        values: Value in the mask files to class id.
        pages: For each pair, which page of its TIFF files; `None` for the first.
        channels: As of `kseg.raster.read_image`, for the images.
        value_range: Likewise.
    """

    pairs: Sequence[tuple[Path, Path]]
    labels: Labels
    color_map: Mapping[Color, int] | None = None
    values: Mapping[int, int] | None = None
    pages: Sequence[int] | None = None
    channels: Sequence[int] | None = None
    value_range: Sequence[float] | None = None

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a pair.

        Raises:
            ValueError: If a file is broken, the mask holds no class ids, or the
                two differ in size.
        """
        image_path, mask_path = self.pairs[index]
        image = read_image(
            image_path, self._page(index), self.channels, self.value_range
        )
        mask = self.mask(index)
        check_pair(image, mask, image_path, mask_path)
        return image, mask

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        return read_mask(
            self.pairs[index][1],
            self.labels,
            self.color_map,
            self.values,
            self._page(index),
        )

    def name(self, index: int) -> str:
        """Returns the image file's name without its ending, and its page."""
        page = "" if self.pages is None else f"_{self.pages[index]:04d}"
        return self.pairs[index][0].stem + page

    def image_path(self, index: int) -> Path | None:
        """Returns the file of an image; `None` if the image is but a part of it."""
        whole = self.pages is None and self.channels is None
        return self.pairs[index][0] if whole and self.value_range is None else None

    def _page(self, index: int) -> int:
        """Returns the page of a pair."""
        return 0 if self.pages is None else self.pages[index]


@dataclasses.dataclass(frozen=True)
class TfdsSource:
    """A TFDS data set, read by random access.

    Args:
        examples: What `tfds.data_source` returns.
        labels: The classes.
        image_key: Feature that holds the image.
        mask_key: Feature that holds the mask.
        values: Value in the mask to class id.
    """

    examples: Sequence
    labels: Labels
    image_key: str = "image"
    mask_key: str = "segmentation_mask"
    values: Mapping[int, int] | None = None

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads an example.

        Raises:
            ValueError: If the mask holds no class ids.
        """
        example = self.examples[index]
        ids = np.asarray(example[self.mask_key])
        if ids.ndim == 3:
            if (ids != ids[..., :1]).any():
                raise ValueError(
                    "A TFDS mask must hold class ids in one channel. Received: example "
                    f"{self.name(index)} in colour, {ids.shape}."
                )
            ids = ids[..., 0]
        if self.values is not None:
            ids = translate(ids, self.values, self.name(index))
        check_ids(ids, self.labels, self.name(index))
        image = np.asarray(example[self.image_key])
        if image.shape[-1] == 1:
            image = np.repeat(image, 3, axis=-1)
        check_pair(image, ids, f"image {self.name(index)}", "its mask")
        return image, ids.astype(self.labels.mask_dtype)

    def mask(self, index: int) -> np.ndarray:
        """Returns a mask alone."""
        return self[index][1]

    def name(self, index: int) -> str:
        """Returns the position, six digits."""
        return f"{index:06d}"


@dataclasses.dataclass(frozen=True)
class RelabelledSource:
    """The images of a source with masks from a folder.

    Args:
        source: Where the images are from.
        masks: The folder, which has a mask `file_name(source, index)` of each.
    """

    source: Source
    masks: Path

    @property
    def labels(self) -> Labels:
        """The classes."""
        return self.source.labels

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads an example.

        Raises:
            ValueError: If a file is broken, or image and mask differ in size.
        """
        image, mask = self.source[index][0], self.mask(index)
        check_pair(image, mask, f"image {self.name(index)}", self._path(index))
        return image, mask

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        return read_mask(self._path(index), self.labels)

    def name(self, index: int) -> str:
        """Returns what the source calls an example."""
        return self.source.name(index)

    def _path(self, index: int) -> Path:
        return self.masks / self.file_name(self.source, index)

    @staticmethod
    def file_name(source: Source, index: int) -> str:
        """Returns the name of a mask's file, which begins with its position."""
        return f"{index:06d}_{Path(source.name(index)).name}.png"


def image_file(source: Source, index: int) -> Path | None:
    """Returns the file of an image, or `None` where it is none, or a part of one.

    Args:
        source: Any source; those of files have a method `image_path`.
        index: Position of the example.
    """
    path_of = getattr(source, "image_path", None)
    return None if path_of is None else path_of(index)


def check_pair(image: np.ndarray, mask: np.ndarray, image_name, mask_name) -> None:
    """Raises if an image and its mask differ in size.

    Args:
        image: Array `(height, width, ...)`.
        mask: Array `(height, width)`.
        image_name: What to call the image in the message.
        mask_name: What to call the mask.

    Raises:
        ValueError: If heights or widths differ.
    """
    if image.shape[:2] != mask.shape:
        raise ValueError(
            "An image and its mask must have the same height and width. Received: "
            f"{image_name} of {image.shape[:2]} and {mask_name} of {mask.shape}."
        )
