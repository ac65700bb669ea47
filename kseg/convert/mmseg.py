"""Checkpoints of MMSegmentation: DeepLabV3, PSPNet and SegFormer.

The names are those of `mmseg/models` of https://github.com/open-mmlab/mmsegmentation,
of the configurations in `configs/deeplabv3`, `configs/pspnet` and `configs/segformer`:
heads on ResNet or ResNetV1c, and MiT. Strides and the alignment of corners leave no
trace in the tensors; the configuration that the files hold beside them tells.
"""

import re
from typing import Any

import numpy as np

from kseg.backbones.fill import Tensors
from kseg.convert.huggingface_segformer import mit_backbone
from kseg.convert.notes import Notes, named
from kseg.convert.recipe import Options, Recipe, modules_of
from kseg.convert.resnet import resnet_backbone, resnet_layers
from kseg.labels import Labels

FORMS = (
    "DeepLabV3 or PSPNet on a ResNet or ResNetV1c of 50 or 101 layers, and SegFormer"
)
_BACKBONES = ("resnet50_torch", "resnet101_torch", "resnet50_v1c", "resnet101_v1c")
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


def told(notes: Notes) -> dict[str, Any]:
    """Reads what no tensor shows from the configuration in a checkpoint.

    Args:
        notes: `meta` has it: under `config` of version 0, under `cfg` of version 1.

    Returns:
        Arguments of `kseg.build`; none where there is no configuration.

    Raises:
        ValueError: If the network has a multi-grid: its dilations are given there
            whole, not as multiples.

    Example:
    >>> told(Notes({"cfg": "strides=(1, 2, 2, 1), align_corners=True"}, {}, ""))
    {'align_corners': True, 'output_stride': 16}
    """
    config = str(notes.meta.get("cfg") or notes.meta.get("config") or "")
    if re.search(r"multi_grid=[(\[]", config):
        raise ValueError(
            "A network of mmseg with `multi_grid` has dilations that kseg's do not. "
            "Received: a checkpoint whose configuration sets it."
        )
    options: dict[str, Any] = {}
    if "align_corners=True" in config:
        options["align_corners"] = True
    if strides := re.search(r"strides=\(1, 2, (\d), (\d)\)", config):
        options["output_stride"] = 8 * int(strides[1]) * int(strides[2])
    return options


def labels(notes: Notes) -> Labels | None:
    """Reads the classes of the data that a checkpoint was trained on.

    Args:
        notes: `meta` has them: `CLASSES` and `PALETTE` of version 0, and under
            `dataset_meta` of version 1.
    """
    data = notes.meta.get("dataset_meta")
    given = {**notes.meta, **(data if isinstance(data, dict) else {})}
    given = {key.lower(): value for key, value in given.items() if key.isalpha()}
    return named(given.get("classes"), given.get("palette"))


def recipe(tensors: Tensors, options: Options) -> Recipe | None:
    """Says what network a checkpoint of MMSegmentation is.

    Args:
        tensors: Arrays by the names of a state dictionary.
        options: Arguments of `kseg.build` that no tensor shows.

    Returns:
        How to convert it, or `None` if it is not one of `FORMS`.
    """
    if f"{_HEAD}.conv_seg.weight" not in tensors:
        return None
    if f"{_HEAD}.fusion_conv.conv.weight" in tensors:
        return _segformer(tensors, options)
    backbone = resnet_backbone(tensors, "backbone.")
    bottleneck = f"{_HEAD}.bottleneck.conv.weight"
    if backbone not in _BACKBONES or bottleneck not in tensors:
        return None
    layers = resnet_layers(tensors, "backbone.")
    layers[f"{_HEAD}.conv_seg"] = "classifier"
    filters = len(tensors[bottleneck])
    arguments = {
        "backbone": backbone,
        "num_classes": len(tensors[f"{_HEAD}.conv_seg.weight"]),
        "filters": filters,
        "output_stride": 8,
        "dilate_first": False,
        **options,
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
            | _module("bottleneck", "aspp_fuse")
        )
        for number in (1, 2, 3):
            rate = 6 * number * 16 // arguments["output_stride"]
            layers |= _module(f"aspp_modules.{number}", f"aspp_rate{rate}")
        # Theirs has the mean of the image ahead of the other branches.
        tensors = tensors | {bottleneck: np.roll(tensors[bottleneck], -filters, 1)}
        arguments |= {"multi_grid": (1, 1, 1), "fuse_kernel_size": 3}
        return Recipe("deeplabv3", arguments, tensors, layers, "auxiliary_head")
    return None


def _module(module, layer):
    """Names the convolution and the batch norm of a `ConvModule` of the head."""
    return {f"{_HEAD}.{module}.conv": layer, f"{_HEAD}.{module}.bn": f"{layer}_bn"}


def _segformer(tensors, options):
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
        **options,
    }
    return Recipe("segformer", arguments, renamed, layers)
