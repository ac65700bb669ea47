"""Edges against several annotators: ODS, OIS and AP of the Berkeley benchmark.

Arbelaez et al., "Contour Detection and Hierarchical Image Segmentation", PAMI 2011,
section 3, as computed by P. Dollar's toolbox `edgesEvalImg.m` and `edgesEvalDir.m`
(https://github.com/pdollar/edges), which HED and its successors use.

A predicted map is cut at thresholds and thinned. At each, its pixels are matched one
to one with those of every annotator, up to a distance. Recall is summed over the
annotators; a predicted pixel is right if it is matched with any of them. ODS is the
best F of the summed counts at one threshold, OIS the F of the counts that each image
has at its own best threshold, AP the mean precision over recalls.
Departure: the matching is one of most pairs, which `match.cc` finds in a sparsened
graph with outliers; counts differ by a pixel in some maps.
"""

import math
from typing import Any

import numpy as np
from scipy import ndimage
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_flow
from scipy.spatial import KDTree

from kseg.optional import import_optional


class EdgeScores:
    """Collects matches of edge maps, image by image.

    Args:
        thresholds: How many, evenly spaced between 0 and 1; the benchmark has 99,
            0.01 to 0.99.
        max_distance: Up to which pixels match, as a share of the image's diagonal.

    Raises:
        ValueError: If `thresholds` is below 1 or `max_distance` is negative.

    Example:
    >>> truth = np.eye(20, dtype=bool)
    >>> collected = EdgeScores(thresholds=9)
    >>> collected.update(0.6 * truth, truth[np.newaxis])
    >>> collected.result()["ods"], collected.result()["ois"]
    (1.0, 1.0)
    """

    def __init__(self, thresholds: int = 99, max_distance: float = 0.0075):
        """Starts with nothing collected."""
        if thresholds < 1:
            raise ValueError(f"`thresholds` must be 1 or more. Received: {thresholds}.")
        _check_distance(max_distance)
        self.thresholds = np.arange(1, thresholds + 1) / (thresholds + 1)
        self.max_distance = max_distance
        # For each image, at each threshold: see `_count`.
        self.counts: list[np.ndarray] = []

    def update(self, probability: np.ndarray, annotations: np.ndarray) -> None:
        """Adds an image.

        Args:
            probability: Floats `(height, width)` in 0 to 1; lines should be thin,
                as `thin_edges` makes them.
            annotations: Booleans `(annotators, height, width)`, true at edges.

        Raises:
            ValueError: If the shapes differ, or a probability is out of range.
        """
        probability, annotations = np.asarray(probability), np.asarray(annotations)
        if annotations.dtype != bool or annotations.ndim != 3:
            raise ValueError(
                "`annotations` must be booleans (annotators, height, width). "
                f"Received: {annotations.dtype} of {annotations.shape}."
            )
        if probability.shape != annotations.shape[1:]:
            raise ValueError(
                "`probability` and `annotations` must have the same height and "
                f"width. Received: {probability.shape} and {annotations.shape}."
            )
        if not np.all((probability >= 0) & (probability <= 1)):
            raise ValueError(
                "`probability` must be in 0 to 1. Received: "
                f"{probability.min()} to {probability.max()}."
            )
        self.counts.append(self._count(probability, annotations))

    def result(self) -> dict[str, Any]:
        """Returns the scores.

        Returns:
            `ods`, `ois` and `ap`, floats, NaN without an image; `ods_threshold`;
            `thresholds`, `precision` and `recall` of the whole, a float each per
            threshold. As in the benchmark `ap` sums 101 precisions and divides by
            100, and recalls that no threshold reaches count 0.
        """
        total = np.sum(self.counts or [np.full((len(self.thresholds), 4), np.nan)], 0)
        recall, precision = _rates(total)
        ods, threshold = _best(self.thresholds, recall, precision)
        own = [counts[_f(*_rates(counts)).argmax()] for counts in self.counts]
        return {
            "ods": ods,
            "ods_threshold": threshold,
            "ois": float(_f(*_rates(np.sum(own or [total[0]], 0)))),
            "ap": _average_precision(recall, precision),
            "thresholds": self.thresholds.tolist(),
            "precision": precision.tolist(),
            "recall": recall.tolist(),
        }

    def _count(self, probability, annotations):
        """Counts, at each threshold, `(matched true, true, matched, predicted)`."""
        thin = import_optional("skimage.morphology").thin
        reach = _reach(probability.shape, self.max_distance)
        candidates = np.argwhere(probability >= self.thresholds[0])
        graphs = [_Graph(np.argwhere(a), candidates, reach) for a in annotations]
        counts = np.zeros((len(self.thresholds), 4), np.int64)
        true, last = annotations.sum(), None
        for i, threshold in enumerate(self.thresholds):
            cut = probability >= threshold
            if last is not None and (cut == last).all():
                counts[i] = counts[i - 1]
                continue
            last, present = cut, thin(cut)[tuple(candidates.T)]
            found, right = 0, np.zeros_like(present)
            for graph in graphs:
                partners = graph.match(present)
                found += np.count_nonzero(partners >= 0)
                right[partners[partners >= 0]] = True
            counts[i] = found, true, right.sum(), present.sum()
        return counts


