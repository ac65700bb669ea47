"""From one form of labels to another, split by split: what `kseg import` does."""

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kseg.data.folder import folder
from kseg.data.folder_layouts import SPLITS, set_aside
from kseg.data.folder_writer import write_folder
from kseg.data.label_tools.annotations import AnnotationSource
from kseg.data.label_tools.coco import coco, write_coco
from kseg.data.label_tools.coco import splits as coco_splits
from kseg.data.label_tools.cvat import cvat
from kseg.data.label_tools.cvat import splits as cvat_splits
from kseg.data.label_tools.fields import read_json
from kseg.data.label_tools.labelme import labelme, write_labelme
from kseg.data.label_tools.labelme import splits as labelme_splits
from kseg.data.label_tools.supervisely import splits as supervisely_splits
from kseg.data.label_tools.supervisely import supervisely
from kseg.data.label_tools.yolo import splits as yolo_splits
from kseg.data.label_tools.yolo import write_yolo, yolo
from kseg.data.pairing import pair_masks
from kseg.data.sources import FileSource, Source
from kseg.labels import Labels
from kseg.registry import unknown

READERS: dict[str, tuple[Callable, Callable]] = {
    "coco": (coco, coco_splits),
    "cvat": (cvat, cvat_splits),
    "labelme": (labelme, labelme_splits),
    "supervisely": (supervisely, supervisely_splits),
    "yolo": (yolo, yolo_splits),
}
WRITERS: dict[str, Callable] = {
    "coco": write_coco,
    "labelme": write_labelme,
    "yolo": write_yolo,
}


def open_splits(
    tool: str, path: str | Path, split: str | None, options: Mapping[str, Any]
) -> dict[str | None, Source]:
    """Opens the files of a label tool, of masks, or of a folder.

    Args:
        tool: A name of `READERS`, `"masks"` or `"folder"`.
        path: The files.
        split: Which split; all images count as it where the files have no splits.
            `None` for all splits.
        options: Arguments of the reader.

    Returns:
        Split to source; the split is `None` where nothing says any.

    Raises:
        ValueError: If the tool is unknown, or the files are broken.
        FileNotFoundError: If something is missing.
    """
    path = Path(path)
    if tool == "masks":
        return {split: masks(path, options.get("images"), options.get("classes"))}
    if tool == "folder":
        return _folder_splits(path, split, options.get("classes"))
    if tool not in READERS:
        raise ValueError(unknown("label tool", tool, [*READERS, "masks", "folder"]))
    read, splits = READERS[tool]
    own = splits(path)
    if own:
        return {
            name: read(name, path, **options) for name in ([split] if split else own)
        }
    return {split: read("all", path, **options)}


def masks(
    path: Path, images: str | Path | None = None, classes: Sequence[str] | None = None
) -> FileSource:
    """Opens masks, such as `kseg predict` writes, with their images.

    Args:
        path: Folder of masks; where one is called `<name>_mask`, all others are passed
            over.
        images: Folder of the images; `None` for that of the masks.
        classes: Names of the classes in the order of their ids; `None` for those of
            the one JSON file in the folder that has some.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If files do not pair, or nothing says the classes.
    """
    pairs = pair_masks(Path(images or path), path)
    if classes is not None:
        return FileSource(pairs, Labels.of(classes))
    found = [
        labels for file in sorted(path.glob("*.json")) if (labels := _labels(file))
    ]
    if len(found) != 1:
        raise ValueError(
            "Something must say what the classes of masks are. Received: "
            f"{len(found)} JSON files with classes in {path}. Give `classes`, or put "
            "labels.json or the JSON file of the model there."
        )
    return FileSource(pairs, found[0])


def read_classes(file: Path) -> Labels:
    """Reads the classes of a `labels.json`, or of the JSON file of a model.

    Raises:
        ValueError: If the file has none.
    """
    labels = _labels(file)
    if labels is None:
        raise ValueError(
            "A file of classes must be a labels.json, or the JSON file of a model. "
            f"Received: {file}."
        )
    return labels


