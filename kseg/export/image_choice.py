"""Which images to calibrate on, so that rare classes set ranges too."""

from collections.abc import Iterable

import numpy as np


def cover_classes(
    masks: Iterable[np.ndarray], num_classes: int, count: int
) -> list[int]:
    """Chooses images that together show as much of every class as they can.

    One by one, the image is taken that has most of the class of which the chosen ones
    have the least so far, each class measured by its pixels in all masks.

    Args:
        masks: Class ids `(height, width)` of the images to choose from; ids from
            `num_classes` on are void.
        num_classes: How many classes there are.
        count: How many images to choose, all if there are fewer.

    Returns:
        Their positions, in the order of their choice.

    Example:
    >>> cover_classes(np.array([[[0, 0]], [[0, 1]], [[2, 0]]]), 3, 2)
    [0, 1]
    """
    pixels = np.array(
        [np.bincount(mask.ravel(), minlength=256)[:num_classes] for mask in masks],
        float,
    )
    totals = pixels.sum(axis=0)
    shares = pixels[:, totals > 0] / totals[totals > 0]
    left, chosen = list(range(len(pixels))), []
    covered = np.zeros(shares.shape[1])
    while left and len(chosen) < count:
        rarest = int(np.argmin(covered)) if len(covered) else None
        best = left[0] if rarest is None else max(left, key=lambda i: shares[i, rarest])
        left.remove(best)
        chosen.append(best)
        covered += shares[best]
    return chosen
