"""Data by name: a `Source` of images and masks, and feeds that train on it."""

from kseg.data.augment import ColorJitter, RandomFlip, RandomScaleCrop, fit_inside
from kseg.data.catalogue import names, open_source
from kseg.data.examples import Examples, fitted
from kseg.data.feed import keras_feed, tf_feed
from kseg.data.images import read_image, read_mask, write_mask
from kseg.data.sources import FileSource, Source, TfdsSource, check_source
from kseg.data.statistics import class_frequencies, class_weights

__all__ = [
    "ColorJitter",
    "Examples",
    "FileSource",
    "RandomFlip",
    "RandomScaleCrop",
    "Source",
    "TfdsSource",
    "check_source",
    "class_frequencies",
    "class_weights",
    "fit_inside",
    "fitted",
    "keras_feed",
    "names",
    "open_source",
    "read_image",
    "read_mask",
    "tf_feed",
    "write_mask",
]
