"""What the converter makes one operator of: a layer with a kernel, batch norm, ReLU."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers

from kseg.layers.folding import KERNEL_LAYERS


class Convolution(NamedTuple):
    """A layer with a kernel, and what follows it alone.

    Attributes:
        layer: The layer, one of `kseg.layers.folding.KERNEL_LAYERS`.
        norm: The batch norm behind it, or `None`.
        activation: The ReLU behind both, or `None`; one inside the layer is the
            layer's `activation`.
    """

    layer: keras.Layer
    norm: layers.BatchNormalization | None
    activation: keras.Layer | None

    @property
    def output(self):
        """The tensor that leaves the operator."""
        return (self.activation or self.norm or self.layer).output


def find_convolutions(model: keras.Model) -> list[Convolution]:
    """Returns the convolutions and dense layers of a model, in order.

    Args:
        model: A functional model. Layers that it calls more than once, and those of
            models in it, are left out.
    """
    read, found = readers(model), []
    for layer in model.layers:
        if type(layer) not in KERNEL_LAYERS or _calls(model, layer) > 1:
            continue
        norm = activation = None
        if is_linear(layer):
            norm = _only(read, layer.output, layers.BatchNormalization)
            activation = _only(read, (norm or layer).output, layers.Layer)
            if activation is not None and not _is_relu(activation):
                activation = None
        found.append(Convolution(layer, norm, activation))
    return found


def copy_of(model: keras.Model) -> keras.Model:
    """Returns a model of the same layers with weights of its own.

    Args:
        model: A functional or sequential model, of which the copy is functional.
    """
    if isinstance(model, keras.Sequential):
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def watch(
    model: keras.Model, tensors: Sequence, images: Iterable[np.ndarray]
) -> Iterator[list[np.ndarray]]:
    """Yields what tensors of a model hold, image by image.

    Args:
        model: A functional model.
        tensors: Of it, symbolic; at least one.
        images: `(height, width, channels)`, 0 to 255.

    Yields:
        The values, each with a batch axis of one.
    """
    probe = keras.Model(model.inputs[0], list(tensors))
    for image in images:
        seen = probe(image[np.newaxis].astype("float32"), training=False)
        yield [np.asarray(values) for values in keras.tree.flatten(seen)]


def readers(model: keras.Model) -> dict[int, list]:
    """Returns who reads each tensor of a model, by the tensor's `id`.

    Args:
        model: A functional model; its own outputs are read by `None`.
    """
    found: dict[int, list] = {}
    for operation in model.operations:
        if not isinstance(operation, layers.InputLayer):
            for tensor in keras.tree.flatten(operation.input):
                found.setdefault(id(tensor), []).append(operation)
    for tensor in model.outputs:
        found.setdefault(id(tensor), []).append(None)
    return found


def is_linear(layer: keras.Layer) -> bool:
    """Returns whether a layer with a kernel has no activation of its own.

    Args:
        layer: One of `kseg.layers.folding.KERNEL_LAYERS`.
    """
    return layer.activation is keras.activations.linear


def ceiling(convolution: Convolution) -> float | None:
    """Returns the value at which the ReLU of an operator clips; `None` for none.

    Args:
        convolution: From `find_convolutions`.
    """
    last: Any = convolution.activation or convolution.layer
    if isinstance(last, layers.ReLU):
        return last.max_value
    function = getattr(last, "activation", None)
    return 6.0 if function is keras.activations.relu6 else None


def _only(read: dict[int, list], tensor, kind: type):
    """Returns the one reader of a tensor, if it is of a kind."""
    found = read.get(id(tensor), [])
    return found[0] if len(found) == 1 and isinstance(found[0], kind) else None


def _calls(model: keras.Model, layer: keras.Layer) -> int:
    """Returns how often a model calls a layer."""
    nodes = [node for depth in model._nodes_by_depth.values() for node in depth]
    return sum(node.operation is layer for node in nodes)


def _is_relu(layer: keras.Layer) -> bool:
    """Returns whether a layer is a ReLU that the converter joins with what is ahead."""
    if isinstance(layer, layers.ReLU):
        return not (layer.negative_slope or layer.threshold)
    return isinstance(layer, layers.Activation) and layer.activation in (
        keras.activations.relu,
        keras.activations.relu6,
    )
