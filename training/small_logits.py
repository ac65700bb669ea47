"""What is trained, without the enlarging that its outputs end with."""

import keras

from kseg.layers import ResizeLike


def without_last_resize(model: keras.Model) -> tuple[keras.Model, dict[str, bool]]:
    """Ends a model where its logits are small, for losses and metrics that resize.

    Args:
        model: A network from image to logits, or what `parts.add_heads` returns.

    Returns:
        A model that shares the layers of `model`, which stays as it is, and has the
        same names of outputs; one that does not end with `ResizeLike` is as it was.
        And, by these names, whether `ResizeLike` aligned the corners.

    Raises:
        ValueError: If no output ends with `ResizeLike`.
    """
    small, aligned = {}, {}
    resized = 0
    for name, output in zip(model.output_names, model.outputs, strict=True):
        layer = output._keras_history.operation
        ends = isinstance(layer, ResizeLike)
        small[name] = layer.input[0] if ends else output
        aligned[name] = ends and layer.align_corners
        resized += ends
    if not resized:
        raise ValueError(
            "The logits must come from `ResizeLike` for the loss to resize them. "
            f"Received: {model.name!r}, of which {list(small)} come from other layers. "
            "Leave `fit.resize_in_loss` at False."
        )
    outputs = small if len(small) > 1 else next(iter(small.values()))
    return keras.Model(model.inputs[0], outputs, name=model.name), aligned
