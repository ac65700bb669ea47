"""ResNets of 18 to 152 layers in four forms, dilated as asked.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, table 1.
https://arxiv.org/abs/1512.03385
Weights of one form are of no use to another:

============== ======================= ========= ======================
function       image                   stem      a stage strides in
============== ======================= ========= ======================
`resnet`       mean subtracted         7x7       the first 1x1
`resnet_beta`  mean subtracted         three 3x3 the first 3x3
`resnet_torch` mean 0 and deviation 1  7x7       the first 3x3
`resnet_v1c`   mean 0 and deviation 1  three 3x3 the first 3x3
============== ======================= ========= ======================

`resnet` is the paper's, of Caffe and of `keras.applications`, whose published
weights load by layer name. `resnet_beta` is that of PSPNet and OCRNet, and of DeepLab's
code but for one thing: there a stage strides in the last unit of the stage before, so
that its checkpoints do not fit. `resnet_torch` is
torchvision's ("v1.5"), and the only one of 18 or 34 layers, whose units are two 3x3.
`resnet_v1c` is MMSegmentation's (`mmseg/models/backbones/resnet.py`), whose stem has
32, 32 and 64 channels where that of `resnet_beta` has twice as many. Padding is
symmetric in all of them. Departure: no biases in convolutions, which the batch norm
makes idle; `kseg.backbones.load_weights` folds those of published files into it.
"""

import functools

from keras import layers

from kseg.backbones.normalise import standardise, subtract_mean
from kseg.layers import BatchNormalization, fixed_padding, stride_and_dilation

# Table 1: units of the stages 2 to 5.
_UNITS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def resnet(
    depth: int,
    image,
    output_stride: int,
    multi_grid: tuple[int, int, int] = (1, 1, 1),
    cascade: int = 0,
) -> dict:
    """Builds the ResNet of the paper.

    Args:
        depth: 50, 101 or 152.
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; it is
            normalised inside.
        output_stride: 8, 16 or 32.
        multi_grid: Rates of the three units of the last stage, times the stage's
            own rate (Chen et al., "DeepLab v3", section 3.2.1).
        cascade: Number of copies of the last stage behind it, each at twice the
            rate of the one before (blocks 5, 6, ... of "DeepLab v3", figure 3).

    Returns:
        Float tensors `c1` (64 channels), `c2` (256), `c3` (512), `c4` (1024)
        and `c5` (2048), and `c6`, `c7`, ... (2048) of a cascade.
    """
    conv_bn = functools.partial(_conv_bn, epsilon=1.001e-5)
    unit = functools.partial(_bottleneck, conv_bn, "1x1")
    x = _stem_7x7(subtract_mean(image), conv_bn)
    # The 3x3 lies behind the stride, so it is always dilated.
    return _stages(x, unit, depth, output_stride, multi_grid, cascade, True)


def resnet_beta(
    depth: int,
    image,
    output_stride: int,
    multi_grid: tuple[int, int, int] = (1, 1, 1),
    cascade: int = 0,
    dilate_first: bool = False,
) -> dict:
    """Builds the ResNet of PSPNet, OCRNet and DeepLab's code.

    Args:
        depth: As of `resnet`.
        image: As of `resnet`.
        output_stride: As of `resnet`.
        multi_grid: As of `resnet`.
        cascade: As of `resnet`.
        dilate_first: Whether a 3x3 that has lost its stride is dilated as those
            behind it, as in the code of PSPNet and DeepLab. Otherwise it stays as
            it was, as in torchvision and OCRNet, and the dilated network holds the
            strided one.

    Returns:
        As `resnet`, with 128 channels in `c1`.
    """
    conv_bn = functools.partial(_conv_bn, epsilon=1e-5)
    unit = functools.partial(_bottleneck, conv_bn, "3x3")
    x = _stem_3x3(subtract_mean(image), conv_bn, (64, 64, 128))
    return _stages(x, unit, depth, output_stride, multi_grid, cascade, dilate_first)


def resnet_torch(
    depth: int,
    image,
    output_stride: int,
    multi_grid: tuple[int, int, int] = (1, 1, 1),
    cascade: int = 0,
    dilate_first: bool = False,
) -> dict:
    """Builds the ResNet of torchvision.

    Args:
        depth: 18, 34, 50, 101 or 152.
        image: As of `resnet`.
        output_stride: As of `resnet`.
        multi_grid: As of `resnet`.
        cascade: As of `resnet`.
        dilate_first: As of `resnet_beta`.

    Returns:
        As `resnet`; at depth 18 and 34 `c2` to `c5` have a quarter of the channels.
    """
    conv_bn = functools.partial(_conv_bn, epsilon=1e-5)
    unit = functools.partial(_bottleneck, conv_bn, "3x3")
    if depth < 50:
        unit = functools.partial(_basic, conv_bn)
    x = _stem_7x7(standardise(image), conv_bn)
    return _stages(x, unit, depth, output_stride, multi_grid, cascade, dilate_first)


