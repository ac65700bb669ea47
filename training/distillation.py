"""A small network that learns from a large one beside the masks."""

from collections.abc import Mapping

import keras

from kseg import models
from kseg.layers import TeacherDivergence


def add_teacher(
    trained: keras.Model,
    factors: Mapping[str, float],
    teacher: str,
    weight: float = 1.0,
    temperature: float = 1.0,
) -> tuple[keras.Model, dict[str, float]]:
    """Adds how far a network's logits are from those of another that is trained.

    Args:
        trained: What is trained, as `kseg.training.parts.add_heads` returns it.
        factors: The factors of the losses of its outputs, likewise.
        teacher: The other network, as `kseg.load` takes it: a `.keras` file, or the
            name of a model. It sees the same images, and stays as it is.
        weight: Factor of the divergence beside the loss of the masks.
        temperature: As in `kseg.layers.TeacherDivergence`.

    Returns:
        A model that shares the layers of `trained`, with the output `distillation`,
        float32 `(batch, height, width, 1)`, beside the others; and the factors.

    Raises:
        ValueError: If there is no such teacher, it has other classes or another output
            size, `weight` is negative, or the temperature is not over 0.
    """
    if weight < 0:
        raise ValueError(
            f"`distillation.weight` must not be negative. Received: {weight}."
        )
    network = models.load(teacher)
    network.trainable = False
    outputs = trained.output
    heads = dict(outputs) if isinstance(outputs, dict) else {"logits": outputs}
    image, student = trained.inputs[0], heads["logits"]
    opinion = network(image, training=False)
    if tuple(opinion.shape) != tuple(student.shape):
        raise ValueError(
            "The teacher must return logits as the network does, of shape "
            f"{tuple(student.shape)}. Received: {teacher!r}, with "
            f"{tuple(opinion.shape)}."
        )
    divergence = TeacherDivergence(temperature, name="distillation")
    heads["distillation"] = divergence([student, opinion])
    model = keras.Model(image, heads, name=trained.name)
    return model, {"logits": 1.0, **factors, "distillation": weight}
