"""GoogLeNet (Inception v1) up to module 5b, without the auxiliary classifiers.

Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, table 1.
https://arxiv.org/abs/1409.4842
Paddings, rounding and normalisation are those of Caffe's `models/bvlc_googlenet`.
It is here for FCN-GoogLeNet and keeps to Caffe's sizes: its strides are fixed, and
sides are not the image's divided by them.
"""

from keras import layers

from kseg.backbones.ceil_pooling import ceil_max_pooling
from kseg.backbones.normalise import subtract_mean
from kseg.layers import LocalResponseNormalization, conv_relu

# Table 1: channels of the 1x1 branch, of the 3x3 and the 5x5 branch with those of
# the 1x1 convolution ahead of each, and of the pooled branch.
_MODULES = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(image, first_padding: int = 3) -> dict:
    """Builds GoogLeNet.

    The centre of the cell i of `c5` is at pixel `32 i + 33 - first_padding`.

    Args:
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; the
            mean of ImageNet is subtracted inside. Caffe's weights want the
            channels of their first kernel turned from BGR to RGB. With a
            padding of 18 any size will do, with 3 a side needs 31 pixels.
        first_padding: Zeros around the image, in pixels; Caffe's is 3.

    Returns:
        Float tensors, each the last one of its stride: `c1` (64 channels), `c2`
        (192), `c3` (480, module 3b), `c4` (832, 4e) and `c5` (1024, 5b).
    """
    x = subtract_mean(image)
    x = layers.ZeroPadding2D(first_padding, name="conv1_pad")(x)
    taps = {}
    taps["c1"] = x = conv_relu(x, 64, 7, name="conv1", strides=2, padding="valid")
    x = ceil_max_pooling(x, name="pool1")
    x = LocalResponseNormalization(name="norm1")(x)
    x = conv_relu(x, 64, 1, name="conv2_reduce")
    x = conv_relu(x, 192, 3, name="conv2")
    taps["c2"] = x = LocalResponseNormalization(name="norm2")(x)

    for module, channels in _MODULES.items():
        if module.endswith("a"):
            x = ceil_max_pooling(x, name=f"pool{int(module[0]) - 1}")
        taps[f"c{module[0]}"] = x = _inception(x, channels, f"inception_{module}")
    return taps


def _inception(x, channels, name):
    """Convolutions of three sizes and a pooling, side by side."""
    one, three_reduce, three, five_reduce, five, pooled = channels
    branches = [conv_relu(x, one, 1, name=f"{name}_1x1")]
    branch = conv_relu(x, three_reduce, 1, name=f"{name}_3x3_reduce")
    branches.append(conv_relu(branch, three, 3, name=f"{name}_3x3"))
    branch = conv_relu(x, five_reduce, 1, name=f"{name}_5x5_reduce")
    branches.append(conv_relu(branch, five, 5, name=f"{name}_5x5"))
    branch = layers.MaxPooling2D(3, strides=1, padding="same", name=f"{name}_pool")(x)
    branches.append(conv_relu(branch, pooled, 1, name=f"{name}_pool_proj"))
    return layers.Concatenate(name=name)(branches)
