"""RefineNet: the maps of a backbone refined from the coarsest to the finest.

Lin et al., "RefineNet: Multi-Path Refinement Networks for High-Resolution Semantic
Segmentation", CVPR 2017, figures 2, 3 and 7. https://arxiv.org/abs/1611.06612
The defaults are the networks that the authors released,
https://github.com/guosheng/refinenet. They differ from the paper in the chained
residual pooling: four links that convolve and then pool, where the paper has two that
pool and then convolve (section 3.2), and their training scripts two that convolve
first. Three residual units lie between two blocks and behind the last one. In the
text one ends a block, and two begin the next or follow the last; in the code all three
end a block. Figure 3 shows the one alone, `output_units=1`.
Departures: the image is not enlarged by 1.2 first, and normalised as the backbone's
weights want it, where the authors subtract 128; resizing is between half-pixel centres;
a frozen batch norm keeps its scale and offset, too, where theirs learn these;
convolutions start with a deviation of 0.01 as theirs at 256 channels, and at others as
keeps signals as large. Their two-scale variant, of two backbones, is not built.
"""

import keras
from keras import layers

from kseg import backbones
from kseg.layers import ResizeLike
from kseg.registry import check_num_classes, register

# Figures 2 and 7: the maps that each block fuses, beside the block before it.
_CASCADES = {
    1: (("c5", "c4", "c3", "c2"),),
    2: (("c5", "c4"), ("c3", "c2")),
    4: (("c5",), ("c4",), ("c3",), ("c2",)),
}
# The authors' rate for the backbone is a tenth: for a ResNet, the `multipliers` of an
# optimizer of `kseg.optimizers`.
LEARNING_RATE_MULTIPLIERS = {"conv[1-5]_*": 0.1}


@register("refinenet")
def refinenet(
    num_classes: int = 21,
    backbone: str = "resnet101",
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    cascades: int = 4,
    filters: int = 256,
    pools: int = 4,
    pool_first: bool = False,
    output_units: int = 3,
    dropout: float = 0.5,
    freeze_batch_norm: bool = False,
) -> keras.Model:
    """Builds RefineNet.

    Args:
        num_classes: Number of classes: background counts, void does not.
        backbone: One of `kseg.backbones.names()`; the paper's are `"resnet50"`,
            `"resnet101"` and `"resnet152"`.
        weights: `None`, `"imagenet"`, the path of a Keras `.h5` file of the
            backbone, or the path of a `.keras` checkpoint of this network; the
            head of another class count starts anew and a message says so.
        input_shape: Height, width and 3 channels; `None` takes any size.
        cascades: Number of blocks. 4 is one for each map of the backbone; 2 is one for
            the two coarse and one for the two fine maps; 1 fuses all in one
            (section 4.3; it has no network of 3).
        filters: Channels of the blocks; twice as many on the path of the coarsest map.
        pools: Links of the chained residual pooling.
        pool_first: Whether a link pools ahead of its convolution, or behind it.
        output_units: Residual units at the end of a block.
        dropout: Rate on the two coarsest maps, and in front of the classifier.
        freeze_batch_norm: Whether the batch norms of the backbone keep the statistics,
            scales and offsets of its weights. The authors' batches are single images.

    Returns:
        A `keras.Model` from images `(batch, height, width, 3)`, in the range 0
        to 255, to float32 logits `(batch, height, width, num_classes)`.

    Raises:
        ValueError: If `num_classes` is below 2, or another argument is not one
            of those named.
    """
    check_num_classes(num_classes)
    if cascades not in _CASCADES:
        raise ValueError(f"`cascades` must be 1, 2 or 4. Received: {cascades!r}.")
    backbones.check_weights(weights, backbone)

    image = keras.Input(input_shape, name="image")
    features = backbones.build(backbone, image)
    deviation = 0.01 * (256 / filters) ** 0.5

    paths = {}
    for tap in ("c5", "c4", "c3", "c2"):
        x = features[tap]
        if tap in ("c5", "c4"):
            x = layers.Dropout(dropout, name=f"{tap}_dropout")(x)
        width = 2 * filters if tap == "c5" else filters
        x = _conv(x, width, deviation, f"{tap}_adapt")
        for number in (1, 2):
            x = _residual_unit(x, deviation, f"{tap}_unit{number}")
        paths[tap] = x

    refined = []
    for number, taps in enumerate(_CASCADES[cascades], start=1):
        name = f"block{number}"
        x = _fuse([*refined, *(paths[tap] for tap in taps)], deviation, name)
        x = _chained_residual_pooling(x, pools, pool_first, deviation, name)
        for unit in range(1, output_units + 1):
            x = _residual_unit(x, deviation, f"{name}_unit{unit}")
        refined = [x]

    x = layers.Dropout(dropout, name="dropout")(x)
    x = _conv(x, num_classes, deviation, "classifier", use_bias=True, dtype="float32")
    logits = ResizeLike(dtype="float32", name="logits")(x, image)
    model = keras.Model(image, logits, name="refinenet")
    backbones.load_weights(model, weights, backbone, features["c5"])
    return backbones.freeze_batch_norm(model) if freeze_batch_norm else model


def _residual_unit(x, deviation, name):
    """Adds what two convolutions behind ReLUs make of it (RCU, figure 3b)."""
    shortcut, filters = x, x.shape[-1]
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _conv(x, filters, deviation, f"{name}_conv1", use_bias=True)
    x = layers.ReLU(name=f"{name}_relu2")(x)
    x = _conv(x, filters, deviation, f"{name}_conv2")
    return layers.Add(name=name)([shortcut, x])


def _fuse(paths, deviation, name):
    """Sums maps at the size of the finest, which comes last (figure 3c).

    All get the channels of the narrowest; one alone stays as it is.
    """
    if len(paths) == 1:
        return paths[0]
    filters = min(path.shape[-1] for path in paths)
    finest, fused = paths[-1], []
    for number, path in enumerate(paths, start=1):
        x = _conv(path, filters, deviation, f"{name}_fuse{number}")
        if path is not finest:
            x = ResizeLike(name=f"{name}_resize{number}")(x, finest)
        fused.append(x)
    return layers.Add(name=f"{name}_fused")(fused)


def _chained_residual_pooling(x, pools, pool_first, deviation, name):
    """Sums a map and poolings of it, each of the one before (figure 3d)."""
    filters = x.shape[-1]
    x = layers.ReLU(name=f"{name}_relu")(x)
    links = [x]
    for number in range(1, pools + 1):
        pool = layers.MaxPooling2D(
            5, strides=1, padding="same", name=f"{name}_pool{number}"
        )
        x = pool(x) if pool_first else x
        x = _conv(x, filters, deviation, f"{name}_pool{number}_conv")
        x = x if pool_first else pool(x)
        links.append(x)
    return layers.Add(name=f"{name}_pooled")(links)


def _conv(x, filters, deviation, name, use_bias=False, dtype=None):
    """A 3x3 convolution."""
    return layers.Conv2D(
        filters,
        3,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=keras.initializers.RandomNormal(stddev=deviation),
        dtype=dtype,
        name=name,
    )(x)
