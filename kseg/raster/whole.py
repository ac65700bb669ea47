"""The one reader of whole pictures, and the one writer of masks as palette PNGs."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from kseg.files import whole_file
from kseg.labels import Labels

_BITS = 258  # the tag of a TIFF file


def read_image(path: str | Path) -> np.ndarray:
    """Reads a picture as RGB, upright.

    Args:
        path: A file that Pillow reads; transparency is dropped, 16-bit grey is
            scaled to 8 bits, of 16-bit colour the high bytes are taken, and the
            camera's orientation is applied.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: If the file is not a whole picture, too large for Pillow, or of
            numbers of 32 bits.
    """
    return np.asarray(eight_bits(open_picture(path), path).convert("RGB"))


def check_image(image: object) -> None:
    """Raises if something is not an RGB image of one pixel or more.

    Args:
        image: uint8 array `(height, width, 3)`.

    Raises:
        ValueError: If it is something else.
    """
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[-1] != 3
        or 0 in image.shape
    ):
        received = getattr(image, "shape", type(image).__name__)
        raise ValueError(
            "`image` must be a uint8 array (height, width, 3), RGB in 0 to 255, and "
            f"have a pixel. Received: {getattr(image, 'dtype', '')} {received}. "
            "`kseg.data.read_image(path)` reads one."
        )


def eight_bits(image: Image.Image, where: object = "a picture") -> Image.Image:
    """Scales 16-bit grey to 8 bits, which Pillow would clip, and passes on the rest.

    Args:
        image: A picture.
        where: What it is, for the message.

    Returns:
        A picture of 8 bits.

    Raises:
        ValueError: If it is of floats or integers of 32 bits, whose white is anywhere.
    """
    if image.mode in ("I", "F"):
        raise ValueError(
            "A picture must be of 8 or 16 bits, not negative. Received: "
            f"{where}, of Pillow's mode {image.mode!r}. Scale it to 0 to 255 and save "
            "it as 8 bits."
        )
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray(grey_bytes(np.asarray(image)))


def grey_bytes(grey: np.ndarray) -> np.ndarray:
    """Scales 0 to 65535 to 0 to 255, rounded, uint8."""
    return ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)


def open_picture(path: str | Path) -> Image.Image:
    """Opens, decodes and turns a picture upright.

    Args:
        path: A file that Pillow reads.

    Returns:
        The picture in the mode that it has in the file, without transparency; in
        `"I;16"` where Pillow takes 16 bits for 32.

    Raises:
        ValueError: If the file is not a whole picture, or too large for Pillow.
    """
    try:
        with Image.open(path) as image:
            image.load()
            image.info.pop("transparency", None)
            return _narrowed(ImageOps.exif_transpose(image), image)
    except FileNotFoundError:
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(
            "A picture that is read at once must be within Pillow's limit. Received: "
            f"{path}, of which Pillow says: {error} Convert it to a tiled TIFF, which "
            "`kseg.inference.predict_file` reads by windows."
        ) from error
    except Exception as error:  # a broken header may break Pillow anywhere
        raise ValueError(
            f"A picture must be a whole file. Received: {path}, of which Pillow "
            f"says: {error}."
        ) from error


def _narrowed(picture: Image.Image, file: Image.Image) -> Image.Image:
    """Returns a picture in 16 bits where its file has no more, but Pillow took 32."""
    bits = getattr(file, "tag_v2", {}).get(_BITS)
    if picture.mode != "I" or (file.format != "PPM" and bits != (16,)):
        return picture
    values = np.asarray(picture)
    if values.min() < 0:
        return picture
    return Image.fromarray(values.astype(np.uint16))


def write_mask(path: str | Path, ids: np.ndarray, labels: Labels) -> None:
    """Writes class ids as a palette PNG that shows the classes' colours.

    Args:
        path: Where; the file appears only when it is whole.
        ids: Integer array `(height, width)`, 0 to 255.
        labels: Whose colours the palette gets; void is white.

    Raises:
        ValueError: If the ids are no integers, or one is more than a palette holds.
    """
    if ids.dtype.kind not in "iu":
        raise ValueError(f"Class ids must be integers. Received: {ids.dtype}.")
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
    colors[: labels.num_classes] = labels.colors[:256]
    return colors


def write_image(path: str | Path, image: Image.Image) -> None:
    """Writes a PNG that appears only when it is whole."""
    with whole_file(path) as temporary:
        image.save(temporary, format="PNG")
