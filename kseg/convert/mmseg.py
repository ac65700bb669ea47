"""Checkpoints of MMSegmentation: DeepLabV3, PSPNet and SegFormer.

The names are those of `mmseg/models` of https://github.com/open-mmlab/mmsegmentation,
of the configurations in `configs/deeplabv3`, `configs/pspnet` and `configs/segformer`:
heads of output stride 8 on ResNet or ResNetV1c, and MiT.
"""

import re

import numpy as np

from kseg.convert.fill import Recipe, Tensors, modules_of
from kseg.convert.huggingface_segformer import mit_backbone
from kseg.convert.resnet import resnet_backbone, resnet_layers

FORMS = (
    "DeepLabV3 or PSPNet on a ResNet or ResNetV1c of 50 or 101 layers, of output "
    "stride 8, and SegFormer"
)
_HEAD = "decode_head"
# What MMSegmentation calls a MiT's parts, as the published files of SegFormer do.
_MIT_NAMES = (
    (r"backbone\.layers\.(\d)\.0\.projection\.", r"patch_embeddings.\1.proj."),
    (r"backbone\.layers\.(\d)\.0\.norm\.", r"patch_embeddings.\1.layer_norm."),
    (r"backbone\.layers\.(\d)\.1\.(\d+)\.", r"block.\1.\2."),
    (r"backbone\.layers\.(\d)\.2\.", r"layer_norm.\1."),
    (r"\.norm(\d)\.", r".layer_norm_\1."),
    (r"\.attn\.attn\.out_proj\.", ".attention.output.dense."),
    (r"\.attn\.attn\.", ".attention.self."),
    (r"\.attn\.sr\.", ".attention.self.sr."),
    (r"\.attn\.norm\.", ".attention.self.layer_norm."),
    (r"\.ffn\.layers\.0\.", ".mlp.dense1."),
    (r"\.ffn\.layers\.1\.", ".mlp.dwconv.dwconv."),
    (r"\.ffn\.layers\.4\.", ".mlp.dense2."),
)


def recipe(tensors: Tensors) -> Recipe | None:
    """Says what network a checkpoint of MMSegmentation is.

    Args:
        tensors: Arrays by the names of a state dictionary.

    Returns:
        How to convert it, or `None` if it is not one of `FORMS`.
    """
    if f"{_HEAD}.conv_seg.weight" not in tensors:
        return None
    if f"{_HEAD}.fusion_conv.conv.weight" in tensors:
        return _segformer(tensors)
    backbone = resnet_backbone(tensors, "backbone.")
    if backbone is None or f"{_HEAD}.bottleneck.conv.weight" not in tensors:
        return None
    layers = resnet_layers(tensors, "backbone.")
    layers[f"{_HEAD}.conv_seg"] = "classifier"
    filters = len(tensors[f"{_HEAD}.bottleneck.conv.weight"])
    arguments = {
        "backbone": backbone,
        "num_classes": len(tensors[f"{_HEAD}.conv_seg.weight"]),
        "filters": filters,
        "output_stride": 8,
        "dilate_first": False,
    }
    if f"{_HEAD}.psp_modules.0.1.conv.weight" in tensors:
        layers |= _module("bottleneck", "fuse")
        for level, side in enumerate((1, 2, 3, 6)):
            layers |= _module(f"psp_modules.{level}.1", f"level{side}")
        return Recipe("pspnet", arguments, tensors, layers, "auxiliary_head")
    if f"{_HEAD}.aspp_modules.0.conv.weight" in tensors:
        layers |= (
            _module("image_pool.1", "aspp_image")
            | _module("aspp_modules.0", "aspp_1x1")
            | _module("aspp_modules.1", "aspp_rate12")
            | _module("aspp_modules.2", "aspp_rate24")
            | _module("aspp_modules.3", "aspp_rate36")
            | _module("bottleneck", "aspp_fuse")
        )
        # Theirs has the mean of the image ahead of the other branches.
        bottleneck = f"{_HEAD}.bottleneck.conv.weight"
        tensors = tensors | {bottleneck: np.roll(tensors[bottleneck], -filters, 1)}
        arguments |= {"multi_grid": (1, 1, 1), "fuse_kernel_size": 3}
        return Recipe("deeplabv3", arguments, tensors, layers, "auxiliary_head")
    return None


def _module(module, layer):
    """Names the convolution and the batch norm of a `ConvModule` of the head."""
    return {f"{_HEAD}.{module}.conv": layer, f"{_HEAD}.{module}.bn": f"{layer}_bn"}


def _segformer(tensors):
    """Returns the recipe of a SegFormer, its maps the deepest first."""
    renamed = {}
    for name, value in tensors.items():
        for theirs, ours in _MIT_NAMES:
            name = re.sub(theirs, ours, name)
        if ".in_proj_" in name:
            for part, rows in zip(
                ("query", "key", "value"), np.split(value, 3), strict=True
            ):
                renamed[name.replace("in_proj_", f"{part}.")] = rows
        else:
            renamed[name] = value
    backbone = mit_backbone(renamed, "")
    if backbone is None:
        return None
    fuse = f"{_HEAD}.fusion_conv.conv.weight"
    filters = len(renamed[fuse])
    maps = np.split(renamed[fuse], 4, axis=1)
    renamed[fuse] = np.concatenate(maps[::-1], axis=1)
    layers = {
        module: module.replace(".", "_")
        for module in modules_of(renamed)
        if not module.startswith(_HEAD)
    }
    for number in range(4):
        layers |= _module(f"convs.{number}", f"linear_c_{number}_proj")
    layers[f"{_HEAD}.fusion_conv.conv"] = "linear_fuse"
    layers[f"{_HEAD}.fusion_conv.bn"] = "batch_norm"
    layers[f"{_HEAD}.conv_seg"] = "classifier"
    arguments = {
        "backbone": backbone,
        "num_classes": len(renamed[f"{_HEAD}.conv_seg.weight"]),
        "filters": filters,
        "form": "mmseg",
    }
    return Recipe("segformer", arguments, renamed, layers)
