"""COCO: one JSON file for many images (https://cocodataset.org/#format-data)."""

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kseg.data.folder_layouts import SPLITS, set_aside
from kseg.data.label_tools.annotations import (
    VOID,
    Annotated,
    AnnotationSource,
    Object,
    Rules,
    open_items,
)
from kseg.data.label_tools.bitmaps import decode_text, encode_text, from_runs, to_runs
from kseg.data.label_tools.fields import (
    find_image,
    is_annotation,
    polygon,
    read_json,
)
from kseg.data.label_tools.outlines import Region, one_ring
from kseg.data.label_tools.shapes import Bitmap, Polygon, Shape, draw
from kseg.data.label_tools.writing import VOID_LABEL, Writer, write_split
from kseg.data.sources import Source
from kseg.registry import unknown

CROWDS = ("void", "class", "skip")
FORMS = ("auto", "polygon", "rle")
_FILE = "_annotations.coco.json"
# Where the file of a split is: as COCO, Roboflow and others lay it out.
_PATTERNS = (
    "annotations/instances_{}*.json",
    "annotations/{}*.json",
    "{}/" + _FILE,
    "instances_{}*.json",
    "{}*.json",
)


def coco(
    split: str,
    path: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    background: str | None = "background",
    void: Sequence[str] = VOID,
    skip: Sequence[str] = (),
    overlap: str = "small",
    crowd: str = "void",
    ignore_class: int = 255,
    validation_fraction: float = 0.2,
) -> AnnotationSource:
    """Opens annotations in COCO's form.

    Args:
        split: `"train"`, `"val"` or another that has a file; where there is one file
            only, a share is set aside for `"val"`. `"all"` is all of it.
        path: The JSON file, or the folder that holds it, such as
            `annotations/instances_train2017.json`.
        images: Folder of the images; `None` for the usual ones.
        classes: Names of the classes in the order of their ids; `None` for those of
            `labels.json` in the folder, or the categories in the order of their ids,
            which need not follow one another.
        background: Class of the pixels that nothing covers, id 0 where `classes` lack
            it. `None` makes them void.
        void: Categories whose pixels count nothing.
        skip: Categories that are not drawn.
        overlap: Which of two objects shows: `"small"`, the one of fewer pixels, as
            the files have no order, `"last"`, the later one, or `"void"`, none of two
            classes.
        crowd: What `iscrowd` is: `"void"`, and under all else, `"class"` as any
            object, or `"skip"`.
        ignore_class: Class id of pixels that count nothing.
        validation_fraction: The share.

    Returns:
        The images with masks that are drawn when they are read.

    Raises:
        FileNotFoundError: If the file, the split or an image is missing.
        ValueError: If the file or an object is broken.
    """
    if crowd not in CROWDS:
        raise ValueError(unknown("crowd", crowd, list(CROWDS)))
    path = Path(path)
    rules = Rules(classes, background, void, skip, overlap, ignore_class)
    items, categories = [], []
    for file in _files(path, split):
        found, names = _read(file, path, Path(images) if images else None, crowd)
        items += found
        categories += names
    if split == "all" or not (path.is_dir() and splits(path)):
        items = set_aside(items, split, validation_fraction, path)
    return open_items(items, rules, lambda: categories, path)


def splits(path: Path) -> list[str]:
    """Returns the splits that a folder has of its own."""
    if not path.is_dir():
        return []
    return [name for name in SPLITS if _find(path, name)]


def _find(path: Path, split: str) -> list[Path]:
    """Returns the files that may be that of a split: one, if one is called just so."""
    for name in SPLITS.get(split, (split,)):
        for pattern in _PATTERNS:
            exact = path / pattern.format(name).replace("*", "")
            if found := sorted(path.glob(pattern.format(name))):
                return [exact] if exact in found else found
    return []


def _files(path: Path, split: str) -> list[Path]:
    """Returns the files of a split."""
    if path.is_file():
        return [path]
    own = splits(path)
    if own:
        wanted = own if split == "all" else [split]
        files = []
        for name in wanted:
            found = _find(path, name)
            if len(found) > 1:
                raise ValueError(
                    f"A split must be one file. Received: {split!r} of {path}, for "
                    f"which {[file.name for file in found]} would do. Open one of them "
                    "by its path."
                )
            files += found
    else:
        files = sorted(path.glob("*.json")) + sorted(path.glob("annotations/*.json"))
        files = [file for file in files if is_annotation(file)]
    if len(files) == 0 or (not own and len(files) > 1):
        raise FileNotFoundError(
            "A folder of COCO must hold a JSON file of the split, or one for all. "
            f"Received: split={split!r} of {path}, which has "
            f"{[str(file.relative_to(path)) for file in files] or own}."
        )
    return files


