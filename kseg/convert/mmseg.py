"""Checkpoints of MMSegmentation: DeepLabV3, PSPNet and SegFormer.

The names are those of `mmseg/models` of https://github.com/open-mmlab/mmsegmentation,
of the configurations in `configs/deeplabv3`, `configs/pspnet` and `configs/segformer`:
heads on ResNet or ResNetV1c, and MiT. Strides, dilations and the alignment of corners
leave no trace in the tensors; the configuration that the files hold beside them tells.
What it leaves out is as the classes of `mmseg/models` start. Where there is no
configuration, the network is that of `configs/_base_/models`: output stride 8.
"""

import ast
import re
from collections.abc import Mapping
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
_RATES = (6, 12, 18)
# Strides and dilations of a ResNet's stages by the output stride.
_STAGES = {
    8: ((1, 2, 1, 1), (1, 1, 2, 4)),
    16: ((1, 2, 2, 1), (1, 1, 1, 2)),
}
# What else leaves no trace, and is as it starts. Of a multi-grid the dilations are
# given whole there, not as multiples.
_MUST = (
    ("backbone", "multi_grid", None),
    ("backbone", "style", "pytorch"),
    (_HEAD, "pool_scales", (1, 2, 3, 6)),
    (_HEAD, "interpolate_mode", "bilinear"),
)
# Texts and comments, whose brackets do not count, and brackets.
_TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|#.*|[()\[\]{}]""")
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


def told(notes: Notes, tensors: Tensors) -> dict[str, Any]:
    """Reads what no tensor shows from the configuration in a checkpoint.

    Args:
        notes: `meta` has it: under `config` of version 0, under `cfg` of version 1.
        tensors: Arrays by the names of a state dictionary.

    Returns:
        Arguments of `kseg.build`; none where there is no configuration of a model.

    Raises:
        ValueError: If the network computes what kseg's do not.

    Example:
    >>> backbone = "backbone=dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))"
    >>> head = "decode_head=dict(align_corners=True)"
    >>> told(Notes({"cfg": f"model = dict({backbone}, {head})"}, {}, ""), {})
    {'align_corners': True, 'output_stride': 16, 'dilate_first': True}
    """
    config = notes.meta.get("cfg") or notes.meta.get("config")
    model = _model(config) if isinstance(config, str) else {}
    backbone, head = (model.get(key) for key in ("backbone", _HEAD))
    if not isinstance(backbone, dict) or not isinstance(head, dict):
        return {}
    for part, option, must in _MUST:
        value = model[part].get(option, must)
        if value != must:
            raise ValueError(
                f"A network of mmseg must have `{option}` {must!r} in its {part}: "
                "kseg's have no other. Received: a checkpoint whose configuration "
                f"says {value!r}."
            )
    options: dict[str, Any] = {"align_corners": head.get("align_corners") is True}
    if f"{_HEAD}.fusion_conv.conv.weight" in tensors:
        return options
    stride = options["output_stride"] = _output_stride(backbone)
    options["dilate_first"] = backbone.get("contract_dilation") is not True
    if f"{_HEAD}.aspp_modules.0.conv.weight" in tensors:
        options["rates"] = _rates(head.get("dilations", (1, *_RATES)), stride)
    return options


def _model(config: str) -> dict[str, Any]:
    """Reads `model = dict(...)`, to the bracket that closes it, or raises."""
    start = re.search(r"^model\s*=\s*(?=dict\()", config, re.MULTILINE)
    if start is None:
        return {}
    depth, end = 0, len(config)
    for token in _TOKEN.finditer(config, start.end()):
        depth += (token[0] in "([{") - (token[0] in ")]}")
        if not depth:
            end = token.end()
            break
    try:
        return _value(ast.parse(config[start.end() : end], mode="eval").body)
    except SyntaxError as error:
        raise ValueError(
            "The configuration in a checkpoint of mmseg must be Python. Received: "
            f"{config[start.start() : end]!r:.200}: {error}. Save the `state_dict` "
            "alone, and say in `options` what it says."
        ) from error


def _value(node: ast.expr) -> Any:
    """Returns what an expression says: lists as tuples, and `None` for a variable."""
    if isinstance(node, ast.Call):
        return {key.arg: _value(key.value) for key in node.keywords}
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_value(key): _value(value) for key, value in pairs if key}
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(entry) for entry in node.elts)
    return node.value if isinstance(node, ast.Constant) else None


def _output_stride(backbone: Mapping[str, Any]) -> int:
    """Returns the output stride of a ResNet, or raises."""
    strides = backbone.get("strides", (1, 2, 2, 2))
    dilations = backbone.get("dilations", (1, 1, 1, 1))
    for stride, known in _STAGES.items():
        if (strides, dilations) == known:
            return stride
    raise ValueError(
        "The strides and dilations of a ResNet of mmseg must be "
        + " or ".join(f"{one} and {two}" for one, two in _STAGES.values())
        + ". Received: a checkpoint whose configuration says "
        f"{strides} and {dilations}."
    )


def _rates(dilations: Any, stride: int) -> tuple[int, ...]:
    """Returns the rates of the pyramid at output stride 16, or raises."""
    if (
        not isinstance(dilations, tuple)
        or not all(type(x) is int for x in dilations)
        or dilations[:1] != (1,)
        or any(x * stride % 16 for x in dilations[1:])
    ):
        raise ValueError(
            "The dilations of an ASPPHead of mmseg must be 1 and, at an output stride "
            f"of {stride}, multiples of {16 // stride}. Received: a checkpoint whose "
            f"configuration says {dilations}."
        )
    return tuple(x * stride // 16 for x in dilations[1:])


def labels(notes: Notes) -> Labels | None:
    """Reads the classes of the data that a checkpoint was trained on.

    Args:
        notes: `meta` has them: `CLASSES` and `PALETTE` of version 0, and under
            `dataset_meta` of version 1.
    """
    data = notes.meta.get("dataset_meta")
    given = {**notes.meta, **(data if isinstance(data, dict) else {})}
    given = {str(key).lower(): value for key, value in given.items()}
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
        rates = arguments["rates"] = tuple(arguments.get("rates") or _RATES)
        for number, rate in enumerate(rates, start=1):
            distance = rate * 16 // arguments["output_stride"]
            layers |= _module(f"aspp_modules.{number}", f"aspp_rate{distance}")
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
    options = dict(options)
    if options.pop("align_corners", False):
        raise ValueError(
            "A SegFormer of mmseg must have `align_corners` False: kseg's resizes its "
            "maps without aligned corners. Received: a checkpoint, or options, with "
            "True."
        )
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
