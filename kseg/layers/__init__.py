"""Blocks that two or more networks share; `keras.ops` only."""

from kseg.layers.convolution import (
    BatchNormalization,
    conv_bn_relu,
    fixed_padding,
    separable_conv_bn_relu,
)
from kseg.layers.crop import CropLike, crop_centre
from kseg.layers.dilation import stride_and_dilation
from kseg.layers.resize import ResizeLike
from kseg.layers.valid_size import ValidSize

__all__ = [
    "BatchNormalization",
    "CropLike",
    "ResizeLike",
    "ValidSize",
    "conv_bn_relu",
    "crop_centre",
    "fixed_padding",
    "separable_conv_bn_relu",
    "stride_and_dilation",
]
