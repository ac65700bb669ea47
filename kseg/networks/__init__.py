"""The networks, one paper a file; importing this package registers them."""

import inspect

from kseg.networks.deconvnet import deconvnet
from kseg.networks.deeplabv1 import deeplabv1, deeplabv1_msc
from kseg.networks.deeplabv2 import deeplabv2
from kseg.networks.deeplabv3 import deeplabv3
from kseg.networks.deeplabv3plus import deeplabv3plus
from kseg.networks.fcn import fcn8s, fcn16s, fcn32s
from kseg.networks.fcn_resnet import fcn_resnet
from kseg.networks.hed import hed
from kseg.networks.hrnet import hrnet
from kseg.networks.lraspp import lraspp
from kseg.networks.ocrnet import ocrnet
from kseg.networks.pspnet import pspnet
from kseg.networks.refinenet import refinenet
from kseg.networks.segformer import segformer
from kseg.networks.segnet import segnet, segnet_basic
from kseg.networks.smp import smp_deeplabv3plus, smp_pspnet, smp_unet
from kseg.networks.unet import unet
from kseg.registry import builder, names, unknown

__all__ = [
    "build",
    "builder",
    "deconvnet",
    "deeplabv1",
    "deeplabv1_msc",
    "deeplabv2",
    "deeplabv3",
    "deeplabv3plus",
    "fcn8s",
    "fcn16s",
    "fcn32s",
    "fcn_resnet",
    "hed",
    "hrnet",
    "lraspp",
    "names",
    "ocrnet",
    "pspnet",
    "refinenet",
    "segformer",
    "segnet",
    "segnet_basic",
    "smp_deeplabv3plus",
    "smp_pspnet",
    "smp_unet",
    "unet",
]


def build(name: str, **arguments):
    """Builds a network by name.

    Args:
        name: One of `kseg.names()`.
        **arguments: Arguments of the function of that name; they all have
            defaults. Those that most networks share: `num_classes` (21),
            `backbone`, `weights` (`None`, `"imagenet"` or a path) and
            `input_shape` (`(None, None, 3)`).

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If the network does not exist or does not take an argument;
            the message lists those that are right.

    Example:
    >>> model = build("unet", num_classes=3, filters=4)
    >>> model.output_shape
    (None, None, None, 3)
    """
    function = builder(name)
    known = list(inspect.signature(function).parameters)
    for argument in arguments:
        if argument not in known:
            raise ValueError(unknown(f"argument of {name!r}", argument, known))
    return function(**arguments)
