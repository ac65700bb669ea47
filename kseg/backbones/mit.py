"""MiT-B0 to MiT-B5, the transformers of SegFormer, without position codes.

Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers", NeurIPS 2021, section 3.1 and table 6. https://arxiv.org/abs/2105.15203
Depths of the drop path and epsilons are those of the authors' code,
`mmseg/models/backbones/mix_transformer.py` in NVlabs/SegFormer. Layers have the names
that the published files of Hugging Face have behind `segformer.encoder.`, with
underscores for dots; linear layers are 1x1 convolutions.

The first patches have stride 4, so there is no `c1`; and as attention sees the whole
map, no stride becomes a dilation: the output stride is 32. Departure: a map smaller
than a patch of keys is padded to one, where the authors' code fails.
"""

import itertools

from keras import layers

from kseg.backbones.normalise import standardise
from kseg.layers import (
    LayerNormalization,
    MapAttention,
    PadToLeast,
    fixed_padding,
)

# Table 6: channels of the stages of B0, and of all others; number of blocks.
_SMALL, _LARGE = (32, 64, 160, 256), (64, 128, 320, 512)
_SIZES = {
    "b0": (_SMALL, (2, 2, 2, 2)),
    "b1": (_LARGE, (2, 2, 2, 2)),
    "b2": (_LARGE, (3, 4, 6, 3)),
    "b3": (_LARGE, (3, 4, 18, 3)),
    "b4": (_LARGE, (3, 8, 27, 3)),
    "b5": (_LARGE, (3, 6, 40, 3)),
}
# Table 6: side and stride of the patches, heads, side of a patch of keys.
_STAGES = ((7, 4, 1, 8), (3, 2, 2, 4), (3, 2, 5, 2), (3, 2, 8, 1))


def mit(
    size: str,
    image,
    output_stride: int,
    drop_path: float = 0.1,
    patch_epsilon: float = 1e-5,
) -> dict:
    """Builds MiT.

    Args:
        size: `"b0"` to `"b5"`.
        image: Float tensor `(batch, height, width, 3)`, RGB in 0 to 255; it is
            normalised inside.
        output_stride: 32.
        drop_path: The rate at which the last block leaves out a branch of an image
            in training; it rises linearly from 0 at the first block.
        patch_epsilon: What is added to the variances behind a convolution over
            patches; MMSegmentation has 1e-6, as it and the authors have elsewhere.

    Returns:
        Float tensors `c2` (64 channels, in B0 32), `c3` (128, 64), `c4` (320, 160)
        and `c5` (512, 256).

    Raises:
        ValueError: If `output_stride` is not 32.
    """
    if output_stride != 32:
        raise ValueError(
            f"`output_stride` of a MiT must be 32. Received: {output_stride}."
        )
    x = standardise(image)
    channels, depths = _SIZES[size]
    last, count = sum(depths) - 1, itertools.count()
    taps = {}
    for stage, (patch, stride, heads, reduction) in enumerate(_STAGES):
        # Section 3.1, overlapped patch merging.
        name = f"patch_embeddings_{stage}"
        x = fixed_padding(x, patch, name=f"{name}_pad")
        x = layers.Conv2D(channels[stage], patch, stride, name=f"{name}_proj")(x)
        x = _norm(x, f"{name}_layer_norm", patch_epsilon)
        for block in range(depths[stage]):
            rate = drop_path * next(count) / last
            name = f"block_{stage}_{block}"
            x = _block(x, heads, reduction, rate, patch_epsilon, name)
        x = _norm(x, f"layer_norm_{stage}")
        taps[f"c{stage + 2}"] = x
    return taps


def _block(x, heads, reduction, drop_path, patch_epsilon, name):
    """Efficient self-attention and Mix-FFN, each added to what came in."""
    branch = _norm(x, f"{name}_layer_norm_1")
    branch = _attention(branch, heads, reduction, patch_epsilon, f"{name}_attention")
    x = _add(x, branch, drop_path, f"{name}_attention")
    branch = _norm(x, f"{name}_layer_norm_2")
    branch = _mix_ffn(branch, f"{name}_mlp")
    return _add(x, branch, drop_path, f"{name}_mlp")


def _attention(x, heads, reduction, patch_epsilon, name):
    """Attention of every position to patches of the map (equation 2)."""
    channels = x.shape[-1]
    query = layers.Conv2D(channels, 1, name=f"{name}_self_query")(x)
    if reduction > 1:
        x = PadToLeast(reduction, name=f"{name}_self_pad")(x)
        x = layers.Conv2D(channels, reduction, reduction, name=f"{name}_self_sr")(x)
        x = _norm(x, f"{name}_self_layer_norm", patch_epsilon)
    key = layers.Conv2D(channels, 1, name=f"{name}_self_key")(x)
    value = layers.Conv2D(channels, 1, name=f"{name}_self_value")(x)
    x = MapAttention(heads, name=f"{name}_self")(query, key, value)
    return layers.Conv2D(channels, 1, name=f"{name}_output_dense")(x)


def _mix_ffn(x, name):
    """Two linear layers; the 3x3 between them sees where it is (equation 3)."""
    channels = x.shape[-1]
    x = layers.Conv2D(4 * channels, 1, name=f"{name}_dense1")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name=f"{name}_dwconv_dwconv")(x)
    x = layers.Activation("gelu", name=f"{name}_gelu")(x)
    return layers.Conv2D(channels, 1, name=f"{name}_dense2")(x)


def _add(x, branch, drop_path, name):
    """Adds a branch, which some images of a batch miss in training."""
    if drop_path > 0:
        branch = layers.Dropout(
            drop_path, noise_shape=(None, 1, 1, 1), name=f"{name}_drop_path"
        )(branch)
    return layers.Add(name=f"{name}_add")([x, branch])


def _norm(x, name, epsilon=1e-6):
    return LayerNormalization(epsilon=epsilon, name=name)(x)
