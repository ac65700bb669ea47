"""Pictures as bytes of unknown senders: checked before they are decoded."""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from kseg.raster.whole import eight_bits, upright

FORMATS = ("BMP", "JPEG", "PNG", "TIFF", "WEBP")


class TooManyPixels(ValueError):
    """A picture is larger than its reader allows."""


def decode_image(data: bytes, max_pixels: int) -> np.ndarray:
    """Decodes a picture as `read_image` reads a file.

    Args:
        data: The bytes of a file of `FORMATS`.
        max_pixels: The most that the header may promise; of more, none is decoded.

    Returns:
        uint8 array `(height, width, 3)`, RGB, upright.

    Raises:
        TooManyPixels: If it is larger than that, or than Pillow's limit.
        ValueError: If it is of another format, broken, or several pictures.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as file:
            if file.height * file.width > max_pixels:
                raise TooManyPixels(
                    f"A picture must have at most {max_pixels} pixels. Received: "
                    f"{file.height}x{file.width}, which is {file.height * file.width}."
                )
            if _is_several(file):
                raise ValueError("it holds several pictures, or pages")
            where = f"a {file.format}"
            return np.asarray(eight_bits(upright(file), where).convert("RGB"))
    except TooManyPixels:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels(
            f"A picture must have at most {max_pixels} pixels. Received: one of which "
            f"Pillow says: {error}"
        ) from error
    except UnidentifiedImageError:
        raise ValueError(
            f"A picture must be one of {', '.join(FORMATS)}. Received: {len(data)} "
            f"bytes that are none of them and begin with {data[:8]!r}."
        ) from None
    except Exception as error:  # broken bytes may break a reader anywhere
        raise ValueError(
            f"A picture must be whole, and one. Received: {len(data)} bytes, of which "
            f"their reader says: {str(error).removesuffix('.')}."
        ) from error


def _is_several(file: Image.Image) -> bool:
    """Says whether a file is an animation or has pages.

    The further pictures that cameras put into a JPEG are previews.
    """
    if file.format != "TIFF":
        return file.format != "MPO" and getattr(file, "n_frames", 1) > 1
    try:  # to count all pages of a hostile file would take minutes
        file.seek(1)
    except EOFError:
        return False
    return True
