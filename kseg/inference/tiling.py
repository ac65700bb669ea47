"""Large images by tiles, and averages over an image's symmetries.

Ronneberger et al., "U-Net": the overlap-tile strategy of figure 2, where a tile's
borders are context alone and beyond the image it is mirrored, and the average over
rotated versions of the image of table 1. https://arxiv.org/abs/1505.04597
Departures: tiles lie a multiple of the network's stride apart, not side by side, so
that its poolings fall on the pixels that they fall on in the whole image; tiles of
networks that pad by themselves lie inside the image, whose border they then see as
they see it in the whole image; and where the paper averages over 7 rotations that it
does not name, here they are the 8 symmetries of the square, which need no
interpolation.
"""

import itertools
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tqdm

from kseg.inference.predict import (
    check_image,
    predict_probabilities,
    probabilities_of,
    run_model,
)
from kseg.layers import ValidSize

# The coarsest stride of a backbone: tiles so far apart have the same grid.
_STRIDE = 32


def predict_tiled(
    model: keras.Model,
    image: np.ndarray,
    tile: tuple[int, int] | None = None,
    margin: int = 96,
) -> np.ndarray:
    """Returns the probability of every class, computed tile by tile.

    It is what the network gives for the whole image: always of `valid` convolutions,
    and of `same` ones where `margin` covers what a pixel's result depends on at each
    side, as 96 does for the U-Net of five levels. Networks that pool over the whole
    image see the tile instead.

    Args:
        model: A network of kseg, of any or of a fixed size.
        image: uint8 array `(height, width, 3)`, RGB, of any size.
        tile: Height and width that the network sees at once, a size that it takes;
            `None` for the network's fixed size. Networks of `same` convolutions that
            take any size see up to 31 pixels less, or all of a smaller image.
        margin: Pixels that are seen and then thrown away at the sides of a tile that
            are not the image's, rounded up to a multiple of 32. Networks of `valid`
            convolutions return less by themselves.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1; two classes where
        the model gives one logit per pixel.

    Raises:
        ValueError: If `image` is not such an array, there is no size of a tile, the
            network does not take it, or the margin leaves too little of it.

    Example:
    >>> import kseg
    >>> model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    >>> predict_tiled(model, np.zeros((50, 150, 3), "uint8"), (128, 128), 32).shape
    (50, 150, 2)
    """
    check_image(image)
    size = _tile_size(model, tile)
    inner = model.compute_output_shape((None, *size, 3))[1:3]
    valid = tuple(inner) != size
    if valid:
        stride = next((v.step for v in model.layers if isinstance(v, ValidSize)), 1)
        beyond, least, between = 0, stride, tuple(inner)
    else:
        stride, beyond = _STRIDE, -(-margin // _STRIDE) * _STRIDE
        # What `_in_phase` may cut off must not be missing.
        least = 2 * stride - 1 if None in model.input_shape[1:3] else stride
        between = (size[0] - 2 * beyond, size[1] - 2 * beyond)
    if min(between) < least or margin < 0:
        raise ValueError(
            f"A tile must have {least} pixels or more between its margins, which must "
            f"not be negative. Received: tile={size}, margin={margin}, of which "
            f"{between} are kept."
        )

    pads, sides, spans = [], [], []
    for axis, have in enumerate(image.shape[:2]):
        side, given = size[axis], inner[axis]
        if not valid and model.input_shape[1 + axis] is None:
            side = given = _in_phase(side, have)
        spans.append(list(_spans(have, given, beyond, stride)))
        before = (side - given) // 2
        pads.append((before, spans[-1][-1][0] + side - before - have))
        sides.append(side)
    padded = np.pad(image, (*pads, (0, 0)), mode="reflect")

    num_classes = max(model.output_shape[-1], 2)  # one logit is two probabilities
    canvas = np.empty((*image.shape[:2], num_classes), "float32")
    places = list(itertools.product(*spans))
    for (top, rows), (left, columns) in tqdm.tqdm(
        places, desc="tiles", unit="tile", leave=False
    ):
        seen = padded[top : top + sides[0], left : left + sides[1]]
        logits = run_model(model, seen)[
            rows.start - top : rows.stop - top,
            columns.start - left : columns.stop - left,
        ]
        canvas[rows, columns] = probabilities_of(logits)
    return canvas


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
    total = 0.0
    for turns, mirrored in itertools.product(range(4), (False, True)):
        view = np.rot90(np.fliplr(image) if mirrored else image, turns)
        scores = np.rot90(predict(model, np.ascontiguousarray(view)), -turns)
        total = total + (np.fliplr(scores) if mirrored else scores)
    return (total / 8).astype("float32")


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


def _in_phase(side: int, have: int) -> int:
    """Returns a side up to `side` that lies flush with the end of the image.

    It leaves the rest that the image leaves when it is divided by the stride, so that
    every layer pads the tile as it pads the image.
    """
    return have if have <= side else side - (side - have) % _STRIDE


def _spans(
    have: int, given: int, margin: int, stride: int
) -> Iterator[tuple[int, slice]]:
    """Yields where tiles start in the image, and the pixels that each is kept of.

    Args:
        have: Height or width of the image.
        given: Height or width of what the network returns of a tile.
        margin: Pixels of it that are thrown away within the image.
        stride: What the starts are multiples of.
    """
    step = max(given - 2 * margin, stride) // stride * stride
    last = -(-max(have - given, 0) // stride) * stride
    for start in (*range(0, last, step), last):
        first = start + margin if start > 0 else 0
        stop = start + given - margin if start < last else have
        yield start, slice(first, stop)
