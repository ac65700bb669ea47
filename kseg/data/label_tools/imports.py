"""From one form of labels to another, split by split: what `kseg import` does."""

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kseg.data.folder import folder
from kseg.data.folder_layouts import folder_splits, set_aside
from kseg.data.folder_writer import write_folder
from kseg.data.label_tools.coco import coco, write_coco
from kseg.data.label_tools.coco import splits as coco_splits
from kseg.data.label_tools.cvat import cvat
from kseg.data.label_tools.cvat import splits as cvat_splits
from kseg.data.label_tools.fields import class_labels
from kseg.data.label_tools.labelme import labelme, write_labelme
from kseg.data.label_tools.labelme import splits as labelme_splits
from kseg.data.label_tools.supervisely import splits as supervisely_splits
from kseg.data.label_tools.supervisely import supervisely
from kseg.data.label_tools.views import Part
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
# Those of which `"all"` is what the splits have.
_ALL_IN_SPLITS = ("coco", "yolo")
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
        ValueError: If the tool is unknown, the files are broken, or for all splits
            there are images of none.
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
    if not own:
        return {split: read("all", path, **options)}
    if split is not None:
        return {split: read(split, path, **options)}
    found = {name: read(name, path, **options) for name in own}
    if tool not in _ALL_IN_SPLITS:
        _check_whole(path, found, read("all", path, **options))
    return found


def _check_whole(path: Path, found: Mapping[Any, Any], whole: Any) -> None:
    """Raises if images are of no split."""
    taken = {s.image_path(i) for s in found.values() for i in range(len(s))}
    left = [whole.image_path(index) for index in range(len(whole))]
    left = sorted({str(image) for image in left if image not in taken})
    if left:
        raise ValueError(
            f"Every image must be of a split. Received: {path}, which has "
            f"{list(found)}, and {len(left)} images of none, such as {left[:3]}. "
            "`--split NAME` imports one split, that may be called otherwise, and "
            "`--split all` everything as one."
        )


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
        labels for file in sorted(path.glob("*.json")) if (labels := class_labels(file))
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
    labels = class_labels(file)
    if labels is None:
        raise ValueError(
            "A file of classes must be a labels.json, or the JSON file of a model. "
            f"Received: {file}."
        )
    return labels


def _folder_splits(path: Path, split: str | None, classes) -> dict[str | None, Source]:
    """Opens the splits of a folder that are there."""
    if split is not None:
        return {split: folder(split, path, classes)}
    # Of a folder without splits a share is set aside.
    own = folder_splits(path) or ("train", "val")
    return {name: folder(name, path, classes) for name in own}


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
        split: Its name. `None` for none: a folder and YOLO's, which must have both,
            are divided into train and val, with every fifth image for val.
        source: The examples.
        tolerance: As of the writers.
        background: As of the writers.

    Returns:
        The number of objects written; `None` for a folder.

    Raises:
        ValueError: If the tool is unknown or the source broken.
        FileExistsError: If files are there.
    """
    if split is not None or tool not in ("folder", "yolo"):
        return _write_split(tool, path, split, source, tolerance, background)
    if len(source) < 2:
        raise ValueError(
            "Of one image no share can be set aside for val. Received: one image. "
            "`--split train` writes it as train."
        )
    objects = []
    for name in ("train", "val"):
        part = Part(source, set_aside(range(len(source)), name, 0.2, Path(path)))
        objects.append(_write_split(tool, path, name, part, tolerance, background))
    return None if None in objects else sum(objects)


def _write_split(tool, path, split, source, tolerance, background) -> int | None:
    """Writes a source as one split, or as all there is."""
    if tool == "folder":
        write_folder(path, split, source)
        return None
    if tool not in WRITERS:
        raise ValueError(unknown("form to write", tool, [*WRITERS, "folder"]))
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
