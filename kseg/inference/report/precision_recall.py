"""Precision and recall of every class at every threshold of its probability.

Davis and Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML
2006. Each class is told from all others by its probability. Networks are mostly sure,
so that thresholds lie evenly in log odds, from 1 in 9 million to as much below 1. The
average precision is the sum of precisions, each times the step of recall up to it, as
in scikit-learn. Departure: pixels between two thresholds are not told apart, and their
step counts with the precision at its middle.
"""

from typing import Any

import numpy as np

from kseg.metrics.averages import mean_of_known, ratio

# Log odds beyond which thresholds are one: as fine as float32 is below 1.
_LIMIT = 16.0
_SMALLEST = np.float32(1.2e-7)


class PrecisionRecall:
    """Collects probabilities of a data set, image by image; keeps only histograms.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The id of void pixels.
        bins: Number of thresholds.

    Example:
    >>> collected = PrecisionRecall(2)
    >>> collected.update(np.array([[0, 1]]), np.array([[[0.9, 0.1], [0.2, 0.8]]]))
    >>> collected.result()["average_precision"].tolist()
    [1.0, 1.0]
    """

    def __init__(self, num_classes: int, ignore_class: int = 255, bins: int = 1000):
        """Starts with nothing collected."""
        self.ignore_class = ignore_class
        self.bins = bins
        # By class: pixels of others, and of the class.
        self.counts = np.zeros((num_classes, 2, bins), np.int64)

    def update(self, mask: np.ndarray, probabilities: np.ndarray) -> None:
        """Adds an image.

        Args:
            mask: True class ids, integers `(height, width)`.
            probabilities: Floats `(height, width, num_classes)`, 0 to 1.
        """
        scored = mask != self.ignore_class
        truth = mask[scored]
        for index, counts in enumerate(self.counts):
            # One class at a time: all together may be gigabytes.
            cells = self._bin_of(probabilities[..., index][scored])
            cells[truth == index] += self.bins
            counts += np.bincount(cells, minlength=2 * self.bins).reshape(2, -1)

    def result(self) -> dict[str, Any]:
        """Returns the curves.

        Returns:
            `precision` and `recall` `(num_classes, bins)`, the highest threshold first;
            `average_precision` `(num_classes,)`; and `mean_average_precision`. NaN
            where there is no pixel.
        """
        counts = self.counts[..., ::-1].swapaxes(0, 1) * 1.0
        reached = counts.cumsum(axis=-1)
        others, own = reached
        precision = ratio(np, own, own + others)
        recall = ratio(np, own, own[:, -1:])
        # Counts are whole, so that halves would be taken for none.
        middle_others, middle_own = 2 * reached - counts
        middle = ratio(np, middle_own, middle_own + middle_others)
        steps = np.diff(recall, axis=-1, prepend=0)
        average = (steps * np.nan_to_num(middle)).sum(axis=-1)
        return {
            "precision": precision,
            "recall": recall,
            "average_precision": average,
            "mean_average_precision": float(mean_of_known(np, average)),
        }

    def _bin_of(self, probability: np.ndarray) -> np.ndarray:
        """Returns the threshold, from 0 on, that each probability reaches."""
        p = np.clip(probability.astype(np.float32), _SMALLEST, 1 - _SMALLEST)
        odds = np.log(p) - np.log1p(-p)
        place = (odds + _LIMIT) * (self.bins / (2 * _LIMIT))
        return np.clip(place.astype(np.int64), 0, self.bins - 1)
