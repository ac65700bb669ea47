"""CVAT: "CVAT for images 1.1", an XML file, and "Segmentation mask 1.1", PNGs.

https://docs.cvat.ai/docs/other/xml_format
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from kseg.data.folder_layouts import SPLITS, set_aside, split_pairs
from kseg.data.label_tools.annotations import (
    VOID,
    Annotated,
    AnnotationSource,
    Object,
    Rules,
    naming,
    open_items,
)
from kseg.data.label_tools.bitmaps import from_runs
from kseg.data.label_tools.fields import (
    find_image,
    number,
    point_array,
    polygon,
)
from kseg.data.label_tools.shapes import Bitmap, Ellipse, Line, Shape, box
from kseg.data.label_tools.supervisely import color_of
from kseg.data.sources import FileSource
from kseg.labels import Color, Labels

_SHAPES = ("polygon", "polyline", "box", "ellipse", "mask")
# What says something of an image or an object, but not which pixels.
_OTHER = ("tag",)
# Labels that are of no area.
_POINTS = ("skeleton", "points", "tag", "cuboid")


def cvat(
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
) -> AnnotationSource | FileSource:
    """Opens an export of CVAT.

    Args:
        split: `"train"`, `"val"` or another subset of the export; without such a share
            is set aside for `"val"`. `"all"` is all of it.
        path: The XML file, the folder that holds `annotations.xml`, or a folder of
            "Segmentation mask 1.1", which holds `labelmap.txt`.
        images: Folder of the images; `None` for the usual ones.
        classes: Names of the classes in the order of their ids; `None` for those of
            `labels.json` in the folder, or of the export in its order.
        background: Class of the pixels that nothing covers, id 0 where `classes` lack
            it. `None` makes them void.
        void: Labels whose pixels count nothing.
        skip: Labels that are not drawn.
        overlap: Which of two objects shows: `"last"`, the one of larger `z_order` and
            of equals the later, `"small"`, the one of fewer pixels, or `"void"`, none
            of two classes.
        ignore_class: Class id of pixels that count nothing.
        validation_fraction: The share.
        line_width: Pixels of polylines.

    Returns:
        The images with masks that are drawn when they are read, or the files of both.

    Raises:
        FileNotFoundError: If the file, the split or an image is missing.
        ValueError: If the file or an object is broken.
    """
    path = Path(path)
    rules = Rules(classes, background, void, skip, overlap, ignore_class)
    if (path / "labelmap.txt").is_file():
        return _masks(path, split, images, rules, validation_fraction)
    file = path / "annotations.xml" if path.is_dir() else path
    tree = parse_xml(file)
    if tree.tag != "annotations" or tree.find("track") is not None:
        raise ValueError(
            "A file of CVAT must be of images. Received: "
            f"{file}, of {'a video' if tree.tag == 'annotations' else tree.tag!r}. "
            "Export it as 'CVAT for images 1.1'."
        )
    entries = tree.findall("image")
    own = _subsets(entries)
    if own and split != "all":
        names = SPLITS.get(split, (split,))
        entries = [e for e in entries if (e.get("subset") or "").lower() in names]
        if not entries:
            raise FileNotFoundError(
                f"{file} must have the split. Received: {split!r}; it has {own}."
            )
    else:
        entries = set_aside(entries, split, validation_fraction, file)
    root = file.parent
    items = []
    for entry in entries:
        name, subset = entry.get("name", ""), entry.get("subset") or "default"
        places = [Path(images) if images else None, root / "images"]
        places += [root / "images" / subset, root / subset, root]
        where = f"image {name!r} of {file}"
        read = functools.partial(_objects, where, entry, line_width)
        height, width = (
            int(number(entry.get(side), f"The {side} of {where}"))
            for side in ("height", "width")
        )
        image = find_image(name, places, file)
        items.append(Annotated(image, where, (height, width), read))
    return open_items(items, rules, lambda: _names(tree), path, _colors(tree))


def splits(path: Path) -> list[str]:
    """Returns the splits that an export has of its own."""
    if (path / "labelmap.txt").is_file():
        lists = path / "ImageSets" / "Segmentation"
        return [
            s for s, n in SPLITS.items() for m in n if (lists / f"{m}.txt").exists()
        ]
    file = path / "annotations.xml" if path.is_dir() else path
    return _subsets(parse_xml(file).findall("image"))


def _subsets(entries: Sequence[ElementTree.Element]) -> list[str]:
    """Returns the splits that images are of."""
    there = {(entry.get("subset") or "").lower() for entry in entries}
    return [split for split, names in SPLITS.items() if there & set(names)]


def parse_xml(file: Path) -> ElementTree.Element:
    """Reads an XML file that declares nothing of its own.

    Entities that grow, or that name other files, are declared in a document type; a
    file that has one is refused.

    Args:
        file: The file.

    Raises:
        ValueError: If it is broken, or has a document type.
    """

    def refuse(*_):
        raise ValueError("it has a document type, which may hide other content")

    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        with open(file, "rb") as stream:
            parser.ParseFile(stream)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ValueError(
            f"An XML file must be whole. Received: {file}: {error}."
        ) from error


def _names(tree: ElementTree.Element) -> list[str]:
    """Returns the labels of the task or project; if there are none, of the shapes."""
    labels = [
        label.findtext("name", "")
        for label in tree.iterfind("meta//labels/label")
        if label.findtext("type") not in _POINTS and label.find("parent") is None
    ]
    shapes = (shape for kind in _SHAPES for shape in tree.iterfind(f"image/{kind}"))
    return labels or sorted({shape.get("label", "") for shape in shapes})


def _colors(tree: ElementTree.Element) -> dict[str, Color]:
    """Returns the colours of labels."""
    colors = {}
    for label in tree.iterfind("meta//labels/label"):
        color = label.findtext("color")
        if color:
            colors[label.findtext("name", "")] = color_of(color)
    return colors


def _objects(
    where: str, entry: ElementTree.Element, line_width: float, size: tuple[int, int]
) -> list[Object]:
    """Returns the objects of an image, those of smaller `z_order` first."""
    found = []
    for index, shape in enumerate(entry):
        if shape.tag in _OTHER:
            continue
        label = shape.get("label", "")
        make = functools.partial(_shape, shape, line_width)
        layer = number(shape.get("z_order", 0), f"z_order of object {index} of {where}")
        found.append((layer, naming(where, label, index, make)))
    return [one for _, one in sorted(found, key=lambda entry: entry[0])]


def _shape(shape: ElementTree.Element, line_width: float) -> Shape:
    """Returns the shape of an element."""

    def read(*names: str) -> list[float]:
        return [number(shape.attrib[name], f"`{name}`") for name in names]

    rotation = number(shape.get("rotation", 0), "`rotation`")
    if shape.tag == "box":
        left, top, right, bottom = read("xtl", "ytl", "xbr", "ybr")
        if not (left < right and top < bottom):
            raise ValueError("its box has no area.")
        return box(left, top, right, bottom, rotation)
    if shape.tag == "ellipse":
        x, y, *radii = read("cx", "cy", "rx", "ry")
        if min(radii) <= 0:
            raise ValueError("its radii are not above 0.")
        return Ellipse((x, y), (radii[0], radii[1]), rotation)
    if shape.tag == "mask":
        left, top, width, height = (
            int(side) for side in read("left", "top", "width", "height")
        )
        runs = [int(run) for run in shape.attrib["rle"].split(",")]
        return Bitmap(left, top, from_runs(runs, height, width))
    if shape.tag not in _SHAPES:
        raise ValueError(f"it is a {shape.tag!r}; {', '.join(_SHAPES)} are known.")
    text = shape.attrib["points"]
    points = [[float(v) for v in pair.split(",")] for pair in text.split(";")]
    if shape.tag == "polyline":
        return Line(point_array(points, 2), line_width)
    return polygon(points)


def _masks(
    path: Path,
    split: str,
    images: str | Path | None,
    rules: Rules,
    fraction: float,
) -> FileSource:
    """Opens a folder of 'Segmentation mask 1.1'."""
    file = path / "labelmap.txt"
    colors: dict[str, Color] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        try:
            red, green, blue = (int(value) for value in rest.split(":")[0].split(","))
        except ValueError as error:
            raise ValueError(
                "A line of labelmap.txt must be name:red,green,blue:parts:actions. "
                f"Received: {line!r} in {file}."
            ) from error
        colors[name] = (red, green, blue)
    drawn = [name for name in colors if name not in rules.void]
    names = rules.classes or sorted(drawn, key=lambda name: name != rules.background)
    lacking = [name for name in names if name not in colors]
    if lacking or not names:
        raise ValueError(
            f"Every class must have a colour in {file}. Received: classes without, "
            f"{lacking}; it has {list(colors)}."
        )
    labels = Labels(tuple(names), tuple(colors[n] for n in names), rules.ignore_class)
    ids = {name: index for index, name in enumerate(names)}
    color_map = {color: ids.get(n, rules.ignore_class) for n, color in colors.items()}
    lists = path / "ImageSets" / "Segmentation"
    if split == "all" or not (splits(path) or not lists.is_dir()):
        listed = [p.stem for p in sorted(lists.glob("*.txt"))]
        pairs = [p for s in listed for p in _pairs(path, s, images, fraction)]
        return FileSource(set_aside(pairs, split, fraction, path), labels, color_map)
    return FileSource(_pairs(path, split, images, fraction), labels, color_map)


def _pairs(path: Path, split: str, images: str | Path | None, fraction: float):
    """Returns the pairs of a split, whose images may be in another folder."""
    if images is not None:
        images = str(Path(images).absolute())
    return split_pairs(path, split, images, "SegmentationClass", fraction=fraction)
