"""Prediction by proposals: an image is put together from windows around its objects.

Noh, Hong and Han, "Learning Deconvolution Network for Semantic Segmentation", ICCV
2015, section 5. https://arxiv.org/abs/1505.04366
Departure: the paper's proposals are EdgeBoxes, whose trained edge detector is not
here. `proposal_boxes` takes regions of like colour at several scales instead, which
nothing ranks by how much they look like objects.
"""

import weakref
from collections.abc import Iterable

import keras
import numpy as np
from scipy import ndimage

from kseg.inference.one_pass import predict_logits
from kseg.layers import Box, enlarge_box
from kseg.lite.one_image import probabilities_of
from kseg.optional import import_optional
from kseg.raster import check_image

# From few large regions to many small ones (the parameter k of Felzenszwalb and
# Huttenlocher, "Efficient Graph-Based Image Segmentation", section 5).
_SCALES = (1600, 800, 400, 200, 100)
# Boxes that share more of their union than this are one.
_SAME = 0.8
# The copies of a model that `_of_size` made, by size: each is compiled once.
_COPIES: weakref.WeakKeyDictionary[keras.Model, dict[tuple[int, int], keras.Model]] = (
    weakref.WeakKeyDictionary()
)


def predict_proposals(
    model: keras.Model,
    image: np.ndarray,
    boxes: Iterable[Box],
    reduce: str = "max",
    size: tuple[int, int] = (224, 224),
) -> np.ndarray:
    """Returns the probability of every class, from what the network sees in boxes.

    Args:
        model: A network of kseg.
        image: uint8 array `(height, width, 3)`, RGB.
        boxes: Top, left, bottom and right of each window in pixels, the last two
            outside of it, such as those of `proposal_boxes`.
        reduce: As in `proposal_scores`.
        size: As in `proposal_scores`.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1. Where there is no
        box all classes are equal.

    Raises:
        ValueError: As `proposal_scores` does.

    Example:
    >>> import kseg
    >>> model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    >>> image = np.zeros((40, 60, 3), "uint8")
    >>> boxes = [(0, 0, 30, 40), (10, 20, 40, 60)]
    >>> predict_proposals(model, image, boxes, size=(16, 16)).shape
    (40, 60, 2)
    """
    return probabilities_of(proposal_scores(model, image, boxes, reduce, size))


def proposal_scores(
    model: keras.Model,
    image: np.ndarray,
    boxes: Iterable[Box],
    reduce: str = "max",
    size: tuple[int, int] = (224, 224),
) -> np.ndarray:
    """Returns the network's scores in boxes, put back into the image (equation 1, 2).

    Args:
        model: A network of kseg.
        image: uint8 array `(height, width, 3)`, RGB.
        boxes: As in `predict_proposals`.
        reduce: `"max"`: the largest score of each class among all boxes, where a box
            gives 0 outside of itself; or `"mean"`, over the boxes that hold the
            pixel.
        size: Height and width to which each window is resized; a model of a fixed
            size has its own.

    Returns:
        float32 array `(height, width, num_classes)`, 0 where there is no box.

    Raises:
        ValueError: If `reduce` is neither, `image` is not such an array, or a box
            does not lie in it.
    """
    if reduce not in ("max", "mean"):
        raise ValueError(f"`reduce` must be 'max' or 'mean'. Received: {reduce!r}.")
    check_image(image)
    model = _of_size(model, (size[0], size[1]))
    scores = np.zeros((*image.shape[:2], model.output_shape[-1]), np.float32)
    count = np.zeros((*image.shape[:2], 1), np.float32)
    for top, left, bottom, right in boxes:
        if not (0 <= top < bottom <= image.shape[0]) or not (
            0 <= left < right <= image.shape[1]
        ):
            raise ValueError(
                "A box must be top, left, bottom and right inside of the image. "
                f"Received: {(top, left, bottom, right)} for {image.shape[:2]}."
            )
        window = np.s_[top:bottom, left:right]
        found = predict_logits(model, np.ascontiguousarray(image[window]))
        if reduce == "max":
            scores[window] = np.maximum(scores[window], found)
        else:
            scores[window] += found
            count[window] += 1
    return scores if reduce == "max" else scores / np.maximum(count, 1)


