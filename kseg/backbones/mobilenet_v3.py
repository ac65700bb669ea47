"""MobileNetV3, large and small, in two forms, up to the last 1x1 over the map.

Howard et al., "Searching for MobileNetV3", ICCV 2019, tables 1 and 2.
https://arxiv.org/abs/1905.02244

Two sets of weights are published, and those of one form are of no use to the other:

==================== ====================== ========= ============================
function             image                  padding   a unit that loses its stride
==================== ====================== ========= ============================
`mobilenet_v3`       -1 to 1                `same`    stays as it was
`mobilenet_v3_torch` mean 0 and deviation 1 symmetric is dilated as those behind it
==================== ====================== ========= ============================

`mobilenet_v3` is that of `keras.applications` and of DeepLab's code,
`mobilenet_v3_torch` torchvision's (`models/mobilenetv3.py`). One form would take the
other's weights without a word and see a little worse, so the name tells them apart.
Layers have Keras's names in both; torchvision's `features.i` is unit `i - 1`, and the
parts of its `block` follow each other as here.

The layers behind the global pooling are left out. Squeeze-and-excite averages the
whole map: unlike other backbones, a denser one does not hold the strided one.
"""

from typing import NamedTuple

from keras import initializers, layers

from kseg.backbones.normalise import standardise
from kseg.layers import BatchNormalization, fixed_padding, stride_and_dilation


class _Unit(NamedTuple):
    """A row of table 1 or 2."""

    kernel_size: int
    expanded: int
    filters: int
    squeeze: bool
    activation: str
    stride: int


_UNITS = {
    "large": (
        _Unit(3, 16, 16, False, "relu", 1),
        _Unit(3, 64, 24, False, "relu", 2),
        _Unit(3, 72, 24, False, "relu", 1),
        _Unit(5, 72, 40, True, "relu", 2),
        _Unit(5, 120, 40, True, "relu", 1),
        _Unit(5, 120, 40, True, "relu", 1),
        _Unit(3, 240, 80, False, "hard_swish", 2),
        _Unit(3, 200, 80, False, "hard_swish", 1),
        _Unit(3, 184, 80, False, "hard_swish", 1),
        _Unit(3, 184, 80, False, "hard_swish", 1),
        _Unit(3, 480, 112, True, "hard_swish", 1),
        _Unit(3, 672, 112, True, "hard_swish", 1),
        _Unit(5, 672, 160, True, "hard_swish", 2),
        _Unit(5, 960, 160, True, "hard_swish", 1),
        _Unit(5, 960, 160, True, "hard_swish", 1),
    ),
    "small": (
        _Unit(3, 16, 16, True, "relu", 2),
        _Unit(3, 72, 24, False, "relu", 2),
        _Unit(3, 88, 24, False, "relu", 1),
        _Unit(5, 96, 40, True, "hard_swish", 2),
        _Unit(5, 240, 40, True, "hard_swish", 1),
        _Unit(5, 240, 40, True, "hard_swish", 1),
        _Unit(5, 120, 48, True, "hard_swish", 1),
        _Unit(5, 144, 48, True, "hard_swish", 1),
        _Unit(5, 288, 96, True, "hard_swish", 2),
        _Unit(5, 576, 96, True, "hard_swish", 1),
        _Unit(5, 576, 96, True, "hard_swish", 1),
    ),
}


def mobilenet_v3(size: str, image, output_stride: int) -> dict:
    """Builds the MobileNetV3 of Keras.

    Args:
        size: `"large"` or `"small"`.
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; it is
            normalised inside.
        output_stride: 8, 16 or 32.

    Returns:
        Float tensors `c1` (16 channels, small 16), `c2` (24, 16), `c3` (40, 24),
        `c4` (112, 48) and `c5` (960, 576). They are the last of their resolution;
        `c2_first` to `c5_first` are those of the first unit at each, and the
        densest of them that torchvision's networks use is `c3_first` (40, 24).
    """
    x = layers.Rescaling(1 / 127.5, -1.0, dtype="float32", name="normalise")(image)
    return _mobilenet_v3(x, size, output_stride, torch=False)


