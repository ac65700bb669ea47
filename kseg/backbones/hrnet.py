"""HRNet: branches of four strides side by side, which exchange what they know.

Wang et al., "Deep High-Resolution Representation Learning for Visual Recognition",
PAMI 2020, figures 2 to 4. https://arxiv.org/abs/1908.07919
Facts that the paper leaves open, and the two small widths, are those of the authors'
code, `lib/models/seg_hrnet.py` of HRNet/HRNet-Semantic-Segmentation. Layers have the
names of its state dictionary with `_` for `.`: `stage3.1.branches.0.2.conv1` is
`stage3_1_branches_0_2_conv1`, in module 1 of stage 3 block 2 of branch 0; where theirs
is a row of layers, 0 is the convolution and 1 the batch norm.
Departures: half-pixel resizing, where their code aligns corners unless told
otherwise (`align_corners`); weights start as He et al. have it, theirs ahead of
batch norm with a deviation of .001.
"""

from keras import layers

from kseg.backbones.normalise import standardise
from kseg.layers import BatchNormalization, ResizeLike, fixed_padding


def hrnet_w18_small_v1(image, output_stride: int, align_corners: bool = False) -> dict:
    """Builds the smallest HRNet; arguments and result as `hrnet_w48`.

    The branches have 16, 32, 64 and 128 channels.
    """
    return _hrnet(
        image,
        output_stride,
        align_corners,
        width=16,
        bottlenecks=1,
        bottleneck_filters=32,
        modules=(1, 1, 1),
        blocks=2,
    )


def hrnet_w18_small_v2(image, output_stride: int, align_corners: bool = False) -> dict:
    """Builds a shallow HRNet of width 18; arguments and result as `hrnet_w48`."""
    return _hrnet(
        image,
        output_stride,
        align_corners,
        width=18,
        bottlenecks=2,
        modules=(1, 3, 2),
        blocks=2,
    )


def hrnet_w18(image, output_stride: int, align_corners: bool = False) -> dict:
    """Builds the HRNet of width 18; arguments and result as `hrnet_w48`."""
    return _hrnet(image, output_stride, align_corners, width=18)


def hrnet_w32(image, output_stride: int, align_corners: bool = False) -> dict:
    """Builds the HRNet of width 32; arguments and result as `hrnet_w48`."""
    return _hrnet(image, output_stride, align_corners, width=32)


def hrnet_w40(image, output_stride: int, align_corners: bool = False) -> dict:
    """Builds the HRNet of width 40; arguments and result as `hrnet_w48`."""
    return _hrnet(image, output_stride, align_corners, width=40)


def hrnet_w48(image, output_stride: int, align_corners: bool = False) -> dict:
    """Builds the HRNet of width 48.

    Args:
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; it is
            brought to mean 0 and deviation 1 inside.
        output_stride: 32. There is no map to make denser: `c2`, at stride 4, knows
            what all the others do.
        align_corners: How one branch is resized to another, as in `ResizeLike`;
            released weights for segmentation want `True`.

    Returns:
        Float tensors `c1` (the stem's first 64 channels) and `c2` to `c5`, the
        branches of strides 4, 8, 16 and 32 (48, 96, 192 and 384 channels), and
        `representation`: the four at stride 4, one behind the other (figure 4b).

    Raises:
        ValueError: If `output_stride` is not 32.
    """
    return _hrnet(image, output_stride, align_corners, width=48)


