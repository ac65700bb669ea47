"""Pairs of an image and a mask that is an array in a MATLAB file."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kseg.data.images import check_ids, translate
from kseg.data.matlab import read_matlab
from kseg.data.sources import check_pair
from kseg.labels import Labels
from kseg.raster import read_image


@dataclasses.dataclass(frozen=True)
class MatSource:
    """Pairs of an image file and a MATLAB file with a mask.

    Args:
        pairs: Paths of image and MATLAB file.
        labels: The classes.
        variable: What the mask is called in the MATLAB files.
        values: Value in the files to class id.
    """

    pairs: Sequence[tuple[Path, Path]]
    labels: Labels
    variable: str
    values: Mapping[int, int]

    def __len__(self) -> int:
        """Returns the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a pair.

        Raises:
            ValueError: If a file is broken, the mask holds other values, or the two
                differ in size.
        """
        image, mask = read_image(self.pairs[index][0]), self.mask(index)
        check_pair(image, mask, *self.pairs[index])
        return image, mask

    def mask(self, index: int) -> np.ndarray:
        """Reads a mask alone."""
        path = self.pairs[index][1]
        ids = read_whole_numbers(path, self.variable)
        ids = translate(ids, self.values, path)
        check_ids(ids, self.labels, path)
        return ids.astype(self.labels.mask_dtype)

    def image_path(self, index: int) -> Path:
        """Returns the file of an image."""
        return self.pairs[index][0]

    def name(self, index: int) -> str:
        """Returns the image file's name without its ending."""
        return self.pairs[index][0].stem


def read_whole_numbers(path: Path, variable: str) -> np.ndarray:
    """Reads an array of whole numbers, which MATLAB may keep as floats.

    Args:
        path: A file of MATLAB's versions 4 to 7.
        variable: The array's name in it.

    Returns:
        int32 array.

    Raises:
        ValueError: If the file is broken or holds something else.
    """

    def take(file):
        whole = file[variable].astype(np.int32)
        if (whole != file[variable]).any():
            raise ValueError("not all are whole numbers")
        return whole

    return read_matlab(path, take, f"`{variable}`, an array of whole numbers")
