"""Which images a batch has, and where the mask of each one lies."""

import os
import posixpath
import re
from pathlib import Path
from typing import NamedTuple

from kseg.raster import SUFFIXES

# What ends a mask: a palette PNG, or where the image is read by windows, or there are
# more than 256 classes, a TIFF file.
ENDINGS = ("_mask.png", "_mask.tif")


class Images(NamedTuple):
    """Where the images of a batch are.

    Args:
        listed: A text file that names one image a line, or `None`.
        pattern: What Beam's file systems match, or `None`.
        root: The folder below which masks keep their images' places; empty for the
            root of the file system.
    """

    listed: str | None
    pattern: str | None
    root: str


def find_images(text: str, root: str | None = None) -> Images:
    """Returns where the images are that a text names.

    Args:
        text: A folder, which is searched with all below it; a pattern such as
            `photos/*/*.jpg`, where `**` crosses folders; or a `.txt` file that names
            one image a line. On a disk, or a URL that Beam knows.
        root: As in `Images`; `None` for the folder, that of a pattern before its first
            wildcard, or for a list the root of the file system.

    Raises:
        ValueError: If nothing is there.
    """
    place = absolute(text, os.getcwd())
    if root is not None:
        root = absolute(root, os.getcwd())
    if text.endswith(".txt"):
        if not _is_url(place) and not Path(place).is_file():
            raise ValueError(f"The list of images must exist. Received: {text!r}.")
        return Images(place, None, root or "")
    fixed = re.split(r"[*?\[]", place, maxsplit=1)[0]
    if fixed != place:
        return Images(None, place, posixpath.dirname(fixed) if root is None else root)
    if not _is_url(place) and not Path(place).is_dir():
        raise ValueError(
            "Images are given as a folder, a pattern such as 'photos/*.jpg', or a "
            f".txt file that lists them. Received: {text!r}, which is not there."
        )
    return Images(None, f"{place}/**", place if root is None else root)


def absolute(path: str, base: str) -> str:
    """Returns a path with all its folders, and no `..` in it.

    Args:
        path: A path or a URL.
        base: The folder that a path of no folder is in.
    """
    scheme, rest = _parted(path)
    if not scheme:
        return posixpath.normpath(posixpath.join(base, path))
    return scheme + posixpath.normpath(f"/{rest}")[1:]


def is_image(path: str, output: str) -> bool:
    """Says whether a file that was found is an image, by its ending.

    Args:
        path: The file.
        output: A folder whose pictures are masks.
    """
    if path.startswith(f"{output}/") or posixpath.basename(path).startswith("."):
        return False
    return path.lower().endswith(SUFFIXES)


def mask_name(image: str, root: str) -> str:
    """Returns where the mask of an image lies below the output, without its ending.

    It is the image's path below the root with its own ending: images of one name in
    several folders, or of several endings, have masks of their own.

    Args:
        image: The path of the image, as `absolute` gives it.
        root: Likewise, or empty.

    Raises:
        ValueError: If the image is not below the root.

    Example:
    >>> mask_name("/data/photos/a/1.jpg", "/data/photos")
    'a/1.jpg'
    >>> mask_name("gs://bucket/1.jpg", "")
    'bucket/1.jpg'
    """
    if not root:
        return _parted(image)[1].lstrip("/")
    below = root.rstrip("/") + "/"
    if not image.startswith(below):
        raise ValueError(f"An image must be below {root}. Received: {image}.")
    return image.removeprefix(below)


def _is_url(path: str) -> bool:
    """Says whether a path is a URL."""
    return bool(_parted(path)[0])


def _parted(path: str) -> tuple[str, str]:
    """Returns the scheme of a URL with what ends it, and the rest of it."""
    match = re.match(r"[a-z][a-z0-9+.-]*://", path)
    scheme = match[0] if match else ""
    return scheme, path[len(scheme) :]
