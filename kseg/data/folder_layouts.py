"""Where a folder's splits, images and masks are."""

import os
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path

from kseg.data.pairing import (
    Pair,
    by_stem,
    has_pictures,
    match,
    pair_files,
    told_apart,
)

# Names of folders, in any case of letters; of several, the first is taken if it is the
# first of the list.
IMAGE_FOLDERS = (
    "images",
    "image",
    "imgs",
    "img",
    "img_dir",
    "JPEGImages",
    "leftImg8bit",
    "rgb",
    "photos",
    "pictures",
)
MASK_FOLDERS = (
    "masks",
    "mask",
    "labels",
    "label",
    "annotations",
    "annotation",
    "ann_dir",
    "SegmentationClass",
    "SegmentationClassPNG",
    "gt",
    "gtFine",
    "ground_truth",
    "groundtruth",
    "targets",
    "segmentation",
    "segmentations",
)
# Masks beside a folder of images of the same name without it.
BESIDE = (
    "annot",
    "_labels",
    "_label",
    "_masks",
    "_mask",
    "_annotations",
    "_gt",
)
# Files that list the images of a split.
LISTS = (
    "splits/{}.txt",
    "split/{}.txt",
    "ImageSets/Segmentation/{}.txt",
    "ImageSets/{}.txt",
    "lists/{}.txt",
    "{}.txt",
    "{}_list.txt",
)
SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}


def is_split(name: str, split: str) -> bool:
    """Says whether a folder or a list is a split by its name, in any case of letters.

    Args:
        name: What it is called.
        split: The split, for which `SPLITS` has other words.

    Example:
    >>> is_split("Validation", "val")
    True
    """
    return name.lower() in (split.lower(), *SPLITS.get(split, ()))


def known_splits(names: Iterable[str]) -> list[str]:
    """Returns the splits of `SPLITS` that are among the names of folders or lists.

    Args:
        names: What they are called.
    """
    there = list(names)
    return [split for split in SPLITS if any(is_split(name, split) for name in there)]


def folder_splits(path: Path) -> list[str]:
    """Returns the splits that a folder has something of, be it images alone.

    Args:
        path: As of `split_pairs`.
    """
    usual = [name.lower() for name in (*IMAGE_FOLDERS, *MASK_FOLDERS)]
    roots = [path, *(p for p in path.glob("*/") if p.name.lower() in usual)]

    def is_there(name: str) -> bool:
        places = [root / name for root in roots]
        places += [path / f"{name}{ending}" for ending in BESIDE]
        lists = (path / pattern.format(name) for pattern in LISTS)
        return any(map(has_pictures, places)) or any(map(Path.is_file, lists))

    return [split for split, names in SPLITS.items() if any(map(is_there, names))]


