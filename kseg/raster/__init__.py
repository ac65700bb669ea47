"""Pictures on disk: read and written whole, or by windows where they are large."""

from kseg.raster.find import SUFFIXES, find_images
from kseg.raster.whole import (
    check_image,
    count_pages,
    eight_bits,
    open_picture,
    picture_size,
    read_image,
    write_image,
    write_mask,
)
from kseg.raster.windows import is_large, open_windows
from kseg.raster.write_bands import check_output, write_bands

__all__ = [
    "SUFFIXES",
    "check_image",
    "check_output",
    "count_pages",
    "eight_bits",
    "find_images",
    "is_large",
    "open_picture",
    "open_windows",
    "picture_size",
    "read_image",
    "write_bands",
    "write_image",
    "write_mask",
]
