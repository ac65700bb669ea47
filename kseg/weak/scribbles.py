"""The one reader of scribbles: ScribbleSup's XML, pictures, and lists of points.

The XML is that of the annotations of PASCAL VOC that Lin et al. ("ScribbleSup", CVPR
2016) published: a `polygon` is a stroke, an open line through its points, and its
`tag` the class. https://jifengdai.org/downloads/scribble_sup/
"""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw

from kseg.labels import Labels
from kseg.raster import open_picture
from kseg.registry import unknown

_PICTURES = (".png", ".bmp", ".tif", ".tiff")


class _Stroke(NamedTuple):
    """A line through points, x and y in pixels, of one class (a name or an id)."""

    category: str
    points: list[tuple[float, float]]


def read_scribbles(
    path: str | Path,
    labels: Labels,
    size: tuple[int, int] | None = None,
    width: int = 3,
    aliases: Mapping[str, str] | None = None,
    unlabelled: int | None = None,
) -> np.ndarray:
    """Reads the scribbles of an image as a mask.

    The file's ending says what it is:
    - `.xml`: the format of ScribbleSup;
    - `.png`, `.bmp`, `.tif`, `.tiff`: a mask of class ids, grey or palette, in which
      most pixels are unlabelled;
    - `.csv`: points, with the columns `x`, `y`, `class`, and `stroke` if points are to
      be joined: those of one stroke (any text) are, in their order;
    - `.json`: a list of points, objects with the keys `x`, `y`, `class` and, if
      points are to be joined, `stroke`.

    In a picture classes are ids. Elsewhere one is a name or, where none is called so,
    an id, in digits or as a number of JSON. x counts from the left edge, y
    from the upper one, in pixels from 0; where strokes cross, the later one is on top.

    Args:
        path: The file.
        labels: The classes.
        size: Height and width of the image; needed for CSV and JSON, checked for
            others.
        width: Of strokes and points in pixels; a picture has its own.
        aliases: Name in the file to the name of the class, such as `{"plane":
            "aeroplane"}`.
        unlabelled: Value in a picture of pixels without a scribble; those of
            `ignore_class` have none either. Refused for other files.

    Returns:
        Array `(height, width)` of uint8, or uint16 for more than 255 classes: class
        ids, and `labels.ignore_class` where there is no scribble.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is broken, is not of the image's size or holds no
            scribble, a class is none of `labels`, a point lies outside of the image,
            or an argument is wrong.
    """
    path = Path(path)
    if width < 1:
        raise ValueError(f"`width` must be 1 or more. Received: {width}.")
    if path.suffix.lower() in _PICTURES:
        mask = _read_picture(path, labels, unlabelled)
        _check_size(path, mask.shape, size)
    else:
        if unlabelled is not None:
            raise ValueError(
                "`unlabelled` is a value of pixels in a picture; strokes and points "
                f"leave all others without a scribble. Received: {unlabelled} for "
                f"{path}."
            )
        strokes, shape = _reader(path)(path)
        _check_size(path, shape, size)
        if (shape := shape or size) is None:
            raise ValueError(
                "The size of the image must be known. Received: size=None for "
                f"{path}, which does not say it. Give `size=(height, width)`."
            )
        mask = _draw(path, strokes, shape, width, labels, aliases or {})
    if (mask == labels.ignore_class).all():
        raise ValueError(f"A file must hold a scribble. Received: {path}, without one.")
    return mask


def _reader(path: Path) -> Callable[[Path], tuple[list[_Stroke], tuple | None]]:
    """Returns what reads strokes, and the image's size if the file says it."""
    readers = {".xml": _read_xml, ".csv": _read_csv, ".json": _read_json}
    if path.suffix.lower() not in readers:
        raise ValueError(
            f"Scribbles must be a file of {', '.join(readers)} or a lossless picture "
            f"({', '.join(_PICTURES)}). Received: {path}."
        )
    return readers[path.suffix.lower()]


def _read_picture(path: Path, labels: Labels, unlabelled: int | None) -> np.ndarray:
    """Reads a mask of class ids."""
    image = open_picture(path)
    if image.mode not in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L"):
        raise ValueError(
            "Scribbles must be class ids, grey or palette. Received: "
            f"{path}, of Pillow's mode {image.mode!r}."
        )
    ids = np.asarray(image).astype(np.int32)
    if unlabelled is not None:
        ids[ids == unlabelled] = labels.ignore_class
    wrong = ids[(ids >= labels.num_classes) & (ids != labels.ignore_class) | (ids < 0)]
    if wrong.size:
        raise ValueError(
            f"Scribbles must be class ids 0 to {labels.num_classes - 1} or the ignore "
            f"class {labels.ignore_class}. Received: {path}, with "
            f"{np.unique(wrong)[:8].tolist()} in {wrong.size / ids.size:.2%} of its "
            "pixels. `unlabelled=value` says which value stands for no scribble."
        )
    return ids.astype(labels.mask_dtype)


