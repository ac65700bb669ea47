"""Backbones: an image tensor in, a dictionary of feature maps `c1` to `c5` out.

`c1` has half the image's height and width, `c2` a quarter, and so on to `c5`
at 1/32, or at `1 / output_stride` where the backbone is asked to stay denser
(sides are rounded up); a transformer, whose first patches have stride 4, has no `c1`
and stays at 32. Images are raw, in 0 to 255: a backbone normalises them
itself, in the way its published weights want.

`alexnet` and `googlenet` are not among those that `build` knows: they keep to the
sizes of Caffe, and to their strides. Nor is `vgg16_bn`, whose poolings are for a
decoder to undo.
"""

import functools
import inspect

from kseg.backbones.alexnet import alexnet
from kseg.backbones.dense_kernels import decimate, dense_to_convolution
from kseg.backbones.efficientnet_lite0 import efficientnet_lite0
from kseg.backbones.freeze import freeze_batch_norm
from kseg.backbones.googlenet import googlenet
from kseg.backbones.hrnet import (
    hrnet_w18,
    hrnet_w18_small_v1,
    hrnet_w18_small_v2,
    hrnet_w32,
    hrnet_w40,
    hrnet_w48,
)
from kseg.backbones.mit import mit
from kseg.backbones.mobilenet_v2 import mobilenet_v2
from kseg.backbones.mobilenet_v3 import mobilenet_v3, mobilenet_v3_torch
from kseg.backbones.resnet import resnet, resnet_beta, resnet_torch, resnet_v1c
from kseg.backbones.vgg16 import vgg16, vgg16_classifier
from kseg.backbones.vgg16_bn import vgg16_bn
from kseg.backbones.weights import check_weights, load_weights
from kseg.backbones.xception65 import xception65
from kseg.registry import unknown

_BACKBONES = {
    "efficientnet_lite0": efficientnet_lite0,
    "hrnet_w18": hrnet_w18,
    "hrnet_w18_small_v1": hrnet_w18_small_v1,
    "hrnet_w18_small_v2": hrnet_w18_small_v2,
    "hrnet_w32": hrnet_w32,
    "hrnet_w40": hrnet_w40,
    "hrnet_w48": hrnet_w48,
    **{
        f"mit_{size}": functools.partial(mit, size)
        for size in ("b0", "b1", "b2", "b3", "b4", "b5")
    },
    "mobilenet_v2": mobilenet_v2,
    "mobilenet_v3_large": functools.partial(mobilenet_v3, "large"),
    "mobilenet_v3_large_torch": functools.partial(mobilenet_v3_torch, "large"),
    "mobilenet_v3_small": functools.partial(mobilenet_v3, "small"),
    "mobilenet_v3_small_torch": functools.partial(mobilenet_v3_torch, "small"),
    "resnet50": functools.partial(resnet, 50),
    "resnet101": functools.partial(resnet, 101),
    "resnet152": functools.partial(resnet, 152),
    "resnet50_beta": functools.partial(resnet_beta, 50),
    "resnet101_beta": functools.partial(resnet_beta, 101),
    **{
        f"resnet{depth}_torch": functools.partial(resnet_torch, depth)
        for depth in (18, 34, 50, 101, 152)
    },
    "resnet50_v1c": functools.partial(resnet_v1c, 50),
    "resnet101_v1c": functools.partial(resnet_v1c, 101),
    "vgg16": vgg16,
    "xception65": xception65,
}

__all__ = [
    "alexnet",
    "build",
    "check_weights",
    "decimate",
    "dense_to_convolution",
    "first_dilation",
    "freeze_batch_norm",
    "googlenet",
    "load_weights",
    "names",
    "options",
    "vgg16",
    "vgg16_bn",
    "vgg16_classifier",
]


def names() -> list[str]:
    """Returns the names of the backbones, sorted."""
    return sorted(_BACKBONES)


def options(name: str) -> list[str]:
    """Returns what a backbone can be told beside the output stride.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: If `name` is unknown; the message lists the known names.
    """
    if name not in _BACKBONES:
        raise ValueError(unknown("backbone", name, names()))
    image, output_stride, *rest = inspect.signature(_BACKBONES[name]).parameters
    return rest


def first_dilation(
    name: str, dilate_first: bool | None, default: bool = True
) -> dict[str, bool]:
    """Returns the option `dilate_first` of `build`, where there is a say in it.

    Args:
        name: One of `names()`.
        dilate_first: What is asked for; `build` refuses it of a backbone that has no
            such option. `None`: `default` where the backbone has the option.
        default: See there.
    """
    if dilate_first is not None:
        return {"dilate_first": dilate_first}
    return {"dilate_first": default} if "dilate_first" in options(name) else {}


def build(name: str, image, output_stride: int = 32, **arguments) -> dict:
    """Applies a backbone to an image.

    Args:
        name: One of `names()`.
        image: Float tensor `(batch, height, width, 3)` in 0 to 255.
        output_stride: 8, 16 or 32: the stride of the densest map; strides
            beyond it become dilations.
        **arguments: Any of `options(name)`, as `multi_grid` of a ResNet.

    Returns:
        A dictionary of float tensors `c1` to `c5` (of a transformer `c2` to `c5`),
        and those that the backbone or an option adds.

    Raises:
        ValueError: If `name` or `output_stride` is not one of these, or the
            backbone has no such option; the message lists those that are right.
    """
    known = options(name)
    if output_stride not in (8, 16, 32):
        raise ValueError(
            f"`output_stride` must be 8, 16 or 32. Received: {output_stride!r}."
        )
    for argument in arguments:
        if argument not in known:
            raise ValueError(unknown(f"option of {name!r}", argument, known))
    return _BACKBONES[name](image, output_stride, **arguments)
