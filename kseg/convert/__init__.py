"""Networks of kseg from checkpoints of PyTorch, without PyTorch.

    conversion = kseg.from_pytorch("deeplabv3_resnet50.pth", "torchvision")
    kseg.convert.save(conversion, "deeplabv3.keras")

A file a source: which of its networks are known, and where each tensor goes. Every
tensor has its place or is named as left out, every weight of the network comes from
the checkpoint, and the logits are those of the original.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kseg import backbones, networks
from kseg.backbones.fill import Tensors, fill
from kseg.convert import hrnet, huggingface_segformer, mmseg, smp, torchvision
from kseg.convert.notes import Notes, read_notes
from kseg.convert.recipe import Recipe
from kseg.files import whole_file, write_json
from kseg.labels import Labels
from kseg.registry import unknown
from kseg.state_dict import read_state_dict

__all__ = ["Conversion", "from_pytorch", "save", "sources"]

_SOURCES = {
    "hrnet": hrnet,
    "huggingface-segformer": huggingface_segformer,
    "mmseg": mmseg,
    "smp": smp,
    "torchvision": torchvision,
}
# Those whose libraries save a `config.json` beside the tensors.
_CONFIGURED = ("huggingface-segformer", "smp")
# Of what files say beside the tensors: arguments of the network, and its classes.
_TOLD = {"mmseg": mmseg.told, "smp": smp.told}
_LABELS = {
    "huggingface-segformer": huggingface_segformer.labels,
    "mmseg": mmseg.labels,
    "torchvision": torchvision.labels,
}
# What a training saves beside its network: the loss, with weights of the classes.
_LOSS = r"(\w*_)?(loss|criterion)(_\w+)?\."


class Conversion(NamedTuple):
    """A network with the weights of a checkpoint.

    Args:
        model: The network.
        network: What `kseg.build` got for it; `name` is the network's.
        origin: Its `source`, `file` and `sha256`.
        left_out: Names of the tensors that have no place in it: auxiliary heads,
            counters of batches, the classifier behind a backbone.
        new: Names of the layers that start anew, as only the backbone was there.
        labels: The classes; numbered where the file does not name them.
    """

    model: keras.Model
    network: dict[str, Any]
    origin: dict[str, str]
    left_out: list[str]
    new: list[str]
    labels: Labels


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
    if source not in _SOURCES:
        raise ValueError(unknown("source", source, sources()))
    notes = read_notes(path, config=source in _CONFIGURED)
    recipe = _recipe(path, source, notes, options)
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
    idle = rf"{recipe.left_out}|{_LOSS}|.*\.num_batches_tracked$" if whole else ""
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
    labels = _LABELS[source](notes) if whole and source in _LABELS else None
    count = model.output_shape[-1]
    if labels is None or labels.num_classes != count:
        labels = Labels.numbered(count)
    origin = {"source": source, "file": Path(path).name, "sha256": notes.sha256}
    network_arguments = {"name": name, **arguments}
    return Conversion(model, network_arguments, origin, left_out, new, labels)


def save(conversion: Conversion, path: str | Path) -> None:
    """Writes a `.keras` file, and the JSON file beside it that says what it is.

    Args:
        conversion: What `from_pytorch` returned.
        path: The `.keras` file; its folder is made. Where the classes in the JSON
            file are numbered, write their names there.
    """
    path = Path(path)
    info = {
        "name": path.stem,
        "labels": conversion.labels.to_dict(),
        "network": conversion.network,
        "converted_from": conversion.origin,
        "left_out": conversion.left_out,
        "new": conversion.new,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        conversion.model.save(temporary)
    write_json(path.with_suffix(".json"), info)


def _recipe(
    path: str | Path, source: str, notes: Notes, options: dict[str, Any]
) -> Recipe:
    """Reads a checkpoint and finds out what it is of."""
    tensors = read_state_dict(path)
    for candidate in (tensors, _of_attribute(tensors)):
        told = _TOLD[source](notes, candidate) if source in _TOLD else {}
        recipe = _SOURCES[source].recipe(candidate, told | options)
        if recipe is not None:
            return recipe
    raise ValueError(
        f"A checkpoint of {source!r} must be of {_SOURCES[source].FORMS}. "
        f"Received: {path}, whose tensors are {_some(list(tensors))}."
    )


def _of_attribute(tensors: Tensors) -> Tensors:
    """Takes away the attribute of a training's module that the network lay in.

    The authors of HRNet call it `model`, as do examples of Lightning.
    """
    names = [name for name in tensors if not re.match(_LOSS, name)]
    if len({name.split(".")[0] for name in names}) != 1:
        return tensors
    return {
        name if re.match(_LOSS, name) else name.partition(".")[2]: x
        for name, x in tensors.items()
    }


def _trunk_layers(backbone: str) -> set[str]:
    """Returns the names of a backbone's layers that have weights."""
    image = keras.Input((None, None, 3))
    trunk = keras.Model(image, backbones.build(backbone, image))
    return {layer.name for layer in trunk.layers if layer.weights}


def _some(names: list[str]) -> str:
    """Returns the first few names, and how many there are more."""
    more = f" and {len(names) - 4} more" if len(names) > 4 else ""
    return ", ".join(names[:4]) + more