def split_pairs(
    path: Path,
    split: str,
    images: str | None = None,
    masks: str | None = None,
    image_suffix: str | None = None,
    mask_suffix: str | None = None,
    fraction: float = 0.2,
) -> list[Pair]:
    """Finds the pairs of a split in a folder.

    Args:
        path: The folder.
        split: `"train"`, `"val"` or another; `"all"` where nothing says the splits.
        images: Name of the folder of images; `None` for the usual ones.
        masks: Name of the folder of masks, likewise.
        image_suffix: As of `pair_files`.
        mask_suffix: As of `pair_files`.
        fraction: Share that is set aside for `"val"` where nothing says the splits.

    Returns:
        Paths of images and masks.

    Raises:
        FileNotFoundError: If the folder or the split does not exist.
        ValueError: If files do not pair, or in several ways.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"`path` must be a folder. Received: {path}.")
    suffixes = (image_suffix, mask_suffix)
    names = SPLITS.get(split, (split,))
    for name in names:
        folders = _split_folders(path, name, images, masks)
        if folders is not None:
            return pair_files(*folders, *suffixes)
    found = (find_folder(path, images, IMAGE_FOLDERS, "images"),) + (
        find_folder(path, masks, MASK_FOLDERS, "masks"),
    )
    for name in names:
        for pattern in LISTS:
            file = path / pattern.format(name)
            if file.is_file():
                return _listed(path, file, *found, *suffixes)
    for name in names:
        if has_pictures(path / name):
            return pair_files(path / name, path / name, *suffixes)
    image_folder = found[0] or (path / (images or IMAGE_FOLDERS[0]))
    parts = {p.name for p in (*path.glob("*/"), *image_folder.glob("*/"))}
    known = {name for names in SPLITS.values() for name in names}
    if parts & known or split not in ("train", "val", "all"):
        raise FileNotFoundError(
            f"A split must be a folder. Received: split={split!r} of {path}, which "
            f"has neither {split}/{images or 'images'} nor "
            f"{images or 'images'}/{split}, nor a list such as splits/{split}.txt. "
            f"It holds {_content(path)}."
        )
    if found == (None, None) and images is None and masks is None:
        if not has_pictures(path):
            raise FileNotFoundError(
                "A folder of data must hold images and masks. Received: "
                f"{path}, without a picture; looked for folders such as images and "
                f"masks, and found {_content(path)}."
            )
        return set_aside(pair_files(path, path, *suffixes), split, fraction, path)
    mask_folder = found[1] or (path / (masks or MASK_FOLDERS[0]))
    pairs = pair_files(image_folder, mask_folder, *suffixes)
    return set_aside(pairs, split, fraction, path)


def set_aside(items: Sequence, split: str, fraction: float, path: Path) -> list:
    """Returns the items of a split where nothing says which they are.

    Args:
        items: All.
        split: `"val"` for an evenly spaced share, `"train"` for the rest, `"all"`.
        fraction: The share, between 0 and 1.
        path: Where they are from, for messages.

    Raises:
        ValueError: If the share is wrong, or too few items are there.
        FileNotFoundError: If the split is another.
    """
    if split == "all":
        return list(items)
    if split not in ("train", "val"):
        raise FileNotFoundError(
            f"The data must have the split. Received: split={split!r} of {path}, in "
            "which nothing says the splits, so that it has 'train' and 'val'."
        )
    if not 0 < fraction < 1:
        raise ValueError(
            f"`validation_fraction` must be between 0 and 1. Received: {fraction}."
        )
    # One is for validation where its share crosses a whole number.
    chosen = [
        item
        for i, item in enumerate(items)
        if (ceil((i + 1) * fraction) > ceil(i * fraction)) == (split == "val")
    ]
    if not chosen:
        raise ValueError(
            f"A folder without splits must have two pairs or more. Received: {path} "
            f"with {len(items)}."
        )
    return chosen


def find_folder(
    root: Path, given: str | None, usual: Sequence[str], what: str
) -> Path | None:
    """Returns a folder by its name, or the one that has a usual name.

    Args:
        root: Where it is.
        given: Its name; `None` for the usual ones, in any case of letters.
        usual: These names, the first of which goes before the others.
        what: The option that names it.

    Raises:
        ValueError: If several others hold pictures.
    """
    if given is not None:
        return root / given if (root / given).is_dir() else None
    order = [name.lower() for name in usual]
    there = [p for p in root.glob("*/") if p.name.lower() in order]
    there.sort(key=lambda p: (order.index(p.name.lower()), p.name))
    if len(there) > 1:
        there = [p for p in there if has_pictures(p)] or there[:1]
    if len(there) > 1 and there[0].name != usual[0]:
        raise ValueError(
            f"One folder must hold the {what}. Received: {root}, which has "
            f"{[p.name for p in there]}. `{what}` names one of them."
        )
    return there[0] if there else None


def _split_folders(path, name, images, masks) -> Pair | None:
    """Returns the folders of images and masks of a split, if they are there."""
    root = path / name
    if root.is_dir():
        image_folder = find_folder(root, images, IMAGE_FOLDERS, "images")
        if image_folder is not None:
            mask_folder = find_folder(root, masks, MASK_FOLDERS, "masks")
            if mask_folder is None and masks is None and _shared(image_folder):
                return image_folder, image_folder
            return image_folder, mask_folder or root / (masks or MASK_FOLDERS[0])
    image_folder = find_folder(path, images, IMAGE_FOLDERS, "images")
    if image_folder is not None and (image_folder / name).is_dir():
        mask_folder = find_folder(path, masks, MASK_FOLDERS, "masks")
        return image_folder / name, (mask_folder or path / MASK_FOLDERS[0]) / name
    for ending in BESIDE:
        if images is None and masks is None and (path / f"{name}{ending}").is_dir():
            return root, path / f"{name}{ending}"
    return None


def _shared(folder: Path) -> bool:
    """Says whether a folder holds images and masks that its names tell apart."""
    try:
        return bool(pair_files(folder, folder))
    except ValueError:
        return False


def _listed(path, file, images, masks, image_suffix, mask_suffix) -> list[Pair]:
    """Returns the pairs of a file that lists names, or images and masks."""
    lines = [line.strip() for line in os.fsdecode(file.read_bytes()).splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    pairs = [_two_paths(path, line) for line in lines]
    if lines and None not in pairs:
        return [pair for pair in pairs if pair is not None]
    images, masks = images or path, masks or images or path
    if images == masks:
        by_image, by_mask = told_apart(images, image_suffix, mask_suffix)
    else:
        by_image, by_mask = by_stem(images), by_stem(masks)
    stems = {str(p.absolute()): stem for stem, p in by_image.items()}
    chosen: dict[str, Path] = {}
    for number, line in enumerate(lines, 1):
        stem = line.removeprefix("./")
        whole = stems.get(str((path / stem).absolute()))
        bare = str(Path(stem).with_suffix("")) if Path(stem).suffix else stem
        names = (whole, stem, bare, f"{stem}{image_suffix}", f"{bare}{image_suffix}")
        name = next((name for name in names if name in by_image), None)
        if name is None:
            raise ValueError(
                "A line of a split must be a name of an image, its path, or the paths "
                f"of image and mask, from {path} on. Received: line {number} of {file}:"
                f" {line!r}, which is neither in {images} nor a path."
            )
        chosen[name] = by_image[name]
    if not chosen:
        raise ValueError(f"A split must have an image. Received: {file}, empty.")
    return match(chosen, by_mask, images, masks, image_suffix, mask_suffix, True)


def _two_paths(path: Path, line: str) -> Pair | None:
    """Returns the image and the mask of a line, whose names may have spaces."""
    for index, character in enumerate(line):
        if character in " \t,;":
            pair = path / line[:index].rstrip(), path / line[index + 1 :].lstrip()
            if pair[0].is_file() and pair[1].is_file():
                return pair
    return None


def _content(path: Path) -> str:
    """Says what a folder holds."""
    names = sorted(p.name + "/" * p.is_dir() for p in path.iterdir())
    return ", ".join(names[:8]) + ", ..." * (len(names) > 8) or "nothing"
