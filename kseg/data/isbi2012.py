"""ISBI 2012: neuronal membranes in 30 electron microscope slices of 512x512.

Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation
algorithms for connectomics", Frontiers in Neuroanatomy 2015: the labelled stack of
the challenge, serial sections of a fruit fly's nerve cord, and what Ronneberger et
al., "U-Net", trained on. https://imagej.net/events/isbi-2012-segmentation-challenge
The challenge kept the labels of its test stack, so validation is part of the 30
slices here: the last six, one block, because neighbours in the stack look alike and
a slice between two training slices would be judged by its twins. No score on them
compares with the challenge's.
"""

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from kseg.data.card import Card
from kseg.data.images import translate
from kseg.data.pairing import pair_files
from kseg.data.sources import FileSource, check_pair
from kseg.labels import Labels
from kseg.raster import SUFFIXES, eight_bits

LABELS = Labels(("membrane", "cell"), ((0, 0, 0), (255, 255, 255)))
# Value in the files to class id: 255 is a class there, and not kseg's void.
VALUES = {0: 0, 255: 1}
SLICES = {"train": slice(0, 24), "val": slice(24, 30)}
STACKS = ("train-volume.tif", "train-labels.tif")
FOLDERS = (("images", "labels"), ("image", "label"))
_WHERE = (
    "Download https://downloads.imagej.net/ISBI-2012-challenge.zip in a browser, whose "
    f"page states the terms, unpack it and give the folder that holds {STACKS[0]} and "
    f"{STACKS[1]}; or a folder with the slices as {FOLDERS[0][0]}/0.png to 29.png and "
    f"{FOLDERS[0][1]}/0.png to 29.png."
)

CARD = Card(
    title="ISBI 2012",
    labels=LABELS,
    void="None.",
    splits={"train": 24, "val": 6},
    license="The challenge's terms, on its page",
    citation="Arganda-Carreras et al.: Crowdsourcing the creation of image "
    "segmentation algorithms for connectomics, Frontiers in Neuroanatomy 2015",
    homepage="https://imagej.net/events/isbi-2012-segmentation-challenge",
    manual=_WHERE,
    mean=(125.15, 125.15, 125.15),
    std=(43.56, 43.56, 43.56),
    statistics="Measured over the 24 training slices.",
)


def isbi2012(split: str, path: str | Path | None = None) -> "FileSource | _Stack":
    """Opens ISBI 2012.

    Args:
        split: `"train"`, slices 0 to 23, or `"val"`, slices 24 to 29.
        path: Folder with the challenge's multi-page `train-volume.tif` and
            `train-labels.tif`, or with the slices as pictures of the same number in
            `images` and `labels` (`image` and `label` are right too). It is not
            downloaded: `None` says where it is to be had.

    Returns:
        The slices of the split in the order of the stack. Images are grey as RGB;
        masks hold 0 (membrane) and 1 (cell), the files' 0 and 255.

    Raises:
        FileNotFoundError: If the folder holds neither.
        ValueError: If there is no `path`, the split is another, there are not 30
            slices, or their masks hold other values.
    """
    if split not in SLICES:
        raise ValueError(f"`split` must be 'train' or 'val'. Received: {split!r}.")
    if path is None:
        raise ValueError(
            f"`path` must be the folder of ISBI 2012. Received: None. {_WHERE}"
        )
    path = Path(path)
    if all((path / name).is_file() for name in STACKS):
        images, masks = (_pages(path / name) for name in STACKS)
        _check_count(len(images), path / STACKS[0])
        _check_count(len(masks), path / STACKS[1])
        masks = translate(masks, VALUES, path / STACKS[1]).astype(np.uint8)
        return _Stack(images, masks, range(30)[SLICES[split]])
    for images, masks in FOLDERS:
        if (path / images).is_dir():
            pairs = pair_files(path / images, path / masks)
            _check_count(len(pairs), path)
            # Numbers in their order: 2 before 10.
            pairs.sort(key=lambda pair: (len(pair[0].stem), pair[0].stem))
            return FileSource(pairs[SLICES[split]], LABELS, values=VALUES)
    raise FileNotFoundError(
        f"`path` must be the folder of ISBI 2012. Received: {path}, which holds "
        f"neither {STACKS[0]} and {STACKS[1]} nor a folder {FOLDERS[0][0]} of "
        f"pictures ({', '.join(SUFFIXES)}). {_WHERE}"
    )


@dataclasses.dataclass(frozen=True, eq=False)
class _Stack:
    """Slices of a stack in memory.

    Args:
        images: uint8 array `(30, height, width)`.
        masks: uint8 array of class ids, likewise.
        slices: Which of them belong to the split.
    """

    images: np.ndarray
    masks: np.ndarray
    slices: range
    labels: Labels = LABELS

    def __post_init__(self):
        """Checks that images and masks have one size."""
        check_pair(self.images[0], self.masks[0], *STACKS)

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        grey = self.images[self.slices[index]]
        return np.repeat(grey[..., np.newaxis], 3, axis=-1), self.mask(index)

    def mask(self, index: int) -> np.ndarray:
        """Returns a mask alone."""
        return self.masks[self.slices[index]]

    def name(self, index: int) -> str:
        """Returns the number of the slice in the stack."""
        return str(self.slices[index])


def _pages(path: Path) -> np.ndarray:
    """Reads all pages of a grey TIFF, of 8 or 16 bits, as uint8."""
    try:
        with Image.open(path) as image:
            pages = []
            for page in range(getattr(image, "n_frames", 1)):
                image.seek(page)
                pages.append(np.asarray(eight_bits(image).convert("L")))
        return np.stack(pages)
    except (OSError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(
            "A stack must be a whole TIFF of pages of one size. Received: "
            f"{path}, of which Pillow says: {error}."
        ) from error


def _check_count(count: int, where: Path) -> None:
    if count != 30:
        raise ValueError(
            f"ISBI 2012 must have 30 slices. Received: {count} in {where}. {_WHERE}"
        )
