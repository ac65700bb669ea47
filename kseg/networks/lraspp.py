"""LR-ASPP: two 1x1 heads on a MobileNet, the deep one weighed by the whole image.

Howard et al., "Searching for MobileNetV3", ICCV 2019, section 6.4 and figure 10.
https://arxiv.org/abs/1905.02244
As in torchvision's `models/segmentation/lraspp.py`, whose weights fit: the channels
are weighed by the mean of the whole map, where the paper pools 49x49 pixels in steps
of 16 and 20, for Cityscapes; the last units keep all their channels, where the paper
halves them; and the low features of MobileNetV3 are those of its first unit of stride
8. Layers have torchvision's names. Beside MobileNetV3 the backbone may be MobileNetV2,
as in table 7, or EfficientNet-Lite0.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import ResizeLike, conv_bn_relu
from kseg.registry import check_num_classes, register, unknown

_LIGHT = ("mobilenet", "efficientnet_lite")
_BACKBONES = [name for name in backbones.names() if name.startswith(_LIGHT)]


@register("lraspp")
def lraspp(
    num_classes: int = 21,
    backbone: str = "mobilenet_v3_large",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    output_stride: int = 16,
    filters: int = 128,
) -> keras.Model:
    """Builds LR-ASPP.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: `"mobilenet_v3_large"` or `"mobilenet_v3_small"`, or with `_torch`
            behind it the form of torchvision's weights; `"mobilenet_v2"` or
            `"efficientnet_lite0"`.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of this network; the
            head of another class count starts anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        output_stride: 8, 16 or 32: the stride of the backbone's last map.
        filters: Channels of the deep head.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    check_num_classes(num_classes)
    if backbone not in _BACKBONES:
        raise ValueError(unknown("backbone of LR-ASPP", backbone, _BACKBONES))
    backbones.check_weights(weights, backbone)

    image = keras.Input(input_shape, name="image")
    features = backbones.build(backbone, image, output_stride)
    low, high = features.get("c3_first", features["c3"]), features["c5"]

    x = conv_bn_relu(high, filters, 1, name="cbr")
    scale = layers.GlobalAveragePooling2D(keepdims=True, name="scale_pool")(high)
    scale = layers.Conv2D(
        filters, 1, use_bias=False, activation="sigmoid", name="scale"
    )(scale)
    x = layers.Multiply(name="scaled")([x, scale])
    x = ResizeLike(name="high_resize")(x, low)

    low = layers.Conv2D(num_classes, 1, dtype="float32", name="low_classifier")(low)
    high = layers.Conv2D(num_classes, 1, dtype="float32", name="high_classifier")(x)
    x = layers.Add(dtype="float32", name="classifier")([low, high])
    logits = ResizeLike(dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="lraspp")
    return backbones.load_weights(model, weights, backbone, features["c5"])
