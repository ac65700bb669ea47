"""Sources: images and masks by position, without reading them all."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import tqdm

from kseg.data.images import SUFFIXES, check_ids, read_mask, translate
from kseg.labels import Color, Labels
from kseg.raster import read_image


class Source(Protocol):
    """What feeds and evaluation read from: any random-access set of examples."""

    labels: Labels

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
    """

    pairs: Sequence[tuple[Path, Path]]
    labels: Labels
    color_map: Mapping[Color, int] | None = None
    values: Mapping[int, int] | None = None

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
        image = read_image(image_path)
        mask = self.mask(index)
        check_pair(image, mask, image_path, mask_path)
        return image, mask

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        return read_mask(self.pairs[index][1], self.labels, self.color_map, self.values)

    def name(self, index: int) -> str:
        """Returns the image file's name without its ending."""
        return self.pairs[index][0].stem


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


def check_source(source: Source, what: str) -> None:
    """Reads every example once, so that broken data stops a run before it starts.

    Args:
        source: The examples.
        what: What to call them in the progress bar.

    Raises:
        ValueError: As reading an example does.
    """
    for index in tqdm.trange(len(source), desc=f"check {what}", leave=False):
        source[index]


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


def pair_files(images: Path, masks: Path) -> list[tuple[Path, Path]]:
    """Pairs the pictures of two folders by the names without ending.

    Args:
        images: Folder of images, searched below too.
        masks: Folder of masks.

    Returns:
        Pairs of paths, in the order of the names.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If a folder is empty, two pictures of it differ in their ending
            only, or an image or a mask has no partner.
    """
    by_image, by_mask = _pictures(images), _pictures(masks)
    if not by_image and not by_mask:
        raise ValueError(
            f"A data set must have at least one pair. Received: {images} and "
            f"{masks}, without a picture ({', '.join(SUFFIXES)})."
        )
    for lone, kind, other in (
        (sorted(set(by_image) - set(by_mask)), "mask", masks),
        (sorted(set(by_mask) - set(by_image)), "image", images),
    ):
        if lone:
            raise ValueError(
                f"Every picture must have a partner of the same name. Received: "
                f"{len(lone)} without {kind} in {other}, such as {lone[:3]}."
            )
    return [(by_image[stem], by_mask[stem]) for stem in sorted(by_image)]


def _pictures(folder: Path) -> dict[str, Path]:
    """Finds the pictures of a folder by their path in it without ending."""
    if not folder.is_dir():
        raise FileNotFoundError(f"A folder must exist. Received: {folder}.")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or path.suffix.lower() not in SUFFIXES:
            continue
        other = found.setdefault(str(relative.with_suffix("")), path)
        if other is not path:
            raise ValueError(
                "The pictures of a folder must differ in more than their ending. "
                f"Received: {other} and {path}."
            )
    return found
