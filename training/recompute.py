"""A network in parts, each of which is computed again for the gradients."""

import math

import keras

from kseg.layers import Recomputed


def recomputed(model: keras.Model, parts: int | None = None) -> keras.Model:
    """Cuts a network into parts that keep only what goes from one to the next.

    Args:
        model: A functional model; every layer is called once.
        parts: How many; `None` for the root of the number of layers, with which the
            activations that are kept and those of a part are about as many.

    Returns:
        A model of the same inputs, outputs and variables, which computes the same.

    Raises:
        ValueError: If there are fewer than 1 or more parts than layers, or a layer is
            called more than once.
    """
    steps = [x for x in model.operations if not isinstance(x, keras.layers.InputLayer)]
    for step in steps:
        if len(step._inbound_nodes) > 1:
            raise ValueError(
                "Layers must be called once to be recomputed. Received: "
                f"{model.name!r}, which calls {step.name!r} again. Leave fit.recompute "
                "out."
            )
    count = math.isqrt(len(steps)) if parts is None else parts
    if not 1 <= count <= len(steps):
        raise ValueError(
            f"A network of {len(steps)} layers has 1 to {len(steps)} parts. Received: "
            f"{parts}."
        )
    bounds = [round(i * len(steps) / count) for i in range(count + 1)]
    chunks = [steps[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    made = {id(tensor): tensor for tensor in model.inputs}
    for number, chunk in enumerate(chunks):
        later = [x for other in chunks[number + 1 :] for x in other]
        inputs, outputs = _borders(chunk, later, model.outputs)
        part = keras.Model(inputs, outputs)
        layer = Recomputed(part, name=f"{chunk[0].name}_to_{chunk[-1].name}")
        results = layer(*(made[id(tensor)] for tensor in inputs))
        made.update({id(t): x for t, x in zip(outputs, results, strict=True)})
    outputs = keras.tree.map_structure(lambda tensor: made[id(tensor)], model.output)
    return keras.Model(model.inputs[0], outputs, name=model.name)


def _borders(chunk, later, ends) -> tuple[list, list]:
    """Returns the tensors that come into a part, and those that go out of it."""
    inside = {id(t): t for step in chunk for t in keras.tree.flatten(step.output)}
    used = [t for step in chunk for t in keras.tree.flatten(step.input)]
    wanted = {id(t) for step in later for t in keras.tree.flatten(step.input)}
    wanted |= {id(tensor) for tensor in ends}
    inputs = {id(t): t for t in used if id(t) not in inside}
    return list(inputs.values()), [t for key, t in inside.items() if key in wanted]
