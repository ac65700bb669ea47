"""U-Net, PSPNet and DeepLab v3+ as segmentation_models.pytorch has them.

https://github.com/qubvel-org/segmentation_models.pytorch, version 0.6, `decoders/`.
Its networks keep the ideas of the papers and not their form, so that its weights fit
none of `unet`, `pspnet` and `deeplabv3plus`. Here they do, on `resnet18_torch` to
`resnet152_torch`. Options are those it starts with where nothing else is said.
Departures: any size is taken, where two of its three networks want multiples of their
strides; resizing is to a size and not by a factor, which is the same there.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import (
    AdaptiveAveragePooling2D,
    CropLike,
    ResizeLike,
    conv_bn_relu,
    conv_relu,
)
from kseg.registry import check_num_classes, check_output_stride, register


@register("smp_unet")
def smp_unet(
    num_classes: int = 21,
    backbone: str = "resnet34_torch",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    filters: tuple[int, ...] = (256, 128, 64, 32, 16),
) -> keras.Model:
    """Builds the U-Net whose encoder is a classifier's trunk.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: One of `kseg.backbones.names()` that has a map of stride 2.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of this network; the
            head of another class count starts anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        filters: Channels of the five levels of the decoder, the deepest first.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, `filters` are not five, or
            `backbone` is unknown or begins with a stride of 4.
    """
    check_num_classes(num_classes)
    if len(filters) != 5:
        raise ValueError(f"`filters` must be 5 numbers. Received: {filters!r}.")
    backbones.check_weights(weights, backbone)

    image = keras.Input(input_shape, name="image")
    features = backbones.build(backbone, image)
    if "c1" not in features:
        raise ValueError(
            "`backbone` must have a map of stride 2, which this network carries "
            f"across. Received: {backbone!r}."
        )
    across = [features[tap] for tap in ("c4", "c3", "c2", "c1")]

    x = features["c5"]
    for level, skip in enumerate([*across, image], start=1):
        x = layers.UpSampling2D(2, name=f"up{level}")(x)
        x = CropLike("start", name=f"crop{level}")(x, skip)
        if skip is not image:
            x = layers.Concatenate(name=f"across{level}")([x, skip])
        for number in (1, 2):
            name = f"decoder{level}_conv{number}"
            x = conv_bn_relu(x, filters[level - 1], 3, name=name)
    logits = layers.Conv2D(
        num_classes, 3, padding="same", dtype="float32", name="classifier"
    )(x)

    model = keras.Model(image, logits, name="smp_unet")
    return backbones.load_weights(model, weights, backbone, features["c5"])


@register("smp_pspnet")
def smp_pspnet(
    num_classes: int = 21,
    backbone: str = "resnet34_torch",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    filters: int = 512,
    dropout: float = 0.2,
) -> keras.Model:
    """Builds the PSPNet on the first half of a trunk, up to stride 8.

    Args:
        num_classes: As of `smp_unet`.
        backbone: One of `kseg.backbones.names()`.
        weights: As of `smp_unet`.
        input_shape: As of `smp_unet`.
        filters: Channels behind the pyramid.
        dropout: Share of whole channels to drop in front of the classifier.

    Returns:
        As `smp_unet`.

    Raises:
        ValueError: If `num_classes` is below 2, or `backbone` is unknown.
    """
    check_num_classes(num_classes)
    backbones.check_weights(weights, backbone)

    image = keras.Input(input_shape, name="image")
    trunk = backbones.build(backbone, image)["c3"]

    pyramid = []
    for side in (1, 2, 3, 6):
        level = AdaptiveAveragePooling2D(side, name=f"level{side}_pool")(trunk)
        # There is nothing to normalise over in a map of one pixel.
        conv = conv_relu if side == 1 else conv_bn_relu
        level = conv(level, trunk.shape[-1] // 4, 1, name=f"level{side}")
        level = ResizeLike(True, name=f"level{side}_resize")(level, trunk)
        pyramid.append(level)
    x = layers.Concatenate(name="pyramid")([*pyramid, trunk])

    x = conv_bn_relu(x, filters, 1, name="fuse")
    x = layers.SpatialDropout2D(dropout, name="dropout")(x)
    x = layers.Conv2D(
        num_classes, 3, padding="same", dtype="float32", name="classifier"
    )(x)
    logits = ResizeLike(True, dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="smp_pspnet")
    return backbones.load_weights(model, weights, backbone, trunk)


@register("smp_deeplabv3plus")
def smp_deeplabv3plus(
    num_classes: int = 21,
    backbone: str = "resnet34_torch",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    output_stride: int = 16,
    rates: tuple[int, ...] = (12, 24, 36),
    filters: int = 256,
    low_level_filters: int = 48,
    dropout: float = 0.5,
) -> keras.Model:
    """Builds the DeepLab v3+ whose pyramid ends in a 3x3.

    Args:
        num_classes: As of `smp_unet`.
        backbone: One of `kseg.backbones.names()`.
        weights: As of `smp_unet`.
        input_shape: As of `smp_unet`.
        output_stride: 8 or 16: the stride of the backbone's last map.
        rates: Rates of the pyramid's 3x3 branches, at either stride.
        filters: Channels of the pyramid and the decoder.
        low_level_filters: Channels of the low-level features.
        dropout: Rate in the pyramid.

    Returns:
        As `smp_unet`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    check_num_classes(num_classes)
    check_output_stride(output_stride)
    backbones.check_weights(weights, backbone)
    # Every 3x3 of a stage that loses its stride is dilated.
    dilate_first = "dilate_first" in backbones.options(backbone)
    options = {"dilate_first": True} if dilate_first else {}

    image = keras.Input(input_shape, name="image")
    features = backbones.build(backbone, image, output_stride, **options)
    trunk = features["c5"]

    # Encoder.
    pyramid = [conv_bn_relu(trunk, filters, 1, name="aspp_1x1")]
    for rate in rates:
        pyramid.append(_separable(trunk, filters, f"aspp_rate{rate}", rate))
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(trunk)
    pooled = conv_bn_relu(pooled, filters, 1, name="aspp_image")
    pyramid.append(ResizeLike(name="aspp_image_resize")(pooled, trunk))
    x = layers.Concatenate(name="aspp")(pyramid)
    x = conv_bn_relu(x, filters, 1, name="aspp_fuse")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = _separable(x, filters, "encoder")

    # Decoder.
    low = conv_bn_relu(features["c2"], low_level_filters, 1, name="low_level")
    x = ResizeLike(True, name="encoder_resize")(x, low)
    x = layers.Concatenate(name="across")([x, low])
    x = _separable(x, filters, "decoder")
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)
    logits = ResizeLike(True, dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="smp_deeplabv3plus")
    return backbones.load_weights(model, weights, backbone, trunk)


def _separable(x, filters, name, dilation_rate=1):
    """A depthwise 3x3, and a 1x1 with batch norm and ReLU."""
    x = layers.DepthwiseConv2D(
        3,
        dilation_rate=dilation_rate,
        padding="same",
        use_bias=False,
        depthwise_initializer="he_normal",
        name=f"{name}_depthwise",
    )(x)
    return conv_bn_relu(x, filters, 1, name=f"{name}_pointwise")