def mobilenet_v3_torch(size: str, image, output_stride: int) -> dict:
    """Builds the MobileNetV3 of torchvision.

    Args:
        size: As of `mobilenet_v3`.
        image: As of `mobilenet_v3`.
        output_stride: As of `mobilenet_v3`; 16 is torchvision's `dilated=True`.

    Returns:
        As `mobilenet_v3`.
    """
    return _mobilenet_v3(standardise(image), size, output_stride, torch=True)


def _mobilenet_v3(x, size, output_stride, torch):
    """Applies the first convolution, the units, and the last convolution."""
    x = _norm(_conv(x, 16, 3, 2, torch, "conv"), "conv", "hard_swish")
    taps, stage, current_stride, rate = {}, 1, 2, 1
    for number, unit in enumerate(_UNITS[size]):
        if unit.stride == 2:
            taps[f"c{stage}"] = x
            stage += 1
        stride, next_rate = stride_and_dilation(
            unit.stride, current_stride, rate, output_stride
        )
        prefix = f"expanded_conv_{number}_" if number else "expanded_conv_"
        x = _inverted_residual(
            x, unit, stride, next_rate if torch else rate, torch, prefix
        )
        current_stride, rate = current_stride * stride, next_rate
        if unit.stride == 2:
            taps[f"c{stage}_first"] = x
    x = _conv(x, 6 * x.shape[-1], 1, 1, torch, "conv_1")
    taps["c5"] = _norm(x, "conv_1", "hard_swish")
    return taps


def _inverted_residual(x, unit, stride, dilation, torch, prefix):
    """Expands, filters depthwise, squeezes and excites, projects, adds (figure 4)."""
    shortcut, channels = x, x.shape[-1]
    if unit.expanded != channels:
        x = _conv(x, unit.expanded, 1, 1, torch, f"{prefix}expand")
        x = _norm(x, f"{prefix}expand", unit.activation)
    x, padding = _pad(x, unit.kernel_size, stride, torch, f"{prefix}depthwise")
    x = layers.DepthwiseConv2D(
        unit.kernel_size,
        strides=stride,
        dilation_rate=dilation,
        padding=padding,
        use_bias=False,
        depthwise_initializer=_he_normal(),
        name=f"{prefix}depthwise",
    )(x)
    x = _norm(x, f"{prefix}depthwise", unit.activation)
    if unit.squeeze:
        x = _squeeze_excite(x, f"{prefix}squeeze_excite")
    x = _conv(x, unit.filters, 1, 1, torch, f"{prefix}project")
    x = _norm(x, f"{prefix}project")
    if unit.stride == 1 and channels == unit.filters:
        x = layers.Add(name=f"{prefix}add")([shortcut, x])
    return x


def _squeeze_excite(x, name):
    """Weighs the channels by what they are on average (section 5.3)."""
    channels = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_avg_pool")(x)
    gate = layers.Conv2D(_quarter(channels), 1, activation="relu", name=f"{name}_conv")(
        gate
    )
    gate = layers.Conv2D(channels, 1, activation="hard_sigmoid", name=f"{name}_conv_1")(
        gate
    )
    return layers.Multiply(name=f"{name}_mul")([x, gate])


def _quarter(channels: int) -> int:
    """Returns a quarter in steps of 8, the nearest that is not 10 % less."""
    nearest = max(8, (channels // 4 + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * (channels // 4) else nearest + 8


def _conv(x, filters, kernel_size, stride, torch, name):
    """Convolves without a bias."""
    x, padding = _pad(x, kernel_size, stride, torch, name)
    return layers.Conv2D(
        filters,
        kernel_size,
        strides=stride,
        padding=padding,
        use_bias=False,
        kernel_initializer=_he_normal(),
        name=name,
    )(x)


def _pad(x, kernel_size, stride, torch, name):
    """Pads where a stride makes a difference, and says how to pad the rest."""
    if torch and stride > 1:
        return fixed_padding(x, kernel_size, name=f"{name}_pad"), "valid"
    return x, "same"


def _norm(x, name, activation=None):
    x = BatchNormalization(epsilon=1e-3, name=f"{name}_bn")(x)
    if activation is None:
        return x
    return layers.Activation(activation, name=f"{name}_{activation}")(x)


def _he_normal():
    """Returns torchvision's initialiser, by which depthwise kernels are not tiny."""
    return initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
