"""Xception-65, the modified aligned Xception of DeepLab v3+.

Chen et al., "Encoder-Decoder with Atrous Separable Convolution for Semantic
Image Segmentation", ECCV 2018, figure 4. https://arxiv.org/abs/1802.02611
Details that the figure leaves open (no shortcut and inner ReLUs in the last
unit, fixed padding, batch norm epsilon) are from the authors'
`research/deeplab/core/xception.py`.
"""

from keras import initializers, layers

from kseg.layers import BatchNormalization, fixed_padding, stride_and_dilation

# Channels of the three separable convolutions of a unit, its stride in the
# classifier, and the kind of its shortcut.
_ENTRY = (
    ((128, 128, 128), 2, "conv"),
    ((256, 256, 256), 2, "conv"),
    ((728, 728, 728), 2, "conv"),
)
_MIDDLE = (((728, 728, 728), 1, "sum"),) * 16
_EXIT = (
    ((728, 1024, 1024), 2, "conv"),
    ((1536, 1536, 2048), 1, "none"),
)


def xception65(image, output_stride: int) -> dict:
    """Builds Xception-65.

    Args:
        image: Float tensor `(batch, height, width, 3)` in 0 to 255; scaled to
            -1 to 1 inside.
        output_stride: 8, 16 or 32.

    Returns:
        Float tensors `c1` (64 channels), `c2` (256, the second separable
        convolution of the second entry unit, before its ReLU: the low-level
        features of DeepLab v3+), `c3` (728, likewise of the third), `c4` (728,
        end of the middle flow) and `c5` (2048).
    """
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="normalise")(image)
    x = fixed_padding(x, 3, name="entry_flow_conv1_1_pad")
    x = layers.Conv2D(32, 3, strides=2, use_bias=False, name="entry_flow_conv1_1")(x)
    x = _bn_relu(x, "entry_flow_conv1_1")
    x = layers.Conv2D(64, 3, padding="same", use_bias=False, name="entry_flow_conv1_2")(
        x
    )
    x = _bn_relu(x, "entry_flow_conv1_2")

    taps, current_stride, dilation = {"c1": x}, 2, 1
    for flow, units in (("entry", _ENTRY), ("middle", _MIDDLE), ("exit", _EXIT)):
        for number, (filters, stride, shortcut) in enumerate(units, start=1):
            stride, next_dilation = stride_and_dilation(
                stride, current_stride, dilation, output_stride
            )
            name = f"{flow}_flow_block{number}"
            x, second = _unit(x, filters, stride, dilation, shortcut, name)
            current_stride, dilation = current_stride * stride, next_dilation
            if flow == "entry" and number > 1:
                taps[f"c{number}"] = second
        if flow == "middle":
            taps["c4"] = x
    taps["c5"] = x
    return taps


def _unit(x, filters, stride, dilation, shortcut, name):
    """Three separable convolutions, the last one strided, and a shortcut.

    Returns the unit's output and that of its second separable convolution.
    """
    inner_relu = shortcut == "none"
    residual, outputs = x, []
    for number, channels in enumerate(filters, start=1):
        if not inner_relu:
            residual = layers.ReLU(name=f"{name}_sepconv{number}_relu")(residual)
        residual = _separable(
            residual,
            channels,
            stride if number == 3 else 1,
            dilation,
            inner_relu,
            f"{name}_sepconv{number}",
        )
        outputs.append(residual)
    if shortcut == "conv":
        x = layers.Conv2D(
            filters[-1], 1, strides=stride, use_bias=False, name=f"{name}_shortcut"
        )(x)
        x = _batch_norm(x, f"{name}_shortcut_bn")
    if shortcut != "none":
        residual = layers.Add(name=f"{name}_add")([x, residual])
    return residual, outputs[1]


def _separable(x, filters, stride, dilation, inner_relu, name):
    """Depthwise 3x3, BN, (ReLU), pointwise 1x1, BN, (ReLU)."""
    if stride > 1:
        x = fixed_padding(x, 3, name=f"{name}_pad")
    x = layers.DepthwiseConv2D(
        3,
        strides=stride,
        dilation_rate=dilation,
        padding="valid" if stride > 1 else "same",
        use_bias=False,
        # xception.py: standard deviations .33 depthwise, .06 pointwise.
        depthwise_initializer=initializers.TruncatedNormal(stddev=0.33),
        name=f"{name}_depthwise",
    )(x)
    x = _batch_norm(x, f"{name}_depthwise_bn")
    if inner_relu:
        x = layers.ReLU(name=f"{name}_depthwise_relu")(x)
    x = layers.Conv2D(
        filters,
        1,
        use_bias=False,
        kernel_initializer=initializers.TruncatedNormal(stddev=0.06),
        name=f"{name}_pointwise",
    )(x)
    x = _batch_norm(x, f"{name}_pointwise_bn")
    if inner_relu:
        x = layers.ReLU(name=f"{name}_pointwise_relu")(x)
    return x


def _bn_relu(x, name):
    x = _batch_norm(x, f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


def _batch_norm(x, name):
    return BatchNormalization(epsilon=1e-3, name=name)(x)