def _labels(file: Path) -> Labels | None:
    """Returns the classes of a JSON file, if it has some."""
    data = read_json(file)
    data = data.get("labels", data) if isinstance(data, dict) else {}
    try:
        return Labels.from_dict(data)
    except (KeyError, TypeError, ValueError):
        return None


def _folder_splits(path: Path, split: str | None, classes) -> dict[str | None, Source]:
    """Opens the splits of a folder that are there."""
    if split is not None:
        return {split: folder(split, path, classes)}
    found: dict[str | None, Source] = {}
    missing = None
    for name in SPLITS:
        try:
            found[name] = folder(name, path, classes)
        except FileNotFoundError as error:
            missing = missing or error
    if not found and missing is not None:
        raise missing
    return found


def write(
    tool: str,
    path: str | Path,
    split: str | None,
    source: Source,
    tolerance: float = 0.0,
    background: str | None = "background",
) -> int | None:
    """Writes a source as a folder or for a label tool.

    Args:
        tool: A name of `WRITERS`, or `"folder"`.
        path: The folder to write.
        split: Its name. `None` for none: a folder is divided into train and val, with
            every fifth image for val, and YOLO gets a train.
        source: The examples.
        tolerance: As of the writers.
        background: As of the writers.

    Returns:
        The number of objects written; `None` for a folder.

    Raises:
        ValueError: If the tool is unknown or the source broken.
        FileExistsError: If files are there.
    """
    if tool == "folder":
        if split is not None:
            write_folder(path, split, source)
            return None
        if len(source) < 2:
            raise ValueError(
                "Of one image no share can be set aside for val. Received: one image. "
                "`--split train` writes it as train."
            )
        for name in ("train", "val"):
            chosen = set_aside(range(len(source)), name, 0.2, Path(path))
            write_folder(path, name, Part(source, chosen))
        return None
    if tool not in WRITERS:
        raise ValueError(unknown("form to write", tool, [*WRITERS, "folder"]))
    if split is None and tool == "yolo":
        split = "train"
    options = {"tolerance": tolerance, "background": background}
    return WRITERS[tool](path, source, split, **options)


@contextlib.contextmanager
def all_or_nothing(path: str | Path) -> Iterator[None]:
    """Deletes what a block has put into a folder if the block fails.

    Args:
        path: The folder, which need not exist.
    """
    path = Path(path)
    before = set(path.iterdir()) if path.is_dir() else set()
    existed = path.exists()
    try:
        yield
    except BaseException:
        for new in set(path.iterdir()) - before if path.is_dir() else ():
            if new.is_dir():
                shutil.rmtree(new, ignore_errors=True)
            else:
                new.unlink(missing_ok=True)
        if not existed and path.is_dir():
            path.rmdir()
        raise


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
        path_of = getattr(self.source, "image_path", None)
        return None if path_of is None else path_of(self.indices[index])


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
        path_of = getattr(self._source, "image_path", None)
        return None if path_of is None else path_of(index)

    @property
    def objects(self) -> int | None:
        """The number of objects read; `None` where masks have none."""
        drawn = isinstance(self._source, AnnotationSource)
        return sum(self._objects.values()) if drawn else None

    def rows(self) -> list[tuple[str, int, float]]:
        """Returns name, pixels and share of each class, and of void if it is there."""
        ignore = self.labels.ignore_class
        total = sum(self._pixels.values(), np.zeros(ignore + 1, np.int64))
        named = [*zip(self.labels.names, total.tolist(), strict=False)]
        named += [("void", int(total[ignore]))] * bool(total[ignore])
        whole = max(int(total.sum()), 1)
        return [(name, pixels, pixels / whole) for name, pixels in named]

    def _count(self, index: int, mask: np.ndarray) -> None:
        size = self.labels.ignore_class + 1
        self._pixels[index] = np.bincount(mask.ravel(), minlength=size)
        if isinstance(self._source, AnnotationSource):
            self._objects[index] = len(self._source.objects(index))
