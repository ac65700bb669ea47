"""All scores of a model on a data set, from one pass over its masks."""

import numpy as np

from kseg.labels import Labels
from kseg.metrics.averages import mean_of_known, ratio
from kseg.metrics.boundary import boundary_f1, mean_boundary_f1
from kseg.metrics.boundary_iou import boundary_iou
from kseg.metrics.confusion import class_counts, confusion_matrix, scores
from kseg.metrics.resampling import ImageScores

SCALARS = (
    "pixel_accuracy",
    "mean_accuracy",
    "mean_iou",
    "frequency_weighted_iou",
    "mean_dice",
)


class DatasetScores:
    """Collects what masks and predictions say, image by image.

    Args:
        labels: The classes; pixels of its `ignore_class` do not count.
        tolerance: Of the boundary F1, as a share of the image's diagonal.

    Attributes:
        matrix: int64 `(num_classes, num_classes)`, the confusion matrix so far.
        counts: Of each image, what `kseg.metrics.class_counts` returns.
        boundaries: Of each image, what `kseg.metrics.boundary_f1` returns.
        bands: Of each image, what `kseg.metrics.boundary_iou` returns.

    Example:
    >>> import numpy as np
    >>> collected = DatasetScores(Labels.numbered(2))
    >>> collected.update(np.array([[0, 0, 1, 255]]), np.array([[0, 1, 1, 1]]))
    >>> collected.result()["class_iou"]
    {'class_0': 0.5, 'class_1': 0.5}
    """

    def __init__(self, labels: Labels, tolerance: float = 0.0075):
        """Starts with nothing collected."""
        self.labels = labels
        self.tolerance = tolerance
        self.matrix = np.zeros((labels.num_classes, labels.num_classes), np.int64)
        self.counts: list[np.ndarray] = []
        self.boundaries: list[np.ndarray] = []
        self.bands: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, mask: np.ndarray, ids: np.ndarray) -> None:
        """Adds an image.

        Args:
            mask: True class ids, integers `(height, width)`.
            ids: Predicted class ids, integers `(height, width)`.

        Raises:
            ValueError: If an id is out of range, or the shapes differ.
        """
        rule = (self.labels.num_classes, self.labels.ignore_class)
        matrix = confusion_matrix(mask, ids, *rule)
        self.matrix += matrix
        self.counts.append(class_counts(matrix))
        self.boundaries.append(boundary_f1(mask, ids, *rule, self.tolerance))
        self.bands.append(boundary_iou(mask, ids, *rule))

    def images(self) -> ImageScores:
        """Returns what is known of each image, as `kseg.metrics.intervals` takes it.

        Raises:
            ValueError: If nothing was collected.
        """
        if not self.counts:
            raise ValueError("An image or more must be collected. Received: none.")
        return ImageScores(
            np.stack(self.counts), np.stack(self.boundaries), np.stack(self.bands)
        )

    def result(self) -> dict:
        """Returns the scores.

        Returns:
            `pixel_accuracy`, `mean_accuracy`, `mean_iou`, `frequency_weighted_iou`,
            `mean_dice`, `boundary_f1` and `boundary_iou`, floats from 0 to 1;
            `class_iou`, `class_accuracy`, `class_boundary_f1` and
            `class_boundary_iou`, a float per name of a class.
            What nothing was there to score is NaN.
        """
        measured = scores(self.matrix)
        empty = np.full((1, self.labels.num_classes), np.nan)
        boundary, by_class = mean_boundary_f1(np.stack(self.boundaries or list(empty)))
        nothing = [np.zeros((2, self.labels.num_classes))]
        bands = ratio(np, *np.sum([*nothing, *self.bands], axis=0))
        return {
            **{name: float(measured[name]) for name in SCALARS},
            "boundary_f1": float(boundary),
            "boundary_iou": float(mean_of_known(np, bands)),
            "class_iou": self._named(measured["class_iou"]),
            "class_accuracy": self._named(measured["class_accuracy"]),
            "class_boundary_f1": self._named(by_class),
            "class_boundary_iou": self._named(bands),
        }

    def _named(self, values: np.ndarray) -> dict[str, float]:
        return dict(zip(self.labels.names, values.tolist(), strict=True))
