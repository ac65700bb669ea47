"""MobileNetV2 (width 1.0), up to its 320-channel layer, dilated as asked.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
CVPR 2018, table 2. https://arxiv.org/abs/1801.04381
Layer names are those of `keras.applications.MobileNetV2`, so that its published
weights load by name. The 1280-channel layer is left out, as in DeepLab.
"""

from keras import layers

from kseg.layers import BatchNormalization, stride_and_dilation

# Table 2: expansion, channels, repeats, stride of the first repeat.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
# The last stage of each resolution, by the position in _STAGES.
_TAPS = {0: "c1", 1: "c2", 2: "c3", 4: "c4", 6: "c5"}


def mobilenet_v2(image, output_stride: int) -> dict:
    """Builds MobileNetV2.

    Args:
        image: Float tensor `(batch, height, width, 3)` in 0 to 255; scaled to
            -1 to 1 inside.
        output_stride: 8, 16 or 32.

    Returns:
        Float tensors `c1` (16 channels), `c2` (24), `c3` (32), `c4` (96) and
        `c5` (320).
    """
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="normalise")(image)
    x = layers.Conv2D(32, 3, strides=2, padding="same", use_bias=False, name="Conv1")(x)
    x = _batch_norm(x, "bn_Conv1")
    x = layers.ReLU(6.0, name="Conv1_relu")(x)

    taps, block, current_stride, dilation = {}, 0, 2, 1
    for stage, (expansion, filters, repeats, first_stride) in enumerate(_STAGES):
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            stride, next_dilation = stride_and_dilation(
                stride, current_stride, dilation, output_stride
            )
            # The stride sits in the depthwise convolution itself, so that one
            # still has the dilation of the units before it.
            x = _inverted_residual(x, expansion, filters, stride, dilation, block)
            current_stride, dilation = current_stride * stride, next_dilation
            block += 1
        if stage in _TAPS:
            taps[_TAPS[stage]] = x
    return taps


def _inverted_residual(x, expansion, filters, stride, dilation, block):
    """Expands by 1x1, filters depthwise, projects by 1x1, adds where it can."""
    prefix = f"block_{block}_" if block else "expanded_conv_"
    shortcut, channels = x, x.shape[-1]
    if expansion > 1:
        x = layers.Conv2D(
            expansion * channels, 1, use_bias=False, name=f"{prefix}expand"
        )(x)
        x = _batch_norm(x, f"{prefix}expand_BN")
        x = layers.ReLU(6.0, name=f"{prefix}expand_relu")(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        dilation_rate=dilation,
        padding="same",
        use_bias=False,
        name=f"{prefix}depthwise",
    )(x)
    x = _batch_norm(x, f"{prefix}depthwise_BN")
    x = layers.ReLU(6.0, name=f"{prefix}depthwise_relu")(x)
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{prefix}project")(x)
    x = _batch_norm(x, f"{prefix}project_BN")
    if channels == filters:
        x = layers.Add(name=f"{prefix}add")([shortcut, x])
    return x


def _batch_norm(x, name):
    return BatchNormalization(epsilon=1e-3, name=name)(x)
