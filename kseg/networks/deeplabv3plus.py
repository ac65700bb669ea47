"""DeepLab v3+: atrous spatial pyramid pooling, and a decoder that sharpens it.

Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic
Image Segmentation", ECCV 2018, figure 2. https://arxiv.org/abs/1802.02611
Departures: half-pixel resizing, where the authors' code aligns corners, unless
`align_corners` is set; batch norm momentum is 0.9, theirs .9997 is for runs of 30,000
steps; on MobileNetV2 the low-level features are the 24 channels that leave the stage of
stride 4, theirs the 144 inside its last unit (the zoo's network on MobileNetV2 has no
decoder: `kseg.networks.deeplabv3`); on ResNet they are the end of the stage of stride
4, theirs are inside a unit, ahead of its addition.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import (
    ResizeLike,
    atrous_spatial_pyramid,
    conv_bn_relu,
    separable_conv_bn_relu,
)
from kseg.registry import check_num_classes, check_output_stride, register


@register("deeplabv3plus")
def deeplabv3plus(
    num_classes: int = 21,
    backbone: str = "mobilenet_v2",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    output_stride: int = 16,
    separable: bool = True,
    filters: int = 256,
    low_level_filters: int = 48,
    dropout: float = 0.1,
    rates: tuple[int, ...] = (6, 12, 18),
    image_pooling: bool = True,
    align_corners: bool = False,
    dilate_first: bool | None = None,
) -> keras.Model:
    """Builds DeepLab v3+.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: One of `kseg.backbones.names()` that can be dilated, so no HRNet
            and no MiT; the paper's are `"xception65"` and `"resnet101_beta"`.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of this network; the
            head of another class count starts anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        output_stride: 8 or 16: the stride of the backbone's last map.
        separable: Whether the dilated and the decoder convolutions are
            depthwise separable, as in the paper's final network, or plain.
        filters: Channels of the pyramid and the decoder.
        low_level_filters: Channels of the low-level features (table 1).
        dropout: Rate in front of the classifier.
        rates: Rates of the pyramid's 3x3 branches at output stride 16, which double
            at 8.
        image_pooling: Whether the pyramid has the branch of the map's mean; the
            paper's best network on Cityscapes has not (table 7).
        align_corners: Whether maps are resized with their corner pixels in place,
            as weights of the authors want it.
        dilate_first: Whether a ResNet's 3x3 that has lost its stride is dilated, as
            those behind it are; `None`: it is, as in the authors' code, where a
            backbone knows both ways.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    check_num_classes(num_classes)
    check_output_stride(output_stride)
    backbones.check_weights(weights, backbone)
    conv = separable_conv_bn_relu if separable else conv_bn_relu
    options = backbones.first_dilation(backbone, dilate_first)

    image = keras.Input(input_shape, name="image")
    features = backbones.build(backbone, image, output_stride, **options)

    # Encoder: the pyramid over the last map.
    x = atrous_spatial_pyramid(
        features["c5"],
        [rate * 16 // output_stride for rate in rates],
        filters,
        separable,
        image_pooling,
    )

    # Decoder: the low-level features beside the enlarged encoder output.
    low = conv_bn_relu(features["c2"], low_level_filters, 1, name="low_level")
    x = ResizeLike(align_corners, name="encoder_resize")(x, low)
    x = layers.Concatenate(name="decoder")([x, low])
    x = conv(x, filters, 3, name="decoder_1")
    x = conv(x, filters, 3, name="decoder_2")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)
    logits = ResizeLike(align_corners, dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="deeplabv3plus")
    return backbones.load_weights(model, weights, backbone, features["c5"])
