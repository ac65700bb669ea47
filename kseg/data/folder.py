"""A plain folder of images and masks."""

import json
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import numpy as np

from kseg.data.sources import FileSource, pair_files
from kseg.labels import Labels


def folder(
    split: str,
    path: str | Path,
    classes: int | Sequence[str] | None = None,
    color_map: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[int, int] | None = None,
    ignore_class: int = 255,
    validation_fraction: float = 0.2,
    images: str = "images",
    masks: str = "masks",
) -> FileSource:
    """Opens a folder of images and masks that pair by name.

    Three layouts are understood: `train/images`, `train/masks`, `val/images`,
    ...; `images/train`, `masks/train`, ...; and `images`, `masks` without
    splits, of which an evenly spaced share is set aside for validation.

    Args:
        split: `"train"`, `"val"`, or another that has a folder.
        path: The folder.
        classes: The names of the classes in the order of their ids, or their
            number. A file `labels.json` in the folder, or `color_map`, says it
            too.
        color_map: Class name to `[red, green, blue]`, for masks in colour; the
            name `"void"` is the colour to ignore.
        values: Value in the mask files to class id, `{0: 0, 255: 1}` for binary
            masks of 0 and 255.
        ignore_class: Class id of pixels that count nothing.
        validation_fraction: Share of the pairs for `"val"` where the folder
            has no splits.
        images: Name of the folder of images.
        masks: Name of the folder of masks.

    Returns:
        The pairs of the split.

    Raises:
        FileNotFoundError: If the folder or the split does not exist.
        ValueError: If files do not pair, nothing says what the classes are,
            `validation_fraction` is not between 0 and 1, or the masks look like
            0 and 255 for two classes.
    """
    path = Path(path)
    pairs = _pairs(path, split, images, masks, validation_fraction)
    labels, colors = _labels(path, classes, color_map, ignore_class)
    values = {int(k): int(v) for k, v in values.items()} if values else None
    source = FileSource(pairs, labels, colors, values)
    _refuse_binary(source)
    return source


def _pairs(path, split, images, masks, fraction):
    """Finds the pairs of a split in one of the three layouts."""
    if not path.is_dir():
        raise FileNotFoundError(f"`path` must be a folder. Received: {path}.")
    for image_folder, mask_folder in (
        (path / split / images, path / split / masks),
        (path / images / split, path / masks / split),
    ):
        if image_folder.is_dir():
            return pair_files(image_folder, mask_folder)
    splits = {p.name for p in (*path.glob("*/"), *(path / images).glob("*/"))}
    if splits & {"train", "val"} or split not in ("train", "val"):
        raise FileNotFoundError(
            f"A split must be a folder. Received: split={split!r} of {path}, which "
            f"has neither {split}/{images} nor {images}/{split}."
        )
    if not 0 < fraction < 1:
        raise ValueError(
            f"`validation_fraction` must be between 0 and 1. Received: {fraction}."
        )
    pairs = pair_files(path / images, path / masks)
    # A pair is for validation where its share crosses a whole number.
    chosen = [
        pair
        for i, pair in enumerate(pairs)
        if (ceil((i + 1) * fraction) > ceil(i * fraction)) == (split == "val")
    ]
    if not chosen:
        raise ValueError(
            f"A folder without splits must have two pairs or more. Received: {path} "
            f"with {len(pairs)}."
        )
    return chosen


def _labels(path, classes, color_map, ignore_class):
    """Finds out what the classes are, and the colours of masks in colour."""
    if color_map:
        named = [name for name in color_map if name != "void"]
        colors = {
            (int(r), int(g), int(b)): named.index(name)
            if name != "void"
            else ignore_class
            for name, (r, g, b) in color_map.items()
        }
        own = tuple(
            (int(r), int(g), int(b)) for r, g, b in (color_map[n] for n in named)
        )
        return Labels(tuple(named), own, ignore_class), colors
    if classes is None and (path / "labels.json").exists():
        return Labels.from_dict(json.loads((path / "labels.json").read_text())), None
    if classes is None:
        raise ValueError(
            f"Something must say what the classes of {path} are. Received: "
            "classes=None. Give `classes=[name, ...]`, their number, a `color_map`, "
            "or a file labels.json in the folder."
        )
    return Labels.of(classes, ignore_class), None


def _refuse_binary(source: FileSource) -> None:
    """Raises if the masks hold 0 and 255 and nothing else.

    With 255 as `ignore_class` they would train a network to say 0 everywhere.
    """
    ignore = source.labels.ignore_class
    if source.values is not None or source.color_map is not None or ignore != 255:
        return
    found: set[int] = set()
    step = max(len(source) // 32, 1)
    for index in range(0, len(source), step):
        found |= set(np.unique(source.mask(index)).tolist())
        if found - {0, 255}:
            return
    if found == {0, 255}:
        raise ValueError(
            "Masks must hold class ids. Received: masks such as "
            f"{source.pairs[0][1]}, which hold only 0 and 255: a binary mask, whose "
            "255 would be ignored as void. Say values={0: 0, 255: 1} if 255 is "
            "class 1, or set another ignore_class."
        )
