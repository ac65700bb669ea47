"""Which image belongs to which mask, in folders as people have them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from kseg.data.lenient import DataError, complain
from kseg.raster import SUFFIXES

Pair = tuple[Path, Path]

# Endings that an image's name may have more than its mask's.
IMAGE_SUFFIXES = ("_leftImg8bit", "_image", "_img", "_rgb", "_sat", "-image", "-img")


def pair_files(
    images: Path,
    masks: Path,
    image_suffix: str | None = None,
    mask_suffix: str | None = None,
) -> list[Pair]:
    """Pairs the pictures of two folders by the names without ending.

    Args:
        images: Folder of images, searched below too.
        masks: Folder of masks; if it is the same, masks are told by their suffix, or
            are the PNG of two files that differ in their ending only.
        image_suffix: What images' names have after the part that pairs; other pictures
            are passed over. `None` finds it out.
        mask_suffix: Likewise of masks, such as `"_mask"`.

    Returns:
        Pairs of paths, in the order of the names.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If a folder is empty, two pictures of it differ in their ending
            only, an image or a mask has no partner, or several suffixes would do.
    """
    if images == masks:
        by_image, by_mask = told_apart(images, image_suffix, mask_suffix)
    else:
        by_image, by_mask = by_stem(images), by_stem(masks)
    if not by_image and not by_mask:
        raise ValueError(
            f"A data set must have at least one pair. Received: {images} and "
            f"{masks}, without a picture ({', '.join(SUFFIXES)})."
        )
    return match(by_image, by_mask, images, masks, image_suffix, mask_suffix)


def pair_masks(images: Path, masks: Path) -> list[Pair]:
    """Pairs masks with images of which some may have none.

    Args:
        images: Folder of images, searched below too.
        masks: Folder of masks; where one is called `<name>_mask`, as `kseg predict`
            does, all others are passed over. It may be that of the images then.

    Raises:
        FileNotFoundError: If a folder does not exist.
        ValueError: If there is no mask, or one has no image, or nothing tells masks
            from images.
    """
    by_image, by_mask = by_stem(images), by_stem(masks)
    predicted = {
        stem.removesuffix("_mask"): path
        for stem, path in by_mask.items()
        if stem.endswith("_mask")
    }
    if not predicted and images.resolve() == masks.resolve():
        raise ValueError(
            "Images must be in another folder than masks, unless these are called "
            f"<name>_mask. Received: {masks} for both, with names such as "
            f"{sorted(by_mask)[:3]}. `images`, or --images, names the folder of images."
        )
    by_mask = predicted or by_mask
    lone = sorted(set(by_mask) - set(by_image))
    if lone or not by_mask:
        raise ValueError(
            f"Every mask must have an image in {images}. Received: {len(by_mask)} "
            f"masks in {masks}, {len(lone)} without image, such as {lone[:3]}."
        )
    return [(by_image[stem], by_mask[stem]) for stem in sorted(by_mask)]


def pictures(folder: Path) -> Iterator[Path]:
    """Yields the pictures of a folder and those below it, in the order of the names.

    Links are followed; what begins with a dot is passed over.

    Args:
        folder: The folder.

    Raises:
        FileNotFoundError: If it does not exist.
        ValueError: If a link leads back to a folder that it is in.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"A folder must exist. Received: {folder}.")
    yield from _walk(folder, ())


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    """Yields the pictures of a folder that lies in the real folders `above`."""
    real = os.path.realpath(folder)
    if real in above:
        raise ValueError(
            f"A link must not lead back to where it is in. Received: {folder}, which "
            f"is {real}."
        )
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(path, (*above, real))
        elif path.suffix.lower() in SUFFIXES:
            yield path


def has_pictures(folder: Path) -> bool:
    """Says whether there is a folder with a picture in it or below."""
    return folder.is_dir() and next(pictures(folder), None) is not None


def by_stem(folder: Path) -> dict[str, Path]:
    """Returns the pictures of a folder by their path in it without ending."""
    found: dict[str, Path] = {}
    for path in pictures(folder):
        other = found.setdefault(_stem(path, folder), path)
        if other is not path:
            raise ValueError(
                "The pictures of a folder must differ in more than their ending. "
                f"Received: {other} and {path}."
            )
    return found


def _stem(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder).with_suffix(""))


