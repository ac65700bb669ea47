"""Images of which windows are read, so that they need not fit into memory.

TIFF files by their tiles or strips, `.npy` files through a memory map that lives as
long as a window is read, all else at once through Pillow.
"""

import contextlib
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from kseg.optional import import_optional
from kseg.raster.whole import grey_bytes, read_image

# Bytes of decoded tiles or strips that are kept for the next windows: windows go from
# left to right, and a strip is as wide as the image.
_KEPT_BYTES = 1 << 27
# Most bytes of one tile or strip, all of which is decoded for one of its pixels.
_MOST_BYTES = 1 << 28
# How TIFF files begin, of either byte order, and those of 64-bit offsets.
_TIFF_HEADERS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class Windows(Protocol):
    """What an image is to those who read windows of it; NumPy arrays are it too."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and 3."""
        ...

    def __getitem__(self, window: tuple[slice, slice], /) -> np.ndarray:
        """Returns uint8 RGB of rows and columns within the image."""
        ...


def is_large(path: str | Path) -> bool:
    """Says whether an image is read by windows rather than at once.

    Args:
        path: An image file.

    Returns:
        Whether it is a `.npy` file, or a picture of more pixels than Pillow decodes
        without a warning in a TIFF file, or than it decodes at all in another.
    """
    if Path(path).suffix.lower() == ".npy":
        return True
    limit = Image.MAX_IMAGE_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as picture:
                pixels = picture.width * picture.height
                return limit is not None and pixels > limit and _is_tiff(path)
    except Image.DecompressionBombError:
        return True
    except Exception:  # a broken header may break Pillow anywhere
        return False  # the reader says what is wrong with it


