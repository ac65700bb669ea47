"""Data sets by name: `open_source("camvid", "train", path=...)`."""

import inspect
import os
from collections.abc import Callable

from kseg.data.ade20k import ade20k
from kseg.data.bsds500 import bsds500
from kseg.data.camvid import camvid
from kseg.data.card import Card
from kseg.data.cityscapes import cityscapes
from kseg.data.coco_stuff import coco_stuff
from kseg.data.drive import drive
from kseg.data.folder import folder
from kseg.data.isbi2012 import isbi2012
from kseg.data.label_tools import coco, cvat, labelme, supervisely, yolo
from kseg.data.nyudv2 import nyudv2
from kseg.data.oxford_iiit_pet import oxford_iiit_pet
from kseg.data.pascal_context import pascal_context
from kseg.data.prepared_source import prepared
from kseg.data.siftflow import siftflow
from kseg.data.sources import Source
from kseg.data.synthetic_source import synthetic
from kseg.data.tfds_source import tfds
from kseg.data.voc2012 import voc2012
from kseg.registry import unknown

# The card of a published data set is `CARD` in the module of its function.
_SOURCES: dict[str, Callable] = {
    "ade20k": ade20k,
    "bsds500": bsds500,
    "camvid": camvid,
    "cityscapes": cityscapes,
    "coco": coco,
    "coco_stuff": coco_stuff,
    "cvat": cvat,
    "drive": drive,
    "folder": folder,
    "isbi2012": isbi2012,
    "labelme": labelme,
    "nyudv2": nyudv2,
    "oxford_iiit_pet": oxford_iiit_pet,
    "pascal_context": pascal_context,
    "prepared": prepared,
    "siftflow": siftflow,
    "supervisely": supervisely,
    "synthetic": synthetic,
    "tfds": tfds,
    "voc2012": voc2012,
    "yolo": yolo,
}


def names() -> list[str]:
    """Returns the names that `open_source` knows, sorted."""
    return sorted(_SOURCES)


def open_source(name: str, split: str, **options) -> Source:
    """Opens a data set by name.

    Args:
        name: One of `names()`.
        split: `"train"` or `"val"`; `"test"` where the data set has one.
        **options: Arguments of the function of that name; a `path` may begin with `~`.

    Returns:
        A source of images and masks.

    Raises:
        ValueError: If the name or an option is unknown, or the data is broken.
        FileNotFoundError: If a folder or file is missing.
    """
    known = option_names(name)
    for option in options:
        if option not in known:
            raise ValueError(unknown(f"option of data set {name!r}", option, known))
    try:
        inspect.signature(_SOURCES[name]).bind(split=split, **options)
    except TypeError as error:
        raise ValueError(
            f"Data set {name!r} is {error}. Its options are {known}."
        ) from error
    if options.get("path") is not None:
        options["path"] = os.path.expanduser(options["path"])
    return _SOURCES[name](split=split, **options)


def card(name: str) -> Card:
    """Returns what is known of a published data set.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: If the name is unknown, or of no data set in particular, such as
            `"folder"`.
    """
    if name not in _SOURCES:
        raise ValueError(unknown("data set", name, names()))
    found = getattr(inspect.getmodule(_SOURCES[name]), "CARD", None)
    if found is None:
        raise ValueError(
            "A data set must be published to have a card. Received: "
            f"{name!r}, whose classes are those of its files."
        )
    return found


def option_names(name: str) -> list[str]:
    """Returns the options that a data set takes.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: If the name is unknown.
    """
    if name not in _SOURCES:
        raise ValueError(unknown("data set", name, names()))
    parameters = inspect.signature(_SOURCES[name]).parameters
    return [parameter for parameter in parameters if parameter != "split"]
