"""VGG16, dilated as asked, with its dense layers as convolutions where wanted.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, table 1, column D. https://arxiv.org/abs/1409.1556
Layer names are those of `keras.applications.VGG16`, so that its published weights
load by name; `fc6` and `fc7` are its `fc1` and `fc2` as convolutions. Pooling
rounds odd sizes up, as in Caffe.

The form of DeepLab (`pool_size=3`) pools windows of 3x3 that are centred on every
second pixel, so that a cell of stride s lies on pixels 0, s, 2 s and so on; its
poolings of stride 1 are not dilated (Chen et al., "Semantic Image Segmentation with
Deep Convolutional Nets and Fully Connected CRFs", ICLR 2015, and the authors'
`train.prototxt`). https://arxiv.org/abs/1412.7062
"""

from keras import layers

from kseg.backbones.normalise import subtract_mean
from kseg.layers import DilatedMaxPooling2D, fixed_padding, stride_and_dilation

# Convolutions and channels of each stage.
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def vgg16(
    image,
    output_stride: int = 32,
    first_padding: int = 1,
    classifier: bool = False,
    fc_filters: int = 4096,
    dropout: float = 0.5,
    padding: str = "valid",
    pool_size: int = 2,
) -> dict:
    """Builds VGG16.

    Args:
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; the
            mean of ImageNet is subtracted inside.
        output_stride: 8, 16 or 32.
        first_padding: Zeros around the image, in pixels; 1 keeps its size.
        classifier: Whether the dense layers follow, as convolutions.
        fc_filters: Their channels, 4096 in the paper.
        dropout: The rate behind each of them.
        padding: `"valid"` or `"same"`, of the 7x7 convolution `fc6`.
        pool_size: Side of the pooling windows in pixels: 2, or 3 for DeepLab's form.

    Returns:
        Float tensors `image`, less the mean; `conv1` to `conv5`, the ends of the five
        stages; `c1` to `c5`, the same after pooling (64, 128, 256, 512 and 512
        channels); with `classifier` also `fc6` and `fc7`.

    Raises:
        ValueError: If `pool_size` is not one of these.
    """
    if pool_size not in (2, 3):
        raise ValueError(f"`pool_size` must be 2 or 3. Received: {pool_size!r}.")
    x = subtract_mean(image)
    taps, current_stride, dilation = {"image": x}, 1, 1
    if first_padding != 1:
        x = layers.ZeroPadding2D(first_padding, name="block1_pad")(x)
    for stage, (repeats, filters) in enumerate(STAGES, start=1):
        for number in range(1, repeats + 1):
            name = f"block{stage}_conv{number}"
            first = name == "block1_conv1" and first_padding != 1
            x = layers.Conv2D(
                filters,
                3,
                dilation_rate=dilation,
                padding="valid" if first else "same",
                activation="relu",
                kernel_initializer="he_normal",
                name=name,
            )(x)
        taps[f"conv{stage}"] = x
        stride, next_dilation = stride_and_dilation(
            2, current_stride, dilation, output_stride
        )
        x = _max_pooling(x, pool_size, stride, dilation, f"block{stage}_pool")
        current_stride, dilation = current_stride * stride, next_dilation
        taps[f"c{stage}"] = x
    if classifier:
        taps |= vgg16_classifier(
            x, fc_filters, dilation_rate=dilation, padding=padding, dropout=dropout
        )
    return taps


def vgg16_classifier(
    x,
    filters: int = 4096,
    kernel_size: int = 7,
    dilation_rate: int = 1,
    padding: str = "same",
    dropout: float = 0.5,
    suffix: str = "",
) -> dict:
    """Applies the dense layers of VGG16 as convolutions.

    Args:
        x: Float tensor `(batch, height, width, 512)`, the last map of `vgg16`.
        filters: Channels of both, 4096 in the paper.
        kernel_size: Side of the kernel of `fc6`; that of `fc7` is 1.
        dilation_rate: Distance between the taps of `fc6` in pixels.
        padding: `"valid"` or `"same"`, of `fc6`.
        dropout: The rate behind each of them.
        suffix: What the names of the layers have behind `fc6` and `fc7`, of several
            classifiers beside each other: an underscore and letters or digits.

    Returns:
        Float tensors `fc6` and `fc7`, behind the dropout.
    """
    taps = {}
    for name, size in (("fc6", kernel_size), ("fc7", 1)):
        x = layers.Conv2D(
            filters,
            size,
            dilation_rate=dilation_rate if name == "fc6" else 1,
            padding=padding if name == "fc6" else "valid",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"{name}{suffix}",
        )(x)
        x = layers.Dropout(dropout, name=f"{name}{suffix}_dropout")(x)
        taps[name] = x
    return taps


def _max_pooling(x, size, stride, dilation, name):
    """Pools 2x2, dilated where a stride was left out, or 3x3 with padding."""
    if size == 3 and stride == 2:
        # Behind a ReLU zeros are as good as minus infinity.
        x = fixed_padding(x, 3, name=f"{name}_pad")
        return layers.MaxPooling2D(3, strides=2, name=name)(x)
    if size == 3:
        return layers.MaxPooling2D(3, strides=1, padding="same", name=name)(x)
    if stride == 2:
        return layers.MaxPooling2D(2, padding="same", name=name)(x)
    return DilatedMaxPooling2D(dilation, name=name)(x)