@contextlib.contextmanager
def open_windows(path: str | Path) -> Iterator[Windows]:
    """Opens an image to read windows of it.

    Args:
        path: A TIFF file of 8 or 16 bits, grey or RGB, that is not turned by a tag; a
            `.npy` file of uint8 `(height, width, 3)`; or what Pillow reads, up to its
            limit of pixels.

    Yields:
        The image; `image[top:bottom, left:right]` is a uint8 array, RGB.

    Raises:
        ValueError: If the file is no such image.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        yield _NpyWindows(path)
    elif _is_tiff(path) and (is_large(path) or _reads_tiff()):
        tifffile = import_optional("tifffile")
        with contextlib.ExitStack() as stack:
            with _naming(path):
                file = stack.enter_context(tifffile.TiffFile(path))
                page = file.pages[0]
                reason = _unreadable(page)
                windows = None if reason else _TiffWindows(file)
                height, width = page.shape[:2]
            if windows is None and is_large(path):
                raise ValueError(
                    "A TIFF file that is too large to be read at once must be upright, "
                    "grey or RGB of 8 or 16 bits, in tiles or strips, uncompressed or "
                    f"deflated. Received: {path}, {height}x{width}, with {reason}. "
                    "Convert it to a tiled TIFF, deflated."
                )
            yield read_image(path) if windows is None else windows
    else:
        yield read_image(path)


def _is_tiff(path: str | Path) -> bool:
    """Says whether a file is a TIFF, which scanners and maps call by other endings."""
    try:
        with open(path, "rb") as file:
            return file.read(4) in _TIFF_HEADERS
    except OSError:
        return False  # the reader says what is wrong with it


@contextlib.contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Makes an error that says which TIFF file is broken of any that it leads to."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # a broken header may break tifffile anywhere
        raise ValueError(
            f"A TIFF file must be whole. Received: {path}, of which tifffile says: "
            f"{error}."
        ) from error


class _NpyWindows:
    """A `.npy` file; the map is closed after each window, and with it its memory."""

    def __init__(self, path: Path):
        """Reads the header."""
        self._path = path
        try:
            # What begins with other bytes is no array: an archive of some, or no file
            # of NumPy's.
            array = np.lib.format.open_memmap(path, mode="r")
        except (ValueError, EOFError) as error:
            raise ValueError(
                "A .npy file must hold one array, not empty. Received: "
                f"{path}, of which NumPy says: {error}."
            ) from error
        if (
            array.dtype != np.uint8
            or array.ndim != 3
            or array.shape[2] != 3
            or not array.size
        ):
            raise ValueError(
                "A .npy file of an image must be uint8 (height, width, 3), of a pixel "
                f"or more. Received: {path}, {array.dtype} {array.shape}."
            )
        self.shape = array.shape

    def __getitem__(self, window):
        """Reads a window."""
        return np.array(np.load(self._path, mmap_mode="r")[window])


class _TiffWindows:
    """The first picture of a TIFF file, decoded by tiles or strips."""

    def __init__(self, file):
        """Keeps the page; nothing is decoded yet."""
        self._file, self._page = file, file.pages[0]
        height, width = self._page.shape[:2]
        self.shape = (height, width, 3)
        # Height and width of a tile or strip, and how many there are across.
        self._size = self._page.chunks[:2]
        self._across = -(-width // self._size[1])
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._bytes = 0
        parts = zip(self._page.dataoffsets, self._page.databytecounts, strict=True)
        end = max(offset + count for offset, count in parts)
        if end > file.filehandle.size:
            raise ValueError(f"it ends before its {end} bytes")

    def __getitem__(self, window):
        """Reads a window."""
        with _naming(self._file.filehandle.path):
            return self._read(window)

    def _read(self, window) -> np.ndarray:
        """Reads a window, or raises whatever a broken file leads to."""
        rows, columns = (
            range(*side.indices(length))
            for side, length in zip(window, self.shape, strict=False)
        )
        if self._page.is_memmappable:
            # Mapped anew for each window, whose end frees the pages that it touched.
            whole = np.memmap(
                self._file.filehandle.path,
                self._page.parent.byteorder + self._page.dtype.char,
                "r",
                self._page.dataoffsets[0],
                self._page.shape,
            )
            return _rgb(whole[window])
        result = np.empty((len(rows), len(columns), 3), np.uint8)
        height, width = self._size
        for i in range(rows.start // height, -(-rows.stop // height)):
            for j in range(columns.start // width, -(-columns.stop // width)):
                part = self._segment(i * self._across + j)
                top, left = max(rows.start, i * height), max(columns.start, j * width)
                bottom = min(rows.stop, (i + 1) * height)
                right = min(columns.stop, (j + 1) * width)
                result[
                    top - rows.start : bottom - rows.start,
                    left - columns.start : right - columns.start,
                ] = part[
                    top - i * height : bottom - i * height,
                    left - j * width : right - j * width,
                ]
        return result

    def _segment(self, index: int) -> np.ndarray:
        """Decodes a tile or strip, or returns it from the last ones."""
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index]
        page, handle = self._page, self._file.filehandle
        handle.seek(page.dataoffsets[index])
        data = handle.read(page.databytecounts[index])
        # Of a sparse file, what is not there is empty.
        decoded = page.decode(data or None, index)[0]
        if decoded is None:
            decoded = np.zeros((1, *self._size, 1), np.uint8)
        part = self._kept[index] = _rgb(decoded[0])
        self._bytes += part.nbytes
        while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return part


def _rgb(array: np.ndarray) -> np.ndarray:
    """Returns grey or colour of 8 or 16 bits as uint8 `(height, width, 3)`.

    Of 16 bits grey is scaled, and of colour the high byte is taken: as `read_image`
    scales the one, and Pillow reads the other.
    """
    array = array[..., np.newaxis] if array.ndim == 2 else array
    array = array[..., : 3 if array.shape[2] >= 3 else 1]
    if array.dtype.itemsize == 2:
        array = grey_bytes(array) if array.shape[2] == 1 else array >> 8
    return np.array(np.broadcast_to(array, (*array.shape[:2], 3)), np.uint8)


def _unreadable(page) -> str:
    """Says what keeps a page of a TIFF file from being read by windows, if anything."""
    # What tifffile does not know stays a number.
    kind = getattr(page.photometric, "name", page.photometric)
    if kind not in ("MINISBLACK", "RGB"):
        return f"pixels of the kind {kind}"
    # Tiles of JPEGs share tables that lie elsewhere in the file.
    compression = getattr(page.compression, "name", page.compression)
    if "JPEG" in str(compression):
        return f"the compression {compression}"
    if page.dtype is None or page.dtype.kind != "u" or page.dtype.itemsize > 2:
        return f"pixels of {page.dtype}"
    if page.bitspersample not in (8, 16):
        return f"{page.bitspersample} bits"
    if page.axes not in ("YX", "YXS") or len(page.chunks) != len(page.shape):
        return f"axes {page.axes}"
    orientation = page.tags.get("Orientation")
    if orientation is not None and orientation.value != 1:
        return f"the orientation {orientation.value}"
    if page.is_memmappable:
        return ""
    segment = int(np.prod(page.chunks)) * page.dtype.itemsize
    if segment > _MOST_BYTES:
        return f"tiles or strips of {page.chunks[0]}x{page.chunks[1]} pixels"
    try:
        page.decode(None, 0)
    except ValueError as error:
        return str(error)
    return ""


def _reads_tiff() -> bool:
    """Says whether tifffile is there; small files can do without it."""
    try:
        import_optional("tifffile")
    except ImportError:
        return False
    return True
