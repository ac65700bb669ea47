"""What a LiteRT file returns of a network: logits, probabilities or class ids."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from kseg.export.device_form import repeat_pixels
from kseg.layers import ResizeLike, class_logits

# What a file may return, and what its sidecar calls that.
OUTPUTS: Mapping[str, str] = {
    "logits": "logits",
    "probabilities": "probabilities",
    "class_map": "class_map",
    "coarse_class_map": "class_map",
}


def decided_on(
    model: keras.Model, output: str, input_size: tuple[int, int]
) -> keras.Model:
    """Returns the model whose logits an output comes from.

    Args:
        model: A network from one image tensor to logits.
        output: One of `OUTPUTS`.
        input_size: Height and width of the images in pixels.

    Returns:
        The model; for `"coarse_class_map"` a model that shares its layers and ends
        ahead of the last resize.

    Raises:
        ValueError: If a network that should does not end with `ResizeLike`, or that
            aligns corners, or does not enlarge by integers.
    """
    if output != "coarse_class_map":
        return model
    layer = model.outputs[0]._keras_history.operation
    if not isinstance(layer, ResizeLike) or layer.align_corners:
        raise ValueError(
            "A coarse class map needs a network that ends by enlarging its logits with "
            "`kseg.layers.ResizeLike`, without aligned corners. Received: "
            f"{model.name!r}, which ends with {layer.name!r}, a "
            f'{type(layer).__name__}. Export "class_map".'
        )
    small = keras.Model(model.inputs[0], layer.input[0], name=model.name)
    size = small.compute_output_shape((1, *input_size, model.inputs[0].shape[-1]))[1:3]
    if any(side % cells for side, cells in zip(input_size, size, strict=True)):
        raise ValueError(
            "A coarse class map enlarges by integers: `input_size` must be a multiple "
            f"of the size of the logits. Received: {tuple(input_size)} for logits of "
            f"{size}."
        )
    return small


def served(
    model: keras.Model, output: str, input_size: tuple[int, int]
) -> Callable[..., dict]:
    """Returns the function that a file is made of.

    Args:
        model: A network from one image tensor to logits.
        output: One of `OUTPUTS`.
        input_size: Height and width of the images in pixels.

    Returns:
        A function of TensorFlow, from a float32 `image` of one image of the size to a
        dictionary of one tensor.

    Raises:
        ValueError: As `decided_on`.
    """
    import tensorflow as tf

    kind, model = OUTPUTS[output], decided_on(model, output, input_size)

    def serve(image):
        result: Any = model(image, training=False)
        if kind == "probabilities":
            result = tf.nn.softmax(class_logits(result))
        elif kind == "class_map":
            # `keras.ops.argmax` becomes operators that LiteRT does not have.
            result = tf.argmax(class_logits(result), -1, output_type=tf.int32)
            result = tf.cast(result, tf.uint8)
        if output == "coarse_class_map":
            # LiteRT resizes no bytes to the nearest.
            _, height, width = result.shape
            factors = (input_size[0] // height, input_size[1] // width)
            cells = tf.reshape(result, (1, height, width, 1))
            result = tf.reshape(repeat_pixels(cells, factors), (1, *input_size))
        return {kind: result}

    return serve
