"""One image through a model once: what predictions are made of."""

import keras
import numpy as np

from kseg.backend import trace_once
from kseg.layers import ValidSize
from kseg.lite import one_image
from kseg.lite.one_image import (
    finite,
    fit,
    ids_at,
    ids_of,
    probabilities_of,
    resize_channels,
)
from kseg.raster import check_image
from kseg.taps import sums_of_taps


def predict_logits(model: keras.Model, image: np.ndarray) -> np.ndarray:
    """Returns the logits of every pixel of an image, at the image's own size.

    Args:
        model: A network of kseg. One with `valid` convolutions sees the image with
            its borders mirrored; one of a fixed size sees it resized.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        float32 array `(height, width, num_classes)`.

    Raises:
        ValueError: If `image` is not such an array, or `model` as `check_model` says.
    """
    check_image(image)
    check_model(model)
    return batch_logits(model, image[np.newaxis])[0]


def batch_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns the logits of images of one size, at that size, in one run.

    Args:
        model: As in `predict_logits`.
        images: uint8 array `(images, height, width, 3)`, RGB.

    Returns:
        float32 array `(images, height, width, num_classes)`.
    """
    height, width = images.shape[1:3]
    if None not in fixed_size(model):
        logits = _own_logits(model, images)
        return np.stack([resize_channels(x, (height, width)) for x in logits])
    valid = valid_size(model)
    if valid is None:
        return _run_model(model, images)
    pads = [
        (valid.border, valid.padded(side) - side - valid.border)
        for side in (height, width)
    ]
    padded = np.pad(images, ((0, 0), *pads, (0, 0)), mode="reflect")
    return _run_model(model, padded)[:, :height, :width]


def whole_ids(model, image: np.ndarray) -> np.ndarray:
    """Returns the class of every pixel, of one pass over the whole image.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        uint8 or uint16 array `(height, width)`.
    """
    if not isinstance(model, keras.Model):
        return one_image.whole_ids(model, image)
    if None not in fixed_size(model):
        return ids_at(_own_logits(model, image[np.newaxis])[0], image.shape[:2])
    return ids_of(predict_logits(model, image))


def whole_probabilities(model, image: np.ndarray) -> np.ndarray:
    """Returns the probabilities of one pass over the whole image.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel` of no class map.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1.
    """
    if isinstance(model, keras.Model):
        return probabilities_of(predict_logits(model, image))
    return one_image.whole_probabilities(model, image)


def batch_probabilities(model, batch: np.ndarray, together: int = 1) -> np.ndarray:
    """Returns the probabilities of images of a size that the model takes.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`.
        batch: uint8 array `(images, height, width, 3)`, RGB.
        together: How many images the batches before had: so many run on JAX, too,
            which compiles for every number.

    Returns:
        float32 array `(images, height, width, num_classes)`, smaller than the images
        where the model returns their middle. A class map is 1 at its class.
    """
    if isinstance(model, keras.Model):
        compiles = keras.backend.backend() == "jax"
        missing = max(together - len(batch), 0) if compiles else 0
        filled = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge")
        return probabilities_of(_run_model(model, filled)[: len(batch)])
    outputs = np.stack([model.predict(image) for image in batch])
    if model.output == "class_map":
        return np.eye(count_classes(model), dtype=np.float32)[outputs]
    outputs = finite(outputs)
    return probabilities_of(outputs) if model.output == "logits" else outputs


def count_classes(model) -> int:
    """Returns how many probabilities a model has for a pixel."""
    if isinstance(model, keras.Model):
        # One logit is two probabilities.
        return max(model.outputs[0].shape[-1], 2)
    return model.labels.num_classes


def fixed_size(model) -> tuple[int | None, int | None]:
    """Returns the height and width that a model takes; `None` where it takes any."""
    if not isinstance(model, keras.Model):
        return model.input_size
    height, width = model.input_shape[1:3]
    return height, width


def output_size(model, size: tuple[int, int]) -> tuple[int, int]:
    """Returns the height and width of what a model gives for images of a size.

    Raises:
        ValueError: If the model does not take that size.
    """
    if not isinstance(model, keras.Model):
        return size if None in model.output_size else model.output_size
    height, width = model.compute_output_shape((None, *size, 3))[1:3]
    return height, width


def valid_size(model) -> ValidSize | None:
    """Returns the layer that knows the sizes of a U-Net of `valid` convolutions."""
    layers = model.layers if isinstance(model, keras.Model) else ()
    return next((v for v in layers if isinstance(v, ValidSize)), None)


def _own_logits(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns the logits of a network of a fixed size, at the size that it gives."""
    fixed, given = fixed_size(model), model.output_shape[1:3]
    return _run_model(model, np.stack([fit(image, fixed, given) for image in images]))


def _run_model(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns the logits that a network gives for images of a size it takes."""
    with sums_of_taps(model):
        trace_once(model, images.dtype)
        logits = model.predict_on_batch(images)
    return finite(np.asarray(logits, "float32"))


def check_model(model) -> None:
    """Raises if a model does not make one map of one RGB image.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`.

    Raises:
        ValueError: If it has more inputs or outputs than one, takes other channels
            than three, gives no map, or fixes one side of the image alone.
    """
    if not isinstance(model, keras.Model):
        inputs, outputs = [(1, *model.image_shape)], [(1, *model.output_size, 1)]
    else:
        inputs, outputs = (
            [tuple(x.shape) for x in getattr(model, side, None) or ()]
            for side in ("inputs", "outputs")
        )
    if (
        [len(shape) for shape in inputs + outputs] != [4, 4]
        or inputs[0][-1] != 3
        or outputs[0][-1] is None
    ):
        raise ValueError(
            "A model must make one map (batch, height, width, num_classes) of RGB "
            f"images (batch, height, width, 3). Received: inputs {inputs} and outputs "
            f"{outputs}. Of several outputs `keras.Model(model.inputs, "
            "model.outputs[0])` keeps one."
        )
    if (inputs[0][1] is None) != (inputs[0][2] is None):
        raise ValueError(
            "A model must take images of any size, or of one. Received: inputs "
            f"{inputs}, of which one side is fixed."
        )