class _NoDoctype(ElementTree.TreeBuilder):
    """Refuses what could define entities that grow without bounds."""

    def doctype(self, name, pubid, system):
        """Raises: scribbles have no document type."""
        raise ValueError(f"it has a document type, {name!r}, which is refused")


def _read_xml(path: Path) -> tuple[list[_Stroke], tuple[int, int] | None]:
    """Reads the format of ScribbleSup."""
    parser = ElementTree.XMLParser(target=_NoDoctype())
    try:
        root = ElementTree.parse(path, parser).getroot()
        strokes = [
            _Stroke(
                _text(polygon, "tag"),
                [
                    (float(_text(point, "X")), float(_text(point, "Y")))
                    for point in polygon.iter("point")
                ],
            )
            for polygon in root.iter("polygon")
        ]
        shape = None
        if root.find("size") is not None:
            shape = int(_text(root, "size/height")), int(_text(root, "size/width"))
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(
            "XML must be whole, with polygons of a tag and points of X and Y. "
            f"Received: {path}: {error}."
        ) from error
    return strokes, shape


def _text(element: ElementTree.Element, name: str) -> str:
    """Returns the text of a part, or raises."""
    found = element.findtext(name, "").strip()
    if not found:
        raise ValueError(f"<{element.tag}> without <{name}>")
    return found


def _read_csv(path: Path) -> tuple[list[_Stroke], None]:
    """Reads the points of a table."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        return _strokes(path, csv.DictReader(file)), None


def _read_json(path: Path) -> tuple[list[_Stroke], None]:
    """Reads the points of a list."""
    try:
        rows = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"JSON must be whole. Received: {path}: {error}.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(
            "JSON must be a list of objects with the keys x, y and class. Received: "
            f"{path}."
        )
    return _strokes(path, rows), None


def _strokes(path: Path, rows: Iterable[Mapping]) -> list[_Stroke]:
    """Makes strokes of points: those of one class and stroke are one."""
    strokes: dict[object, _Stroke] = {}
    try:
        for number, row in enumerate(rows):
            try:
                point = float(row["x"]), float(row["y"])
                category = _category(row["class"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    "A point must have the numbers x and y, and class. Received: "
                    f"{path}, point {number + 1}: {dict(row)}."
                ) from error
            name = row.get("stroke")
            key = number if name in (None, "") else (category, str(name))
            strokes.setdefault(key, _Stroke(category, [])).points.append(point)
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"CSV must be text. Received: {path}: {error}.") from error
    return list(strokes.values())


def _category(value: object) -> str:
    """Returns the name or the id of a class as text, or raises."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON of other languages has no whole numbers
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{value!r} is no class")
    if not (text := str(value).strip()):
        raise ValueError("no class")
    return text


def _draw(path, strokes, shape, width, labels, aliases) -> np.ndarray:
    """Draws strokes in their order."""
    image = Image.new("I", (shape[1], shape[0]), labels.ignore_class)
    draw = ImageDraw.Draw(image)
    before, after = (width - 1) // 2, width // 2
    for stroke in strokes:
        identity = _identity(path, stroke.category, labels, aliases)
        for x, y in stroke.points:
            if not (0 <= x < shape[1] and 0 <= y < shape[0]):
                raise ValueError(
                    "A point must lie in the image. Received: "
                    f"{path}, ({x:g}, {y:g}) of {stroke.category!r} in an image "
                    f"{shape[1]} wide and {shape[0]} high."
                )
        points = [(int(x), int(y)) for x, y in stroke.points]
        if len(points) > 1:
            draw.line(points, identity, width)
        # Lines end and bend without corners of their own.
        for x, y in points:
            draw.rectangle((x - before, y - before, x + after, y + after), identity)
    return np.asarray(image).astype(labels.mask_dtype)


def _identity(path, category: str, labels: Labels, aliases: Mapping[str, str]) -> int:
    """Returns the id of a class by its name, its alias or its id as text."""
    name = aliases.get(category, category)
    if name in labels.names:
        return labels.names.index(name)
    if name.isdecimal() and int(name) < labels.num_classes:
        return int(name)
    raise ValueError(
        f"{unknown('class', name, list(labels.names))} It is in {path}; "
        "`aliases={name in the file: class}` translates."
    )


def _check_size(path: Path, found: tuple | None, size: tuple | None) -> None:
    """Raises if a file is of another size than its image."""
    if found is not None and min(found) < 1:
        raise ValueError(
            f"An image must have a pixel. Received: {path}, which says {found}."
        )
    if found is not None and size is not None and tuple(found) != tuple(size):
        raise ValueError(
            "Scribbles must have the height and width of their image. Received: "
            f"{path} of {tuple(found)} for an image of {tuple(size)}."
        )
