"""EfficientNet-Lite0, up to its 320-channel layer, dilated as asked.

Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural
Networks", ICML 2019, table 1, without squeeze-and-excite and with ReLU6 for swish, as
in the authors' `tpu/models/official/efficientnet/lite`, which phones run in 8 bits.
https://arxiv.org/abs/1905.11946
Layers have the names of the package of PyTorch weights that `"imagenet"` reads
(`kseg.backbones.packaged`), with underscores for dots. The 1280-channel layer is left
out, as of MobileNetV2. Departure: no stochastic depth.
"""

from keras import initializers, layers

from kseg.layers import BatchNormalization, stride_and_dilation

# Table 1: kernel, expansion, channels, repeats, stride of the first repeat.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 6, 24, 2, 2),
    (5, 6, 40, 2, 2),
    (3, 6, 80, 3, 2),
    (5, 6, 112, 3, 1),
    (5, 6, 192, 4, 2),
    (3, 6, 320, 1, 1),
)
# The last stage of each resolution, by the position in _STAGES.
_TAPS = {0: "c1", 1: "c2", 2: "c3", 4: "c4", 6: "c5"}


def efficientnet_lite0(image, output_stride: int) -> dict:
    """Builds EfficientNet-Lite0.

    Args:
        image: Float tensor `(batch, height, width, 3)` in 0 to 255; `(x - 127) / 128`
            of it is taken inside.
        output_stride: 8, 16 or 32.

    Returns:
        Float tensors `c1` (16 channels), `c2` (24), `c3` (40), `c4` (112) and
        `c5` (320).
    """
    x = layers.Rescaling(1 / 128, -127 / 128, dtype="float32", name="normalise")(image)
    x = _conv(x, 32, 3, "conv_stem", strides=2)
    x = _norm(x, "bn0")
    x = layers.ReLU(6.0, name="relu0")(x)

    taps, block, current_stride, dilation = {}, 0, 2, 1
    for stage, (kernel, expansion, filters, repeats, first_stride) in enumerate(
        _STAGES
    ):
        for repeat in range(repeats):
            stride, next_dilation = stride_and_dilation(
                first_stride if repeat == 0 else 1,
                current_stride,
                dilation,
                output_stride,
            )
            x = _inverted_residual(
                x, kernel, expansion, filters, stride, dilation, f"blocks_{block}"
            )
            current_stride, dilation = current_stride * stride, next_dilation
            block += 1
        if stage in _TAPS:
            taps[_TAPS[stage]] = x
    return taps


def _inverted_residual(x, kernel_size, expansion, filters, stride, dilation, name):
    """Expands by 1x1, filters depthwise, projects by 1x1, adds where it can."""
    shortcut, channels = x, x.shape[-1]
    if expansion > 1:
        x = _conv(x, expansion * channels, 1, f"{name}_expand_conv")
        x = _norm(x, f"{name}_bn0")
        x = layers.ReLU(6.0, name=f"{name}_relu0")(x)
    x = layers.DepthwiseConv2D(
        kernel_size,
        strides=stride,
        dilation_rate=dilation,
        padding="same",
        use_bias=False,
        depthwise_initializer=_he_normal(),
        name=f"{name}_depthwise_conv",
    )(x)
    x = _norm(x, f"{name}_bn1")
    x = layers.ReLU(6.0, name=f"{name}_relu1")(x)
    x = _conv(x, filters, 1, f"{name}_project_conv")
    x = _norm(x, f"{name}_bn2")
    if channels == filters:
        x = layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _conv(x, filters, kernel_size, name, strides=1):
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer=_he_normal(),
        name=name,
    )(x)


def _norm(x, name):
    return BatchNormalization(epsilon=1e-3, name=name)(x)


def _he_normal():
    """Returns the authors' initialiser, `efficientnet_model.py`."""
    return initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
