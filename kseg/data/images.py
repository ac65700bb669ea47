"""The one reader of images and of masks, and the one writer of masks.

A mask is a picture whose pixels are class ids: grey values, palette indices, or,
where a colour map says which colour is which class, colours.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from kseg.files import whole_file
from kseg.labels import Color, Labels

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def read_image(path: str | Path) -> np.ndarray:
    """Reads a picture as RGB, upright.

    Args:
        path: A file that Pillow reads; transparency is dropped, 16-bit grey is
            scaled to 8 bits, the camera's orientation is applied.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: If the file is not a whole picture.
    """
    return np.asarray(eight_bits(_open(path)).convert("RGB"))


def eight_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit grey to 8 bits, which Pillow would clip, and passes on the rest."""
    if not image.mode.startswith("I"):
        return image
    grey = np.asarray(image).astype("float32") / 257
    return Image.fromarray(grey.round().clip(0, 255).astype("uint8"))


def read_mask(
    path: str | Path,
    labels: Labels,
    color_map: Mapping[Color, int] | None = None,
    values: Mapping[int, int] | None = None,
) -> np.ndarray:
    """Reads a mask as class ids, and checks them.

    Args:
        path: A PNG or another lossless picture.
        labels: The classes; their `ignore_class` is allowed in the mask.
        color_map: RGB colour to class id, for masks in colour; with it palette and
            grey masks count by their colours too.
        values: Value in the file to class id, for files that use other numbers.

    Returns:
        Array `(height, width)` of uint8, or uint16 for more than 255 classes.

    Raises:
        ValueError: If the file is not a whole picture, is in colour and there
            is no colour map, or holds a value that is no class.
    """
    image = _open(path)
    if image.mode in ("RGB", "RGBA") or (color_map and image.mode in ("1", "L", "P")):
        ids = _ids_of_colors(np.asarray(image.convert("RGB")), path, color_map)
    elif image.mode in ("1", "L", "P", "I", "I;16", "I;16B", "I;16L"):
        ids = np.asarray(image).astype(np.int32)
    else:
        raise ValueError(
            "A mask must be grey, palette or RGB. Received: "
            f"{path}, of Pillow's mode {image.mode!r}."
        )
    if values is not None:
        ids = translate(ids, values, path)
    check_ids(ids, labels, path)
    largest = max(labels.num_classes - 1, labels.ignore_class)
    return ids.astype(np.uint8 if largest < 256 else np.uint16)


def write_mask(path: str | Path, ids: np.ndarray, labels: Labels) -> None:
    """Writes class ids as a palette PNG that shows the classes' colours.

    Args:
        path: Where; the file appears only when it is whole.
        ids: Integer array `(height, width)`, 0 to 255.
        labels: Whose colours the palette gets; void is white.

    Raises:
        ValueError: If an id is more than a palette holds.
    """
    if ids.size and not 0 <= ids.min() <= ids.max() <= 255:
        raise ValueError(
            "A palette holds the ids 0 to 255. Received: a mask with ids "
            f"{ids.min()} to {ids.max()}."
        )
    palette = np.full((256, 3), 255, np.uint8)
    palette[: labels.num_classes] = labels.colors
    image = Image.fromarray(ids.astype(np.uint8))
    image.putpalette(palette.ravel().tolist())
    write_image(path, image)


def write_image(path: str | Path, image: Image.Image) -> None:
    """Writes a PNG that appears only when it is whole."""
    with whole_file(path) as temporary:
        image.save(temporary, format="PNG")


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
    found = np.unique(ids)
    unknown = [int(value) for value in found if int(value) not in values]
    if unknown:
        raise ValueError(
            f"`values` must name every value of a mask. Received: {where}, with "
            f"{unknown[:8]} beside {dict(values)}."
        )
    table = np.array([values[int(value)] for value in found], np.int32)
    return table[np.searchsorted(found, ids)]


def _open(path: str | Path) -> Image.Image:
    """Opens, decodes and turns a picture upright."""
    try:
        with Image.open(path) as image:
            image.load()
            image.info.pop("transparency", None)
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        Image.DecompressionBombError,
    ) as error:
        raise ValueError(
            f"A picture must be a whole file. Received: {path}, of which Pillow "
            f"says: {error}."
        ) from error


def _ids_of_colors(rgb, path, color_map) -> np.ndarray:
    """Translates colours to ids by one lookup table over 24-bit colours."""
    codes = rgb.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    found, inverse = np.unique(codes, return_inverse=True)
    colors = [(int(c) >> 16, int(c) >> 8 & 255, int(c) & 255) for c in found]
    if color_map is None:
        raise ValueError(
            f"A mask in colour needs a colour map. Received: {path}, an RGB "
            f"picture with {len(colors)} colours such as {colors[:3]}. Give "
            "`color_map={class name: [red, green, blue]}` (with 'void' for the "
            "colour to ignore), or masks whose grey values or palette indices "
            "are class ids."
        )
    unknown = [color for color in colors if color not in color_map]
    if unknown:
        raise ValueError(
            f"Every colour of a mask must be in the colour map. Received: {path}, "
            f"with {len(unknown)} others such as {unknown[:4]}. Blended colours "
            "come from a mask that was resized or saved as JPEG."
        )
    table = np.array([color_map[color] for color in colors], np.int32)
    return table[inverse].reshape(codes.shape)