def combine_scores(
    scores: np.ndarray, other: np.ndarray, method: str = "mean"
) -> np.ndarray:
    """Returns probabilities from the scores of two networks, such as FCN-8s.

    Args:
        scores: Array `(height, width, num_classes)` of `proposal_scores`.
        other: Logits of the same shape, as `kseg.inference.predict_logits` gives.
        method: `"mean"` of both probabilities, as in the paper's section 5.2; or
            `"product"`, as in the authors' code: the scores times those of the other
            network that are above 0.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1.

    Raises:
        ValueError: If `method` is neither, or the shapes differ.
    """
    if method not in ("mean", "product"):
        raise ValueError(f"`method` must be 'mean' or 'product'. Received: {method!r}.")
    if scores.shape != other.shape:
        raise ValueError(
            "Both scores must have one shape. Received: "
            f"{scores.shape} and {other.shape}."
        )
    if method == "mean":
        return (probabilities_of(scores) + probabilities_of(other)) / 2
    return probabilities_of(scores * np.maximum(other, 0))


def proposal_boxes(
    image: np.ndarray, most: int = 50, smallest: int = 112, context: float = 1.2
) -> list[Box]:
    """Returns boxes that may hold objects: the whole image, and regions of it.

    Regions of like colour are found at several scales; those whose boxes are nearly
    the same count once. Needs scikit-image.

    Args:
        image: uint8 array `(height, width, 3)`, RGB.
        most: How many boxes, from the coarsest scale on, large regions first.
        smallest: Least height and width of a box, in pixels.
        context: How much higher and wider a box is than its region; it ends at the
            border of the image. DeconvNet is trained with 1.2.

    Returns:
        Top, left, bottom and right of each box; the last two lie outside.

    Raises:
        ValueError: If `image` is not such an array, or `most` is below 1.
    """
    check_image(image)
    if most < 1:
        raise ValueError(f"`most` must be 1 or more. Received: {most}.")
    felzenszwalb = import_optional("skimage.segmentation").felzenszwalb
    boxes: list[Box] = [(0, 0, *image.shape[:2])]
    for scale in _SCALES:
        regions = felzenszwalb(image, scale, sigma=0.8, min_size=20) + 1
        sizes = np.bincount(regions.ravel())
        found = ndimage.find_objects(regions)
        for number in np.argsort(-sizes[1:], kind="stable"):
            rows, columns = found[number]
            tight = (rows.start, columns.start, rows.stop, columns.stop)
            box = enlarge_box(tight, context, image.shape[:2])
            large = min(box[2] - box[0], box[3] - box[1]) >= smallest
            if large and all(_overlap(box, other) <= _SAME for other in boxes):
                boxes.append(box)
    return boxes[:most]


def _of_size(model: keras.Model, size: tuple[int, int]) -> keras.Model:
    """Returns a model of a fixed size: `predict_logits` resizes to it and back."""
    if None not in model.input_shape[1:3]:
        return model
    copies = _COPIES.setdefault(model, {})
    if size not in copies:
        # Of the same layers: a copy that held the model itself would never go.
        copies[size] = keras.models.clone_model(
            model,
            input_tensors=keras.Input((*size, model.input_shape[-1])),
            clone_function=lambda layer: layer,
        )
    return copies[size]


def _overlap(box: Box, other: Box) -> float:
    """Returns the intersection of two boxes over their union."""
    height = min(box[2], other[2]) - max(box[0], other[0])
    width = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(height, 0) * max(width, 0)
    return shared / (_area(box) + _area(other) - shared)


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
