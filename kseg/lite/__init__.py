"""Model files on images, videos and cameras, with numpy, Pillow and LiteRT alone.

It is also a package of its own, `kseg_lite`, which `lite/` in the repository makes of
this one and of what it imports.
"""

from kseg.labels import Labels
from kseg.lite.litert_model import LiteRTModel, read_sidecar
from kseg.lite.one_image import predict
from kseg.raster import read_image, write_mask
from kseg.raster.pictures import overlay

__all__ = [
    "Labels",
    "LiteRTModel",
    "overlay",
    "predict",
    "read_image",
    "read_sidecar",
    "write_mask",
]
