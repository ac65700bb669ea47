"""Boundary pixels of the classes in a map, and which of two maps agree."""

from types import ModuleType
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from kseg.metrics.edges import match_edges

NO_BOUNDARY = -1
# Rows that are searched in any case, where most points are found; and how many searches
# take as long as a point in a tree does, to build it or to look for a neighbour.
_ROWS, _TREE = 9, 24


def squared_reach(height: int, width: int, tolerance: float) -> int:
    """Returns the largest square of a distance between pixels within tolerance."""
    if not tolerance >= 0:
        raise ValueError(f"`tolerance` must be 0 or more. Received: {tolerance}.")
    return int(tolerance**2 * (height**2 + width**2) + 1e-9)  # 15.0 px is not 14.9999


def boundaries(xp: ModuleType, ids: Any) -> Any:
    """Keeps the ids of boundary pixels and writes -1 elsewhere.

    Args:
        xp: `numpy` or `keras.ops`, whichever the array belongs to.
        ids: Class ids `(..., height, width)`, -1 at void pixels.
    """
    rows = _differ(ids[..., 1:, :], ids[..., :-1, :])
    columns = _differ(ids[..., :, 1:], ids[..., :, :-1])
    margin = [(0, 0)] * (len(ids.shape) - 2)
    edge = (
        xp.pad(rows, [*margin, (1, 0), (0, 0)])
        | xp.pad(rows, [*margin, (0, 1), (0, 0)])
        | xp.pad(columns, [*margin, (0, 0), (1, 0)])
        | xp.pad(columns, [*margin, (0, 0), (0, 1)])
    )
    return xp.where(edge, ids, NO_BOUNDARY)


def _differ(first: Any, second: Any) -> Any:
    """Marks neighbours in two classes; void is in none."""
    return (first != second) & (first >= 0) & (second >= 0)


def inner4(ids: np.ndarray) -> np.ndarray:
    """Returns class, row and column of the boundary pixels, `(3, points)`."""
    edges = boundaries(np, ids)
    rows, columns = np.nonzero(edges != NO_BOUNDARY)
    return np.stack([edges[rows, columns], rows, columns])


def seg2bmap(ids: np.ndarray) -> np.ndarray:
    """Returns class, row and column; a pixel can be on the boundary of four classes."""
    padded = np.pad(ids, (0, 1), constant_values=NO_BOUNDARY)
    height, width = ids.shape
    corners = [padded[y : y + height, x : x + width] for y in (0, 1) for x in (0, 1)]
    known = [np.where(corner < 0, np.iinfo(np.int32).max, corner) for corner in corners]
    mixed = np.maximum.reduce(corners) > np.minimum.reduce(known)
    cells = np.concatenate(
        [
            corner[mixed].astype(np.int64) * ids.size + np.flatnonzero(mixed)
            for corner in corners
        ]
    )
    classes, pixels = np.divmod(np.unique(cells[cells >= 0]), ids.size)
    return np.stack([classes, *np.divmod(pixels, width)])


def count_near(
    points: np.ndarray,
    others: np.ndarray,
    shape: tuple[int, ...],
    num_classes: int,
    reach: int,
) -> np.ndarray:
    """Counts the points of each class that have one of the others in reach.

    All pixels of all classes stand in one sorted row of numbers, with a margin, so that
    one search for each row of the disk around a point looks for its own class alone.
    Most points end in one of the first rows. The rows grow with the image: where many
    points are left for many of them, a tree takes these, whose time does not.
    """
    radius = int(reach**0.5)
    height, width = (length + 2 * radius for length in shape)

    def numbers(points):
        ids, rows, columns = points.astype(np.int64)
        return np.sort(((ids * height + rows + radius) * width) + columns + radius)

    waiting, ordered = numbers(points), numbers(others)
    sought = np.append(ordered, np.iinfo(np.int64).max)
    rows = sorted(range(-radius, radius + 1), key=abs)
    for done, row in enumerate(rows):
        searches = (len(rows) - done) * len(waiting)
        if done >= _ROWS and searches > _TREE * (len(waiting) + len(ordered)):
            # As points of one image: its margins keep the classes apart.
            found = _have_near(waiting, ordered, width, (reach + 0.5) ** 0.5)
            waiting = waiting[~found]
            break
        half = int((reach - row**2) ** 0.5)
        first = waiting + (row * width - half)
        found = sought[np.searchsorted(sought, first)] <= first + 2 * half
        waiting = waiting[~found]
    missed = np.bincount(waiting // (height * width), minlength=num_classes)
    return np.bincount(points[0], minlength=num_classes) - missed


def _have_near(
    pixels: np.ndarray, others: np.ndarray, width: int, distance: float
) -> np.ndarray:
    """Says which pixels, by their numbers, have one of the others within a distance."""
    places, sought = (np.stack(np.divmod(n, width), axis=1) for n in (pixels, others))
    # Balanced trees take much longer to build, and are not faster here.
    tree = KDTree(sought, balanced_tree=False, compact_nodes=False)
    return np.isfinite(tree.query(places, distance_upper_bound=distance)[0])


def count_pairs(
    points: np.ndarray,
    others: np.ndarray,
    shape: tuple[int, ...],
    num_classes: int,
    tolerance: float,
) -> np.ndarray:
    """Counts the pairs of each class, every pixel in one at most."""
    pairs = np.zeros(num_classes, np.int64)
    for c in np.intersect1d(points[0], others[0]):
        maps = np.zeros((2, *shape), bool)
        for image, (ids, rows, columns) in zip(maps, (points, others), strict=True):
            image[rows[ids == c], columns[ids == c]] = True
        pairs[c] = match_edges(maps[0], maps[1], tolerance)[0].sum()
    return pairs
