"""ResNets of torchvision, wherever they stand in a checkpoint.

The names are those of torchvision's `models/resnet.py`, which segmentation_models.
pytorch and MMSegmentation keep.
"""

import re

from kseg.backbones.fill import Tensors
from kseg.convert.recipe import count_of, modules_of

# Units of stages 2 to 5, and whether a unit has three convolutions.
_DEPTHS: dict[tuple[tuple[int, ...], bool], int] = {
    ((2, 2, 2, 2), False): 18,
    ((3, 4, 6, 3), False): 34,
    ((3, 4, 6, 3), True): 50,
    ((3, 4, 23, 3), True): 101,
    ((3, 8, 36, 3), True): 152,
}
_UNIT = re.compile(r"layer(\d)\.(\d+)\.(?:(conv|bn)(\d)|downsample\.([01]))")


def resnet_backbone(tensors: Tensors, prefix: str) -> str | None:
    """Returns the name of the backbone that a checkpoint holds.

    Args:
        tensors: Arrays by the names of a state dictionary.
        prefix: What the names of the ResNet begin with, such as `"backbone."`.

    Returns:
        One of `kseg.backbones.names()`, or `None` if it is no ResNet of these.
    """
    start = re.escape(prefix)
    units = tuple(count_of(tensors, rf"{start}layer{i}\.(\d+)\.") for i in (1, 2, 3, 4))
    bottleneck = f"{prefix}layer1.0.conv3.weight" in tensors
    depth = _DEPTHS.get((units, bottleneck))
    if depth is None:
        return None
    # A layer "stem" has the three convolutions that stand for the 7x7.
    form = "v1c" if f"{prefix}stem.0.weight" in tensors else "torch"
    return f"resnet{depth}_{form}"


def resnet_layers(tensors: Tensors, prefix: str) -> dict[str, str]:
    """Names the layers of a ResNet.

    Args:
        tensors: As of `resnet_backbone`.
        prefix: As of `resnet_backbone`.

    Returns:
        Every module of the ResNet and its layer.
    """
    stem = {"conv1": "conv1_conv", "bn1": "conv1_bn"}
    for number in (1, 2, 3):
        place = 3 * (number - 1)
        stem[f"stem.{place}"] = f"conv1_{number}_conv"
        stem[f"stem.{place + 1}"] = f"conv1_{number}_bn"
    layers = {}
    for module in modules_of(tensors, prefix):
        if module in stem:
            layers[prefix + module] = stem[module]
        elif match := _UNIT.fullmatch(module):
            stage, unit, kind, number, shortcut = match.groups()
            if shortcut:
                kind, number = ("conv", "bn")[int(shortcut)], 0
            layer = f"conv{int(stage) + 1}_block{int(unit) + 1}_{number}_{kind}"
            layers[prefix + module] = layer
    return layers
