"""ODS, OIS and AP of a model that finds edges, over a set of whole images."""

from collections.abc import Callable

import numpy as np
import tqdm

from kseg.inference.predict import predict_probabilities
from kseg.metrics import EdgeScores, thin_edges


def evaluate_edges(
    model,
    source,
    thresholds: int = 99,
    max_distance: float = 0.0075,
    predict: Callable[[np.ndarray], np.ndarray] | None = None,
) -> dict:
    """Scores a model as the Berkeley benchmark does, one image at a time.

    Args:
        model: As in `kseg.inference.predict_probabilities`, with one logit per pixel
            or two classes, the second of which is edges; `None` with `predict`.
        source: A `kseg.data.Source` of classes 0 and 1. Where it has a method
            `annotations`, as `kseg.data.bsds500.EdgeSource`, that returns booleans
            `(annotators, height, width)`, the image is scored by these; otherwise
            by where the mask is 1, and what is found where it is void counts nothing.
        thresholds: How many. Fewer than the benchmark's 99 are faster, and nearly as
            good for ODS and OIS; AP is lower without the outermost ones.
        max_distance: Up to which pixels match, as a share of the image's diagonal;
            0.0075 for BSDS500, 0.011 for NYUD.
        predict: From a uint8 image `(height, width, 3)` to probabilities
            `(height, width, 2)`, in place of one pass of `model` over the image.

    Returns:
        What `kseg.metrics.EdgeScores.result` returns, and `images`, how many there
        were. Predictions are thinned by `kseg.metrics.thin_edges` first.

    Raises:
        ValueError: If `source` is empty, or there are not two classes.
    """
    if len(source) == 0 or source.labels.num_classes != 2:
        raise ValueError(
            "`source` must hold an image and two classes, the second of which is "
            f"edges. Received: {len(source)} images and {list(source.labels.names)}."
        )
    collected = EdgeScores(thresholds, max_distance)
    for index in tqdm.trange(len(source), desc="evaluate", unit="image"):
        image, mask = source[index]
        probabilities = (
            predict(image)
            if predict is not None
            else predict_probabilities(model, image)
        )
        if probabilities.shape[-1] != 2:
            raise ValueError(
                "Edges need a model of two classes, or of one logit per pixel. "
                f"Received: {probabilities.shape[-1]} classes."
            )
        thinned = thin_edges(probabilities[..., 1])
        if hasattr(source, "annotations"):
            annotations = source.annotations(index)
        else:
            annotations = (mask == 1)[np.newaxis]
            thinned[mask == source.labels.ignore_class] = 0
        collected.update(thinned, annotations)
    return {"images": len(source), **collected.result()}
