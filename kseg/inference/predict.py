"""Prediction on images of any size: tiles, scales, mirror images, dense CRF."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kseg.inference.blocks import ids_by_blocks
from kseg.inference.crf_options import Crf, crf_arguments
from kseg.inference.dense_crf import dense_crf
from kseg.inference.one_pass import check_model, count_classes, whole_ids
from kseg.inference.tiling import lay_tiles
from kseg.inference.views import check_views, view_probabilities
from kseg.lite.one_image import ids_of
from kseg.raster import check_image


def predict(
    model,
    image: np.ndarray,
    tile: tuple[int, int] | None = None,
    overlap: int | None = None,
    blend: str = "none",
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    turns: bool = False,
    crf: Crf | None = None,
) -> np.ndarray:
    """Returns the class of every pixel of an image, at the image's own size.

    Each view of the image goes through the tiles; the class is that of the highest
    mean probability over the views, after the CRF. The probabilities of the whole image
    are in memory, but of tiles without blending, views or CRF only those of a block.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`. A model of a fixed
            size sees the image resized to it, unless `tile` is that size, and what
            it returns is brought back to the image's size bilinearly. One that
            returns class ids takes no option but tiles without blending, and its ids
            are brought back by nearest neighbours.
        image: uint8 array `(height, width, 3)`, RGB.
        tile: Height and width that the model sees at once, a size that it takes; its
            own if that is fixed. `None` for the whole image.
        overlap: Least number of pixels that neighbouring tiles share; `None` for
            192, or half of tiles that are too small for it. Where half of it, or of
            blends a quarter, in whole strides of 32 pixels, covers what a result
            depends on, tiles give what the whole image gives. U-Nets of `valid`
            convolutions need none.
        blend: `"none"` keeps of each tile what lies deepest in it; `"linear"` and
            `"gaussian"` weigh neighbours.
        scales: Factors of the image's height and width. Images and probabilities
            are resized bilinearly, antialiased where they shrink.
        flip: Whether to average over the image and its mirror image, left to right.
        turns: Whether to average over four quarter turns; with `flip`, over the 8
            symmetries of the square.
        crf: Name of `CRF_PARAMETERS`, or arguments of `dense_crf` by name; `None`
            for none.

    Returns:
        uint8 array of class ids `(height, width)`; uint16 beyond 256 classes. Of a
        model with one logit per pixel it is 1 where the logit is above 0, else 0.

    Raises:
        ValueError: If `image` is not such an array, an option is not as above, or
            the model cannot serve it.

    Example:
    >>> import kseg, numpy as np
    >>> model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    >>> image = np.zeros((33, 147, 3), "uint8")
    >>> predict(model, image, tile=(128, 128), overlap=64, scales=(0.5, 1)).shape
    (33, 147)
    """
    check_image(image)
    options = (tile, overlap, blend, scales, flip, turns, crf)
    arguments = check_options(model, *options)
    if crf is None and not flip and not turns and set(scales) == {1}:
        if tile is None:
            return whole_ids(model, image)
        if blend == "none":
            return ids_by_blocks(model, image, tile, overlap)
    return ids_of(_probabilities(model, image, options[:-1], arguments))


def predict_probabilities(
    model,
    image: np.ndarray,
    tile: tuple[int, int] | None = None,
    overlap: int | None = None,
    blend: str = "none",
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    turns: bool = False,
    crf: Crf | None = None,
) -> np.ndarray:
    """Returns the probability of every class at every pixel of an image.

    Args:
        model: As in `predict`; a LiteRT file must not return a class map.
        image: uint8 array `(height, width, 3)`, RGB.
        tile: As in `predict`, as all that follow.
        overlap: Pixels that tiles share.
        blend: How tiles are joined.
        scales: Factors of the image's size.
        flip: Whether to average over mirror images.
        turns: Whether to average over quarter turns.
        crf: The dense CRF, if any.

    Returns:
        float32 array `(height, width, num_classes)`, summing to 1; two classes where
        the model gives one logit per pixel, as `kseg.networks.hed` does.

    Raises:
        ValueError: As of `predict`, or if the model only returns class ids.
    """
    check_image(image)
    check_gives_probabilities(model)
    options = (tile, overlap, blend, scales, flip, turns, crf)
    arguments = check_options(model, *options)
    return _probabilities(model, image, options[:-1], arguments)


def check_gives_probabilities(model) -> None:
    """Raises if `predict_probabilities` cannot run a model.

    Raises:
        ValueError: If it returns class ids.
    """
    if returns_ids(model):
        raise ValueError(
            "Probabilities need a model that returns them or logits. Received: a "
            "LiteRT file that returns a class map."
        )


def check_options(
    model,
    tile: tuple[int, int] | None = None,
    overlap: int | None = None,
    blend: str = "none",
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    turns: bool = False,
    crf: Crf | None = None,
) -> dict[str, Any] | None:
    """Raises if `predict` cannot run a model, or its options are wrong for it.

    Returns:
        The arguments of `dense_crf`; `None` without a CRF.
    """
    check_model(model)
    check_views(model, tile, scales)
    if tile is not None:
        lay_tiles(model, tile, tile, overlap, blend)
    elif blend != "none":
        raise ValueError(
            f"Only tiles are blended. Received: blend={blend!r} without `tile`."
        )
    arguments = None if crf is None else crf_arguments(crf, count_classes(model))
    if returns_ids(model) and (
        blend != "none" or set(scales) != {1} or flip or turns or crf is not None
    ):
        raise ValueError(
            "Blended tiles, scales other than 1, flips, turns and the CRF need "
            "probabilities. Received: a LiteRT file that returns a class map. Export "
            "it with output='probabilities'."
        )
    return arguments


def returns_ids(model) -> bool:
    """Says whether a model returns class ids and nothing more."""
    return not isinstance(model, keras.Model) and model.output == "class_map"


def _probabilities(model, image: np.ndarray, views, arguments) -> np.ndarray:
    """Returns the probabilities of a whole image, of options that were checked."""
    height, width = image.shape[:2]
    scores = view_probabilities(model, image, slice(0, height), slice(0, width), *views)
    return scores if arguments is None else dense_crf(image, scores, **arguments)
