"""What a run says of the classes after each epoch."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np

from kseg.labels import Labels
from kseg.metrics import MeanIoU


class ClassScores(keras.callbacks.Callback):
    """Prints the IoU of every class after each epoch.

    When the network has collapsed to one class, it says so, which and since when.

    Args:
        metric: The metric of the validation pass.
        labels: Names of the classes.
        history: Of `kseg.training.checkpoints`, where a run goes on.
    """

    def __init__(
        self, metric: MeanIoU, labels: Labels, history: Sequence[Mapping] = ()
    ):
        """Stores the arguments."""
        super().__init__()
        self.metric = metric
        self.labels = labels
        self.collapsed: int | None = None
        self.since = 0
        for row in history:
            self._follow(row["epoch"], row.get("collapsed"))

    def on_epoch_end(self, epoch, logs=None):
        """Prints the scores of the validation pass."""
        self.metric.check()
        matrix = self.metric.confusion_matrix()
        scores = self.metric.class_iou()
        print(
            "IoU %: "
            + " · ".join(
                f"{name} {100 * score:.1f}"
                for name, score in zip(self.labels.names, scores, strict=True)
            )
        )
        self._warn_of_collapse(epoch, matrix)

    def _follow(self, epoch: int, collapsed: int | None) -> None:
        """Notes since when the network calls nearly all one class."""
        if collapsed != self.collapsed:
            self.collapsed, self.since = collapsed, epoch

    def _warn_of_collapse(self, epoch: int, matrix: np.ndarray) -> None:
        """Prints what a network that calls nearly all one class needs, if it does."""
        collapsed = collapsed_class(matrix)
        self._follow(epoch + 1, collapsed)
        if collapsed is None:
            return
        pixels = matrix.sum()
        print(
            f"Collapsed since epoch {self.since}: "
            f"{matrix[:, collapsed].sum() / pixels:.1%} of the validation pixels are "
            f"called {self.labels.names[collapsed]!r}, which "
            f"{matrix[collapsed].sum() / pixels:.1%} are. If that stays so, look at "
            "the masks (`kseg check`) and lower optimizer.learning_rate; against rare "
            "classes that are never predicted, set loss.class_weights="
            "median_frequency, add a 'dice' term to the loss, or set "
            "data.rare_classes=0.33."
        )


def collapsed_class(matrix: np.ndarray) -> int | None:
    """Returns the class that a network calls nearly everything.

    Args:
        matrix: Pixels by true and predicted class, integers `(classes, classes)`.

    Returns:
        The class that 99 % or more of the pixels are called, if less than 1 % of the
        pixels of all other classes are right; `None` if there is none, or the masks
        hold one class only.
    """
    called = int(matrix.sum(axis=0).argmax())
    others = matrix.sum() - matrix[called].sum()
    right = np.trace(matrix) - matrix[called, called]
    nearly_all = matrix[:, called].sum() >= 0.99 * matrix.sum()
    return called if nearly_all and right < 0.01 * others else None
