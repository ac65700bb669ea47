"""Data by name: a `Source` of images and masks, and feeds that train on it."""

from kseg.data.augment import (
    ColorJitter,
    ElasticDeformation,
    RandomFlip,
    RandomQuarterTurn,
    RandomRotation,
    RandomScaleCrop,
)
from kseg.data.catalogue import names, open_source
from kseg.data.crops import ObjectCrops, WindowCrops
from kseg.data.examples import Examples, fitted
from kseg.data.feed import keras_feed, tf_feed
from kseg.data.folder_writer import write_folder
from kseg.data.geometry import Example, fit_inside
from kseg.data.images import read_mask
from kseg.data.patches import patches
from kseg.data.sources import (
    FileSource,
    RelabelledSource,
    Source,
    TfdsSource,
    check_source,
)
from kseg.data.statistics import class_frequencies, class_weights
from kseg.data.weight_map import (
    instances_of,
    mask_weights,
    separate_touching,
    weight_map,
)
from kseg.raster import read_image, write_mask

__all__ = [
    "ColorJitter",
    "ElasticDeformation",
    "Example",
    "Examples",
    "FileSource",
    "ObjectCrops",
    "RandomFlip",
    "RandomQuarterTurn",
    "RandomRotation",
    "RandomScaleCrop",
    "RelabelledSource",
    "Source",
    "TfdsSource",
    "WindowCrops",
    "check_source",
    "class_frequencies",
    "class_weights",
    "fit_inside",
    "fitted",
    "instances_of",
    "keras_feed",
    "mask_weights",
    "names",
    "open_source",
    "patches",
    "read_image",
    "read_mask",
    "separate_touching",
    "tf_feed",
    "weight_map",
    "write_folder",
    "write_mask",
]
