"""Data sets by name: `open_source("camvid", "train", path=...)`."""

import inspect
from collections.abc import Callable

from kseg.data.bsds500 import bsds500
from kseg.data.camvid import camvid
from kseg.data.folder import folder
from kseg.data.isbi2012 import isbi2012
from kseg.data.sources import Source
from kseg.data.synthetic_source import synthetic
from kseg.data.tfds_source import tfds
from kseg.registry import unknown

_SOURCES: dict[str, Callable] = {
    "bsds500": bsds500,
    "camvid": camvid,
    "folder": folder,
    "isbi2012": isbi2012,
    "synthetic": synthetic,
    "tfds": tfds,
}


def names() -> list[str]:
    """Returns the names that `open_source` knows, sorted."""
    return sorted(_SOURCES)


def open_source(name: str, split: str, **options) -> Source:
    """Opens a data set by name.

    Args:
        name: One of `names()`.
        split: `"train"` or `"val"`; `"test"` where the data set has one.
        **options: Arguments of the function of that name.

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
    return _SOURCES[name](split=split, **options)


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
