"""Scores in a narrow band along the borders of objects (trimap).

Kohli, Ladicky and Torr, "Robust Higher Order Potentials for Enforcing Label
Consistency", IJCV 2009, section 6; as DeepLab plots it: Chen et al. 2015, section 5.1.
https://arxiv.org/abs/1412.7062
Two bands are known. `"void"` is that of DeepLab's authors (`MyVOCevalsegBoundary.m`):
what is within w rows and columns of a void pixel, for labels such as PASCAL VOC's,
whose objects have a void rim. `"boundary"` needs no rim: what is within w pixels,
straight, of a pixel of another class.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from kseg.metrics.class_ids import IgnoreClass, check_one_image, ignored_ids
from kseg.metrics.confusion import confusion_matrix, scores

_BANDS = ("boundary", "void")


def border_distance(
    labels: np.ndarray, ignore_class: IgnoreClass = 255, band: str = "boundary"
) -> np.ndarray:
    """Measures how far every pixel is from a border.

    Args:
        labels: True class ids, integers `(height, width)`.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        band: `"boundary"` or `"void"`.

    Returns:
        float64 `(height, width)` in pixels; infinite at void pixels, and everywhere
        where there is no border.

    Raises:
        ValueError: If `labels` is not one image, or `band` is neither of these.

    Example:
    >>> border_distance(np.array([[0, 0, 0, 1, 1, 255]]))
    array([[ 3.,  2.,  1.,  1.,  2., inf]])
    """
    labels = np.asarray(labels)
    check_one_image(labels)
    if band not in _BANDS:
        raise ValueError(f"`band` must be one of {_BANDS}. Received: {band!r}.")
    void = np.zeros(labels.shape, bool)
    for identity in ignored_ids(ignore_class):
        void |= labels == identity
    distance = np.full(labels.shape, np.inf)
    if band == "void":
        if void.any():
            distance = ndimage.distance_transform_cdt(~void).astype(np.float64)
    else:
        for c in np.unique(labels[~void]):
            own = labels == c
            other = ~own & ~void
            if other.any():
                distance[own] = ndimage.distance_transform_edt(~other)[own]
    distance[void] = np.inf
    return distance


class TrimapScores:
    """Collects the scores of a data set in bands of several widths.

    Args:
        num_classes: Number of classes: void does not count.
        widths: Of the bands, in pixels.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        band: `"boundary"` or `"void"`, as in the module.

    Raises:
        ValueError: If there is no width, or one is below 1.

    Example:
    >>> collected = TrimapScores(2, widths=(1, 2))
    >>> collected.update(np.array([[0, 0, 1, 1]]), np.array([[0, 0, 0, 1]]))
    >>> collected.result()["mean_iou"]
    [0.25, 0.5833333333333333]
    """

    def __init__(
        self,
        num_classes: int,
        widths: Sequence[int] = tuple(range(1, 41)),
        ignore_class: IgnoreClass = 255,
        band: str = "boundary",
    ):
        """Starts with nothing collected."""
        if not widths or min(widths) < 1:
            raise ValueError(f"`widths` must be 1 or more. Received: {widths!r}.")
        self.widths = tuple(widths)
        self.ignore_class = ignore_class
        self.band = band
        self.matrices = np.zeros((len(widths), num_classes, num_classes), np.int64)

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Adds an image.

        Args:
            labels: True class ids, integers `(height, width)`.
            predictions: Predicted class ids, integers `(height, width)`.

        Raises:
            ValueError: As `border_distance` and `kseg.metrics.confusion_matrix` do.
        """
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        if labels.shape != predictions.shape:
            raise ValueError(
                "Labels and predictions must have one shape. Received: "
                f"{labels.shape} and {predictions.shape}."
            )
        distance = border_distance(labels, self.ignore_class, self.band)
        num_classes = self.matrices.shape[1]
        for matrix, width in zip(self.matrices, self.widths, strict=True):
            near = distance <= width
            matrix += confusion_matrix(
                labels[near], predictions[near], num_classes, self.ignore_class
            )

    def result(self) -> dict[str, list]:
        """Returns the scores in each band.

        Returns:
            `widths`; `mean_iou` and `pixel_accuracy`, a float per width; `class_iou`, a
            list of floats, one for each class, per width. NaN where nothing is scored.
        """
        found = [scores(matrix) for matrix in self.matrices]
        by_class = [each["class_iou"].tolist() for each in found]
        return {"widths": list(self.widths), "class_iou": by_class} | {
            name: [float(each[name]) for each in found]
            for name in ("mean_iou", "pixel_accuracy")
        }
