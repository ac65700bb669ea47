"""PSPNet: context pooled at four scales, on top of a dilated backbone.

Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017, figure 3.
https://arxiv.org/abs/1612.01105
The authors' networks are on `resnet50_beta` and `resnet101_beta`, those of
MMSegmentation on `resnet50_v1c` and `resnet101_v1c` with `dilate_first=False`. The
auxiliary loss of section 3.3 is no part of the network: its head looks at the end of
the fourth stage, the layer `conv4_block6_out` of ResNet-50 and `conv4_block23_out` of
ResNet-101.
Departures: half-pixel resizing, where the authors' code aligns corners, unless
`align_corners` is set; adaptive average pooling, so that any size is taken, where
their Caffe code pools windows that fit its crop (the same where the bins divide the
map's sides).
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import AdaptiveAveragePooling2D, ResizeLike, conv_bn_relu
from kseg.registry import check_num_classes, check_output_stride, register


@register("pspnet")
def pspnet(
    num_classes: int = 21,
    backbone: str = "resnet50",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    output_stride: int = 8,
    bins: tuple[int, ...] = (1, 2, 3, 6),
    filters: int = 512,
    dropout: float = 0.1,
    align_corners: bool = False,
    dilate_first: bool | None = None,
) -> keras.Model:
    """Builds PSPNet.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: One of `kseg.backbones.names()` that can be dilated: no HRNet, no
            MiT.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of this network; the
            head of another class count starts anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        output_stride: 8, as in the paper, or 16: the stride of the backbone's last
            map.
        bins: Sides of the pooled maps of the pyramid's levels; together the levels
            have as many channels as the backbone's last map.
        filters: Channels behind the pyramid.
        dropout: Rate in front of the classifier.
        align_corners: Whether maps are resized with their corner pixels in place,
            as weights of the authors want it; their images then measure 8 m + 1.
        dilate_first: Whether a ResNet's 3x3 that has lost its stride is dilated, as
            those behind it are; `None`: it is, as in the authors' code, where a
            backbone knows both ways.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, there are no `bins` or more than
            channels, or another argument is not one of those named.
    """
    check_num_classes(num_classes)
    check_output_stride(output_stride)
    if not bins or min(bins) < 1 or len(set(bins)) < len(bins):
        raise ValueError(
            f"`bins` must be different numbers of 1 or more. Received: {bins!r}."
        )
    backbones.check_weights(weights, backbone)
    options = backbones.first_dilation(backbone, dilate_first)

    image = keras.Input(input_shape, name="image")  # (a) in figure 3
    features = backbones.build(backbone, image, output_stride, **options)
    x = features["c5"]  # (b)

    pyramid = [x]  # (c)
    for side in bins:
        level = AdaptiveAveragePooling2D(side, name=f"level{side}_pool")(x)
        channels = x.shape[-1] // len(bins)
        level = conv_bn_relu(level, channels, 1, name=f"level{side}")
        level = ResizeLike(align_corners, name=f"level{side}_resize")(level, x)
        pyramid.append(level)
    x = layers.Concatenate(name="pyramid")(pyramid)

    x = conv_bn_relu(x, filters, 3, name="fuse")  # (d)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)
    logits = ResizeLike(align_corners, dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="pspnet")
    return backbones.load_weights(model, weights, backbone, features["c5"])
