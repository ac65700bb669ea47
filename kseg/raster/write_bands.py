"""Class ids written band by band, from the top of an image to its bottom."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from kseg.files import whole_file
from kseg.labels import Labels, id_dtype
from kseg.optional import import_optional
from kseg.raster.whole import palette, write_mask

_TIFF = (".tif", ".tiff")
# Height and width of the tiles of a TIFF file that is written.
_SIDE = 256


def check_output(
    path: str | Path, size: tuple[int, int] | None, num_classes: int
) -> None:
    """Raises if class ids cannot be written to a file of this name.

    Args:
        path: The file.
        size: Height and width of the image; `None` as long as nothing is read.
        num_classes: Number of classes.

    Raises:
        ValueError: If its ending is none of `.tif`, `.tiff`, `.npy` and `.png`, its
            folder is not there, it is a folder, or a PNG, which is written at once,
            would be too large.
        ImportError: If the package that it takes is not there.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in (*_TIFF, ".npy", ".png"):
        raise ValueError(
            "Class ids are written to .tif, .tiff, .npy or .png files. Received: "
            f"{path}."
        )
    if not path.parent.is_dir() or path.is_dir():
        raise ValueError(
            f"Class ids are written to a file in a folder that is there. Received: "
            f"{path}."
        )
    if suffix in _TIFF:
        import_optional("tifffile")
    limit = Image.MAX_IMAGE_PIXELS
    height, width = size or (0, 0)
    too_large = limit is not None and height * width > limit
    if suffix == ".png" and (too_large or num_classes > 256):
        raise ValueError(
            f"A PNG of class ids has up to {limit} pixels and 256 classes. Received: "
            f"{path}, {height}x{width} with {num_classes} classes. Write a .tif."
        )


def write_bands(
    path: str | Path,
    bands: Iterable[np.ndarray],
    size: tuple[int, int],
    labels: Labels,
) -> None:
    """Writes class ids.

    Args:
        path: A `.tif` or `.tiff` file, which gets tiles, deflated, and the colours of
            the classes; a `.npy` file; or a `.png`, which is written at once. It
            appears whole or not at all.
        bands: Integer arrays `(rows, width)` of class ids that together are the image;
            each is asked for when those before it are written.
        size: Height and width of the image.
        labels: The classes. Up to 256 are uint8, more are uint16 and without colours.

    Raises:
        ValueError: As of `check_output`, or if a band is not as described, or there
            are more or fewer rows than `size` says.
    """
    path = Path(path)
    check_output(path, size, labels.num_classes)
    dtype = np.dtype(id_dtype(labels.num_classes))
    bands = _checked(bands, size, dtype)
    if path.suffix.lower() == ".png":
        write_mask(path, np.concatenate(list(bands)), labels)
        return
    with whole_file(path) as temporary:
        if path.suffix.lower() == ".npy":
            _write_npy(temporary, bands, size, dtype)
        else:
            _write_tiff(temporary, bands, size, dtype, labels)
        for _ in bands:  # of rows that no tile asked for `_checked` complains
            pass


def _checked(bands, size: tuple[int, int], dtype: np.dtype) -> Iterator[np.ndarray]:
    """Yields the bands as ids of a type, and raises unless they are the image."""
    rows, largest = 0, np.iinfo(dtype).max
    for band in bands:
        rows += len(band)
        if band.dtype.kind not in "iu" or band.shape[1:] != (size[1],):
            raise ValueError(
                f"A band must be integers (rows, {size[1]}). Received: "
                f"{band.dtype} {band.shape}."
            )
        if band.size and not 0 <= band.min() <= band.max() <= largest:
            raise ValueError(
                f"Class ids of {dtype} are 0 to {largest}. Received: "
                f"{band.min()} to {band.max()}."
            )
        if rows > size[0]:
            break
        yield band.astype(dtype, copy=False)
    if rows != size[0]:
        raise ValueError(
            f"Bands must have {size[0]} rows together. Received: "
            f"{'at least ' * (rows > size[0])}{rows}."
        )


def _write_npy(path: Path, bands, size, dtype: np.dtype) -> None:
    header = {"descr": dtype.str, "fortran_order": False, "shape": tuple(size)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for band in bands:
            file.write(band.tobytes())


def _write_tiff(path: Path, bands, size, dtype: np.dtype, labels: Labels) -> None:
    tifffile = import_optional("tifffile")
    kind: dict = {"photometric": "minisblack"}
    if dtype == np.uint8:
        # A TIFF file has colours of 16 bits.
        colors = palette(labels).T.astype(np.uint16) * 257
        kind = {"photometric": "palette", "colormap": colors}
    # Beyond 4 GB the offsets of an ordinary file end.
    large = size[0] * size[1] * dtype.itemsize > 1 << 31
    with tifffile.TiffWriter(path, bigtiff=large) as writer:
        writer.write(
            _tiles(bands, size[1], dtype),
            shape=tuple(size),
            dtype=dtype,
            tile=(_SIDE, _SIDE),
            compression="zlib",
            metadata=None,
            software=False,
            **kind,
        )


def _tiles(bands: Iterable[np.ndarray], width: int, dtype) -> Iterator[np.ndarray]:
    """Yields whole tiles from left to right and top to bottom, padded with zeros."""
    across = -(-width // _SIDE)
    row, filled = np.zeros((_SIDE, across * _SIDE), dtype), 0
    for band in bands:
        while len(band):
            taken = min(_SIDE - filled, len(band))
            row[filled : filled + taken, :width] = band[:taken]
            band, filled = band[taken:], filled + taken
            if filled == _SIDE:
                yield from np.split(row, across, axis=1)
                row, filled = np.zeros_like(row), 0
    if filled:
        yield from np.split(row, across, axis=1)
