"""The one reader of masks; `kseg.raster` reads images and writes masks.

A mask is a picture whose pixels are class ids: grey values, palette indices, or,
where a colour map says which colour is which class, colours.
"""

import functools
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from kseg.labels import Color, Labels
from kseg.raster import open_picture

# What no value is translated to.
_NONE = np.iinfo(np.int32).min


def read_mask(
    path: str | Path,
    labels: Labels,
    color_map: Mapping[Color, int] | None = None,
    values: Mapping[int, int] | None = None,
    page: int = 0,
) -> np.ndarray:
    """Reads a mask as class ids, and checks them.

    Args:
        path: A PNG or another lossless picture.
        labels: The classes; their `ignore_class` is allowed in the mask.
        color_map: RGB colour to class id, for masks in colour; with it palette and
            grey masks count by their colours too.
        values: Value in the file to class id, for files that use other numbers.
        page: Which page of a TIFF file, from 0.

    Returns:
        Array `(height, width)` of uint8, or uint16 for more than 255 classes.

    Raises:
        ValueError: If the file is not a whole picture, is in colour and there
            is no colour map, or holds a value that is no class.
    """
    image = open_picture(path, page)
    if image.mode == "LA":  # what is transparent is dropped, as of other pictures
        image = image.getchannel(0)
    if image.mode in ("RGB", "RGBA") or (color_map and image.mode in ("1", "L", "P")):
        ids = _ids_of_colors(np.asarray(image.convert("RGB")), path, color_map)
    elif image.mode in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L"):
        ids = np.asarray(image)
        ids = ids.astype(np.uint8 if ids.dtype == bool else ids.dtype, copy=False)
    else:
        raise ValueError(
            "A mask must be grey, palette or RGB. Received: "
            f"{path}, of Pillow's mode {image.mode!r}."
        )
    if values is not None:
        ids = translate(ids, values, path)
    check_ids(ids, labels, path)
    return ids.astype(labels.mask_dtype)


def check_ids(ids: np.ndarray, labels: Labels, where: object) -> None:
    """Raises if an array holds anything but class ids and `ignore_class`.

    Args:
        ids: Integer array.
        labels: The classes.
        where: What the array is of, for the message.

    Raises:
        ValueError: Naming the values that are no class.
    """
    wrong = (ids >= labels.num_classes) & (ids != labels.ignore_class) | (ids < 0)
    if wrong.any():
        found = np.unique(ids[wrong])
        shown = ", ".join(str(v) for v in found[:8]) + ", ..." * (len(found) > 8)
        raise ValueError(
            f"A mask must hold class ids 0 to {labels.num_classes - 1} or the "
            f"ignore class {labels.ignore_class}. Received: {where}, with {shown} "
            f"in {wrong.mean():.2%} of its pixels. The classes are "
            f"{list(labels.names)}; `values={{file value: class id}}` translates "
            "files that use other numbers."
        )


def translate(ids: np.ndarray, values: Mapping[int, int], where: object) -> np.ndarray:
    """Replaces the numbers of a mask by class ids.

    Args:
        ids: Integer array.
        values: Value in the array to class id.
        where: What the array is of, for the message.

    Returns:
        int32 array of the same shape.

    Raises:
        ValueError: If the array holds a value that `values` does not name.
    """
    if ids.dtype == np.uint8:
        return _translate_bytes(ids, values, where)
    small = ids.dtype == np.uint16 or 0 <= ids.min() <= ids.max() < 65536
    found = np.flatnonzero(np.bincount(ids.ravel())) if small else np.unique(ids)
    _check_named(found, values, where)
    new = np.array([values[int(value)] for value in found], np.int32)
    if not small:
        return new[np.searchsorted(found, ids)]
    table = np.zeros(found[-1] + 1, np.int32)
    table[found] = new
    return table[ids]


def _translate_bytes(ids, values, where) -> np.ndarray:
    """Translates by a table of all bytes, without counting which there are."""
    table = np.array([values.get(value, _NONE) for value in range(256)], np.int32)
    # OpenCV takes at most four channels, and numbers that lie in a row.
    new = cv2.LUT(ids.reshape(-1, 1), table).reshape(ids.shape)
    if (new == _NONE).any():
        _check_named(np.unique(ids), values, where)
    return new


def _check_named(found: np.ndarray, values: Mapping[int, int], where: object) -> None:
    """Raises if a mask holds a value that `values` does not name."""
    unknown = [int(value) for value in found if int(value) not in values]
    if unknown:
        raise ValueError(
            f"`values` must name every value of a mask. Received: {where}, with "
            f"{unknown[:8]} beside {dict(values)}."
        )


def _ids_of_colors(rgb, path, color_map) -> np.ndarray:
    """Translates colours to ids by one lookup table over 24-bit colours."""
    codes = rgb[..., 0].astype(np.int32)
    for channel in (1, 2):
        codes = codes << 8 | rgb[..., channel]
    if color_map is None:
        colors = _colors(codes)
        raise ValueError(
            f"A mask in colour needs a colour map. Received: {path}, an RGB "
            f"picture with {len(colors)} colours such as {colors[:3]}. Give "
            "`color_map={class name: [red, green, blue]}` (with 'void' for the "
            "colour to ignore), or masks whose grey values or palette indices "
            "are class ids."
        )
    ids = _color_table(tuple(color_map.items()))[codes]
    unknown = ids < 0
    if unknown.any():
        colors = _colors(codes[unknown])
        raise ValueError(
            f"Every colour of a mask must be in the colour map. Received: {path}, "
            f"with {len(colors)} others such as {colors[:4]}. Blended colours "
            "come from a mask that was resized or saved as JPEG."
        )
    return ids


@functools.lru_cache(maxsize=2)
def _color_table(items: tuple[tuple[Color, int], ...]) -> np.ndarray:
    """Returns the id of every 24-bit colour, -1 for colours that have none.

    It takes 64 MiB, of which reading touches the colours that occur.
    """
    table = np.full(2**24, -1, np.int32)
    for color, identity in items:
        red, green, blue = map(int, color)
        if not all(0 <= value < 256 for value in (red, green, blue)):
            raise ValueError(
                "A colour must be red, green and blue of 0 to 255. Received: "
                f"{color} for class id {identity}."
            )
        table[red << 16 | green << 8 | blue] = identity
    table.flags.writeable = False
    return table


def _colors(codes: np.ndarray) -> list[Color]:
    """Returns the different colours of an array of 24-bit colours."""
    return [(c >> 16, c >> 8 & 255, c & 255) for c in np.unique(codes).tolist()]
