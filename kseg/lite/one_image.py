"""One image through a model file once: ids and probabilities at the image's size."""

import numpy as np
from PIL import Image

from kseg.labels import id_dtype
from kseg.raster import check_image


def predict(model, image: np.ndarray) -> np.ndarray:
    """Returns the class of every pixel of an image, at the image's own size.

    The image is resized to the file's size, and what the file returns is brought back
    to the image's: scores bilinearly, class ids by nearest neighbours. These are the
    ids of `kseg.predict` with the same file and no other option.

    Args:
        model: A `LiteRTModel`.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        uint8 array of class ids `(height, width)`; uint16 beyond 256 classes.

    Raises:
        ValueError: If `image` is not such an array, the file takes other channels than
            three, or what it returns is not finite.
    """
    check_image(image)
    if model.image_shape[-1] != 3:
        raise ValueError(
            "A file must take RGB images. Received: one that takes images of shape "
            f"{model.image_shape}. `LiteRTModel.predict_ids` runs it on such."
        )
    return whole_ids(model, image)


def whole_ids(model, image: np.ndarray) -> np.ndarray:
    """Returns the class of every pixel, of one pass over the whole image.

    Args:
        model: A `LiteRTModel`, or a `kseg.export.ExportedModel`.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        uint8 or uint16 array `(height, width)`.
    """
    seen, size = fit(image, model.input_size, model.output_size), image.shape[:2]
    if model.output == "class_map":
        return resize(model.predict_ids(seen), size)
    return ids_at(finite(model.predict(seen)), size)


def ids_at(scores: np.ndarray, size) -> np.ndarray:
    """Returns the highest of scores that are resized bilinearly.

    Args:
        scores: float32 array `(height, width, num_classes)`, as in `class_scores`.
        size: The new height and width.

    Returns:
        uint8 or uint16 array of this size.
    """
    channels = [*np.moveaxis(class_scores(scores), -1, 0)]
    # One at a time, as those of large images have no place beside each other.
    ids, highest = np.zeros(size, id_dtype(len(channels))), resize(channels[0], size)
    for number, channel in enumerate(channels[1:], 1):
        channel = resize(channel, size)
        np.copyto(ids, number, where=channel > highest)
        highest = np.maximum(highest, channel)
    return ids


def whole_probabilities(model, image: np.ndarray) -> np.ndarray:
    """Returns the probabilities of one pass over the whole image.

    Args:
        model: As in `whole_ids`, of no class map.
        image: uint8 array `(height, width, 3)`, RGB.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1.
    """
    seen = fit(image, model.input_size, model.output_size)
    scores = resize_channels(finite(model.predict(seen)), image.shape[:2])
    return probabilities_of(scores) if model.output == "logits" else scores


def ids_of(scores: np.ndarray) -> np.ndarray:
    """Returns the highest of scores `(..., num_classes)` as uint8, or else uint16.

    Args:
        scores: Float array; of one channel, it is the logit of class 1 against class 0.
    """
    if scores.shape[-1] == 1:
        return (scores[..., 0] > 0).astype(np.uint8)
    return scores.argmax(-1).astype(id_dtype(scores.shape[-1]))


def class_scores(scores: np.ndarray) -> np.ndarray:
    """Returns scores with a channel for each class.

    Args:
        scores: Array `(..., num_classes)`; one channel is the logit of class 1 against
            class 0.

    Returns:
        The scores; of one channel, `(..., 2)` of the same type.
    """
    if scores.shape[-1] > 1:
        return scores
    return np.concatenate([np.zeros_like(scores), scores], axis=-1)


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    """Returns logits as probabilities, their softmax.

    Args:
        logits: Float array `(..., num_classes)`, as in `class_scores`.

    Returns:
        Array `(..., num_classes)` of the same type; two classes for one channel.
    """
    logits = class_scores(logits)
    powers = logits - logits.max(axis=-1, keepdims=True)
    np.exp(powers, out=powers)  # in place, as large images have many
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def finite(scores: np.ndarray) -> np.ndarray:
    """Returns what a model gave, and raises if it is no scores.

    Args:
        scores: Array `(..., num_classes)`.

    Raises:
        ValueError: If a number is NaN or infinite.
    """
    largest = scores.max(initial=0)  # NaN where one is
    if not np.isfinite(largest):
        raise ValueError(
            "A model must give finite logits. Received: "
            f"{np.isnan(scores).any(-1).sum()} of {scores[..., 0].size} pixels are NaN"
            f"{'' if np.isnan(largest) else ', and some are infinite'}. Its weights "
            "are broken, or it has a division by zero: train again, or export in "
            "float32."
        )
    return scores


def fit(image: np.ndarray, taken, given) -> np.ndarray:
    """Resizes to what a model of a fixed size gives, and mirrors borders around it.

    Args:
        image: uint8 array `(height, width, 3)`.
        taken: Height and width that the model takes; `None` where it takes any.
        given: Height and width that it then gives, of the image's middle.

    Returns:
        uint8 array of the size `taken`.
    """
    if None in taken:
        return image
    image = resize(image, given)
    extra = [a - b for a, b in zip(taken, given, strict=True)]
    pads = [(n // 2, n - n // 2) for n in extra]
    return np.pad(image, (*pads, (0, 0)), mode="reflect")


def resize(array: np.ndarray, size) -> np.ndarray:
    """Resizes bilinearly, or by nearest neighbours where it holds class ids.

    Args:
        array: uint8 `(height, width, 3)`, a float32 channel, or ids `(height, width)`.
        size: The new height and width.
    """
    if array.shape[:2] == tuple(size):
        return array
    ids = array.ndim == 2 and array.dtype.kind == "u"
    method = Image.Resampling.NEAREST if ids else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(array).resize((size[1], size[0]), method))


def resize_channels(array: np.ndarray, size) -> np.ndarray:
    """Resizes `(height, width, channels)` in floating point, bilinearly.

    Args:
        array: float32 array.
        size: The new height and width.
    """
    channels = [resize(channel, size) for channel in np.moveaxis(array, -1, 0)]
    return np.stack(channels, axis=-1)
