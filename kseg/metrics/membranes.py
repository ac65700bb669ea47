"""The scores of ISBI 2012, for maps of cells that membranes divide.

Arganda-Carreras et al., "Crowdsourcing the creation of image segmentation algorithms
for connectomics", Frontiers in Neuroanatomy 2015.
https://doi.org/10.3389/fnana.2015.00142. A probability map becomes cells by a
threshold, and the cells regions by 4-connected components. "Thinned" has the predicted
membranes reduced to lines of one pixel first, so that their width does not count. Each
score is the best over the thresholds, one threshold for all images.

As in Fiji's Trainable Segmentation, V_rand sums the pairs of all images before it
divides, and V_info is the mean over images. Departures: its thresholds 0, 0.1, ... 1
without the last, above which nothing is; the pixel error is the share of wrong pixels
(the challenge listed 1 - F of the pixels); where a line runs between two regions at
even distance is decided by another order.
"""

from collections.abc import Sequence

import numpy as np
import scipy.ndimage

from kseg.metrics.partition import (
    PartitionScore,
    information_of_sizes,
    pairs,
    rand_of_pairs,
    region_sizes,
)

THRESHOLDS = tuple(k / 10 for k in range(10))
_VARIANTS = ("", "_thinned")


def membrane_scores(
    probabilities: np.ndarray,
    truth: np.ndarray,
    thresholds: Sequence[float] = THRESHOLDS,
) -> dict[str, float]:
    """Scores one image as ISBI 2012 does.

    Args:
        probabilities: Floats `(height, width)`: that a pixel is cell, 0 to 1.
        truth: Booleans `(height, width)`: true in cells, false on membranes.
        thresholds: What a probability must be above to make a cell.

    Returns:
        What `MembraneScores.result` returns.

    Raises:
        ValueError: As `MembraneScores` does.

    Example:
    >>> import numpy as np
    >>> truth = np.ones((4, 9), bool)
    >>> truth[:, 4] = False
    >>> scores = membrane_scores(np.where(truth, 0.9, 0.3), truth)
    >>> scores["v_rand"], scores["pixel_error"]
    (1.0, 0.0)
    """
    collected = MembraneScores(thresholds)
    collected.update(probabilities, truth)
    return collected.result()


class MembraneScores:
    """Collects images and scores them together.

    Args:
        thresholds: What a probability must be above to make a cell, from 0 to
            below 1.

    Raises:
        ValueError: If there is no threshold, or one is out of range.
    """

    def __init__(self, thresholds: Sequence[float] = THRESHOLDS):
        """Starts with nothing collected."""
        if not len(thresholds) or not all(0 <= t < 1 for t in thresholds):
            raise ValueError(
                "`thresholds` must be one number or more, from 0 to below 1. "
                f"Received: {thresholds!r}."
            )
        self.thresholds = tuple(map(float, thresholds))
        self.images = 0
        self._pixels = 0
        self._wrong = np.zeros(len(thresholds), np.int64)
        self._pairs = np.zeros((len(_VARIANTS), len(thresholds), 3))
        self._information: list[np.ndarray] = []

    def update(
        self,
        probabilities: np.ndarray,
        truth: np.ndarray,
        scored: np.ndarray | None = None,
    ) -> None:
        """Adds an image.

        Args:
            probabilities: Floats `(height, width)`: that a pixel is cell, 0 to 1.
            truth: Booleans `(height, width)`: true in cells.
            scored: Booleans `(height, width)`, false at void; `None` for no void.

        Raises:
            ValueError: If the shapes differ, a value is no probability or `truth` is
                not boolean.
        """
        probabilities, truth = np.asarray(probabilities), np.asarray(truth)
        _check(probabilities, truth)
        scored = np.ones(truth.shape, bool) if scored is None else scored
        self.images += 1
        self._pixels += int(scored.sum())
        # The components are those of the whole picture; what is void counts for none.
        true_regions = np.where(scored, regions(truth), 0)
        information = np.zeros((len(_VARIANTS), len(self.thresholds), 3))
        for k, threshold in enumerate(self.thresholds):
            cells = probabilities > threshold
            self._wrong[k] += np.count_nonzero((cells != truth) & scored)
            for v, predicted in enumerate((regions(cells), thinned_regions(cells))):
                sizes = region_sizes(true_regions, predicted)
                self._pairs[v, k] += pairs(sizes)
                information[v, k] = information_of_sizes(sizes)
        if true_regions.any():
            self._information.append(information)

    def result(self) -> dict[str, float]:
        """Returns the scores.

        Returns:
            `pixel_error`, the share of wrong pixels; `v_rand` and `v_info`, and with
            `_thinned` behind the name, the F scores. Each is followed by
            `..._threshold`, the threshold that it is best at, and the F scores by
            `..._split` and `..._merge` there. All from 0 to 1; NaN where there was
            nothing to score.
        """
        errors = self._wrong / self._pixels if self._pixels else self._wrong * np.nan
        best = int(np.argmin(errors))
        found = {
            "pixel_error": float(errors[best]),
            "pixel_error_threshold": self.thresholds[best],
        }
        empty = np.full((1, *self._pairs.shape), np.nan)
        information = np.mean(self._information or empty, axis=0)
        for v, variant in enumerate(_VARIANTS):
            rand = [rand_of_pairs(*counts) for counts in self._pairs[v]]
            found |= self._best(f"v_rand{variant}", rand)
            info = [PartitionScore(*row) for row in information[v].tolist()]
            found |= self._best(f"v_info{variant}", info)
        return found

    def _best(self, name: str, by_threshold: list[PartitionScore]) -> dict[str, float]:
        """Returns the score at the threshold with the highest F, named."""
        best = int(np.argmax([score.f for score in by_threshold]))
        score = by_threshold[best]
        return {
            name: score.f,
            f"{name}_split": score.split,
            f"{name}_merge": score.merge,
            f"{name}_threshold": self.thresholds[best],
        }


