"""Networks in the form that devices take: the same function in other operators.

What each target takes is in `placement.json`; `docs/deploy.md` has what this gains.
"""

import keras
from keras import layers, ops


class IntegerHardSwish(layers.Layer):
    """Hard-swish in additions, products and ReLU, for files of integers.

    LiteRT's own operator for it is not taken by XNNPACK in int8, nor by an Edge TPU.
    Of the ways to write `x * relu6(x + 3) / 6` this is one whose steps all lie within
    0 and 1 but the last, so that they have fine steps in 8 bits; and the converter
    leaves it as it is, where it would turn the usual ways into its operator again.
    """

    def call(self, x):
        """Returns `x * clip(x / 6 + 1 / 2, 0, 1)`, of the shape of `x`."""
        return x * ops.relu(1 - ops.relu(0.5 - x * (1 / 6)))


class RepeatedPixels(layers.Layer):
    """Enlarges as `repeat_pixels`.

    Args:
        factors: How often along the height and the width.
        **kwargs: As `keras.layers.Layer`.
    """

    def __init__(self, factors: tuple[int, int], **kwargs):
        """Stores the factors."""
        super().__init__(**kwargs)
        self.factors = factors

    def call(self, x):
        """Returns `x`, `(batch, height, width, channels)`, enlarged."""
        return repeat_pixels(x, self.factors)


def repeat_pixels(x, factors: tuple[int, int]):
    """Repeats pixels along both sides, in tensors of four axes at the most.

    TensorFlow's way has five axes, which a GPU does not take.

    Args:
        x: Tensor `(batch, height, width, channels)`; the sides are known.
        factors: How often along the height and the width.

    Returns:
        Tensor `(batch, factors[0] * height, factors[1] * width, channels)`.
    """
    height, width, channels = x.shape[1:]
    rows, columns = factors
    # Side by side as channels, they are next to each other in the row.
    x = ops.concatenate([x] * columns, axis=3)
    x = ops.reshape(x, (-1, height, columns * width, channels))
    # And these rows side by side are one above the other.
    x = ops.concatenate([x] * rows, axis=2)
    return ops.reshape(x, (-1, rows * height, columns * width, channels))


def in_device_form(
    model: keras.Model, input_size: tuple[int, int], integer: bool
) -> keras.Model:
    """Returns a model of the same function that devices take more of.

    Args:
        model: A model from one image tensor to one tensor.
        input_size: Height and width of the images in pixels.
        integer: Whether the file computes in integers.

    Returns:
        The model itself where nothing is gained, else a copy for images of the size,
        which need not be saved nor trained.
    """

    def replace(layer: keras.Layer) -> keras.Layer:
        name, dtype = layer.name, layer.dtype_policy
        if integer and _is_hard_swish(layer):
            return IntegerHardSwish(name=name, dtype=dtype)
        if _repeats_pixels(layer):
            return RepeatedPixels(layer.size, name=name, dtype=dtype)
        return type(layer).from_config(layer.get_config())

    if not any(
        integer and _is_hard_swish(layer) or _repeats_pixels(layer)
        for layer in model.layers
    ):
        return model
    image = keras.Input((*input_size, model.inputs[0].shape[-1]), 1, name="image")
    copy = keras.models.clone_model(model, image, clone_function=replace)
    copy.set_weights(model.get_weights())
    return copy


def in_float32(model: keras.Model) -> keras.Model:
    """Returns the model, or its float32 copy if layers compute in half precision.

    LiteRT has no operators for activations in half precision.

    Args:
        model: The model.
    """
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model

    def in_float32(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=in_float32)
    copy.set_weights(model.get_weights())
    return copy


def _is_hard_swish(layer: keras.Layer) -> bool:
    """Returns whether a layer is this activation alone."""
    return (
        isinstance(layer, layers.Activation)
        and layer.activation is keras.activations.hard_silu
    )


def _repeats_pixels(layer: keras.Layer) -> bool:
    """Returns whether a layer enlarges by repeating pixels."""
    return isinstance(layer, layers.UpSampling2D) and layer.interpolation == "nearest"