def match_edges(
    prediction: np.ndarray, truth: np.ndarray, max_distance: float = 0.0075
) -> tuple[np.ndarray, np.ndarray]:
    """Matches the pixels of two edge maps one to one, as many as can be.

    Args:
        prediction: Booleans `(height, width)`.
        truth: Booleans `(height, width)`.
        max_distance: Up to which pixels match, as a share of the image's diagonal.

    Returns:
        Booleans `(height, width)` twice: the matched pixels of `prediction`, and
        those of `truth`; equally many.

    Raises:
        ValueError: If the shapes differ or `max_distance` is negative.

    Example:
    >>> line = np.zeros((30, 40), dtype=bool)
    >>> line[10] = True
    >>> predicted, true = match_edges(line, np.roll(line, 2, axis=0), 0.05)
    >>> int(predicted.sum()), int(true.sum())
    (40, 40)
    """
    prediction, truth = np.asarray(prediction, bool), np.asarray(truth, bool)
    if prediction.shape != truth.shape or truth.ndim != 2:
        raise ValueError(
            "`prediction` and `truth` must have one height and width. Received: "
            f"{prediction.shape} and {truth.shape}."
        )
    _check_distance(max_distance)
    true, candidates = np.argwhere(truth), np.argwhere(prediction)
    graph = _Graph(true, candidates, _reach(truth.shape, max_distance))
    partners = graph.match(np.ones(len(candidates), bool))
    matched = np.zeros_like(prediction), np.zeros_like(truth)
    matched[0][tuple(candidates[partners[partners >= 0]].T)] = True
    matched[1][tuple(true[partners >= 0].T)] = True
    return matched


def thin_edges(probability: np.ndarray) -> np.ndarray:
    """Suppresses what is not largest across an edge, as `edgesNms` does.

    The settings are those of HED's evaluation: the map smoothed a little, an edge's
    direction from second derivatives of that map smoothed more, neighbours one pixel
    away along the normal, which suppress it if larger by more than 1 %, and 5 pixels
    at the border faded. Where the mixed derivative is 0 the toolbox takes any line
    for a vertical one; here an exactly horizontal one stays horizontal.

    Args:
        probability: Floats `(height, width)` in 0 to 1.

    Returns:
        float64 `(height, width)`, 0 beside the ridges; on them the smoothed map.
    """
    probability = np.asarray(probability, np.float64)
    edges = _smooth(probability, 1)
    smooth = _smooth(edges, 4)
    rows, columns = _gradient(smooth, 0), _gradient(smooth, 1)
    second_rows, second_columns = _gradient(rows, 0), _gradient(columns, 1)
    mixed = _gradient(rows, 1)
    sign = np.where(mixed > 0, -1.0, 1.0)
    angle = np.arctan(second_rows * sign / (second_columns + 1e-5))  # of the normal
    y, x = np.indices(edges.shape)
    largest = np.ones(edges.shape, bool)
    for side in (-1, 1):
        place = (y + side * np.sin(angle), x + side * np.cos(angle))
        beside = ndimage.map_coordinates(edges, place, order=1, mode="nearest")
        largest &= 1.01 * edges >= beside
    return edges * largest * _border(edges.shape, 5)


def _smooth(array, radius):
    """Convolves with a triangle `2 * radius + 1` wide, mirrored at the border."""
    kernel = np.concatenate([np.arange(1, radius + 2), np.arange(radius, 0, -1)])
    kernel = kernel / kernel.sum()
    rows = ndimage.correlate1d(array, kernel, axis=0, mode="reflect")
    return ndimage.correlate1d(rows, kernel, axis=1, mode="reflect")


def _gradient(array, axis):
    """Returns central differences; 0 along a side of one pixel."""
    if array.shape[axis] == 1:
        return np.zeros_like(array)
    return np.gradient(array, axis=axis)


