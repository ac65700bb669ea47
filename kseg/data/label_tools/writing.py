"""What the writers of label tools share: a split appears when it is whole."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tqdm
from PIL import Image

from kseg.data.folder_writer import check_split, file_names, link_file
from kseg.data.label_tools.outlines import Region, regions
from kseg.data.sources import Source, image_file
from kseg.files import write_json
from kseg.labels import Labels
from kseg.raster import write_image

# Name of what is void in files that have no other word for it.
VOID_LABEL = "void"


@dataclasses.dataclass(frozen=True)
class Written:
    """An image that a writer has put in place.

    Args:
        file: Where.
        name: Its name without ending.
        height: In pixels.
        width: In pixels.
        regions: What is on it, with the rings of each.
    """

    file: Path
    name: str
    height: int
    width: int
    regions: list[tuple[Region, list[np.ndarray]]]


class Writer:
    """Puts the images of a source in place and says what is on them."""

    def __init__(self, source: Source, tolerance: float, background: str | None):
        """Keeps what to write; `background` counts if it is a class."""
        if tolerance < 0:
            raise ValueError(f"`tolerance` must be 0 or more. Received: {tolerance}.")
        self._source, self._tolerance = source, tolerance
        self.labels: Labels = source.labels
        known = background in self.labels.names
        self.background = background if known else None
        if VOID_LABEL in self.labels.names:
            raise ValueError(
                f"No class must be called {VOID_LABEL!r}, as void pixels are. "
                f"Received: {list(self.labels.names)}."
            )
        self.objects = 0

    def images(self, folder: Path) -> Iterator[Written]:
        """Yields the images, which are linked or copied to a folder, or new PNGs.

        Args:
            folder: Where the images go.
        """
        names = file_names(self._source)
        if any(name.lower() == "labels" for name in names):
            # `labels.json`, which would be the image's, holds the classes.
            names = [f"{index:06d}_{name}" for index, name in enumerate(names)]
        for index, name in enumerate(tqdm.tqdm(names, "write", leave=False)):
            original = image_file(self._source, index)
            if original is not None:
                file, mask = (
                    folder / f"{name}{original.suffix}",
                    self._source.mask(index),
                )
                link_file(original, file)
            else:
                image, mask = self._source[index]
                file = folder / f"{name}.png"
                write_image(file, Image.fromarray(image))
            found = regions(mask, self.labels, self.background, VOID_LABEL)
            drawn = [(region, region.rings(self._tolerance)) for region in found]
            self.objects += len(drawn)
            yield Written(file, name, mask.shape[0], mask.shape[1], drawn)


def write_split(
    path: str | Path,
    split: str | None,
    writer: Writer,
    write: Callable[[Path, Writer], None],
) -> int:
    """Writes a split to a folder that appears when it is whole.

    Args:
        path: The folder of all splits, where `labels.json` goes.
        split: Name of the folder in it; `None` for itself.
        writer: What is written.
        write: Function that writes it to the folder that it is given.

    Returns:
        The number of objects.

    Raises:
        FileExistsError: If the folder holds something.
        ValueError: If `labels.json` has other classes.
    """
    path = Path(path)
    target = path if split is None else path / split
    if split is not None:
        check_split(path, split, writer.labels)
    elif path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise FileExistsError(
            f"The folder must be new or empty. Received: {path}, which holds something."
        )
    temporary = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        temporary.mkdir(parents=True)
        write(temporary, writer)
        labels = (temporary if split is None else path) / "labels.json"
        write_json(labels, writer.labels.to_dict())
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return writer.objects
