"""Atrous spatial pyramid pooling: one map seen at several rates.

Chen et al., "Rethinking Atrous Convolution for Semantic Image Segmentation", section
3.3 and figure 5. https://arxiv.org/abs/1706.05587
"""

from collections.abc import Sequence

from keras import layers

from kseg.layers.convolution import conv_bn_relu, separable_conv_bn_relu
from kseg.layers.resize import ResizeLike


def atrous_spatial_pyramid(
    x,
    rates: Sequence[int] = (6, 12, 18),
    filters: int = 256,
    separable: bool = False,
    image_pooling: bool = True,
    fuse_kernel_size: int = 1,
):
    """Applies the branches of the pyramid side by side, and merges them.

    The layers are named `aspp_1x1`, `aspp_rate6`, ..., `aspp_pool`, `aspp_image`,
    `aspp` (the branches side by side) and `aspp_fuse`.

    Args:
        x: Tensor `(batch, height, width, channels)`.
        rates: Distances between the taps of the 3x3 branches, in pixels of `x`.
        filters: Channels of each branch and of the result.
        separable: Whether the 3x3 are depthwise separable, as in DeepLab v3+.
        image_pooling: Whether there is a branch of the map's mean.
        fuse_kernel_size: Side of the kernel that merges the branches.

    Returns:
        Tensor `(batch, height, width, filters)`.
    """
    conv = separable_conv_bn_relu if separable else conv_bn_relu
    pyramid = [conv_bn_relu(x, filters, 1, name="aspp_1x1")]
    for rate in rates:
        pyramid.append(conv(x, filters, 3, dilation_rate=rate, name=f"aspp_rate{rate}"))
    if image_pooling:
        pooled = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(x)
        pooled = conv_bn_relu(pooled, filters, 1, name="aspp_image")
        pyramid.append(ResizeLike(name="aspp_image_resize")(pooled, x))
    if len(pyramid) > 1:
        x = layers.Concatenate(name="aspp")(pyramid)
    else:
        x = pyramid[0]
    return conv_bn_relu(x, filters, fuse_kernel_size, name="aspp_fuse")
