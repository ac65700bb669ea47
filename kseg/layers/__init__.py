"""Blocks that two or more networks share; `keras.ops` only."""

from kseg.layers.aspp import atrous_spatial_pyramid
from kseg.layers.binary import class_logits
from kseg.layers.boxes import Box, enlarge_box
from kseg.layers.convolution import (
    BatchNormalization,
    conv_bn_relu,
    conv_relu,
    fixed_padding,
    norm_relu,
    separable_conv_bn_relu,
)
from kseg.layers.crop import CropLike, crop_centre
from kseg.layers.dilation import stride_and_dilation
from kseg.layers.divergence import TeacherDivergence
from kseg.layers.enlarged import Enlarged, map_pixels, sum_pixels
from kseg.layers.fake_quantisation import FakeQuantisation, QuantisedKernel
from kseg.layers.local_response import LocalResponseNormalization
from kseg.layers.mean_field import MeanField
from kseg.layers.object_context import ObjectAttention, ObjectRegions
from kseg.layers.padding import PadToLeast
from kseg.layers.pooling import AdaptiveAveragePooling2D, DilatedMaxPooling2D
from kseg.layers.recomputed import Recomputed
from kseg.layers.resize import ResizeLike
from kseg.layers.scale import Shrink, enlarge_cells
from kseg.layers.transformer import LayerNormalization, MapAttention
from kseg.layers.transposed import BilinearKernel, bilinear_transposed
from kseg.layers.unpooling import MaxPoolingWithIndices, MaxUnpooling
from kseg.layers.valid_size import ValidSize

__all__ = [
    "AdaptiveAveragePooling2D",
    "BatchNormalization",
    "BilinearKernel",
    "Box",
    "CropLike",
    "DilatedMaxPooling2D",
    "Enlarged",
    "FakeQuantisation",
    "LayerNormalization",
    "LocalResponseNormalization",
    "MapAttention",
    "MaxPoolingWithIndices",
    "MaxUnpooling",
    "MeanField",
    "ObjectAttention",
    "ObjectRegions",
    "PadToLeast",
    "QuantisedKernel",
    "Recomputed",
    "ResizeLike",
    "Shrink",
    "TeacherDivergence",
    "ValidSize",
    "atrous_spatial_pyramid",
    "bilinear_transposed",
    "class_logits",
    "conv_bn_relu",
    "conv_relu",
    "crop_centre",
    "enlarge_box",
    "enlarge_cells",
    "fixed_padding",
    "map_pixels",
    "norm_relu",
    "separable_conv_bn_relu",
    "stride_and_dilation",
    "sum_pixels",
]
