"""Large images by tiles, and averages over an image's symmetries.

Ronneberger et al., "U-Net": the overlap-tile strategy of figure 2, where a tile's
borders are context alone and beyond the image it is mirrored, and the average over
rotated versions of the image of table 1. https://arxiv.org/abs/1505.04597
Departures: tiles lie a multiple of the network's stride apart, not side by side, so
that its poolings fall on the pixels that they fall on in the whole image; and where
the paper averages over 7 rotations that it does not name, here they are the 8
symmetries of the square, which need no interpolation.
"""

import itertools
from collections.abc import Callable

import keras
import numpy as np
import tqdm

from kseg.inference.predict import (
    check_image,
    predict_probabilities,
    probabilities_of,
    run_model,
)
from kseg.layers import ValidSize, crop_centre

# The coarsest stride of a backbone: tiles so far apart have the same grid.
_STRIDE = 32


def predict_tiled(
    model: keras.Model,
    image: np.ndarray,
    tile: tuple[int, int] | None = None,
    margin: int = 64,
) -> np.ndarray:
    """Returns the probability of every class, computed tile by tile.

    A network of `valid` convolutions gives what it gives for the whole image. One of
    `same` convolutions does where `margin` covers half of what it sees and is a
    multiple of its stride; networks that pool over the whole image see the tile
    instead.

    Args:
        model: A network of kseg, of any or of a fixed size.
        image: uint8 array `(height, width, 3)`, RGB, of any size.
        tile: Height and width that the network sees at once, a size that it takes;
            `None` for the network's fixed size.
        margin: Pixels at every side of a tile that are seen and then thrown away.
            Networks of `valid` convolutions return less by themselves.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1.

    Raises:
        ValueError: If `image` is not such an array, there is no size of a tile, the
            network does not take it, or the margin leaves too little of it.

    Example:
    >>> import kseg
    >>> model = kseg.build("unet", num_classes=2, filters=2, depth=3)
    >>> predict_tiled(model, np.zeros((50, 90, 3), "uint8"), (64, 64), 16).shape
    (50, 90, 2)
    """
    check_image(image)
    size = _tile_size(model, tile)
    inner, stride = model.compute_output_shape((None, *size, 3))[1:3], _STRIDE
    if tuple(inner) == size:
        inner = (size[0] - 2 * margin, size[1] - 2 * margin)
    else:
        stride = next((v.step for v in model.layers if isinstance(v, ValidSize)), 1)
    if min(inner) < stride or margin < 0:
        raise ValueError(
            f"A tile must have {stride} pixels or more between its margins, which must "
            f"not be negative. Received: tile={size}, of which {tuple(inner)} are kept."
        )

    starts, pads = [], []
    for have, side, part in zip(image.shape[:2], size, inner, strict=True):
        step = part // stride * stride
        last = -(-max(have - part, 0) // step) * step
        starts.append(range(0, last + 1, step))
        before = (side - part) // 2
        pads.append((before, last + side - before - have))
    padded = np.pad(image, (*pads, (0, 0)), mode="reflect")

    canvas = [each[-1] + part for each, part in zip(starts, inner, strict=True)]
    logits = np.empty((*canvas, model.output_shape[-1]), "float32")
    places = list(itertools.product(*starts))
    for top, left in tqdm.tqdm(places, desc="tiles", unit="tile", leave=False):
        seen = padded[top : top + size[0], left : left + size[1]]
        kept = crop_centre(run_model(model, seen), inner)
        logits[top : top + inner[0], left : left + inner[1]] = kept
    return probabilities_of(logits[: image.shape[0], : image.shape[1]])


def predict_averaged(
    model,
    image: np.ndarray,
    predict: Callable[..., np.ndarray] = predict_probabilities,
) -> np.ndarray:
    """Returns the mean of the probabilities over turned and mirrored images.

    The image is turned by 0, 90, 180 and 270 degrees, each as it is and mirrored;
    every prediction is turned back. A model of a fixed size that is not square sees
    the turned images resized.

    Args:
        model: As `predict` takes it.
        image: uint8 array `(height, width, 3)`, RGB.
        predict: Function of a model and an image that returns probabilities, such as
            `functools.partial(predict_tiled, tile=(572, 572))`.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1.

    Raises:
        ValueError: As `predict` does.
    """
    check_image(image)
    views = []
    for turns, mirrored in itertools.product(range(4), (False, True)):
        view = np.rot90(np.fliplr(image) if mirrored else image, turns)
        scores = np.rot90(predict(model, np.ascontiguousarray(view)), -turns)
        views.append(np.fliplr(scores) if mirrored else scores)
    return np.mean(views, axis=0, dtype="float32")


def _tile_size(model: keras.Model, tile: tuple[int, int] | None) -> tuple[int, int]:
    """Returns the size of the tiles: the model's own, or else the one asked for."""
    fixed = model.input_shape[1:3]
    if None in fixed and tile is None:
        raise ValueError(
            "`tile` must be the height and width of a tile, unless the network has a "
            f"fixed size. Received: None, and a network of {fixed}."
        )
    if None not in fixed and tile is not None and tuple(tile) != tuple(fixed):
        raise ValueError(
            "`tile` must be the size of a network of a fixed size, or None. Received: "
            f"{tuple(tile)}, and a network of {fixed}."
        )
    height, width = tile or fixed
    return int(height), int(width)
