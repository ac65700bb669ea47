"""OCRNet: every pixel beside what the image shows of the classes it may be of.

Yuan, Chen and Wang, "Object-Contextual Representations for Semantic Segmentation",
ECCV 2020, figure 3 and section 3.3. https://arxiv.org/abs/1909.11065
Facts that the paper leaves open are those of the authors' code: on HRNet
`lib/models/seg_hrnet_ocr.py` of HRNet/HRNet-Semantic-Segmentation, on ResNet
openseg-group/openseg.pytorch, biases ahead of batch norm included. The loss is that
of the logits and 0.4 times that of the soft object regions.
Departures: half-pixel resizing, where their code aligns corners (`align_corners=True`
is for their released weights); ResNet's images have the mean colour of its backbone.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import ObjectAttention, ObjectRegions, ResizeLike, conv_bn_relu
from kseg.registry import check_num_classes, register


@register("ocrnet")
def ocrnet(
    num_classes: int = 21,
    backbone: str = "hrnet_w48",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    filters: int = 512,
    key_filters: int = 256,
    dropout: float = 0.05,
    align_corners: bool = False,
) -> keras.Model:
    """Builds OCRNet.

    The layer `auxiliary` holds the logits of the soft object regions, float32
    `(batch, height, width, num_classes)`, for a loss on them.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: An HRNet, as `"hrnet_w48"`, or one that can be dilated to output
            stride 8, as `"resnet101_beta"`.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of this network; the
            layers of another class count start anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        filters: Channels of the pixel and of the augmented representations.
        key_filters: Channels of queries, keys and values.
        dropout: Share of whole channels to drop.
        align_corners: Whether all resizing keeps the corner pixels where they are,
            as in `ResizeLike`.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or `backbone` is unknown.
    """
    check_num_classes(num_classes)
    backbones.check_weights(weights, backbone)

    image = keras.Input(input_shape, name="image")
    if "align_corners" in backbones.options(backbone):
        features = backbones.build(backbone, image, align_corners=align_corners)
        trunk = features["representation"]
        x = conv_bn_relu(trunk, trunk.shape[-1], 1, use_bias=True, name="regions_conv")
    else:
        features = backbones.build(backbone, image, output_stride=8)
        trunk = features["c5"]
        x = conv_bn_relu(features["c4"], filters, 3, use_bias=True, name="regions_conv")
        x = layers.SpatialDropout2D(dropout, name="regions_dropout")(x)

    # Soft object regions.
    regions = layers.Conv2D(num_classes, 1, dtype="float32", name="regions")(x)

    # Object region representations: the softmax over space wants float32.
    pixels = conv_bn_relu(trunk, filters, 3, use_bias=True, name="pixels")
    objects = ObjectRegions(dtype="float32", name="objects")(pixels, regions)

    # Object-contextual representations.
    query = conv_bn_relu(pixels, key_filters, 1, name="query_1")
    query = conv_bn_relu(query, key_filters, 1, name="query_2")
    key = conv_bn_relu(objects, key_filters, 1, name="key_1")
    key = conv_bn_relu(key, key_filters, 1, name="key_2")
    value = conv_bn_relu(objects, key_filters, 1, name="value")
    x = ObjectAttention(name="attention")(query, key, value)
    x = conv_bn_relu(x, filters, 1, name="context")

    # Augmented representations.
    x = layers.Concatenate(name="augmented")([x, pixels])
    x = conv_bn_relu(x, filters, 1, name="fuse")
    x = layers.SpatialDropout2D(dropout, name="dropout")(x)
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)

    # The logits take their size from the auxiliary ones, which makes these a layer of
    # the network; nothing computes them where nobody asks for their values.
    resize = {"align_corners": align_corners, "dtype": "float32"}
    auxiliary = ResizeLike(**resize, name="auxiliary")(regions, image)
    logits = ResizeLike(**resize, name="logits")(x, auxiliary)

    model = keras.Model(image, logits, name="ocrnet")
    return backbones.load_weights(model, weights, backbone, trunk)
