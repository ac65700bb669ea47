"""Scores of a model on images with known masks, each at its own size."""

from collections.abc import Callable, Iterable

import numpy as np
import tqdm

from kseg.labels import Labels
from kseg.metrics import DatasetScores


def evaluate(
    predict_ids: Callable[[np.ndarray], np.ndarray],
    examples: Iterable[tuple[np.ndarray, np.ndarray]],
    labels: Labels,
    total: int | None = None,
) -> dict:
    """Scores a model, one image at a time.

    Args:
        predict_ids: From a uint8 image `(height, width, 3)` to class ids
            `(height, width)`.
        examples: Images and masks of class ids, of any size.
        labels: The classes.
        total: How many examples there are, for the progress bar.

    Returns:
        What `kseg.metrics.DatasetScores.result` returns, and `images`, how many
        there were.

    Raises:
        ValueError: If there is no example, or a mask is broken.
    """
    collected = DatasetScores(labels)
    for image, mask in tqdm.tqdm(examples, desc="evaluate", unit="image", total=total):
        collected.update(mask, predict_ids(image))
    if not collected.boundaries:
        raise ValueError("`examples` must hold at least one image. Received: none.")
    return {"images": len(collected.boundaries), **collected.result()}


def score_table(result: dict) -> str:
    """Words the scores of `evaluate` as a table for a terminal.

    Args:
        result: What `evaluate` returned.

    Returns:
        A line per class with IoU, accuracy and boundary F1 in percent, then the
        scores of the whole data set.
    """
    names = list(result["class_iou"])
    width = max(map(len, [*names, "class"]))
    lines = [f"{'class':<{width}}    IoU    acc     BF"]
    for name in names:
        values = (
            result[key][name]
            for key in ("class_iou", "class_accuracy", "class_boundary_f1")
        )
        lines.append(
            f"{name:<{width}} " + " ".join(f"{_percent(v):>6}" for v in values)
        )
    lines.append(
        f"{result['images']} images: mean IoU {_percent(result['mean_iou'])} %, "
        f"pixel accuracy {_percent(result['pixel_accuracy'])} %, "
        f"mean accuracy {_percent(result['mean_accuracy'])} %, "
        f"frequency-weighted IoU {_percent(result['frequency_weighted_iou'])} %, "
        f"Dice {_percent(result['mean_dice'])} %, "
        f"boundary F1 {_percent(result['boundary_f1'])} %"
    )
    return "\n".join(lines)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"