def pixel_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Returns the share of pixels that two maps of booleans or ids disagree at."""
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if truth.shape != prediction.shape or not truth.size:
        raise ValueError(
            "`truth` and `prediction` must be maps of one shape. Received: shapes "
            f"{truth.shape} and {prediction.shape}."
        )
    return float(np.mean(truth != prediction))


def regions(cells: np.ndarray) -> np.ndarray:
    """Numbers the 4-connected components of cells.

    Args:
        cells: Booleans `(height, width)`.

    Returns:
        int32 ids `(height, width)` from 1 on; 0 where there is no cell.
    """
    return scipy.ndimage.label(cells)[0]  # type: ignore[index]


def thinned_regions(cells: np.ndarray) -> np.ndarray:
    """Grows the regions of cells until lines of one pixel divide them.

    This is the watershed of the membranes from the cells: all regions grow at one pace
    through 4-neighbours, and a pixel that two of them reach becomes line. As the
    watershed of a constant map is one basin, a map without any cell is one region.

    Args:
        cells: Booleans `(height, width)`.

    Returns:
        int32 ids `(height, width)` as of `regions`; 0 on the lines.
    """
    cells = np.asarray(cells)
    if not cells.any():
        return np.ones(cells.shape, np.int32)
    line = -1  # also around the image
    ids = np.pad(regions(cells), 1, constant_values=line)
    width = ids.shape[1]
    ids = ids.ravel()
    around = np.array([-width, -1, 1, width])
    parity = (np.arange(ids.size) // width + np.arange(ids.size)) % 2

    front = np.flatnonzero(ids > 0)
    while front.size:
        near = np.unique(front[:, np.newaxis] + around)
        near = near[ids[near] == 0]
        grown = []
        # 4-neighbours differ in parity: what is decided at once does not touch.
        for half in (0, 1):
            pixels = near[parity[near] == half]
            beside = ids[pixels[:, np.newaxis] + around]
            largest = beside.max(axis=1)
            smallest = np.where(beside > 0, beside, largest[:, np.newaxis]).min(axis=1)
            ids[pixels] = np.where(smallest == largest, largest, line)
            grown.append(pixels[smallest == largest])
        front = np.concatenate(grown)
    inner = ids.reshape(-1, width)[1:-1, 1:-1]
    return np.maximum(inner, 0)


def _check(probabilities: np.ndarray, truth: np.ndarray) -> None:
    """Raises unless these are a map of probabilities and one of booleans."""
    if probabilities.shape != truth.shape or truth.ndim != 2 or not truth.size:
        raise ValueError(
            "`probabilities` and `truth` must be maps (height, width) of one size. "
            f"Received: {probabilities.shape} and {truth.shape}."
        )
    if truth.dtype != bool:
        raise ValueError(
            "`truth` must be booleans, true in cells. Received: dtype "
            f"{truth.dtype}. Compare the mask with the id of the cells."
        )
    low, high = probabilities.min(), probabilities.max()
    if not (low >= 0 and high <= 1 + 1e-5):  # a softmax rounds
        raise ValueError(
            f"`probabilities` must be from 0 to 1. Received: {low} to {high}. Take "
            "the softmax of logits."
        )
