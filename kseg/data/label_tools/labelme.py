"""LabelMe: a JSON file an image (https://github.com/wkentaro/labelme)."""

import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kseg.data.folder_layouts import is_split, known_splits, set_aside
from kseg.data.label_tools.annotations import (
    VOID,
    Annotated,
    AnnotationSource,
    Object,
    Rules,
    open_items,
)
from kseg.data.label_tools.bitmaps import from_base64, from_png
from kseg.data.label_tools.fields import (
    find_image,
    is_annotation,
    number,
    point_array,
    polygon,
    read_json,
)
from kseg.data.label_tools.outlines import one_ring
from kseg.data.label_tools.shapes import Bitmap, Ellipse, Line, Shape, box
from kseg.data.label_tools.writing import Writer, write_split
from kseg.data.sources import Source

_BACKGROUND = "_background_"  # what LabelMe's own converter calls it
# The version of the format that is written, which LabelMe 5 and 6 read.
_VERSION = "5.5.0"


def labelme(
    split: str,
    path: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    background: str | None = "background",
    void: Sequence[str] = VOID,
    skip: Sequence[str] = (),
    overlap: str = "last",
    ignore_class: int = 255,
    validation_fraction: float = 0.2,
    line_width: float = 10,
    point_radius: float = 5,
) -> AnnotationSource:
    """Opens a folder of LabelMe's JSON files.

    Args:
        split: `"train"`, `"val"` (or `valid`, `validation`) or another that is a folder
            in it; without folders a share is set aside for `"val"`. `"all"` is all of
            them.
        path: The folder, searched below too.
        images: Folder of the images; `None` for where the JSON files say.
        classes: Names of the classes in the order of their ids; `None` for those of
            `labels.json` in the folder, or the labels of the files in the order of the
            alphabet.
        background: Class of the pixels that nothing covers, id 0 where `classes` lack
            it; LabelMe's `_background_` is it, too. `None` makes them void.
        void: Labels whose pixels count nothing.
        skip: Labels that are not drawn.
        overlap: Which of two objects shows: `"last"`, the later in the file, `"small"`,
            the one of fewer pixels, or `"void"`, none of two classes.
        ignore_class: Class id of pixels that count nothing.
        validation_fraction: The share.
        line_width: Pixels of lines; 10 is LabelMe's.
        point_radius: Pixels of points; 5 is LabelMe's.

    Returns:
        The images with masks that are drawn when they are read.

    Raises:
        FileNotFoundError: If the folder, the split or an image is missing.
        ValueError: If a file or an object is broken.
    """
    path = Path(path)
    rules = Rules(classes, background, void, skip, overlap, ignore_class)
    files = _files(path, split, validation_fraction)
    items = []
    for file in files:
        data = _read(file)
        folders = [Path(images) if images else None, file.parent]
        name = data.get("imagePath")
        image = find_image(str(name or f"{file.stem}.jpg"), folders, file)
        size = data.get("imageHeight"), data.get("imageWidth")
        size = None if None in size else (int(size[0] or 0), int(size[1] or 0))
        draw = (line_width, point_radius)
        read = functools.partial(_objects, file, background, *draw)
        items.append(Annotated(image, str(file), size, read))
    # Of all splits, which are to have the same classes.
    found = functools.partial(_labels, sorted(_below(path)), background)
    return open_items(items, rules, found, path)


def splits(path: Path) -> list[str]:
    """Returns the splits that a folder has of its own."""
    return known_splits(p.name for p in path.glob("*/") if any(_below(p)))


def _files(path: Path, split: str, fraction: float) -> list[Path]:
    """Returns the JSON files of a split."""
    if not path.is_dir():
        raise FileNotFoundError(f"`path` must be a folder. Received: {path}.")
    own = splits(path)
    if own and split != "all":
        folders = [p for p in path.glob("*/") if is_split(p.name, split)]
        files = sorted(file for folder in folders for file in _below(folder))
        if not files:
            raise FileNotFoundError(
                f"A split must be a folder of JSON files. Received: {path / split}; "
                f"{path} has {own}."
            )
        return files
    files = sorted(_below(path))
    if not files:
        raise FileNotFoundError(
            f"A folder of LabelMe must hold JSON files. Received: {path}, without one."
        )
    return set_aside(files, split, fraction, path)


