"""A fully convolutional network on a dilated ResNet, as torchvision has it.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
Segmentation", CVPR 2015, section 4.1, on the dilated trunk of DeepLab in place of the
paper's VGG-16 and of its skips. https://arxiv.org/abs/1411.4038
Facts are those of torchvision's `models/segmentation/fcn.py`; on `resnet50_torch` and
`resnet101_torch` its weights fit.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import ResizeLike, conv_bn_relu
from kseg.registry import check_num_classes, register


@register("fcn_resnet")
def fcn_resnet(
    num_classes: int = 21,
    backbone: str = "resnet50_torch",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    output_stride: int = 8,
    dropout: float = 0.1,
) -> keras.Model:
    """Builds the FCN on a ResNet.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: One of `kseg.backbones.names()`.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of this network; the
            head of another class count starts anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        output_stride: 8, 16 or 32: the stride of the backbone's last map.
        dropout: Rate in front of the classifier.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    check_num_classes(num_classes)
    backbones.check_weights(weights, backbone)

    image = keras.Input(input_shape, name="image")
    features = backbones.build(backbone, image, output_stride)
    x = features["c5"]

    x = conv_bn_relu(x, x.shape[-1] // 4, 3, name="fuse")
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(num_classes, 1, dtype="float32", name="classifier")(x)
    logits = ResizeLike(dtype="float32", name="logits")(x, image)

    model = keras.Model(image, logits, name="fcn_resnet")
    return backbones.load_weights(model, weights, backbone, features["c5"])