def _border(shape, width):
    """Returns a map that rises from 0 at the border to 1, in `width` pixels at most."""
    width = min(width, *(n // 2 for n in shape))
    if width == 0:
        return np.ones(shape)
    places = [np.arange(n) for n in shape]
    rise = [np.minimum(np.minimum(n, n[::-1]) / width, 1) for n in places]
    return np.multiply.outer(*rise)


class _Graph:
    """Which candidates each true pixel can be matched with."""

    def __init__(self, truth, candidates, reach):
        """Finds the pairs in reach, the nearest first."""
        self.shape = (len(truth), len(candidates))
        self.true = self.candidate = np.empty(0, np.int32)
        if all(self.shape):
            pairs = KDTree(truth).sparse_distance_matrix(
                KDTree(candidates), reach, output_type="ndarray"
            )
            pairs = pairs[np.lexsort((pairs["j"], pairs["i"], pairs["v"]))]
            self.true, self.candidate = (pairs[k].astype(np.int32) for k in "ij")

    def match(self, present):
        """Returns for each true pixel its candidate, of those present, or -1.

        Pairs that are nearest to each other are taken first; a flow through what is
        left of the graph then makes them as many as can be. So the pairs are nearly
        those of least distances, which decides who is right for any annotator.
        (SciPy's `maximum_bipartite_matching` takes seconds for some maps.)
        """
        kept = present[self.candidate]
        true, candidate = self.true[kept], self.candidate[kept]
        partners = self._nearest(true, candidate)
        free = present.copy()
        free[partners[partners >= 0]] = False
        # Nodes are the true pixels, the candidates, the source and the sink. A pair
        # that is taken can be given back.
        num_true, num_nodes = self.shape[0], sum(self.shape) + 2
        source, sink = num_nodes - 2, num_nodes - 1
        lone, open_ends = np.flatnonzero(partners < 0), np.flatnonzero(free) + num_true
        taken = partners[true] == candidate
        starts, ends = true, candidate + num_true
        starts, ends = np.where(taken, (ends, starts), (starts, ends))
        starts = np.concatenate([starts, np.full_like(lone, source), open_ends])
        ends = np.concatenate([ends, lone, np.full_like(open_ends, sink)])
        edges = (starts.astype(np.int32), ends.astype(np.int32))
        graph = csr_array((np.ones(len(starts), np.int32), edges), (num_nodes,) * 2)
        flow = maximum_flow(graph, source, sink, method="dinic").flow.tocoo()
        moved = (flow.data > 0) & (flow.row < num_true)
        partners[flow.row[moved]] = flow.col[moved] - num_true
        return partners

    def _nearest(self, true, candidate):
        """Takes, again and again, the pairs that are first for both of their ends."""
        partners, taken = np.full(self.shape[0], -1), np.zeros(self.shape[1], bool)
        first_true, first_candidate = (np.empty(n, np.intp) for n in self.shape)
        while len(true):
            order = np.arange(len(true))
            first_true[true[::-1]] = first_candidate[candidate[::-1]] = order[::-1]
            first = (first_true[true] == order) & (first_candidate[candidate] == order)
            partners[true[first]] = candidate[first]
            taken[candidate[first]] = True
            left = (partners[true] < 0) & ~taken[candidate]
            true, candidate = true[left], candidate[left]
        return partners


def _reach(shape: tuple[int, ...], max_distance: float) -> float:
    """Returns the distance in pixels; 15.0 px is not 14.9999."""
    return max_distance * math.hypot(*shape) + 1e-9


def _check_distance(max_distance: float) -> None:
    if not max_distance >= 0:
        raise ValueError(f"`max_distance` must be 0 or more. Received: {max_distance}.")


def _rates(counts):
    """Returns recall and precision; 0 where nothing is there."""
    recall = counts[..., 0] / np.maximum(counts[..., 1], 1)
    return recall, counts[..., 2] / np.maximum(counts[..., 3], 1)


def _f(recall, precision):
    """Returns the harmonic mean; 0 where both are."""
    return 2 * recall * precision / np.maximum(recall + precision, 1e-300)


def _best(thresholds, recall, precision):
    """Returns the best F and its threshold, on lines between the thresholds."""
    share = np.linspace(0, 1, 100)[:, np.newaxis]

    def between(values):
        return share * values[1:] + (1 - share) * values[:-1]

    if len(thresholds) == 1:
        return float(_f(recall, precision)[0]), float(thresholds[0])
    scores = _f(between(recall), between(precision))
    place = scores.argmax()
    return float(scores.flat[place]), float(between(thresholds).flat[place])


def _average_precision(recall, precision):
    """Sums the precision at recalls 0, 0.01, ..., 1 and divides by 100."""
    known, first = np.unique(recall, return_index=True)
    at = np.linspace(0, 1, 101)
    values = np.interp(at, known, precision[first], left=0.0, right=0.0)
    return float(values.sum() / 100) if np.isfinite(known).all() else float("nan")
