"""AlexNet in the order of CaffeNet: pooling ahead of normalisation.

Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural
Networks", NIPS 2012, figure 2; strides, paddings and groups from Caffe's
`models/bvlc_reference_caffenet`. It is here for FCN-AlexNet and keeps to Caffe's
sizes: its strides are fixed, and sides are not the image's divided by them.
"""

from keras import layers

from kseg.backbones.ceil_pooling import ceil_max_pooling
from kseg.backbones.normalise import subtract_mean
from kseg.layers import LocalResponseNormalization, conv_relu


def alexnet(
    image,
    first_padding: int = 0,
    classifier: bool = False,
    fc_filters: int = 4096,
    dropout: float = 0.5,
    padding: str = "valid",
) -> dict:
    """Builds AlexNet.

    Args:
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; the
            mean of ImageNet is subtracted inside. Caffe's weights want the
            channels of their first kernel turned from BGR to RGB.
        first_padding: Zeros around the image, in pixels.
        classifier: Whether the dense layers follow, as convolutions.
        fc_filters: Their channels, 4096 in the paper.
        dropout: The rate behind each of them.
        padding: `"valid"` or `"same"`, of the 6x6 convolution `fc6`.

    Returns:
        Float tensors `c2` (96 channels, `conv1`), `c3` (96, `norm1`), `c4` (256,
        `conv5`) and `c5` (256, `pool5`), of stride 4, 8, 16 and 32; with
        `classifier` also `fc6` and `fc7`.
    """
    x = subtract_mean(image)
    if first_padding:
        x = layers.ZeroPadding2D(first_padding, name="conv1_pad")(x)
    taps = {}
    taps["c2"] = x = conv_relu(x, 96, 11, name="conv1", strides=4, padding="valid")
    x = ceil_max_pooling(x, name="pool1")
    taps["c3"] = x = LocalResponseNormalization(name="norm1")(x)

    x = conv_relu(x, 256, 5, name="conv2", groups=2)
    x = ceil_max_pooling(x, name="pool2")
    x = LocalResponseNormalization(name="norm2")(x)

    x = conv_relu(x, 384, 3, name="conv3")
    x = conv_relu(x, 384, 3, name="conv4", groups=2)
    taps["c4"] = x = conv_relu(x, 256, 3, name="conv5", groups=2)
    taps["c5"] = x = ceil_max_pooling(x, name="pool5")

    if classifier:
        x = conv_relu(x, fc_filters, 6, name="fc6", padding=padding)
        taps["fc6"] = x = layers.Dropout(dropout, name="fc6_dropout")(x)
        x = conv_relu(x, fc_filters, 1, name="fc7")
        taps["fc7"] = x = layers.Dropout(dropout, name="fc7_dropout")(x)
    return taps
