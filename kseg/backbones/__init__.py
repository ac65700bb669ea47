"""Backbones: an image tensor in, a dictionary of feature maps `c1` to `c5` out.

`c1` has half the image's height and width, `c2` a quarter, and so on to `c5`
at 1/32, or at `1 / output_stride` where the backbone is asked to stay denser
(sides are rounded up). Images are raw, in 0 to 255: a backbone normalises them
itself, in the way its published weights want.

`alexnet` and `googlenet` are not among those that `build` knows: they keep to the
sizes of Caffe, and to their strides. Nor is `vgg16_bn`, whose poolings are for a
decoder to undo.
"""

from kseg.backbones.alexnet import alexnet
from kseg.backbones.dense_kernels import decimate, dense_to_convolution
from kseg.backbones.googlenet import googlenet
from kseg.backbones.mobilenet_v2 import mobilenet_v2
from kseg.backbones.resnet import resnet50, resnet101
from kseg.backbones.vgg16 import vgg16
from kseg.backbones.vgg16_bn import vgg16_bn
from kseg.backbones.weights import check_weights, load_weights
from kseg.backbones.xception65 import xception65
from kseg.registry import unknown

_BACKBONES = {
    "mobilenet_v2": mobilenet_v2,
    "resnet50": resnet50,
    "resnet101": resnet101,
    "vgg16": vgg16,
    "xception65": xception65,
}

__all__ = [
    "alexnet",
    "build",
    "check_weights",
    "decimate",
    "dense_to_convolution",
    "googlenet",
    "load_weights",
    "names",
    "vgg16",
    "vgg16_bn",
]


def names() -> list[str]:
    """Returns the names of the backbones, sorted."""
    return sorted(_BACKBONES)


def build(name: str, image, output_stride: int = 32) -> dict:
    """Applies a backbone to an image.

    Args:
        name: One of `names()`.
        image: Float tensor `(batch, height, width, 3)` in 0 to 255.
        output_stride: 8, 16 or 32: the stride of the densest map; strides
            beyond it become dilations.

    Returns:
        A dictionary of float tensors `c1` to `c5`.

    Raises:
        ValueError: If `name` or `output_stride` is not one of these.
    """
    if name not in _BACKBONES:
        raise ValueError(unknown("backbone", name, names()))
    if output_stride not in (8, 16, 32):
        raise ValueError(
            f"`output_stride` must be 8, 16 or 32. Received: {output_stride!r}."
        )
    return _BACKBONES[name](image, output_stride)