def _hrnet(
    image,
    output_stride,
    align_corners,
    *,
    width,
    bottlenecks=4,
    bottleneck_filters=64,
    modules=(1, 4, 3),
    blocks=4,
):
    """Builds an HRNet.

    Args:
        image: As of `hrnet_w48`.
        output_stride: As of `hrnet_w48`.
        align_corners: As of `hrnet_w48`.
        width: Channels of the branch of stride 4; every next has twice as many.
        bottlenecks: Units of stage 1.
        bottleneck_filters: A quarter of the channels of stage 1.
        modules: How often stages 2, 3 and 4 exchange.
        blocks: Units of a branch between two exchanges.
    """
    if output_stride != 32:
        raise ValueError(
            "HRNet has branches of strides 4 to 32, none of which could be denser: "
            f"`output_stride` must be 32. Received: {output_stride}. Its map `c2` is "
            "at stride 4 and knows all branches; `hrnet` and `ocrnet` build on it."
        )
    x = standardise(image)
    x = stem = _conv_bn_relu(x, 64, "conv1", "bn1", strides=2)
    x = _conv_bn_relu(x, 64, "conv2", "bn2", strides=2)
    for block in range(bottlenecks):
        x = _bottleneck(x, bottleneck_filters, f"layer1_{block}")

    source, branches = x, [_conv_bn_relu(x, width, *_row("transition1_0"))]
    for stage, repeats in enumerate(modules, start=2):
        # One branch more, of twice the stride and twice the channels.
        row = _row(f"transition{stage - 1}_{stage - 1}_0")
        filters = 2 * branches[-1].shape[-1]
        branches.append(_conv_bn_relu(source, filters, *row, strides=2))
        for module in range(repeats):
            name = f"stage{stage}_{module}"
            for number, x in enumerate(branches):
                for block in range(blocks):
                    x = _basic_block(x, f"{name}_branches_{number}_{block}")
                branches[number] = x
            branches = _exchange(branches, f"{name}_fuse_layers", align_corners)
        source = branches[-1]

    largest, *smaller = branches
    resized = [
        ResizeLike(align_corners, name=f"c{number}_resize")(x, largest)
        for number, x in enumerate(smaller, start=3)
    ]
    x = layers.Concatenate(name="representation")([largest, *resized])
    taps = {f"c{number}": x for number, x in enumerate(branches, start=2)}
    return {"c1": stem, **taps, "representation": x}


def _exchange(branches, name, align_corners):
    """Adds to every branch all the others, brought to its size (figure 3)."""
    fused = []
    for to, target in enumerate(branches):
        parts = []
        for source, x in enumerate(branches):
            step = f"{name}_{to}_{source}"
            if source > to:
                x = _conv_bn(x, target.shape[-1], *_row(step), kernel_size=1)
                x = ResizeLike(align_corners, name=f"{step}_resize")(x, target)
            elif source < to:
                for halving in range(to - source - 1):
                    row = _row(f"{step}_{halving}")
                    x = _conv_bn_relu(x, x.shape[-1], *row, strides=2)
                row = _row(f"{step}_{to - source - 1}")
                x = _conv_bn(x, target.shape[-1], *row, strides=2)
            parts.append(x)
        x = layers.Add(name=f"{name}_{to}_add")(parts)
        fused.append(layers.ReLU(name=f"{name}_{to}_relu")(x))
    return fused


def _bottleneck(x, filters, name):
    """1x1, 3x3, 1x1 to four times the channels, and add."""
    shortcut = x
    if x.shape[-1] != 4 * filters:
        row = _row(f"{name}_downsample")
        shortcut = _conv_bn(x, 4 * filters, *row, kernel_size=1)
    x = _conv_bn_relu(x, filters, f"{name}_conv1", f"{name}_bn1", kernel_size=1)
    x = _conv_bn_relu(x, filters, f"{name}_conv2", f"{name}_bn2")
    x = _conv_bn(x, 4 * filters, f"{name}_conv3", f"{name}_bn3", kernel_size=1)
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def _basic_block(x, name):
    """Two 3x3, and add."""
    shortcut, filters = x, x.shape[-1]
    x = _conv_bn_relu(x, filters, f"{name}_conv1", f"{name}_bn1")
    x = _conv_bn(x, filters, f"{name}_conv2", f"{name}_bn2")
    x = layers.Add(name=f"{name}_add")([x, shortcut])
    return layers.ReLU(name=f"{name}_relu")(x)


def _row(name):
    """Returns the names of a convolution and a batch norm in a row of layers."""
    return f"{name}_0", f"{name}_1"


def _conv_bn_relu(x, filters, conv_name, bn_name, **options):
    x = _conv_bn(x, filters, conv_name, bn_name, **options)
    return layers.ReLU(name=f"{bn_name}_relu")(x)


def _conv_bn(x, filters, conv_name, bn_name, kernel_size=3, strides=1):
    """Convolves with symmetric padding, then normalises."""
    padding = "same"
    if strides > 1:
        x = fixed_padding(x, kernel_size, name=f"{conv_name}_pad")
        padding = "valid"
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=False,
        kernel_initializer="he_normal",
        name=conv_name,
    )(x)
    return BatchNormalization(epsilon=1e-5, name=bn_name)(x)
