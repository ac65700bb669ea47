"""Which pixels of two maps of class ids count, and which ids are refused.

An id out of range is an error of the data or of the model, so it is never dropped:
a metric that drops it scores the pixels that are left, and scores too high.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kseg.registry import check_num_classes

IgnoreClass = int | Sequence[int] | None

NOTHING = -(2**31)  # what is no whole number, or of scores that are not finite


def scored_pixels(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_classes: int,
    ignore_class: IgnoreClass = 255,
) -> np.ndarray:
    """Marks the pixels that are not void, once their ids are known to be classes.

    Args:
        labels: True class ids, integers of any shape.
        predictions: Predicted class ids, integers of the same shape.
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.

    Returns:
        Booleans of the same shape, false at void pixels.

    Raises:
        ValueError: If `num_classes` is below 2, the ids are no integers, the shapes
            differ, or an id at a pixel that is not void is outside the classes.
    """
    check_ids(labels, predictions, num_classes)
    ignored = ignored_ids(ignore_class)
    scored = np.ones(labels.shape, bool)
    for identity in ignored:
        scored &= labels != identity
    wrong = {
        "labels": labels[scored & outside(labels, num_classes)],
        "predictions": predictions[scored & outside(predictions, num_classes)],
    }
    if any(values.size for values in wrong.values()):
        raise out_of_range(listed(wrong), num_classes, ignored)
    return scored


def check_ids(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> None:
    """Raises unless these are two maps of integers of one shape.

    Args:
        labels: True class ids.
        predictions: Predicted class ids.
        num_classes: Number of classes, at least 2.

    Raises:
        ValueError: If `num_classes` is below 2, the ids are no integers, or the shapes
            differ.
    """
    check_num_classes(num_classes)
    for name, ids in (("labels", labels), ("predictions", predictions)):
        if ids.dtype.kind not in "biu":
            raise ValueError(
                f"`{name}` must be integer class ids. Received: dtype {ids.dtype}. "
                "Take the argmax of scores first, or cast whole numbers to int32."
            )
    if labels.shape != predictions.shape:
        raise ValueError(
            "`labels` and `predictions` must have the same shape. Received: "
            f"{labels.shape} and {predictions.shape}."
        )


def check_one_image(labels: np.ndarray) -> None:
    """Raises unless a map is of one image.

    Args:
        labels: True class ids.

    Raises:
        ValueError: If it is not `(height, width)`.
    """
    if labels.ndim != 2:
        raise ValueError(
            "`labels` must be one image of shape (height, width). Received: shape "
            f"{labels.shape}. Take the images of a batch one by one."
        )


def ignored_ids(ignore_class: IgnoreClass) -> tuple[int, ...]:
    """Returns the ids that an `ignore_class` argument names, as a tuple."""
    if ignore_class is None:
        return ()
    return tuple(int(identity) for identity in np.atleast_1d(ignore_class))


def outside(ids: Any, num_classes: int) -> Any:
    """Marks the ids that are no classes."""
    return (ids < 0) | (ids >= num_classes)


def out_of_range(
    received: str, num_classes: int, ignored: Sequence[int], weights: str = ""
) -> ValueError:
    """Returns the error for ids out of range, worded once."""
    void = f", except the ignored {list(ignored)}," if ignored else ""
    return ValueError(
        f"All labels{void} and the predictions at their pixels must be class ids, 0 to "
        f"{num_classes - 1}{weights}. Received: {received}. Raise `num_classes`, or "
        "name the labels to leave out in `ignore_class`."
    )


def listed(wrong: dict[str, np.ndarray]) -> str:
    """Names the distinct values, at most ten of a kind: `labels [7, 9]`."""
    words = []
    for name, values in wrong.items():
        found = np.unique(values)[:10].tolist()
        if found and found[0] == NOTHING:
            words.append(f"{name} from scores that are NaN, infinite or improbable")
            found = found[1:]
        if found:
            words.append(f"{name} {found}")
    return " and ".join(words)
