"""Networks of kseg from checkpoints of PyTorch, without PyTorch.

    kseg.from_pytorch("deeplabv3_resnet50.pth", "torchvision").model.save("net.keras")

A file a source: which of its networks are known, and where each tensor goes. Every
tensor has its place or is named as left out, every weight of the network comes from
the checkpoint, and the logits are those of the original.
"""

import re
from pathlib import Path
from typing import NamedTuple

import keras

from kseg import backbones, networks
from kseg.convert import hrnet, huggingface_segformer, mmseg, smp, torchvision
from kseg.convert.fill import Filled, Recipe, fill
from kseg.registry import unknown
from kseg.state_dict import read_state_dict

__all__ = ["Conversion", "from_pytorch", "sources"]

_SOURCES = {
    "hrnet": hrnet,
    "huggingface-segformer": huggingface_segformer,
    "mmseg": mmseg,
    "smp": smp,
    "torchvision": torchvision,
}


class Conversion(NamedTuple):
    """A network with the weights of a checkpoint.

    Args:
        model: The network.
        arguments: What `kseg.build` got for it; `name` is the network's.
        left_out: Names of the tensors that have no place in it: auxiliary heads,
            counters of batches, the classifier behind a backbone.
        new: Names of the layers that start anew, as only the backbone was there.
    """

    model: keras.Model
    arguments: dict[str, object]
    left_out: list[str]
    new: list[str]


def sources() -> list[str]:
    """Returns the names of the sources, sorted."""
    return sorted(_SOURCES)


def from_pytorch(
    path: str | Path,
    source: str,
    network: str | None = None,
    backbone: str | None = None,
    num_classes: int | None = None,
) -> Conversion:
    """Converts a checkpoint of PyTorch.

    Network, backbone and class count are those of the checkpoint, whose tensors show
    them. Another network takes the backbone alone, and its other layers start anew.

    Args:
        path: As in `kseg.state_dict.read_state_dict`.
        source: Whose network it is: one of `sources()`.
        network: One of `kseg.names()`, to have another network than the
            checkpoint's; the checkpoint of a classifier needs it.
        backbone: One of `kseg.backbones.names()`, to have another form than the one
            that the source's networks have.
        num_classes: Number of classes of another network; that of the checkpoint
            where nothing is said, which a classifier's does not tell.

    Returns:
        The model, what it was built with, and what does not come from or has not
        gone into it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of the source's networks, or a
            tensor or a weight is left over; the message names them.
    """
    if source not in _SOURCES:
        raise ValueError(unknown("source", source, sources()))
    tensors = read_state_dict(path)
    recipe = _SOURCES[source].recipe(tensors)
    if recipe is None:
        raise ValueError(
            f"A checkpoint of {source!r} must be of {_SOURCES[source].FORMS}. "
            f"Received: {path}, whose tensors are {_some(list(tensors))}."
        )
    given = {"backbone": backbone, "num_classes": num_classes}
    given = {key: value for key, value in given.items() if value is not None}
    arguments = {**recipe.arguments, **given}
    whole = network in (None, recipe.network)
    if not whole:
        known = ("backbone", "num_classes")
        arguments = {key: arguments[key] for key in known if key in arguments}
    if recipe.network is None and (network is None or num_classes is None):
        raise ValueError(
            "A checkpoint of a classifier has only the backbone of a network: "
            "`network` (--network) and `num_classes` (--num-classes) must be given. "
            f"Received: {path}, which has {recipe.arguments['backbone']!r}, "
            f"network={network!r}, num_classes={num_classes!r}."
        )
    name = network or recipe.network
    model = networks.build(name, **arguments)
    if whole:
        filled, new = fill(model, recipe.tensors, recipe.layers), []
        left_out = [x for x in filled.unused if _is_left_out(x, recipe)]
        filled = filled._replace(
            unused=[x for x in filled.unused if not _is_left_out(x, recipe)]
        )
    else:
        trunk = _trunk_layers(arguments["backbone"])
        filled = fill(model, recipe.tensors, recipe.layers, only=trunk)
        new = [x.name for x in model.layers if x.weights and x.name not in trunk]
        left_out, filled = filled.unused, filled._replace(unused=[])
    _check(filled, path, name, arguments)
    return Conversion(model, {"name": name, **arguments}, left_out, new)


def _is_left_out(name: str, recipe: Recipe) -> bool:
    """Whether a tensor is for training alone."""
    return bool(name.endswith("num_batches_tracked") or re.match(recipe.left_out, name))


def _trunk_layers(backbone: str) -> set[str]:
    """Returns the names of a backbone's layers that have weights."""
    image = keras.Input((None, None, 3))
    trunk = keras.Model(image, backbones.build(backbone, image))
    return {layer.name for layer in trunk.layers if layer.weights}


def _check(filled: Filled, path, name, arguments) -> None:
    """Raises if a tensor or a weight has not met its like."""
    if filled == Filled([], [], []):
        return
    complaints = {
        "tensors without a layer": filled.unused,
        "weights without a tensor": filled.empty,
        "other shapes": filled.unlike,
    }
    text = "; ".join(f"{key}: {_some(x)}" for key, x in complaints.items() if x)
    raise ValueError(
        "Every tensor of a checkpoint must have its layer, and every weight its "
        f"tensor. Received: {path}, taken as {name!r} with {arguments}: {text}."
    )


def _some(names: list[str]) -> str:
    """Returns the first few names, and how many there are more."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
