"""VGG16, dilated as asked, with its dense layers as convolutions where wanted.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
Recognition", ICLR 2015, table 1, column D. https://arxiv.org/abs/1409.1556
Layer names are those of `keras.applications.VGG16`, so that its published weights
load by name; `fc6` and `fc7` are its `fc1` and `fc2` as convolutions. Pooling
rounds odd sizes up, as in Caffe.
"""

from keras import layers

from kseg.backbones.normalise import subtract_mean
from kseg.layers import DilatedMaxPooling2D, stride_and_dilation

# Convolutions and channels of each stage.
_STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


def vgg16(
    image,
    output_stride: int = 32,
    first_padding: int = 1,
    classifier: bool = False,
    fc_filters: int = 4096,
    dropout: float = 0.5,
    padding: str = "valid",
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

    Returns:
        Float tensors `conv1` to `conv5`, the ends of the five stages, and `c1` to
        `c5`, the same after pooling (64, 128, 256, 512 and 512 channels); with
        `classifier` also `fc6` and `fc7`.
    """
    x = subtract_mean(image)
    if first_padding != 1:
        x = layers.ZeroPadding2D(first_padding, name="block1_pad")(x)
    taps, current_stride, dilation = {}, 1, 1
    for stage, (repeats, filters) in enumerate(_STAGES, start=1):
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
        pool = (
            layers.MaxPooling2D(2, padding="same", name=f"block{stage}_pool")
            if stride == 2
            else DilatedMaxPooling2D(dilation, name=f"block{stage}_pool")
        )
        x = pool(x)
        current_stride, dilation = current_stride * stride, next_dilation
        taps[f"c{stage}"] = x
    if classifier:
        for name, size, edges in (("fc6", 7, padding), ("fc7", 1, "valid")):
            x = layers.Conv2D(
                fc_filters,
                size,
                dilation_rate=dilation if size > 1 else 1,
                padding=edges,
                activation="relu",
                kernel_initializer="he_normal",
                name=name,
            )(x)
            x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
            taps[name] = x
    return taps