def resnet_v1c(
    depth: int,
    image,
    output_stride: int,
    multi_grid: tuple[int, int, int] = (1, 1, 1),
    cascade: int = 0,
    dilate_first: bool = False,
) -> dict:
    """Builds the ResNet of MMSegmentation.

    Args:
        depth: As of `resnet`.
        image: As of `resnet`.
        output_stride: As of `resnet`.
        multi_grid: As of `resnet`.
        cascade: As of `resnet`.
        dilate_first: As of `resnet_beta`.

    Returns:
        As `resnet`.
    """
    conv_bn = functools.partial(_conv_bn, epsilon=1e-5)
    unit = functools.partial(_bottleneck, conv_bn, "3x3")
    x = _stem_3x3(standardise(image), conv_bn, (32, 32, 64))
    return _stages(x, unit, depth, output_stride, multi_grid, cascade, dilate_first)


def _stem_7x7(x, conv_bn):
    x = conv_bn(x, 64, 7, "conv1", strides=2)
    return layers.ReLU(name="conv1_relu")(x)


def _stem_3x3(x, conv_bn, channels):
    for number, filters in enumerate(channels, start=1):
        x = conv_bn(x, filters, 3, f"conv1_{number}", strides=2 if number == 1 else 1)
        x = layers.ReLU(name=f"conv1_{number}_relu")(x)
    return x


def _stages(x, unit, depth, output_stride, multi_grid, cascade, dilate_first):
    """Pools, and applies the stages and the copies of the last."""
    if len(multi_grid) != 3:
        raise ValueError(f"`multi_grid` must have 3 rates. Received: {multi_grid!r}.")
    taps = {"c1": x}
    # Behind a ReLU zeros are as good as minus infinity.
    x = fixed_padding(x, 3, name="pool1_pad")
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)

    current_stride, rate = 4, 1
    for stage, repeats in enumerate(_UNITS[depth] + (3,) * cascade, start=2):
        filters = 64 * 2 ** min(stage - 2, 3)
        grid = multi_grid[:repeats] if stage >= 5 else (1,) * repeats
        stride, next_rate = stride_and_dilation(
            1 if stage == 2 else 2, current_stride, rate, output_stride
        )
        for number, factor in enumerate(grid, start=1):
            # Of the 3x3 that strides, or would, and of one behind it.
            rates = [factor * next_rate] * 2
            if number == 1 and not dilate_first:
                rates[0] = factor * rate
            name = f"conv{stage}_block{number}"
            x = unit(x, filters, name, stride if number == 1 else 1, rates)
        current_stride, rate = current_stride * stride, next_rate
        taps[f"c{stage}"] = x
    return taps


def _basic(conv_bn, x, filters, name, stride, rates):
    """Two 3x3 (dilated), and add."""
    shortcut = x
    if x.shape[-1] != filters:
        shortcut = conv_bn(x, filters, 1, f"{name}_0", strides=stride)
    x = conv_bn(x, filters, 3, f"{name}_1", strides=stride, dilation_rate=rates[0])
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = conv_bn(x, filters, 3, f"{name}_2", dilation_rate=rates[1])
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_out")(x)


def _bottleneck(conv_bn, strided, x, filters, name, stride, rates):
    """1x1, 3x3 (dilated), 1x1 to four times the channels, and add."""
    stride_1x1, stride_3x3 = (stride, 1) if strided == "1x1" else (1, stride)
    shortcut = x
    if x.shape[-1] != 4 * filters:
        shortcut = conv_bn(x, 4 * filters, 1, f"{name}_0", strides=stride)
    x = conv_bn(x, filters, 1, f"{name}_1", strides=stride_1x1)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = conv_bn(x, filters, 3, f"{name}_2", strides=stride_3x3, dilation_rate=rates[0])
    x = layers.ReLU(name=f"{name}_2_relu")(x)
    x = conv_bn(x, 4 * filters, 1, f"{name}_3")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_out")(x)


def _conv_bn(x, filters, kernel_size, name, strides=1, dilation_rate=1, *, epsilon):
    """Convolves with symmetric padding, then normalises."""
    padding = "same"
    if strides > 1 and kernel_size > 1:
        x = fixed_padding(x, kernel_size, name=f"{name}_pad")
        padding = "valid"
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        dilation_rate=dilation_rate,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_normal",
        name=f"{name}_conv",
    )(x)
    return BatchNormalization(epsilon=epsilon, name=f"{name}_bn")(x)
