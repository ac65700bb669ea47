"""The one reader of whole pictures, and the one writer of masks as palette PNGs."""

import contextlib
import operator
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from kseg.files import whole_file
from kseg.labels import Labels
from kseg.optional import import_optional

_BITS = 258  # the tag of a TIFF file
_ORIENTATION = 274  # likewise, and of EXIF


def read_image(
    path: str | Path,
    page: int = 0,
    channels: Sequence[int] | None = None,
    value_range: Sequence[float] | None = None,
) -> np.ndarray:
    """Reads a picture as RGB, upright.

    Args:
        path: A file that Pillow reads; transparency is dropped, 16-bit grey is
            scaled to 8 bits, of 16-bit colour the high bytes are taken, and the
            camera's orientation is applied. With `channels` or `value_range` also a
            TIFF file of any bands and numbers.
        page: Which page of a TIFF file, from 0.
        channels: Which bands are red, green and blue, from 0 as in an array; `None`
            for the first three, or the only one.
        value_range: The value in the file that becomes 0, and the one that becomes
            255; what is beyond is cut off. `None` as above.

    Returns:
        uint8 array `(height, width, 3)`.

    Raises:
        ValueError: If the file is not a whole picture, too large for Pillow, has not
            the page or the bands, or is of numbers of 32 bits without `value_range`.
    """
    if channels is not None or value_range is not None:
        return _chosen_bands(path, page, channels, value_range)
    return np.asarray(eight_bits(open_picture(path, page), path).convert("RGB"))


def picture_size(path: str | Path) -> tuple[int, int]:
    """Returns height and width of a picture, upright, from its header.

    Args:
        path: A file that Pillow reads.

    Raises:
        ValueError: If the header is broken.
    """
    with _naming(path), Image.open(path) as image:
        turned = image.format != "TIFF" and image.getexif().get(_ORIENTATION, 1) > 4
        return (image.width, image.height) if turned else (image.height, image.width)


def count_pages(path: str | Path) -> int:
    """Returns the number of pages of a TIFF file, 1 of another picture.

    Args:
        path: A file that Pillow or, where that cannot, tifffile reads.

    Raises:
        ValueError: If the header is broken.
    """
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) if image.format == "TIFF" else 1
    except UnidentifiedImageError:
        with _naming(path), import_optional("tifffile").TiffFile(path) as file:
            return len(file.pages)


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
            f"{where}, of Pillow's mode {image.mode!r}. `value_range` says which "
            "values become 0 and 255; or save it as 8 bits."
        )
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray(grey_bytes(np.asarray(image)))


def grey_bytes(grey: np.ndarray) -> np.ndarray:
    """Scales 0 to 65535 to 0 to 255, rounded, uint8."""
    return ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)


def open_picture(path: str | Path, page: int = 0) -> Image.Image:
    """Opens, decodes and turns a picture upright.

    Args:
        path: A file that Pillow reads.
        page: Which page of a TIFF file, from 0.

    Returns:
        The picture in the mode that it has in the file, without transparency; in
        `"I;16"` where Pillow takes 16 bits for 32.

    Raises:
        ValueError: If the file is not a whole picture, too large for Pillow, or has
            not the page.
    """
    with _naming(path), Image.open(path) as image:
        if page:
            image.seek(page)
        return upright(image)


def upright(file: Image.Image) -> Image.Image:
    """Decodes a picture and turns it upright.

    Args:
        file: What Pillow has opened.

    Returns:
        As of `open_picture`.
    """
    file.load()
    file.info.pop("transparency", None)
    return _narrowed(ImageOps.exif_transpose(file), file)


@contextlib.contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Makes an error that says which file is broken of any that it leads to."""
    try:
        yield
    except (FileNotFoundError, ImportError):
        raise
    except Image.DecompressionBombError as error:
        raise ValueError(
            "A picture that is read at once must be within Pillow's limit. Received: "
            f"{path}, of which Pillow says: {error} Convert it to a tiled TIFF, which "
            "`kseg.inference.predict_file` reads by windows."
        ) from error
    except Exception as error:  # a broken header may break a reader anywhere
        bands = Path(path).suffix.lower() in (".tif", ".tiff")
        raise ValueError(
            f"A picture must be a whole file. Received: {path}, of which its reader "
            f"says: {error}."
            + " `channels` and `value_range` open TIFF files of other bands."
            * bands
        ) from error


def _chosen_bands(path, page, channels, value_range) -> np.ndarray:
    """Reads the bands of a picture that are asked for, scaled."""
    bands = _read_bands(path, page)
    count = bands.shape[2]
    if channels is None and count > 4:
        raise ValueError(
            f"Three bands must be chosen. Received: {path} of {count} bands. Give "
            "`channels`, three positions from 0."
        )
    chosen = [0, 0, 0] if count < 3 else [0, 1, 2]
    if channels is not None:
        chosen = [operator.index(channel) for channel in channels]
        if len(chosen) != 3 or not all(0 <= channel < count for channel in chosen):
            raise ValueError(
                "`channels` must be three positions of bands, from 0. Received: "
                f"{tuple(channels)} for {path} of {count} bands."
            )
    bands = bands[..., chosen]
    if value_range is not None:
        low, high = (float(value) for value in value_range)
        if not low < high:
            raise ValueError(
                "`value_range` must be a lower and a higher value. Received: "
                f"{tuple(value_range)}."
            )
        scaled = np.clip(
            (bands.astype(np.float64) - low) * (255 / (high - low)), 0, 255
        )
        return np.rint(np.nan_to_num(scaled)).astype(np.uint8)
    if bands.dtype == np.uint16:
        return (bands >> 8).astype(np.uint8)
    if bands.dtype != np.uint8:
        raise ValueError(
            "Numbers other than 8 or 16 bits need the values that become 0 and 255. "
            f"Received: {path} of {bands.dtype}. Give `value_range=(low, high)`."
        )
    return bands


def _read_bands(path, page) -> np.ndarray:
    """Reads a picture as it is, as an array `(height, width, bands)`."""
    if Path(path).suffix.lower() not in (".tif", ".tiff"):
        bands = np.asarray(open_picture(path, page))
    else:
        tifffile = import_optional("tifffile")
        with _naming(path), tifffile.TiffFile(path) as file:
            series = file.pages[page]
            bands, axes = series.asarray(), series.axes
            if axes == "SYX":
                bands = np.moveaxis(bands, 0, -1)
            elif axes not in ("YX", "YXS"):
                raise ValueError(f"its axes are {axes}")
            if "Orientation" in series.tags and series.tags["Orientation"].value != 1:
                raise ValueError("it is turned by a tag")
    bands = bands.astype(np.uint8) * 255 if bands.dtype == bool else bands
    return bands[..., np.newaxis] if bands.ndim == 2 else bands


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
    write_image(path, mask_picture(ids, labels))


def mask_picture(ids: np.ndarray, labels: Labels) -> Image.Image:
    """Returns class ids as a picture with a palette of the classes' colours.

    Args:
        ids: As of `write_mask`, which tells the errors, too.
        labels: Whose colours the palette gets.
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
    return image


def palette(labels: Labels) -> np.ndarray:
    """Returns the colours of the ids 0 to 255, uint8 `(256, 3)`; void is white."""
    colors = np.full((256, 3), 255, np.uint8)
    colors[: labels.num_classes] = labels.colors[:256]
    return colors


def write_image(path: str | Path, image: Image.Image) -> None:
    """Writes a PNG that appears only when it is whole."""
    with whole_file(path) as temporary:
        image.save(temporary, format="PNG")