def _below(path: Path) -> Iterator[Path]:
    """Yields the JSON files of a folder but for that of the classes."""
    return filter(is_annotation, path.rglob("*.json"))


def _read(file: Path) -> dict[str, Any]:
    data = read_json(file)
    if not isinstance(data, dict) or not isinstance(data.get("shapes"), list):
        raise ValueError(
            f"A file of LabelMe must have a list `shapes`. Received: {file}."
        )
    return data


def _labels(files: Sequence[Path], background: str | None) -> list[str]:
    """Returns the labels of files, sorted."""
    shapes = (shape for file in files for shape in _read(file)["shapes"])
    return sorted({_label(shape, background) for shape in shapes})


def _label(shape: Any, background: str | None) -> str:
    label = str(shape.get("label")) if isinstance(shape, dict) else ""
    return background if background and label == _BACKGROUND else label


def _objects(
    file: Path,
    background: str | None,
    line_width: float,
    point_radius: float,
    size: tuple[int, int],
) -> list[Object]:
    """Returns the objects of a file."""
    found = []
    for index, shape in enumerate(_read(file)["shapes"]):
        make = functools.partial(_shape, shape, line_width, point_radius)
        found.append(Object(_label(shape, background), index, make))
    return found


def _shape(shape: dict[str, Any], line_width: float, point_radius: float) -> Shape:
    """Returns the shape of an entry of `shapes`."""
    kind, points = shape.get("shape_type") or "polygon", shape["points"]
    if kind == "polygon":
        return polygon(points)
    if kind in ("line", "linestrip"):
        return Line(point_array(points, 2), number(line_width, "`line_width`"))
    if kind == "point":
        x, y = point_array(points, 1)[0]
        return Ellipse((x, y), (point_radius, point_radius))
    if kind not in ("rectangle", "circle", "mask"):
        raise ValueError(
            f"it is a {kind!r}; polygon, rectangle, circle, line, linestrip, point and "
            "mask are known."
        )
    corners = point_array(points, 2)
    if kind == "rectangle":
        return box(*corners.min(axis=0), *corners.max(axis=0))
    (x0, y0), (x1, y1) = corners[:2]
    if kind == "circle":
        radius = float(np.hypot(x1 - x0, y1 - y0))
        if not radius:
            raise ValueError("its radius is 0.")
        return Ellipse((x0, y0), (radius, radius))
    return Bitmap(int(x0), int(y0), from_png(from_base64(shape["mask"])))


def write_labelme(
    path: str | Path,
    source: Source,
    split: str | None = None,
    tolerance: float = 0.0,
    background: str | None = "background",
) -> int:
    """Writes images and masks for correction in LabelMe.

    Every region of a class becomes a polygon; one with holes a polygon with cuts to
    them. Beside the files lies `labels.json`, from which `labelme` takes the classes.

    Args:
        path: A folder, new or empty, or with other splits of the same classes.
        source: The examples.
        split: Folder in it; `None` for none.
        tolerance: Pixels that simplified outlines may be away. With 0, `labelme` reads
            the same masks again.
        background: Class that is not written, if there is one of this name: it is what
            nothing covers. Without, void is what nothing covers.

    Returns:
        The number of objects written.

    Raises:
        FileExistsError: If files are there.
        ValueError: If the source is broken.
    """
    writer = Writer(source, tolerance, background)
    return write_split(path, split, writer, _write)


def _write(folder: Path, writer: Writer) -> None:
    """Writes JSON files with their images beside them."""
    for image in writer.images(folder):
        shapes = [
            {
                "label": region.label,
                "points": one_ring(rings).tolist(),
                "group_id": None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
                "mask": None,
            }
            for region, rings in image.regions
        ]
        data = {
            "version": _VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": image.file.name,
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        (folder / f"{image.name}.json").write_text(json.dumps(data, indent=2))