def told_apart(folder, image_suffix, mask_suffix):
    """Tells images and masks of one folder apart."""
    files: dict[str, list[Path]] = {}
    for path in pictures(folder):
        files.setdefault(_stem(path, folder), []).append(path)
    kinds = [sorted(p.suffix.lower() == ".png" for p in f) for f in files.values()]
    if files and all(kind == [False, True] for kind in kinds):
        masks = {
            s: p for s, f in files.items() for p in f if p.suffix.lower() == ".png"
        }
        images = {s: p for s, f in files.items() for p in f if p is not masks[s]}
        return images, masks
    both = by_stem(folder)
    ends = [mask_suffix] if mask_suffix else _endings(both, both)
    for end in ends:
        if not _could_tell(both, image_suffix, end):
            continue
        masks = {stem: path for stem, path in both.items() if stem.endswith(end)}
        images = {stem: path for stem, path in both.items() if stem not in masks}
        if end and list(_suffixes(images, masks, image_suffix, end, False)):
            return images, masks
    if mask_suffix:
        masks = {s: p for s, p in both.items() if s.endswith(mask_suffix)}
        return {s: p for s, p in both.items() if s not in masks}, masks
    if not both:
        return {}, {}
    raise ValueError(
        "Images and masks of one folder must differ by a suffix such as '_mask', or by "
        f"their endings, .jpg and .png. Received: {folder}, with names such as "
        f"{sorted(both)[:4]}. `mask_suffix` says what masks' names end with."
    )


def match(
    by_image: Mapping[str, Path],
    by_mask: Mapping[str, Path],
    images: Path,
    masks: Path,
    image_suffix: str | None,
    mask_suffix: str | None,
    subset: bool = False,
) -> list[Pair]:
    """Pairs pictures by the suffixes that pair all; of `subset`, all images."""
    found = list(_suffixes(by_image, by_mask, image_suffix, mask_suffix, subset))
    if len(found) > 1 and found[0] != ("", ""):
        raise ValueError(
            "One suffix must say which pictures are the masks. Received: "
            f"{masks}, in which {[end for _, end in found]} would do. "
            "`mask_suffix` names one."
        )
    start, end = found[0] if found else (image_suffix or "", mask_suffix or "")
    image_of, mask_of = _stripped(by_image, start), _stripped(by_mask, end)
    for lone, kind, other in (
        (sorted(set(image_of) - set(mask_of)), "mask", masks),
        ([] if subset else sorted(set(mask_of) - set(image_of)), "image", images),
    ):
        if lone:
            message = (
                f"Every picture must have a partner of the same name. Received: "
                f"{len(lone)} without {kind} in {other}, such as {lone[:3]}; of "
                f"{len(image_of)} images and {len(mask_of)} masks, such as "
                f"{sorted(by_mask)[:2]}. `mask_suffix` and `image_suffix` say what "
                "names have after the part that pairs."
            )
            partners = image_of if kind == "mask" else mask_of
            complain(DataError(message, "unpaired", [partners[s] for s in lone]))
    both = sorted(set(image_of) & set(mask_of))
    return [(image_of[stem], mask_of[stem]) for stem in both]


def _suffixes(
    images: Mapping[str, Path],
    masks: Mapping[str, Path],
    image_suffix: str | None,
    mask_suffix: str | None,
    subset: bool,
) -> Iterator[tuple[str, str]]:
    """Yields the suffixes of images and masks that pair all pictures with them."""
    usual = [s for s in IMAGE_SUFFIXES if all(stem.endswith(s) for stem in images)]
    for start in ["", *usual] if image_suffix is None else [image_suffix]:
        stems = set(_stripped(images, start))
        ends = _endings(stems, masks) if mask_suffix is None else [mask_suffix]
        for end in ends:
            if stems and _pairs_all(stems, masks, end, subset):
                yield start, end


def _pairs_all(stems, masks, end: str, subset: bool) -> bool:
    """Says whether a suffix pairs all stems with masks and, but of `subset`, all masks.

    The first stem without a mask ends it: where names are "photo", "photo (1)", "photo
    (2)", ... there are as many endings to try as pictures.
    """
    if not all(stem + end in masks for stem in stems):
        return False
    return subset or sum(mask.endswith(end) for mask in masks) == len(stems)


def _could_tell(both, image_suffix: str | None, end: str) -> bool:
    """Says whether every picture of a folder is a mask by its end or could have one."""
    starts = ("", *IMAGE_SUFFIXES) if image_suffix is None else (image_suffix,)
    return all(
        stem.endswith(end)
        or not stem.endswith(image_suffix or "")
        or any(stem.removesuffix(start) + end in both for start in starts)
        for stem in both
    )


def _endings(stems, masks) -> list[str]:
    """Returns what masks may have more than images: what they have of the first."""
    first = min(stems, default="")
    more = {mask.removeprefix(first) for mask in masks if mask.startswith(first)}
    return ["", *sorted(end for end in more if end and not end[0].isalnum())]


def _stripped(files: Mapping[str, Path], end: str) -> dict[str, Path]:
    """Returns the files whose stems have an end, by their stems without it."""
    return {s.removesuffix(end): p for s, p in files.items() if s.endswith(end)}
