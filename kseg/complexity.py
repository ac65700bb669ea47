"""How much a network computes, told from its graph: nothing is run.

A multiply-add is one multiplication and the addition of its product, as convolutions
consist of. Papers call them MACs or multiply-adds, many also FLOPs, of which others
count two for each.
"""

import math
from typing import NamedTuple

import keras
import numpy as np
from keras import layers

from kseg.layers.folding import KERNEL_LAYERS


def multiply_adds(model: keras.Model, size: tuple[int, int] | None = None) -> int:
    """Counts the multiply-adds of one image on its way through a network.

    Those of convolutions, dense layers and attention count, also where a kernel meets
    the zeros of a padding. What is linear in the number of values does not: biases,
    batch norms, activations, pooling, resizing.

    Args:
        model: A functional model of one image, such as any network of kseg.
        size: Height and width of the image; `None` for those of the model, where it
            fixes them.

    Returns:
        The number for one image.

    Raises:
        ValueError: If the model is not functional, or does not take images of that
            size, or has a layer whose products are not known: one with a kernel that
            is not of Keras, or a wrapper around others, as training makes them.

    Example:
    >>> import kseg
    >>> model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    >>> multiply_adds(model, (32, 32))
    270336
    """
    return sum(_products(step) for step in _run(model, size)[0])


def activation_bytes(model: keras.Model, size: tuple[int, int] | None = None) -> int:
    """Counts the bytes of the maps that one image needs at the same time.

    It is the most over all operations, in the order of the graph, of what one takes and
    gives and of what was given before and is taken later. Compilers join operations,
    and need less; what a kernel sets aside for itself is not known here.

    Args:
        model: As in `multiply_adds`.
        size: Likewise.

    Returns:
        The number of bytes for one image in inference, without the weights.

    Raises:
        ValueError: If the model is not functional, or does not take images of that
            size.

    Example:
    >>> import kseg
    >>> model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    >>> activation_bytes(model, (32, 32))
    32768
    """
    steps, results = _run(model, size)
    last = {id(x): n for n, step in enumerate(steps) for x in step.inputs}
    last |= dict.fromkeys(map(id, results), len(steps))
    held: dict[int, int] = {}
    most = 0
    for n, (_, inputs, outputs) in enumerate(steps):
        maps = [*inputs, *outputs] if n == 0 else outputs
        held |= {id(x): math.prod(x.shape) * np.dtype(x.dtype).itemsize for x in maps}
        most = max(most, sum(held.values()))
        held = {key: x for key, x in held.items() if last.get(key, n) > n}
    return most


class _Step(NamedTuple):
    """An operation of a graph, with what it takes and gives at one size."""

    operation: keras.Operation
    inputs: list[keras.KerasTensor]
    outputs: list[keras.KerasTensor]


def _run(
    model: keras.Model, size: tuple[int, int] | None
) -> tuple[list[_Step], list[keras.KerasTensor]]:
    """Returns the operations of a model in order, and its results.

    The operations of models within it stand in their place.
    """
    if not isinstance(model, keras.Function) or len(model.inputs) != 1:
        raise ValueError(
            "Only a functional model of one image has a graph to count in. Received: "
            f"{model!r}."
        )
    image = model.inputs[0]
    height, width = size or image.shape[1:3]
    for have, want in zip(image.shape[1:3], (height, width), strict=True):
        if want is None or have not in (None, want):
            raise ValueError(
                "`size` must be a height and a width that the model takes. Received: "
                f"size={size} for a model of images {image.shape[1:]}."
            )
    steps: list[_Step] = []
    shape = (1, height, width, image.shape[-1])
    results = _walk(model, [keras.KerasTensor(shape, image.dtype)], steps)
    return steps, keras.tree.flatten(results)


def _walk(model, inputs, steps: list[_Step]):
    """Adds the operations of a model to a list; returns what it gives."""

    def with_note(operation):
        def run(*args, **kwargs):
            if isinstance(operation, keras.Function):
                return _walk(operation, args, steps)
            outputs = operation.compute_output_spec(*args, **kwargs)
            taken, given = (
                [x for x in keras.tree.flatten(y) if isinstance(x, keras.KerasTensor)]
                for y in ((args, kwargs), outputs)
            )
            steps.append(_Step(operation, taken, given))
            return outputs

        return run

    return model._run_through_graph(inputs, with_note)


def _products(step: _Step) -> int:
    """Returns the multiply-adds of one operation."""
    layer, inputs, outputs = step
    if hasattr(layer, "multiply_adds"):
        return layer.multiply_adds(*(x.shape for x in inputs))
    if type(layer) in KERNEL_LAYERS:
        # A transposed convolution lays its kernel at every pixel that it takes.
        transposed = isinstance(layer, layers.Conv2DTranspose)
        places = (inputs if transposed else outputs)[0].shape[:-1]
        return math.prod(layer.kernel.shape) * math.prod(places)
    if any(len(weight.shape) > 1 for weight in getattr(layer, "weights", ())):
        raise ValueError(
            "The multiply-adds of a layer must be known. Received: "
            f"{layer.name!r}, a {type(layer).__name__}. A method `multiply_adds` of "
            "the shapes of its inputs tells them."
        )
    return 0
