"""Objects found and false alarms, for maps of classes without instances.

An object is an 8-connected component of the pixels of a class, void left out of the
true map. A true object is found if at least half of its pixels are predicted as its
class, a predicted one is a false alarm if less than half of its pixels, void not
counted, have its class in truth. So pixels decide, not a matching: a prediction that
merges two objects finds both, and one that breaks an object in pieces has no false
alarm.

Recall is the share of the true objects that are found, precision that of the predicted
ones that are no false alarm, by class and by size. The borders between the sizes are
those of COCO, 32^2 and 96^2 pixels (https://cocodataset.org/#detection-eval), of the
true object's pixels for recall and of the predicted one's, without void, for precision;
at a border the object is of the larger size.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from kseg.metrics.averages import mean_of_known, ratio
from kseg.metrics.class_ids import IgnoreClass, check_one_image, scored_pixels

_EIGHT = np.ones((3, 3), bool)


class ObjectScores:
    """Collects the objects of a data set, image by image.

    Args:
        num_classes: Number of classes, at least 2: void does not count.
        ignore_class: The label, or labels, of void pixels; `None` for no void.
        areas: The borders between sizes in pixels, rising.

    Raises:
        ValueError: If `areas` do not rise, or one is below 1.

    Example:
    >>> truth = np.array([[1, 1, 0, 1, 0]])
    >>> collected = ObjectScores(2, areas=(2,))
    >>> collected.update(truth, np.array([[1, 0, 0, 0, 1]]))
    >>> collected.result()["recall"][1].tolist()  # that of 1 pixel, that of 2
    [0.0, 1.0]
    """

    def __init__(
        self,
        num_classes: int,
        ignore_class: IgnoreClass = 255,
        areas: Sequence[int] = (32**2, 96**2),
    ):
        """Starts with nothing collected."""
        if any(a < 1 for a in areas) or list(areas) != sorted(set(areas)):
            raise ValueError(
                f"`areas` must rise, from 1 or more. Received: {tuple(areas)}."
            )
        self.num_classes = num_classes
        self.ignore_class = ignore_class
        self.areas = tuple(areas)
        # Of truth and of the prediction: objects, and those that the other confirms.
        self.counts = np.zeros((2, 2, num_classes, len(areas) + 1), np.int64)

    def update(self, labels: np.ndarray, predictions: np.ndarray) -> None:
        """Adds an image.

        Args:
            labels: True class ids, integers `(height, width)`.
            predictions: Predicted class ids, integers `(height, width)`.

        Raises:
            ValueError: If the maps are not one image, or as
                `kseg.metrics.confusion_matrix` does.
        """
        labels, predictions = np.asarray(labels), np.asarray(predictions)
        check_one_image(labels)
        scored = scored_pixels(labels, predictions, self.num_classes, self.ignore_class)
        agreed = scored & (labels == predictions)
        truth = np.where(scored, labels.astype(np.int64), -1)
        for counts, ids in zip(self.counts, (truth, predictions), strict=True):
            counts += self._count(ids.astype(np.int64), scored, agreed)

    def result(self) -> dict[str, Any]:
        """Returns the scores.

        Returns:
            int64 `(num_classes, sizes)`, the smallest size first: `true` objects,
            `found`, `predicted` and `false_alarms`; floats of the same shape: `recall`
            and `precision`; of all sizes together `class_recall` and `class_precision`
            `(num_classes,)`, and their means over classes, `mean_recall` and
            `mean_precision`. NaN where there is no such object.
        """
        (true, found), (predicted, right) = self.counts
        recall, precision = (
            ratio(np, found.sum(axis=1) * 1.0, true.sum(axis=1)),
            ratio(np, right.sum(axis=1) * 1.0, predicted.sum(axis=1)),
        )
        return {
            "true": true,
            "found": found,
            "predicted": predicted,
            "false_alarms": predicted - right,
            "recall": ratio(np, found * 1.0, true),
            "precision": ratio(np, right * 1.0, predicted),
            "class_recall": recall,
            "class_precision": precision,
            "mean_recall": float(mean_of_known(np, recall)),
            "mean_precision": float(mean_of_known(np, precision)),
        }

    def _count(self, ids, scored, agreed):
        """Counts objects and confirmed ones by class and size."""
        objects, owners = _components(ids, self.num_classes)
        size = np.bincount(objects[scored], minlength=len(owners))
        shared = np.bincount(objects[agreed], minlength=len(owners))
        # What lies in void altogether is no object, and 0 is what is of no class.
        kept = (size > 0) & (owners >= 0)
        sizes = np.searchsorted(self.areas, size, side="right")
        shape = self.counts.shape[2:]
        cells = owners * shape[1] + sizes
        return [
            np.bincount(cells[chosen], minlength=shape[0] * shape[1]).reshape(shape)
            for chosen in (kept, kept & (2 * shared >= size))
        ]


def _components(ids: np.ndarray, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers the components of all classes.

    Args:
        ids: Class ids, int64 `(height, width)`; what is out of range is of no class.
        num_classes: Number of classes.

    Returns:
        The numbers of components `(height, width)`, 0 where there is no class; and the
        class of each number, -1 for 0.
    """
    ids = np.where((ids >= 0) & (ids < num_classes), ids, -1)
    objects, owners = np.zeros(ids.shape, np.int64), [np.array([-1])]
    count = 1
    for c, box in enumerate(ndimage.find_objects(ids + 1, num_classes)):
        if box is None:
            continue
        own = ids[box] == c
        numbers, found = ndimage.label(own, _EIGHT)  # type: ignore[misc]
        objects[box][own] = numbers[own] + (count - 1)
        owners.append(np.full(found, c))
        count += found
    return objects, np.concatenate(owners)
