"""kseg: semantic segmentation for Keras 3.

    import kseg
    model = kseg.build("deeplabv3plus", num_classes=11, backbone="mobilenet_v2")

Importing kseg imports nothing else: Keras and its backend come with the first
use of one of the names below.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kseg import (
        backbones,
        convert,
        data,
        export,
        inference,
        layers,
        lite,
        losses,
        metrics,
        networks,
    )
    from kseg.complexity import activation_bytes, multiply_adds
    from kseg.convert import from_pytorch
    from kseg.inference import predict
    from kseg.labels import Labels
    from kseg.models import load
    from kseg.networks import build, names

__version__ = "0.1.0"

_HOMES = {
    "Labels": "kseg.labels",
    "activation_bytes": "kseg.complexity",
    "build": "kseg.networks",
    "from_pytorch": "kseg.convert",
    "load": "kseg.models",
    "multiply_adds": "kseg.complexity",
    "names": "kseg.networks",
    "predict": "kseg.inference",
}
_PACKAGES = (
    "backbones",
    "convert",
    "data",
    "export",
    "inference",
    "layers",
    "lite",
    "losses",
    "metrics",
    "networks",
)

__all__ = [
    "Labels",
    "activation_bytes",
    "backbones",
    "build",
    "convert",
    "data",
    "export",
    "from_pytorch",
    "inference",
    "layers",
    "lite",
    "load",
    "losses",
    "metrics",
    "multiply_adds",
    "names",
    "networks",
    "predict",
]


def __getattr__(name: str):
    """Imports a public name when it is first used."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"kseg.{name}")
    raise AttributeError(f"module 'kseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Lists the public names."""
    return sorted(__all__)
