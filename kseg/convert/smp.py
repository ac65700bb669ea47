"""Checkpoints of segmentation_models.pytorch on the ResNets of torchvision.

The names are those of `decoders/` and `encoders/resnet.py` of version 0.6.
https://github.com/qubvel-org/segmentation_models.pytorch
The tensors do not show every option. The `config.json` that `save_pretrained` writes
beside them does; where there is none, options are those that a network starts with.
"""

from typing import Any

import numpy as np

from kseg.backbones.fill import Tensors
from kseg.convert.notes import Notes
from kseg.convert.recipe import Options, Recipe, sequence
from kseg.convert.resnet import resnet_backbone, resnet_layers

FORMS = (
    "Unet, PSPNet and DeepLabV3Plus with the encoders resnet18, resnet34, resnet50, "
    "resnet101 and resnet152, and their other options as they start"
)
_HEAD = "segmentation_head.0"
# The tail of the encoder is made and saved, but not run.
_LEFT_OUT = {"smp_pspnet": r"classification_head\.|encoder\.layer[34]\."}
_RATES = (12, 24, 36)
# What else the tensors do not show must be as a network starts with.
_MUST = {"decoder_interpolation": "nearest"}
# A tensor that only this class of smp has.
_KINDS = {
    "Unet": "decoder.blocks.4.conv1.0.weight",
    "PSPNet": "decoder.psp.blocks.0.pool.1.0.weight",
    "DeepLabV3Plus": "decoder.block2.0.0.weight",
}


def told(notes: Notes, tensors: Tensors) -> dict[str, Any]:
    """Reads what no tensor shows from the `config.json` beside a checkpoint.

    Args:
        notes: `config` has the arguments that the network was made with.
        tensors: Arrays by the names of a state dictionary.

    Returns:
        Arguments of `kseg.build`; none where there is no configuration, or it is of
        another class than the tensors.

    Raises:
        ValueError: If the network computes what kseg's does not.
    """
    config = {key: x for key, x in notes.config.items() if x is not None}
    kind = _kind(tensors)
    if kind is None or config.get("_model_class") != kind:
        return {}
    for option, must in _MUST.items():
        if config.get(option, must) != must:
            raise ValueError(
                f"A network of smp must have `{option}` {must!r}. Received: a "
                f"config.json with {config[option]!r}."
            )
    if kind != "DeepLabV3Plus":
        return {}
    return {
        "output_stride": int(config.get("encoder_output_stride", 16)),
        "rates": tuple(config.get("decoder_atrous_rates", _RATES)),
    }


def recipe(tensors: Tensors, options: Options) -> Recipe | None:
    """Says what network a checkpoint of segmentation_models.pytorch is.

    Args:
        tensors: Arrays by the names of a state dictionary.
        options: Arguments of `kseg.build` that no tensor shows.

    Returns:
        How to convert it, or `None` if it is not one of `FORMS`. One of one class
        becomes one of two, the first of which has the logit 0: the softmax over
        the two is the sigmoid of the one.
    """
    backbone = resnet_backbone(tensors, "encoder.")
    if backbone is None or f"{_HEAD}.weight" not in tensors:
        return None
    kind = _kind(tensors)
    if kind == "Unet":
        network, (widths, layers) = "smp_unet", _unet(tensors)
    elif kind == "PSPNet":
        network, (widths, layers) = "smp_pspnet", _pspnet(tensors)
    elif kind == "DeepLabV3Plus":
        network, (widths, layers) = (
            "smp_deeplabv3plus",
            _deeplabv3plus(tensors, options.get("rates", _RATES)),
        )
    else:
        return None
    layers |= resnet_layers(tensors, "encoder.") | {_HEAD: "classifier"}
    if len(tensors[f"{_HEAD}.weight"]) == 1:
        tensors = dict(tensors)
        for name in (f"{_HEAD}.weight", f"{_HEAD}.bias"):
            tensors[name] = np.concatenate([0 * tensors[name], tensors[name]])
    arguments = {
        "backbone": backbone,
        "num_classes": len(tensors[f"{_HEAD}.weight"]),
        **widths,
        **options,
    }
    left_out = _LEFT_OUT.get(network, r"classification_head\.")
    return Recipe(network, arguments, tensors, layers, left_out)


def _kind(tensors: Tensors) -> str | None:
    """Returns the class of smp that a checkpoint is of, or `None`."""
    return next((kind for kind, name in _KINDS.items() if name in tensors), None)


def _unet(tensors):
    layers, filters = {}, []
    for level in range(5):
        for number in (1, 2):
            module = f"decoder.blocks.{level}.conv{number}"
            layers |= sequence(module, f"decoder{level + 1}_conv{number}")
        filters.append(len(tensors[f"decoder.blocks.{level}.conv1.0.weight"]))
    return {"filters": tuple(filters)}, layers


def _pspnet(tensors):
    layers = sequence("decoder.conv", "fuse")
    for level, side in enumerate((1, 2, 3, 6)):
        layers |= sequence(f"decoder.psp.blocks.{level}.pool.1", f"level{side}")
    return {"filters": len(tensors["decoder.conv.0.weight"])}, layers


def _deeplabv3plus(tensors, rates):
    pyramid = "decoder.aspp.0"
    layers = (
        sequence(f"{pyramid}.convs.0", "aspp_1x1")
        | sequence(f"{pyramid}.convs.4", "aspp_image", first=1)
        | sequence(f"{pyramid}.project", "aspp_fuse")
        | _separable("decoder.aspp", "encoder", first=1)
        | sequence("decoder.block1", "low_level")
        | _separable("decoder.block2", "decoder")
    )
    for number, rate in enumerate(rates, start=1):
        layers |= _separable(f"{pyramid}.convs.{number}", f"aspp_rate{rate}")
    return {"filters": len(tensors[f"{pyramid}.project.0.weight"])}, layers


def _separable(module, layer, first=0):
    """Names a depthwise and a pointwise convolution in a row, and a batch norm."""
    return {
        f"{module}.{first}.0": f"{layer}_depthwise",
        f"{module}.{first}.1": f"{layer}_pointwise",
        f"{module}.{first + 1}": f"{layer}_pointwise_bn",
    }
