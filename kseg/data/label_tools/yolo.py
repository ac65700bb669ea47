"""YOLO: a text file of polygons an image (https://docs.ultralytics.com/datasets/segment/)."""

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
from kseg.data.label_tools.fields import point_array
from kseg.data.label_tools.outlines import one_ring
from kseg.data.label_tools.shapes import Polygon
from kseg.data.label_tools.writing import VOID_LABEL, Writer, write_split
from kseg.data.pairing import pictures
from kseg.data.sources import Source
from kseg.files import whole_file
from kseg.optional import import_optional

# How far beyond the image a coordinate may be, as a share: tools round.
_SLACK = 0.01


def yolo(
    split: str,
    path: str | Path,
    classes: Sequence[str] | None = None,
    background: str | None = "background",
    void: Sequence[str] = VOID,
    skip: Sequence[str] = (),
    overlap: str = "small",
    ignore_class: int = 255,
    validation_fraction: float = 0.2,
) -> AnnotationSource:
    """Opens a data set of YOLO for segmentation; needs the package `yaml`.

    Args:
        split: `"train"`, `"val"` or `"test"`, as the YAML file has them. If it has one
            only, a share of it is set aside for `"val"`. `"all"` is all of them.
        path: The YAML file, or the folder that holds `data.yaml`. Labels are text files
            in `labels`, where the images have `images`; an image without one has no
            object, but one image of a split must have one.
        classes: Names of the classes in the order of their ids; `None` for those of
            `labels.json` in the folder, or of the YAML file.
        background: Class of the pixels that nothing covers, id 0 where `classes` lack
            it. `None` makes them void.
        void: Names whose pixels count nothing.
        skip: Names that are not drawn.
        overlap: Which of two objects shows: `"small"`, the one of fewer pixels, as
            the files have no order, `"last"`, the later one, or `"void"`, none of two
            classes.
        ignore_class: Class id of pixels that count nothing.
        validation_fraction: The share.

    Returns:
        The images with masks that are drawn when they are read.

    Raises:
        FileNotFoundError: If the file, the split, a folder or all labels of a split
            are missing.
        ValueError: If the file or an object is broken.
    """
    path = Path(path)
    rules = Rules(classes, background, void, skip, overlap, ignore_class)
    data, file = _read(path)
    names = _names(data, file)
    own = [name for name in SPLITS if data.get(name)]
    if split != "all" and len(own) > 1 and split not in own:
        raise FileNotFoundError(
            f"{file} must have the split. Received: {split!r}; it has {own}."
        )
    wanted = [split] if split in own and len(own) > 1 else own
    images = [image for name in wanted for image in _labelled(name, data, file)]
    items = []
    for image in dict.fromkeys(images):
        label = _label_file(image)
        read = functools.partial(_objects, label, names)
        items.append(Annotated(image, str(label), None, read))
    if split == "all" or len(own) < 2:
        items = set_aside(items, split, validation_fraction, path)
    return open_items(items, rules, lambda: names.values(), path)


def splits(path: Path) -> list[str]:
    """Returns the splits of a YAML file, if it has several."""
    data, _ = _read(path)
    own = [name for name in SPLITS if data.get(name)]
    return own if len(own) > 1 else []


def _read(path: Path) -> tuple[dict[str, Any], Path]:
    """Reads the YAML file."""
    file = path
    if path.is_dir():
        files = sorted(path.glob("*.yaml")) + sorted(path.glob("*.yml"))
        named = [f for f in files if f.stem == "data"]
        if len(named or files) != 1:
            raise FileNotFoundError(
                f"A folder of YOLO must hold data.yaml. Received: {path}, with "
                f"{[f.name for f in files]}."
            )
        file = (named or files)[0]
    yaml = import_optional("yaml")
    try:
        data = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"A YAML file must be whole. Received: {file}: {error}") from (
            error
        )
    if not isinstance(data, dict) or not any(data.get(name) for name in SPLITS):
        raise ValueError(
            f"A file of YOLO must say where train and val are. Received: {file}."
        )
    return data, file


def _names(data: dict[str, Any], file: Path) -> dict[int, str]:
    """Returns the names of the classes by their numbers."""
    names = data.get("names")
    try:
        if isinstance(names, dict):
            return {int(k): str(names[k]) for k in sorted(names, key=int)}
        if isinstance(names, list) and names:
            return {k: str(name) for k, name in enumerate(names)}
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"`names` must be a list of names, or numbers with names. Received: {names!r} "
        f"in {file}."
    )


def _labelled(split: str, data: dict[str, Any], file: Path) -> list[Path]:
    """Returns the images of a split, of which one at least must have labels."""
    images = _images(data[split], data, file)
    if images and not any(_label_file(image).exists() for image in images):
        raise FileNotFoundError(
            f"A split must have labels. Received: {split!r} of {file}, with "
            f"{len(images)} images and no text file of one, looked for in "
            f"{_label_file(images[0]).parent}. An empty one says that an image has no "
            "object."
        )
    return images


