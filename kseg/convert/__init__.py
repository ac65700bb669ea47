"""Networks of kseg from checkpoints of PyTorch, without PyTorch.

    conversion = kseg.from_pytorch("deeplabv3_resnet50.pth", "torchvision")
    kseg.convert.save(conversion, "deeplabv3.keras")

A file a source: which of its networks are known, and where each tensor goes. Every
tensor has its place or is named as left out, every weight of the network comes from
the checkpoint, and the logits are those of the original.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kseg import backbones, networks
from kseg.backbones.fill import fill
from kseg.convert import hrnet, huggingface_segformer, mmseg, smp, torchvision
from kseg.convert.recipe import Recipe
from kseg.files import whole_file, write_json
from kseg.labels import Labels
from kseg.registry import unknown
from kseg.state_dict import read_meta, read_state_dict

__all__ = ["Conversion", "from_pytorch", "save", "sources"]

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
        network: What `kseg.build` got for it; `name` is the network's.
        origin: Its `source`, `file` and `sha256`.
        left_out: Names of the tensors that have no place in it: auxiliary heads,
            counters of batches, the classifier behind a backbone.
        new: Names of the layers that start anew, as only the backbone was there.
    """

    model: keras.Model
    network: dict[str, Any]
    origin: dict[str, str]
    left_out: list[str]
    new: list[str]


def sources() -> list[str]:
    """Returns the names of the sources, sorted."""
    return sorted(_SOURCES)


def from_pytorch(
    path: str | Path,
    source: str,
    network: str | None = None,
    num_classes: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Conversion:
    """Converts a checkpoint of PyTorch.

    Network, backbone and class count are those of the checkpoint, whose tensors show
    them. Another network takes the backbone alone, and its other layers start anew.
    What tensors do not show, as strides, dilations and the alignment of corners, is
    what the source's networks have where nothing is said, unless `options` say
    otherwise: compare `Conversion.network` with how the checkpoint was trained.

    Args:
        path: As in `kseg.state_dict.read_state_dict`.
        source: Whose network it is: one of `sources()`.
        network: One of `kseg.names()`, to have another network than the
            checkpoint's; the checkpoint of a classifier needs it.
        num_classes: Number of classes of another network; that of the checkpoint
            where nothing is said, which a classifier's does not tell.
        options: Other arguments of `kseg.build`, such as `{"align_corners": True}`.

    Returns:
        The model, what it was built with, and what does not come from or has not
        gone into it.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no checkpoint of the source's networks, `options`
            name the backbone, or a tensor or a weight is left over; the message
            names them.
    """
    options = dict(options or {})
    if "backbone" in options:
        raise ValueError(
            "The backbone is the checkpoint's: another form of it may have the same "
            "tensors and compute something else. Received: "
            f"backbone={options['backbone']!r}. Leave it out."
        )
    recipe = _recipe(path, source, options)
    whole = network in (None, recipe.network)
    if recipe.network is None and (network is None or num_classes is None):
        raise ValueError(
            "A checkpoint of a classifier has only the backbone of a network: "
            "`network` (--network) and `num_classes` (--num-classes) must be given. "
            f"Received: {path}, which has {recipe.arguments['backbone']!r}, "
            f"network={network!r}, num_classes={num_classes!r}."
        )
    arguments: dict[str, Any] = dict(recipe.arguments)
    if not whole:
        shared = ("backbone", "num_classes")
        arguments = {key: arguments[key] for key in shared if key in arguments}
        arguments |= options
    if num_classes is not None:
        arguments["num_classes"] = num_classes

    name = network or str(recipe.network)
    model = networks.build(name, **arguments)
    trunk = None if whole else _trunk_layers(arguments["backbone"])
    filled = fill(model, recipe.tensors, recipe.layers, only=trunk)
    # Of another network's checkpoint nothing is missed but the backbone.
    idle = rf"{recipe.left_out}|.*\.num_batches_tracked$" if whole else ""
    left_out = [tensor for tensor in filled.unused if re.match(idle, tensor)]
    complaints = {
        "tensors without a layer": [x for x in filled.unused if x not in left_out],
        "weights without a tensor": filled.empty,
        "other shapes": filled.unlike,
    }
    if any(complaints.values()):
        raise ValueError(
            "Every tensor of a checkpoint must have its layer, and every weight its "
            f"tensor. Received: {path}, taken as {name!r} with {arguments}: "
            + "; ".join(f"{key}: {_some(x)}" for key, x in complaints.items() if x)
            + "."
        )
    new = []
    if trunk is not None:
        new = [x.name for x in model.layers if x.weights and x.name not in trunk]
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    origin = {"source": source, "file": Path(path).name, "sha256": digest}
    return Conversion(model, {"name": name, **arguments}, origin, left_out, new)


def save(conversion: Conversion, path: str | Path) -> None:
    """Writes a `.keras` file, and the JSON file beside it that says what it is.

    Args:
        conversion: What `from_pytorch` returned.
        path: The `.keras` file; its folder is made. The classes in the JSON file are
            numbered, as tensors do not name them: write their names there.
    """
    path = Path(path)
    num_classes = conversion.model.output_shape[-1]
    void = 255 if num_classes <= 255 else 65535
    info = {
        "name": path.stem,
        "labels": Labels.numbered(num_classes, void).to_dict(),
        "network": conversion.network,
        "converted_from": conversion.origin,
        "left_out": conversion.left_out,
        "new": conversion.new,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        conversion.model.save(temporary)
    write_json(path.with_suffix(".json"), info)


def _recipe(path: str | Path, source: str, options: dict[str, Any]) -> Recipe:
    """Reads a checkpoint and finds out what it is of."""
    if source not in _SOURCES:
        raise ValueError(unknown("source", source, sources()))
    tensors = read_state_dict(path)
    if source == "mmseg":
        options = mmseg.told(read_meta(path)) | options
    recipe = _SOURCES[source].recipe(tensors, options)
    if recipe is None:
        raise ValueError(
            f"A checkpoint of {source!r} must be of {_SOURCES[source].FORMS}. "
            f"Received: {path}, whose tensors are {_some(list(tensors))}."
        )
    return recipe


def _trunk_layers(backbone: str) -> set[str]:
    """Returns the names of a backbone's layers that have weights."""
    image = keras.Input((None, None, 3))
    trunk = keras.Model(image, backbones.build(backbone, image))
    return {layer.name for layer in trunk.layers if layer.weights}


def _some(names: list[str]) -> str:
    """Returns the first few names, and how many there are more."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
