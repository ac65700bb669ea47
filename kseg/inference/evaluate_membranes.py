"""The scores of ISBI 2012 of a model, over a set of whole images."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import tqdm

from kseg.inference.predict import predict_probabilities
from kseg.metrics.membranes import THRESHOLDS, MembraneScores


def evaluate_membranes(
    model,
    source,
    cell_class: str | int = "cell",
    thresholds: Sequence[float] = THRESHOLDS,
    predict: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict[str, float]:
    """Scores how well a model divides cells, one image at a time.

    Args:
        model: As in `kseg.inference.predict_probabilities`; `None` with `predict`.
        source: A `kseg.data.Source`: images and masks, of any size.
        cell_class: Name or id of the class of the cells; all others divide them.
        thresholds: What the probability of a cell must be above, from 0 to below 1.
        predict: From a uint8 image `(height, width, 3)` to probabilities
            `(height, width, num_classes)`, in place of one pass of `model` over the
            image: tiled prediction, or the average over rotated images.

    Returns:
        What `kseg.metrics.MembraneScores.result` returns, each score at the threshold
        that is best for the set, and `images`, how many there were. Void counts in no
        score.

    Raises:
        ValueError: If `source` is empty or has no such class, or what was predicted
            is no probability.
    """
    labels = source.labels
    named = dict(zip(labels.names, range(labels.num_classes), strict=True))
    cell = named.get(cell_class, -1) if isinstance(cell_class, str) else cell_class
    if cell not in named.values() or len(source) == 0:
        raise ValueError(
            "`source` must hold an image, and `cell_class` be one of its classes, "
            f"{list(named)}. Received: {len(source)} images and {cell_class!r}."
        )
    predict = predict or functools.partial(predict_probabilities, model)
    collected = MembraneScores(thresholds)
    for index in tqdm.trange(len(source), desc="evaluate", unit="image"):
        image, mask = source[index]
        probabilities = predict(image)
        collected.update(
            probabilities[..., cell], mask == cell, mask != labels.ignore_class
        )
    return {"images": collected.images, **collected.result()}
