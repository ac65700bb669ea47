"""Checkpoints of torchvision: its networks, and its classifiers as backbones.

The names are those of `models/segmentation`, `models/resnet.py` and
`models/mobilenetv3.py` of torchvision 0.28. https://github.com/pytorch/vision
"""

from typing import Any

from kseg.backbones.fill import Tensors
from kseg.convert.notes import Notes, named
from kseg.convert.recipe import Options, Recipe, count_of, sequence
from kseg.convert.resnet import resnet_backbone, resnet_layers
from kseg.labels import Labels

FORMS = (
    "DeepLabV3 on a ResNet or MobileNetV3, FCN on a ResNet, LRASPP, and the "
    "classifiers ResNet and MobileNetV3, whose backbone any network takes"
)
# Rows of `classifier.0.convs`: a 1x1, three rates, and a pooling ahead of its 1x1.
_DEEPLABV3 = (
    sequence("classifier.0.convs.0", "aspp_1x1")
    | sequence("classifier.0.convs.1", "aspp_rate12")
    | sequence("classifier.0.convs.2", "aspp_rate24")
    | sequence("classifier.0.convs.3", "aspp_rate36")
    | sequence("classifier.0.convs.4", "aspp_image", first=1)
    | sequence("classifier.0.project", "aspp_fuse")
    | sequence("classifier", "refine", first=1)
    | {"classifier.4": "classifier"}
)
_LRASPP = sequence("classifier.cbr", "cbr") | {
    "classifier.scale.1": "scale",
    "classifier.low_classifier": "low_classifier",
    "classifier.high_classifier": "high_classifier",
}
_FCN = sequence("classifier", "fuse") | {"classifier.4": "classifier"}

# The published networks by the beginnings of their digests, which are in the names of
# the files. All know the classes of PASCAL VOC 2012.
_PUBLISHED = (
    "1167a1af",  # fcn_resnet50_coco
    "7ecb50ca",  # fcn_resnet101_coco
    "cd0a2569",  # deeplabv3_resnet50_coco
    "586e9e4e",  # deeplabv3_resnet101_coco
    "fc3c493d",  # deeplabv3_mobilenet_v3_large
    "d234d4ea",  # lraspp_mobilenet_v3_large
)
_VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car",
    "cat", "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person",
    "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def recipe(tensors: Tensors, options: Options) -> Recipe | None:
    """Says what network a checkpoint of torchvision is.

    Args:
        tensors: Arrays by the names of a state dictionary.
        options: Arguments of `kseg.build` that no tensor shows.

    Returns:
        How to convert it, or `None` if it is not one of `FORMS`.
    """
    backbone, layers = _backbone(tensors)
    if backbone is None:
        return None
    arguments: dict[str, Any] = {"backbone": backbone}
    if "classifier.0.convs.0.0.weight" in tensors:
        network, head, classifier = "deeplabv3", _DEEPLABV3, "classifier.4"
        arguments |= {"output_stride": 8, "rates": (6, 12, 18), "head": "torchvision"}
        if backbone.startswith("mobilenet"):
            arguments |= {"output_stride": 16, "rates": (12, 24, 36)}
    elif "classifier.cbr.0.weight" in tensors:
        network, head, classifier = "lraspp", _LRASPP, "classifier.low_classifier"
        arguments["filters"] = len(tensors["classifier.cbr.0.weight"])
    elif "backbone.conv1.weight" in tensors and "classifier.4.weight" in tensors:
        network, head, classifier = "fcn_resnet", _FCN, "classifier.4"
    else:
        return Recipe(None, arguments, tensors, layers)
    arguments["num_classes"] = len(tensors[f"{classifier}.weight"])
    arguments |= options
    return Recipe(network, arguments, tensors, layers | head, "aux_classifier")


def labels(notes: Notes) -> Labels | None:
    """Returns the classes of the published networks; other files do not name them.

    Args:
        notes: `sha256` tells which these are.
    """
    return named(_VOC) if notes.sha256.startswith(_PUBLISHED) else None


def _backbone(tensors):
    """Returns the name of the backbone, if there is one, and its layers."""
    for prefix in ("backbone.", "features."):
        if f"{prefix}0.0.weight" in tensors:
            # The first and the last convolution stand beside the units.
            last = count_of(tensors, rf"{prefix}(\d+)\.") - 1
            size = {16: "large", 12: "small"}.get(last)
            name = f"mobilenet_v3_{size}_torch" if size else None
            return name, _mobilenet_v3_layers(tensors, prefix, last)
    prefix = "backbone." if "backbone.conv1.weight" in tensors else ""
    return resnet_backbone(tensors, prefix), resnet_layers(tensors, prefix)


def _mobilenet_v3_layers(tensors, prefix, last):
    """Names the layers of a MobileNetV3, whose units have two to four parts."""
    layers = sequence(f"{prefix}0", "conv") | sequence(f"{prefix}{last}", "conv_1")
    for number in range(last - 1):
        unit = f"{prefix}{number + 1}.block"
        name = f"expanded_conv_{number}" if number else "expanded_conv"
        part = "expand"
        for place in range(count_of(tensors, rf"{unit}\.(\d+)\.")):
            module = f"{unit}.{place}"
            if f"{module}.fc1.weight" in tensors:
                layers[f"{module}.fc1"] = f"{name}_squeeze_excite_conv"
                layers[f"{module}.fc2"] = f"{name}_squeeze_excite_conv_1"
                continue
            if tensors[f"{module}.0.weight"].shape[1] == 1:
                part = "depthwise"
            layers |= sequence(module, f"{name}_{part}")
            if part == "depthwise":
                part = "project"
    return layers