def _read(file: Path, path: Path, images: Path | None, crowd: str):
    """Returns the images of a file, and the names of its categories."""
    data = read_json(file)
    try:
        names = {int(c["id"]): str(c["name"]) for c in data["categories"]}
        sizes = {
            int(i["id"]): (str(i["file_name"]), (int(i["height"]), int(i["width"])))
            for i in data["images"]
        }
        by_image: dict[int, list] = {identity: [] for identity in sizes}
        for index, annotation in enumerate(data["annotations"]):
            by_image[int(annotation["image_id"])].append((index, annotation))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "A file of COCO must have images (id, file_name, height, width), "
            "categories (id, name) and annotations (image_id, category_id, "
            f"segmentation) of them. Received: {file}, in which {error} is missing or "
            "wrong."
        ) from error
    root = path if path.is_dir() else path.parent
    stem = file.stem.removeprefix("instances_")
    places = [images, file.parent, root / stem, root / "images" / stem]
    places += [root / "images", root / "data", root, file.parent.parent / stem]
    items = []
    for identity, (name, size) in sizes.items():
        read = functools.partial(_objects, file, by_image[identity], names, size, crowd)
        items.append(Annotated(find_image(name, places, file), str(file), size, read))
    return items, [names[identity] for identity in sorted(names)]


def _objects(
    file: Path,
    annotations: Sequence[tuple[int, dict[str, Any]]],
    names: dict[int, str],
    size: tuple[int, int],
    crowd: str,
    _: tuple[int, int],
) -> list[Object]:
    """Returns the objects of an image."""
    found = []
    for index, annotation in annotations:
        many = crowd != "class" and bool(annotation.get("iscrowd"))
        if many and crowd == "skip":
            continue
        identity = annotation.get("category_id")
        if identity not in names:
            raise ValueError(
                f"Every annotation must be of a category. Received: object {index} in "
                f"{file}, of category {identity!r}; there are {sorted(names)}."
            )
        make = functools.partial(_shape, annotation, size)
        name = annotation.get("id", index)
        found.append(Object(names[identity], name, make, many))
    return found


def _shape(annotation: dict[str, Any], size: tuple[int, int]) -> Shape:
    """Returns the shape of an annotation."""
    code = annotation["segmentation"]
    if isinstance(code, list):
        if not code:
            raise ValueError("its segmentation is empty; `skip` passes over a label.")
        if len(code) == 1:
            return polygon(code[0])
        return _union([polygon(ring) for ring in code], size)
    height, width = (int(side) for side in code["size"])
    if (height, width) != size:
        raise ValueError(f"its mask is of {(height, width)}, the image of {size}.")
    counts = code["counts"]
    runs = decode_text(counts) if isinstance(counts, str) else counts
    return Bitmap(0, 0, from_runs(runs, width, height).T)


def _union(polygons: Sequence[Polygon], size: tuple[int, int]) -> Bitmap:
    """Returns the parts of an object, which may overlap, as pixels."""
    bits = np.zeros(size, bool)
    for part in polygons:
        window, inside = draw(part, size)
        bits[window] |= inside
    return Bitmap(0, 0, bits)


def write_coco(
    path: str | Path,
    source: Source,
    split: str | None = None,
    tolerance: float = 0.0,
    background: str | None = "background",
    form: str = "auto",
) -> int:
    """Writes images and `_annotations.coco.json`, which `coco` reads.

    Args:
        path: A folder, new or empty, or with other splits of the same classes.
        source: The examples.
        split: Folder in it; `None` for none.
        tolerance: Pixels that simplified outlines may be away. With 0, `coco` reads
            the same masks again.
        background: As of `write_labelme`.
        form: `"polygon"` for outlines, in which a cut leads to a hole; `"rle"` for
            runs; `"auto"` for runs of regions with holes alone.

    Returns:
        The number of objects written.

    Raises:
        FileExistsError: If files are there.
        ValueError: If the source is broken.
    """
    if form not in FORMS:
        raise ValueError(unknown("form", form, list(FORMS)))
    writer = Writer(source, tolerance, background)
    return write_split(path, split, writer, functools.partial(_write, form=form))


def _write(folder: Path, writer: Writer, form: str) -> None:
    """Writes images and their annotations."""
    names = [n for n in writer.labels.names if n != writer.background]
    names += [VOID_LABEL] if writer.background is not None else []
    images, annotations = [], []
    for number, image in enumerate(writer.images(folder), 1):
        size = {"height": image.height, "width": image.width}
        images.append({"id": number, "file_name": image.file.name, **size})
        for region, rings in image.regions:
            runs = form == "rle" or form == "auto" and len(rings) > 1
            bits = region.bitmap.bits
            height, width = bits.shape
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": names.index(region.label) + 1,
                    "segmentation": _runs(region, image.height, image.width)
                    if runs
                    else [one_ring(rings).ravel().tolist()],
                    "area": int(bits.sum()),
                    "bbox": [region.bitmap.left, region.bitmap.top, width, height],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    data = {"images": images, "categories": categories, "annotations": annotations}
    (folder / _FILE).write_text(json.dumps(data))


def _runs(region: Region, height: int, width: int) -> dict[str, Any]:
    """Returns a region as compressed runs."""
    mask = np.zeros((height, width), bool)
    window, bits = draw(region.bitmap, (height, width))
    mask[window] = bits
    return {"size": [height, width], "counts": encode_text(to_runs(mask.T))}
