"""Small pictures of examples, for a page: the image, and its mask over it."""

import base64
import io

import numpy as np
from PIL import Image

from kseg.data.check.masks import files_of
from kseg.data.geometry import NEUTRAL
from kseg.data.sources import Source
from kseg.raster import open_picture, read_image
from kseg.raster.pictures import colorize, overlay

# The longest side of one of the two, in pixels.
_SIDE = 240
_QUALITY = 80


def thumbnail(source: Source, index: int) -> Image.Image:
    """Returns an example, small: the image, and beside it its mask over the image.

    Of what cannot be read there is a grey field; a mask that does not fit, or is no
    class ids, is shown for itself, its values stretched from black to white.

    Args:
        source: The examples.
        index: Which one.
    """
    try:
        image, mask = source[index]
    except Exception:  # what breaks here is a finding, and its picture what is left
        return _side_by_side(_broken(source, index))
    size = _fitting(image.shape[:2])
    small = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX))
    # Rows and columns, as masks may be of ids that no picture holds.
    rows, columns = (
        np.arange(count) * have // count
        for count, have in zip(size[::-1], mask.shape, strict=True)
    )
    ids = mask[np.ix_(rows, columns)]
    return _side_by_side(
        [Image.fromarray(small), overlay(small, ids, source.labels, 0.6, legend=False)]
    )


def data_uri(picture: Image.Image) -> str:
    """Returns a picture as text that a page can hold."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _broken(source: Source, index: int) -> list[Image.Image]:
    """Returns what is left of the image and of the mask of a broken example."""
    files = files_of(source, index)
    attempts = [[], [lambda: colorize(source.mask(index), source.labels)]]
    if files:
        image_path, mask_path = files
        attempts[0].append(lambda: read_image(image_path))
        attempts[1].append(lambda: _read_values(mask_path))
    pictures = [_first(functions) for functions in attempts]
    sizes = [p.size for p in pictures if p is not None] or [(_SIDE, _SIDE)]
    grey = Image.new("RGB", sizes[0], (NEUTRAL,) * 3)
    return [grey if picture is None else picture for picture in pictures]


def _first(functions) -> Image.Image | None:
    """Returns what the first function gives that does not fail, small."""
    for function in functions:
        try:
            whole = Image.fromarray(function())
        except Exception:  # as above
            continue
        size = _fitting((whole.height, whole.width))
        return whole.resize(size, Image.Resampling.NEAREST).convert("RGB")
    return None


def _read_values(path) -> np.ndarray:
    """Reads a mask as it is, its values stretched from black to white."""
    picture = open_picture(path)
    if picture.mode not in ("1", "L", "P", "I;16", "I"):
        return np.asarray(picture.convert("RGB"))
    values = np.asarray(picture).astype(np.float64)
    span = max(values.max() - values.min(), 1)
    return ((values - values.min()) * 255 / span).astype(np.uint8)


def _fitting(shape) -> tuple[int, int]:
    """Returns width and height of a picture of this height and width, shrunk."""
    height, width = shape
    factor = min(_SIDE / max(height, width), 1)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """Puts pictures beside each other."""
    width = sum(picture.width for picture in pictures)
    result = Image.new("RGB", (width, max(p.height for p in pictures)))
    left = 0
    for picture in pictures:
        result.paste(picture, (left, 0))
        left += picture.width
    return result
