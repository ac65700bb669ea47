"""Supervisely: a project with `meta.json` and a JSON file an image.

https://docs.supervisely.com/customization-and-integration/00_ann_format_navi
"""

import functools
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
    number,
    point_array,
    polygon,
    read_json,
)
from kseg.data.label_tools.shapes import Bitmap, Ellipse, Line, Shape, box
from kseg.labels import Color

# Most bytes of an unpacked bitmap: what unpacks to more is no mask.
_MOST_BYTES = 1 << 28


def supervisely(
    split: str,
    path: str | Path,
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
    """Opens a project of Supervisely.

    Args:
        split: `"train"`, `"val"` or another that is a data set of the project; without
            these a share of all is set aside for `"val"`. `"all"` is all of them.
        path: The folder of the project, with `meta.json` and data sets of `img` and
            `ann`.
        classes: Names of the classes in the order of their ids; `None` for those of
            `labels.json` in the folder, or of `meta.json` in its order.
        background: Class of the pixels that nothing covers, id 0 where `classes` lack
            it. `None` makes them void.
        void: Classes whose pixels count nothing.
        skip: Classes that are not drawn.
        overlap: Which of two objects shows: `"last"`, the later in the file, `"small"`,
            the one of fewer pixels, or `"void"`, none of two classes.
        ignore_class: Class id of pixels that count nothing.
        validation_fraction: The share.
        line_width: Pixels of lines.
        point_radius: Pixels of points.

    Returns:
        The images with masks that are drawn when they are read.

    Raises:
        FileNotFoundError: If the project, the split or an image is missing.
        ValueError: If a file or an object is broken.
    """
    path = Path(path)
    rules = Rules(classes, background, void, skip, overlap, ignore_class)
    colors = _classes(path / "meta.json")
    own = splits(path)
    folders = _folders(path)
    if own and split != "all":
        folders = [folder for folder in folders if is_split(folder.name, split)]
        if not folders:
            raise FileNotFoundError(
                f"A project must have the split. Received: {split!r} of {path}, which "
                f"has {own}."
            )
    items = []
    for file in (f for folder in folders for f in sorted(folder.glob("ann/*.json"))):
        size = _size(file)
        image = find_image(file.stem, [file.parents[1] / "img"], file)
        read = functools.partial(_objects, file, line_width, point_radius)
        items.append(Annotated(image, str(file), size, read))
    if not own or split == "all":
        items = set_aside(items, split, validation_fraction, path)
    return open_items(items, rules, lambda: colors, path, colors)


def splits(path: Path) -> list[str]:
    """Returns the splits that a project has of its own."""
    return known_splits(folder.name for folder in _folders(path))


def _folders(path: Path) -> list[Path]:
    """Returns the data sets of a project."""
    found = [folder.parent for folder in sorted(path.rglob("ann")) if folder.is_dir()]
    if not found:
        raise FileNotFoundError(
            "A project of Supervisely must have data sets, folders with img and ann. "
            f"Received: {path}, without one."
        )
    return found


def _classes(file: Path) -> dict[str, Color]:
    """Returns names and colours of the classes."""
    data = read_json(file)
    try:
        return {str(c["title"]): color_of(str(c["color"])) for c in data["classes"]}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "`meta.json` must have a list `classes` with title and color. Received: "
            f"{file}, in which {error} is missing or wrong."
        ) from error


def color_of(text: str) -> Color:
    """Returns RGB of a colour such as `#FF8000`.

    Args:
        text: The colour.

    Raises:
        ValueError: If it is none.
    """
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue


def _read(file: Path) -> dict[str, Any]:
    data = read_json(file)
    if not isinstance(data, dict) or not isinstance(data.get("objects"), list):
        raise ValueError(
            f"A file of Supervisely must have a list `objects`. Received: {file}."
        )
    return data


def _size(file: Path) -> tuple[int, int] | None:
    size = _read(file).get("size")
    return (int(size["height"]), int(size["width"])) if size else None


def _objects(
    file: Path, line_width: float, point_radius: float, size: tuple[int, int]
) -> list[Object]:
    """Returns the objects of a file."""
    found = []
    for index, entry in enumerate(_read(file)["objects"]):
        label = str(entry.get("classTitle")) if isinstance(entry, dict) else ""
        make = functools.partial(_shape, entry, line_width, point_radius)
        found.append(Object(label, index, make))
    return found


def _shape(entry: dict[str, Any], line_width: float, point_radius: float) -> Shape:
    """Returns the shape of an object."""
    kind = entry.get("geometryType") or entry.get("shape")
    if kind == "bitmap":
        bitmap = entry["bitmap"]
        left, top = (int(side) for side in bitmap["origin"])
        return Bitmap(left, top, from_png(_unpack(from_base64(bitmap["data"]))))
    if kind not in ("polygon", "rectangle", "line", "point"):
        raise ValueError(
            f"it is a {kind!r}; polygon, rectangle, line, point and bitmap are known."
        )
    points = entry["points"]["exterior"]
    if kind == "polygon":
        return polygon(points, entry["points"].get("interior") or ())
    if kind == "rectangle":
        corners = point_array(points, 2)
        return box(*corners.min(axis=0), *corners.max(axis=0))
    if kind == "line":
        return Line(point_array(points, 2), number(line_width, "`line_width`"))
    x, y = point_array(points, 1)[0]
    return Ellipse((x, y), (point_radius, point_radius))


def _unpack(data: bytes) -> bytes:
    """Unpacks what zlib packed."""
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"its bitmap is not packed by zlib: {error}.") from error
    if unpacker.unconsumed_tail:
        raise ValueError(f"its bitmap unpacks to more than {_MOST_BYTES} bytes.")
    return unpacked
