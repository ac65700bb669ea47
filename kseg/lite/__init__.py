"""Model files on images, videos and cameras, with numpy, Pillow and LiteRT alone.

It is also a package of its own, `kseg_lite`, which `lite/` in the repository makes of
this one and of what it imports.
"""

from kseg.labels import Labels
from kseg.lite.batch import predict_files
from kseg.lite.camera import watch
from kseg.lite.litert_model import LiteRTModel, read_sidecar
from kseg.lite.one_image import predict
from kseg.lite.timing import measure
from kseg.lite.video import write_video
from kseg.raster import read_image, write_mask
from kseg.raster.pictures import overlay

__all__ = [
    "Labels",
    "LiteRTModel",
    "measure",
    "overlay",
    "predict",
    "predict_files",
    "read_image",
    "read_sidecar",
    "watch",
    "write_mask",
    "write_video",
]
