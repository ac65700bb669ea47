"""A plain folder of images and masks."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kseg.data.folder_layouts import split_pairs
from kseg.data.lenient import is_lenient
from kseg.data.pairing import Pair
from kseg.data.sources import FileSource
from kseg.labels import Labels
from kseg.raster import count_pages


def folder(
    split: str,
    path: str | Path,
    classes: int | Sequence[str] | None = None,
    color_map: Mapping[str, Sequence[int]] | None = None,
    values: Mapping[int, int] | None = None,
    ignore_class: int = 255,
    validation_fraction: float = 0.2,
    images: str | None = None,
    masks: str | None = None,
    image_suffix: str | None = None,
    mask_suffix: str | None = None,
    pages: bool = False,
    channels: Sequence[int] | None = None,
    value_range: Sequence[float] | None = None,
) -> FileSource:
    """Opens a folder of images and masks that pair by name.

    Splits are folders (`train/images` and `train/masks`; `images/train` and
    `masks/train`; `train` and `trainannot` or `train_labels`), or lists of names, of
    paths, or of paths of image and mask (`splits/train.txt`, `train.txt`,
    `ImageSets/Segmentation/train.txt`). Where there are none, an evenly spaced share is
    set aside for validation. Images and masks have the same name, or one that differs
    by a suffix such as `_mask`, and then may be in one folder.

    Args:
        split: `"train"`, `"val"`, or another that has a folder or a list.
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
        images: Name of the folder of images; `None` finds `images`, `img`,
            `JPEGImages` and the like.
        masks: Name of the folder of masks; `None` finds `masks`, `labels`,
            `SegmentationClass` and the like.
        image_suffix: What images' names have after the part that pairs, before the
            ending; other pictures are passed over. `None` finds it out.
        mask_suffix: Likewise of masks, such as `"_mask"`, or `"_L"` for CamVid's.
        pages: Whether every page of TIFF files is an example.
        channels: Which bands of images are red, green and blue, from 0; needs the
            extra `image`.
        value_range: The values of images that become 0 and 255, for other numbers
            than 8 bits; likewise.

    Returns:
        The pairs of the split.

    Raises:
        FileNotFoundError: If the folder or the split does not exist.
        ValueError: If files do not pair, nothing says what the classes are,
            `validation_fraction` is not between 0 and 1, or the masks look like
            0 and 255 for two classes.
    """
    path = Path(path)
    suffixes = (image_suffix, mask_suffix)
    pairs = split_pairs(path, split, images, masks, *suffixes, validation_fraction)
    labels, colors = _labels(path, classes, color_map, ignore_class)
    values = {int(k): int(v) for k, v in values.items()} if values else None
    numbers = None
    if pages:
        pairs, numbers = _pages(pairs)
    source = FileSource(pairs, labels, colors, values, numbers, channels, value_range)
    if not is_lenient():
        _refuse_binary(source)
    return source


def _pages(pairs: Sequence[Pair]) -> tuple[list[Pair], list[int]]:
    """Returns every pair as often as it has pages, and the numbers of these."""
    repeated, numbers = [], []
    for image, mask in pairs:
        counts = count_pages(image), count_pages(mask)
        if counts[0] != counts[1]:
            raise ValueError(
                "An image and its mask must have the same number of pages. Received: "
                f"{image} of {counts[0]} and {mask} of {counts[1]}."
            )
        repeated += [(image, mask)] * counts[0]
        numbers += range(counts[0])
    return repeated, numbers


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
    if source.labels.num_classes == 1:  # and void
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
