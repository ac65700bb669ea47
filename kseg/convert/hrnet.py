"""Checkpoints of HRNet's authors.

The names are those of `lib/models/seg_hrnet.py` and `lib/models/seg_hrnet_ocr.py` of
https://github.com/HRNet/HRNet-Semantic-Segmentation, and of the classifiers of
https://github.com/HRNet/HRNet-Image-Classification.
"""

import re

from kseg.backbones.fill import Tensors
from kseg.convert.recipe import Options, Recipe, count_of, modules_of, sequence

FORMS = (
    "seg_hrnet, seg_hrnet_ocr, and HRNet's classifiers, whose backbone `hrnet` and "
    "`ocrnet` take; widths 18 (with its two small forms), 32, 40 and 48"
)
# Channels of the first branch, and how often stage 3 exchanges.
_BACKBONES = {
    (16, 1): "hrnet_w18_small_v1",
    (18, 3): "hrnet_w18_small_v2",
    (18, 4): "hrnet_w18",
    (32, 4): "hrnet_w32",
    (40, 4): "hrnet_w40",
    (48, 4): "hrnet_w48",
}
_TRUNK = re.compile(r"(conv|bn)[12]|(layer1|transition[123]|stage[234])\..*")
_HRNET = sequence("last_layer", "mix") | {"last_layer.3": "classifier"}
_BLOCK = "ocr_distri_head.object_context_block"
# A batch norm lies in a row of its own, together with its ReLU.
_OCRNET = (
    sequence("aux_head", "regions_conv")
    | {"aux_head.3": "regions"}
    | sequence("conv3x3_ocr", "pixels")
    | {f"{_BLOCK}.f_pixel.0": "query_1", f"{_BLOCK}.f_pixel.1.0": "query_1_bn"}
    | {f"{_BLOCK}.f_pixel.2": "query_2", f"{_BLOCK}.f_pixel.3.0": "query_2_bn"}
    | {f"{_BLOCK}.f_object.0": "key_1", f"{_BLOCK}.f_object.1.0": "key_1_bn"}
    | {f"{_BLOCK}.f_object.2": "key_2", f"{_BLOCK}.f_object.3.0": "key_2_bn"}
    | {f"{_BLOCK}.f_down.0": "value", f"{_BLOCK}.f_down.1.0": "value_bn"}
    | {f"{_BLOCK}.f_up.0": "context", f"{_BLOCK}.f_up.1.0": "context_bn"}
    | {
        "ocr_distri_head.conv_bn_dropout.0": "fuse",
        "ocr_distri_head.conv_bn_dropout.1.0": "fuse_bn",
        "cls_head": "classifier",
    }
)


def recipe(tensors: Tensors, options: Options) -> Recipe | None:
    """Says what network a checkpoint of HRNet's authors is.

    Args:
        tensors: Arrays by the names of a state dictionary.
        options: Arguments of `kseg.build` that no tensor shows.

    Returns:
        How to convert it, or `None` if it is not one of `FORMS`. All resizing aligns
        corners, as in the authors' code of PyTorch 1.1 and later; of a file that is
        older `align_corners` must be told.
    """
    first = tensors.get("transition1.0.0.weight")
    if first is None:
        return None
    exchanges = count_of(tensors, r"stage3\.(\d+)\.")
    backbone = _BACKBONES.get((len(first), exchanges))
    if backbone is None:
        return None
    layers = {
        module: module.replace(".", "_")
        for module in modules_of(tensors)
        if _TRUNK.fullmatch(module)
    }
    arguments = {"backbone": backbone, "align_corners": True}
    network = classifier = None
    if "cls_head.weight" in tensors:
        network, classifier = "ocrnet", "cls_head"
        layers |= _OCRNET
        arguments["filters"] = len(tensors["conv3x3_ocr.0.weight"])
        arguments["key_filters"] = len(tensors[f"{_BLOCK}.f_down.0.weight"])
    elif "last_layer.3.weight" in tensors:
        network, classifier = "hrnet", "last_layer.3"
        layers |= _HRNET
    if classifier:
        arguments |= options
        arguments["num_classes"] = len(tensors[f"{classifier}.weight"])
    return Recipe(network, arguments, tensors, layers)
