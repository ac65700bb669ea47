"""Pictures as text that a page can hold: photographs as WebP, maps as small PNG."""

import base64
import io

import numpy as np
from PIL import Image

from kseg.labels import Labels
from kseg.raster.pictures import colorize

_WIDTH, _QUALITY = 640, 80
RIGHT, WRONG, VOID = 0, 1, 2
# Blue and orange of Okabe and Ito, "Color Universal Design", which those who see few
# colours tell apart; darker stripes cross what is wrong, and dots what is void.
_STATES = ((0, 114, 178), (230, 159, 0), (128, 128, 128))
_STRIPE, _DOT = (110, 50, 0), (235, 235, 235)
STATE_NAMES = ("right", "wrong, with stripes", "void, with dots")


def photograph(image: np.ndarray) -> tuple[str, tuple[int, int]]:
    """Returns an image as a data URI, with its width and height there.

    Args:
        image: uint8 array `(height, width, 3)`.
    """
    size = _fitting(image.shape)
    picture = Image.fromarray(image)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.BOX)
    return _data_uri(picture, "WEBP", quality=_QUALITY, method=6), size


def class_map(ids: np.ndarray, labels: Labels) -> str:
    """Returns class ids as a data URI, in the colours of the classes.

    Args:
        ids: Integers `(height, width)`; what is no class is not painted.
        labels: The classes.
    """
    small = _shrunk(ids)
    found, places = np.unique(small, return_inverse=True)
    void = np.flatnonzero((found < 0) | (found >= labels.num_classes))
    colors = colorize(found[np.newaxis], labels)[0]
    if len(found) > 256:
        unpainted = np.isin(places.reshape(small.shape), void)
        alpha = np.where(unpainted, 0, 255).astype(np.uint8)
        whole = np.dstack([colors[places.reshape(small.shape)], alpha])
        return _data_uri(Image.fromarray(whole), "PNG", optimize=True)
    unpainted = bytes(0 if i in void else 255 for i in range(len(found)))
    return _palette(places.reshape(small.shape), colors, transparency=unpainted)


def error_map(mask: np.ndarray, ids: np.ndarray, ignore_class: int) -> str:
    """Returns where a prediction is right, wrong, and not known, as a data URI.

    Args:
        mask: True class ids `(height, width)`.
        ids: Predicted ones.
        ignore_class: The id of void in `mask`.
    """
    states = np.where(mask == ids, RIGHT, WRONG)
    states[mask == ignore_class] = VOID
    small = _shrunk(states)
    y, x = np.indices(small.shape)
    small[(small == WRONG) & ((x + y) // 2 % 3 == 0)] = len(_STATES)
    small[(small == VOID) & (x % 4 == 0) & (y % 4 == 0)] = len(_STATES) + 1
    return _palette(small, np.array([*_STATES, _STRIPE, _DOT]))


def _palette(indices: np.ndarray, colors: np.ndarray, **options) -> str:
    """Returns a picture of few colours."""
    picture = Image.fromarray(indices.astype(np.uint8))
    picture.putpalette(colors.astype(np.uint8).tobytes())
    return _data_uri(picture, "PNG", optimize=True, **options)


def _shrunk(ids: np.ndarray) -> np.ndarray:
    """Returns rows and columns of a map, as many as a photograph has."""
    rows, columns = (
        (np.arange(count) * have + have // 2) // count
        for count, have in zip(_fitting(ids.shape)[::-1], ids.shape, strict=True)
    )
    return ids[np.ix_(rows, columns)]


def _fitting(shape) -> tuple[int, int]:
    """Returns width and height of a picture of this height and width, shrunk."""
    height, width = shape[:2]
    factor = min(_WIDTH / width, 2 * _WIDTH / height, 1)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _data_uri(picture: Image.Image, form: str, **options) -> str:
    file = io.BytesIO()
    picture.save(file, form, **options)
    text = base64.b64encode(file.getvalue()).decode()
    return f"data:image/{form.lower()};base64,{text}"
