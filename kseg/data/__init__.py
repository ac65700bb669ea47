"""Data by name: a `Source` of images and masks, and feeds that train on it."""

from kseg.data.augment import (
    ColorJitter,
    ElasticDeformation,
    RandomFlip,
    RandomQuarterTurn,
    RandomRotation,
    RandomScaleCrop,
)
from kseg.data.augment_layer import Augment
from kseg.data.cache import CachedSource
from kseg.data.card import Card, Download
from kseg.data.catalogue import names, open_source
from kseg.data.check import check_data, check_source
from kseg.data.class_crops import ClassCentre, class_centre
from kseg.data.crops import ObjectCrops, WindowCrops
from kseg.data.examples import Examples
from kseg.data.feed import keras_feed, tf_feed
from kseg.data.fitted_source import FittedSource, fitted
from kseg.data.folder_writer import write_folder
from kseg.data.from_keras import FromKeras, MixFromKeras
from kseg.data.geometry import Example, fit_inside
from kseg.data.images import read_mask
from kseg.data.patches import patches
from kseg.data.prepare import prepare
from kseg.data.prepared_source import PreparedSource
from kseg.data.presets import preset
from kseg.data.sources import (
    FileSource,
    RelabelledSource,
    Source,
    TfdsSource,
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
    "Augment",
    "CachedSource",
    "Card",
    "ClassCentre",
    "ColorJitter",
    "Download",
    "ElasticDeformation",
    "Example",
    "Examples",
    "FileSource",
    "FittedSource",
    "FromKeras",
    "MixFromKeras",
    "ObjectCrops",
    "PreparedSource",
    "RandomFlip",
    "RandomQuarterTurn",
    "RandomRotation",
    "RandomScaleCrop",
    "RelabelledSource",
    "Source",
    "TfdsSource",
    "WindowCrops",
    "check_data",
    "check_source",
    "class_centre",
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
    "preset",
    "prepare",
    "read_image",
    "read_mask",
    "separate_touching",
    "tf_feed",
    "weight_map",
    "write_folder",
    "write_mask",
]
