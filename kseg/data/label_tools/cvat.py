"""CVAT: "CVAT for images 1.1", an XML file, and "Segmentation mask 1.1", PNGs.

https://docs.cvat.ai/docs/other/xml_format
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from kseg.data.folder_layouts import (
    is_split,
    known_splits,
    set_aside,
    split_pairs,
)
from kseg.data.label_tools.annotations import (
    VOID,
    Annotated,
    AnnotationSource,
    Object,
    Rules,
    find_labels,
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
from kseg.labels import Color
from kseg.registry import unknown

_SHAPES = ("polygon", "polyline", "box", "ellipse", "mask")
# What says something of an image or an object, but not which pixels.
_OTHER = ("tag",)
# What CVAT calls what nothing covers in masks.
_BACKGROUND = "background"
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
            of two classes. In masks nothing overlaps.
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
    own = known_splits(map(_subset, entries))
    if own and split != "all":
        entries = [entry for entry in entries if is_split(_subset(entry), split)]
        if not entries:
            raise FileNotFoundError(
                f"{file} must have the split. Received: {split!r}; it has {own}."
            )
    else:
        entries = set_aside(entries, split, validation_fraction, file)
    root = file.parent
    items = []
    for entry in entries:
        name, subset = entry.get("name", ""), _subset(entry)
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
        return known_splits(_lists(path))
    file = path / "annotations.xml" if path.is_dir() else path
    return known_splits(map(_subset, parse_xml(file).findall("image")))


def _subset(entry: ElementTree.Element) -> str:
    """Returns what an image is a part of; CVAT calls it so where nobody did."""
    return entry.get("subset") or "default"


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
        found.append((layer, Object(label, index, make)))
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
    colors = _labelmap(path / "labelmap.txt")
    found = [n for n in colors if n != _BACKGROUND]
    labels = find_labels(rules, lambda: found, path, colors)
    names, ignore = labels.names, labels.ignore_class
    lacking = [n for n in names if n not in colors and n != rules.background]
    if lacking:
        raise ValueError(
            f"Every class must have a colour in {path / 'labelmap.txt'}. Received: "
            f"classes without, {lacking}; it has {list(colors)}."
        )
    rest = names.index(rules.background) if rules.background in names else ignore
    # A class counts first, whatever else its name says.
    ids = {
        **dict.fromkeys((*rules.skip, _BACKGROUND), rest),
        **dict.fromkeys(rules.void, ignore),
        **{name: index for index, name in enumerate(names)},
    }
    for name in colors:
        if name not in ids:
            raise ValueError(
                unknown("label", name, [*names, *rules.void])
                + f" It is of {path / 'labelmap.txt'}. `skip` names labels that are as "
                "what nothing covers, `void` those that count nothing."
            )
    color_map = {color: ids[name] for name, color in colors.items()}
    listed = _lists(path)
    if listed and (split == "all" or not known_splits(listed)):
        every = [p for name in listed for p in _pairs(path, name, images, fraction)]
        pairs = set_aside(list(dict.fromkeys(every)), split, fraction, path)
    else:
        pairs = _pairs(path, split, images, fraction)
    return FileSource(pairs, labels, color_map)


def _labelmap(file: Path) -> dict[str, Color]:
    """Returns the colours of labels."""
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
    return colors


def _lists(path: Path) -> list[str]:
    """Returns the names of the lists of images."""
    return sorted(p.stem for p in path.glob("ImageSets/Segmentation/*.txt"))


def _pairs(path: Path, split: str, images: str | Path | None, fraction: float):
    """Returns the pairs of a split, whose images may be in another folder."""
    if images is not None:
        images = str(Path(images).absolute())
    return split_pairs(path, split, images, "SegmentationClass", fraction=fraction)