def _images(places: Any, data: dict[str, Any], file: Path) -> list[Path]:
    """Returns the images of a folder, of a list in a text file, or of some of them."""
    root = Path(data.get("path") or ".")
    roots = [file.parent / root, file.parent]
    images: list[Path] = []
    for place in places if isinstance(places, list) else [places]:
        # Some tools write `../train/images` for a folder that is beside the file.
        names = [str(place), str(place).removeprefix("../")]
        found = [r / n for n in names for r in roots if (r / n).exists()]
        if not found:
            raise FileNotFoundError(
                f"A place of images must be there. Received: {place!r} of {file}, "
                f"looked for from {roots[0]} and {roots[1]} on."
            )
        if found[0].is_dir():
            images += pictures(found[0])
            continue
        for line in found[0].read_text(encoding="utf-8").split("\n"):
            if line.strip():
                base = found[0].parent if line.startswith("./") else roots[0]
                image = base / line.strip()
                images.append(image if image.exists() else roots[1] / line.strip())
    return images


def _label_file(image: Path) -> Path:
    """Returns the text file of an image: the last `images` of its path is `labels`."""
    parts = list(image.with_suffix(".txt").parts)
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == "images":
            parts[index] = "labels"
            break
    return Path(*parts)


def _objects(file: Path, names: dict[int, str], size: tuple[int, int]) -> list[Object]:
    """Returns the objects of a text file."""
    if not file.exists():
        return []
    found = []
    for index, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        words = line.split()
        if words:
            label = names.get(int(words[0]) if words[0].isdecimal() else -1)
            if label is None:
                raise ValueError(
                    f"Every line must begin with a class. Received: object {index} in "
                    f"{file}: class {words[0]} is none of {list(names)}."
                )
            make = functools.partial(_polygon, words, size)
            found.append(Object(label, index, make))
    return found


def _polygon(words: Sequence[str], size: tuple[int, int]) -> Polygon:
    """Returns the polygon of a line."""
    if len(words) == 5:
        raise ValueError("it has 4 numbers: a box for detection, not a polygon.")
    if len(words) % 2 == 0:
        raise ValueError(f"it has {len(words) - 1} numbers, an odd one.")
    shares = point_array([float(word) for word in words[1:]], 3)
    if shares.min() < -_SLACK or shares.max() > 1 + _SLACK:
        raise ValueError(
            "its coordinates are not shares of width and height, 0 to 1, but "
            f"{shares.min():g} to {shares.max():g}."
        )
    return Polygon([shares * (size[1], size[0])])


def write_yolo(
    path: str | Path,
    source: Source,
    split: str = "train",
    tolerance: float = 0.0,
    background: str | None = "background",
) -> int:
    """Writes `<split>/images`, `<split>/labels` and `data.yaml`, which `yolo` reads.

    Ultralytics needs a train and a val, so that both must be written before training.

    Args:
        path: A folder, new or empty, or with other splits of the same classes.
        source: The examples.
        split: `"train"`, `"val"` or `"test"`.
        tolerance: Pixels that simplified outlines may be away. With 0, `yolo` reads
            the same masks again.
        background: As of `write_labelme`.

    Returns:
        The number of objects written.

    Raises:
        FileExistsError: If files are there.
        ValueError: If the source is broken, or the split is another.
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {list(SPLITS)}. Received: {split!r}.")
    path = Path(path)
    writer = Writer(source, tolerance, background)
    objects = write_split(path, split, writer, _write)
    # Without `path`, places are from the file on; Ultralytics takes a relative one from
    # its own folder of data sets on.
    lines = []
    for name in SPLITS:
        if (path / name / "images").is_dir():
            lines.append(f"{name}: {name}/images\n")
    lines.append("names:\n")
    # JSON is YAML, too: names may have any character.
    lines += [f"  {i}: {json.dumps(name)}\n" for i, name in enumerate(_classes(writer))]
    with whole_file(path / "data.yaml") as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")
    return objects


def _classes(writer: Writer) -> list[str]:
    """Returns the names that are written."""
    names = [n for n in writer.labels.names if n != writer.background]
    return names + ([VOID_LABEL] if writer.background is not None else [])


def _write(folder: Path, writer: Writer) -> None:
    """Writes images and text files."""
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    names = _classes(writer)
    for image in writer.images(folder / "images"):
        lines = []
        for region, rings in image.regions:
            shares = one_ring(rings) / np.array([image.width, image.height])
            words = " ".join(f"{share:.8g}" for share in shares.ravel())
            lines.append(f"{names.index(region.label)} {words}\n")
        (folder / "labels" / f"{image.name}.txt").write_text("".join(lines))
