"""Checkpoints of kseg into networks, another class count or a larger one included."""

import logging
from pathlib import Path

import keras

_log = logging.getLogger("kseg")

# What may differ between networks of the same weights: borders, and dropout.
_FREE = {
    "CropLike",
    "Dropout",
    "InputLayer",
    "Pad",
    "PadToLeast",
    "ValidSize",
    "ZeroPadding2D",
}


def copy_checkpoint(
    model: keras.Model, path: Path, predecessors: tuple[str, ...]
) -> None:
    """Copies every layer from a checkpoint; another class count spares the head.

    A predecessor may lack layers; of its own, those that it never trained, such as
    its fixed enlargement, are not missed.

    Args:
        model: The network to fill.
        path: A `.keras` file.
        predecessors: Names of networks whose files are right too.

    Raises:
        ValueError: If the file is of another network or of other options, or has
            other shapes.
    """
    source = keras.saving.load_model(path, compile=False)
    there = {layer.name: layer for layer in source.layers if layer.weights}
    here = {layer.name: layer for layer in model.layers if layer.weights}
    only_there, only_here = (
        sorted(set(there) - set(here)),
        sorted(set(here) - set(there)),
    )
    known, new = [model.name, *predecessors], []
    if source.name in predecessors:
        only_there = [name for name in only_there if there[name].trainable_weights]
        only_here, new = [], only_here
    if source.name not in known or only_there or only_here:
        raise ValueError(
            f"A checkpoint must be of the same network: {' or '.join(map(repr, known))}"
            ", with the same backbone and options. Received: "
            f"{path}, a {source.name!r}. "
            f"Layers that only the file has: {only_there[:3]}; "
            f"that only the network has: {only_here[:3]}."
        )
    classes = model.output_shape[-1], source.output_shape[-1]
    skipped = []
    for name, layer in here.items():
        if name in new:
            continue
        _check_inputs(layer, there[name], path)
        shapes = [tuple(w.shape) for w in layer.weights]
        found = [tuple(w.shape) for w in there[name].weights]
        if shapes == found:
            layer.set_weights(there[name].get_weights())
        elif _differ_in_classes(shapes, found, classes):
            skipped.append(f"{name}: {found[0]} in the file, {shapes[0]} here")
        else:
            raise ValueError(
                f"A checkpoint must have the network's shapes. Received: {path}, "
                f"whose layer {name!r} has {found} and not {shapes}."
            )
    if skipped:
        _log.warning(
            "%s: new weights for the head, whose class count differs: %s",
            path,
            "; ".join(skipped),
        )
    if new:
        _log.warning(
            "%s: a %r, so these layers start anew: %s",
            path,
            source.name,
            ", ".join(new),
        )


def _differ_in_classes(shapes, others, classes) -> bool:
    """Whether all differences of some shapes are those of two class counts."""
    return all(
        len(shape) == len(other)
        and all(a == b or (a, b) == classes for a, b in zip(shape, other, strict=True))
        for shape, other in zip(shapes, others, strict=True)
    )


def _check_inputs(here: keras.Layer, there: keras.Layer, path: Path) -> None:
    """Raises if a layer's input is computed in another way in the file.

    Networks of other options may have the same weights and do other things with them.
    """
    ours, theirs = _computed_by(here), _computed_by(there)
    if ours != theirs:
        raise ValueError(
            "A checkpoint must be of a network with the same options. Received: "
            f"{path}, where between {here.name!r} and the weights ahead of it are "
            f"{theirs}, and here {ours}."
        )


def _computed_by(layer: keras.Layer) -> list[str]:
    """Returns the kinds of the layers between a layer and the weights ahead of it."""
    kinds, seen = [], set()
    pending = keras.tree.flatten(layer.input)
    while pending:
        operation = pending.pop()._keras_history.operation
        if getattr(operation, "weights", None) or id(operation) in seen:
            continue
        seen.add(id(operation))
        kind = type(operation).__name__
        if kind not in _FREE:
            kinds.append(kind.removeprefix("Dilated"))
        if kind != "InputLayer":
            pending += keras.tree.flatten(operation.input)
    return sorted(kinds)
