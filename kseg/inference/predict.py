"""Prediction on images of any size."""

import keras
import numpy as np
import scipy.special
from PIL import Image

from kseg.layers import ValidSize, class_logits


def predict(model, image: np.ndarray) -> np.ndarray:
    """Returns the class of every pixel of an image, at the image's own size.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`. A model of a fixed
            size sees the image resized to it, and its class ids are brought back
            to the image's size by nearest neighbours.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        uint8 array of class ids `(height, width)`; uint16 beyond 256 classes. Of a
        model with one logit per pixel it is 1 where the logit is above 0, else 0.

    Raises:
        ValueError: If `image` is not such an array.

    Example:
    >>> import kseg, numpy as np
    >>> model = kseg.build("unet", num_classes=2, filters=4)
    >>> predict(model, np.zeros((33, 47, 3), "uint8")).shape
    (33, 47)
    """
    check_image(image)
    if isinstance(model, keras.Model):
        logits = predict_logits(model, image)
        ids = np.asarray(class_logits(logits)).argmax(axis=-1)
        return ids.astype(np.uint8 if logits.shape[-1] <= 256 else np.uint16)
    ids = model.predict_ids(_fit(image, model.input_size, model.output_size))
    return _resize(ids, image.shape[:2])


def predict_logits(model: keras.Model, image: np.ndarray) -> np.ndarray:
    """Returns the logits of every pixel of an image, at the image's own size.

    Args:
        model: A network of kseg. One with `valid` convolutions sees the image with
            its borders mirrored; one of a fixed size sees it resized.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        float32 array `(height, width, num_classes)`.

    Raises:
        ValueError: If `image` is not such an array.
    """
    check_image(image)
    height, width = image.shape[:2]
    fixed = model.input_shape[1:3]
    if None not in fixed:
        seen = _fit(image, fixed, model.output_shape[1:3])
        return _resize_channels(run_model(model, seen), (height, width))
    valid = next((v for v in model.layers if isinstance(v, ValidSize)), None)
    if valid is None:
        return run_model(model, image)
    pads = [
        (valid.border, valid.padded(side) - side - valid.border)
        for side in (height, width)
    ]
    padded = np.pad(image, (*pads, (0, 0)), mode="reflect")
    return run_model(model, padded)[:height, :width]


def predict_probabilities(model, image: np.ndarray) -> np.ndarray:
    """Returns the probability of every class at every pixel of an image.

    Args:
        model: As in `predict`; a LiteRT file must not return a class map.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1; two classes where
        the model gives one logit per pixel, as `kseg.networks.hed` does.

    Raises:
        ValueError: If `image` is not such an array, or the model only returns
            class ids.
    """
    check_image(image)
    if isinstance(model, keras.Model):
        return probabilities_of(predict_logits(model, image))
    if model.output == "class_map":
        raise ValueError(
            "Probabilities need a model that returns them or logits. Received: a "
            "LiteRT file that returns a class map."
        )
    scores = _resize_channels(
        model.predict(_fit(image, model.input_size, model.output_size)),
        image.shape[:2],
    )
    return probabilities_of(scores) if model.output == "logits" else scores


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """Returns logits `(..., num_classes)` as probabilities."""
    return scipy.special.softmax(np.asarray(class_logits(logits)), axis=-1)


def run_model(model: keras.Model, image: np.ndarray) -> np.ndarray:
    """Returns the logits that a network gives for one image of a size it takes."""
    batch = image[np.newaxis].astype("float32")
    return np.asarray(model.predict_on_batch(batch), "float32")[0]


def _fit(image: np.ndarray, taken, given) -> np.ndarray:
    """Resizes to what a fixed model gives, and mirrors borders to what it takes."""
    image = _resize(image, given)
    extra = [a - b for a, b in zip(taken, given, strict=True)]
    pads = [(n // 2, n - n // 2) for n in extra]
    return np.pad(image, (*pads, (0, 0)), mode="reflect")


def _resize(array: np.ndarray, size) -> np.ndarray:
    """Resizes bilinearly, or by nearest neighbours where it holds class ids."""
    if array.shape[:2] == tuple(size):
        return array
    ids = array.ndim == 2 and array.dtype.kind == "u"
    method = Image.Resampling.NEAREST if ids else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(array).resize((size[1], size[0]), method))


def _resize_channels(array: np.ndarray, size) -> np.ndarray:
    """Resizes `(height, width, channels)` in floating point, bilinearly."""
    channels = [_resize(channel, size) for channel in np.moveaxis(array, -1, 0)]
    return np.stack(channels, axis=-1)


def check_image(image) -> None:
    """Raises if something is not a uint8 array `(height, width, 3)`."""
    if (
        not isinstance(image, np.ndarray)
        or image.dtype != np.uint8
        or image.ndim != 3
        or image.shape[-1] != 3
        or 0 in image.shape
    ):
        received = getattr(image, "shape", type(image).__name__)
        raise ValueError(
            "`image` must be a uint8 array (height, width, 3), RGB in 0 to 255. "
            f"Received: {getattr(image, 'dtype', '')} {received}. "
            "`kseg.data.read_image(path)` reads one."
        )
