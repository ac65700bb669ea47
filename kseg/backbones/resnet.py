"""ResNet-50 and ResNet-101 with the 7x7 stem, dilated as asked.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1.
https://arxiv.org/abs/1512.03385
Layer names, stride position (the first 1x1 of a stage) and batch norm epsilon
are those of `keras.applications.ResNet50`, so that its published weights load by
name. Departure: no biases in convolutions, which the batch norm makes idle;
`kseg.backbones.load_weights` folds those of the published files into it.
"""

from keras import layers

from kseg.backbones.normalise import subtract_mean
from kseg.layers import BatchNormalization, fixed_padding, stride_and_dilation


def resnet50(image, output_stride: int) -> dict:
    """Builds ResNet-50; arguments and result as `resnet101`."""
    return _resnet(image, output_stride, units=(3, 4, 6, 3))


def resnet101(image, output_stride: int) -> dict:
    """Builds ResNet-101.

    Args:
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; the
            mean of ImageNet is subtracted inside.
        output_stride: 8, 16 or 32.

    Returns:
        Float tensors `c1` (64 channels), `c2` (256), `c3` (512), `c4` (1024)
        and `c5` (2048).
    """
    return _resnet(image, output_stride, units=(3, 4, 23, 3))


def _resnet(image, output_stride, units):
    x = subtract_mean(image)
    x = fixed_padding(x, 7, name="conv1_pad")
    x = layers.Conv2D(64, 7, strides=2, use_bias=False, name="conv1_conv")(x)
    x = BatchNormalization(epsilon=1.001e-5, name="conv1_bn")(x)
    x = layers.ReLU(name="conv1_relu")(x)
    taps = {"c1": x}
    # Behind a ReLU zeros are as good as minus infinity.
    x = fixed_padding(x, 3, name="pool1_pad")
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)

    current_stride, dilation = 4, 1
    for stage, repeats in enumerate(units, start=2):
        stride, dilation = stride_and_dilation(
            1 if stage == 2 else 2, current_stride, dilation, output_stride
        )
        current_stride *= stride
        filters = 64 * 2 ** (stage - 2)
        for unit in range(1, repeats + 1):
            name = f"conv{stage}_block{unit}"
            x = _bottleneck(x, filters, stride if unit == 1 else 1, dilation, name)
        taps[f"c{stage}"] = x
    return taps


def _bottleneck(x, filters, stride, dilation, name):
    """1x1 (strided), 3x3 (dilated), 1x1 to four times the channels, and add."""
    shortcut = x
    if name.endswith("block1"):
        shortcut = _conv_bn(x, 4 * filters, 1, f"{name}_0", strides=stride)
    x = _conv_bn(x, filters, 1, f"{name}_1", strides=stride)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = _conv_bn(x, filters, 3, f"{name}_2", dilation_rate=dilation)
    x = layers.ReLU(name=f"{name}_2_relu")(x)
    x = _conv_bn(x, 4 * filters, 1, f"{name}_3")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_out")(x)


def _conv_bn(x, filters, kernel_size, name, **options):
    x = layers.Conv2D(
        filters,
        kernel_size,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
        **options,
    )(x)
    return BatchNormalization(epsilon=1.001e-5, name=f"{name}_bn")(x)
