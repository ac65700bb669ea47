"""The one reader of whole pictures, and the one writer of masks as palette PNGs."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from kseg.files import whole_file
from kseg.labels import Labels


def read_image(path: str | Path) -> np.ndarray:
    """Reads a picture as RGB, upright.

    Args:
        path: A file that Pillow reads; transparency is dropped, 16-bit grey is
            scaled to 8 bits, the camera's orientation is applied.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: If the file is not a whole picture, or too large for Pillow.
    """
    return np.asarray(eight_bits(open_picture(path)).convert("RGB"))


def eight_bits(image: Image.Image) -> Image.Image:
    """Scales 16-bit grey to 8 bits, which Pillow would clip, and passes on the rest."""
    if not image.mode.startswith("I"):
        return image
    grey = np.asarray(image).astype("float32") / 257
    return Image.fromarray(grey.round().clip(0, 255).astype("uint8"))


def open_picture(path: str | Path) -> Image.Image:
    """Opens, decodes and turns a picture upright.

    Args:
        path: A file that Pillow reads.

    Returns:
        The picture in the mode that it has in the file, without transparency.

    Raises:
        ValueError: If the file is not a whole picture, or too large for Pillow.
    """
    try:
        with Image.open(path) as image:
            image.load()
            image.info.pop("transparency", None)
            return ImageOps.exif_transpose(image)
    except FileNotFoundError:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(
            "A picture that is read at once must be within Pillow's limit. Received: "
            f"{path}, of which Pillow says: {error} Convert it to a tiled TIFF, which "
            "`kseg.inference.predict_file` reads by windows."
        ) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(
            f"A picture must be a whole file. Received: {path}, of which Pillow "
            f"says: {error}."
        ) from error


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
    image = Image.fromarray(ids.astype(np.uint8))
    image.putpalette(palette(labels).ravel().tolist())
    write_image(path, image)


def palette(labels: Labels) -> np.ndarray:
    """Returns the colours of the ids 0 to 255, uint8 `(256, 3)`; void is white."""
    colors = np.full((256, 3), 255, np.uint8)
    colors[: labels.num_classes] = labels.colors
    return colors


def write_image(path: str | Path, image: Image.Image) -> None:
    """Writes a PNG that appears only when it is whole."""
    with whole_file(path) as temporary:
        image.save(temporary, format="PNG")
