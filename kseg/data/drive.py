"""DRIVE: the vessels in 40 photographs of the retina, 565x584.

Staal et al., "Ridge-Based Vessel Segmentation in Color Images of the Retina", IEEE
Transactions on Medical Imaging 2004. https://drive.grand-challenge.org
20 images train and 20 test, by the first observer. What lies outside of the circular
field of view is void, as in the benchmark, which scores inside of it. There is no
validation split: the last four of the training images are it here, and papers that
train on all 20, split `"trainval"`, have four more.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kseg.data.card import Card
from kseg.data.images import translate
from kseg.data.layout import check_split, find_root
from kseg.data.sources import check_pair
from kseg.labels import Labels
from kseg.raster import open_picture, read_image

LABELS = Labels(("background", "vessel"), ((0, 0, 0), (255, 255, 255)))
NUMBERS = {
    "train": range(21, 37),
    "val": range(37, 41),
    "trainval": range(21, 41),
    "test": range(1, 21),
}
CARD = Card(
    title="DRIVE",
    labels=LABELS,
    void="What is outside of the field of view.",
    splits={split: len(numbers) for split, numbers in NUMBERS.items()},
    license="Free for research and education; no redistribution or commercial use",
    citation="Staal, Abramoff, Niemeijer, Viergever, van Ginneken: Ridge-Based "
    "Vessel Segmentation in Color Images of the Retina, IEEE Transactions on Medical "
    "Imaging 2004",
    homepage="https://drive.grand-challenge.org",
    manual="Make an account at https://grand-challenge.org, join the challenge at "
    "https://drive.grand-challenge.org, download training.zip and test.zip from it, "
    "unpack both into one folder and give it as `path`: it then holds "
    "training/images/21_training.tif, training/1st_manual/21_manual1.gif, "
    "training/mask/21_training_mask.gif, and test likewise. A download without "
    "test/1st_manual has no labels to test by.",
)
_FIELD = {0: LABELS.ignore_class, 255: 0}
_VESSELS = {0: 0, 255: 1}


def drive(split: str, path: str | Path | None = None) -> "VesselSource":
    """Opens DRIVE.

    Args:
        split: `"train"`, images 21 to 36, `"val"`, images 37 to 40, `"trainval"`, both,
            or `"test"`, images 1 to 20.
        path: Folder with `training/images/21_training.tif`,
            `training/1st_manual/21_manual1.gif`, `training/mask/21_training_mask.gif`,
            and so on, and `test` likewise; or a folder that holds it as `DRIVE`. It is
            not downloaded, because that takes an account: `None` says how to get it.

    Returns:
        The images of the split in the order of their numbers; masks hold 0
        (background), 1 (vessel) and 255 outside of the field of view.

    Raises:
        FileNotFoundError: If files are missing.
        ValueError: If there is no `path`, or the split is another.
    """
    check_split(CARD, split)
    kind = "test" if split == "test" else "training"
    root = find_root(CARD, path, kind, ("DRIVE",)) / kind
    files = [
        (
            root / "images" / f"{number:02d}_{kind}.tif",
            root / "1st_manual" / f"{number:02d}_manual1.gif",
            root / "mask" / f"{number:02d}_{kind}_mask.gif",
        )
        for number in NUMBERS[split]
    ]
    missing = [str(file) for three in files for file in three if not file.is_file()]
    if missing:
        raise FileNotFoundError(
            f"The folder of {CARD.title} must hold its images, drawings and fields of "
            f"view. Received: {path}, where {len(missing)} files of {split!r} are "
            f"missing, such as {missing[:2]}. {CARD.manual}"
        )
    return VesselSource(files)


@dataclasses.dataclass(frozen=True)
class VesselSource:
    """Photographs, the vessels that a person drew, and the field of view.

    Args:
        files: Paths of photograph, drawing and field of view; the last two are white
            where there is a vessel, and where there is a retina.
        labels: The classes.
    """

    files: Sequence[tuple[Path, Path, Path]]
    labels: Labels = LABELS

    def __len__(self) -> int:
        """Returns the number of photographs."""
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a photograph and its mask.

        Raises:
            ValueError: If a file is broken, holds other values, or they differ in size.
        """
        image, mask = read_image(self.files[index][0]), self.mask(index)
        check_pair(image, mask, *self.files[index][:2])
        return image, mask

    def mask(self, index: int) -> np.ndarray:
        """Reads the mask alone."""
        _, drawing, field = self.files[index]
        vessels, void = _read(drawing, _VESSELS), _read(field, _FIELD)
        check_pair(vessels, void, drawing, field)
        return np.where(void == 0, vessels, void).astype(self.labels.mask_dtype)

    def name(self, index: int) -> str:
        """Returns the photograph's name without its ending."""
        return self.files[index][0].stem


def _read(path: Path, values: dict[int, int]) -> np.ndarray:
    """Reads a picture of black and white, whatever its palette."""
    return translate(np.asarray(open_picture(path).convert("L")), values, path)
