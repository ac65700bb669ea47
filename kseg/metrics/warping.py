"""Warping error: what is wrong beside the exact place of the borders.

Jain et al., "Boundary Learning by Optimization with Topological Constraints", CVPR
2010, section 3. https://doi.org/10.1109/CVPR.2010.5539950. The true map is warped
towards the prediction by flipping simple points, pixels whose flip merges, splits,
makes and removes nothing. The error is the share of pixels that still differ.

Cells are 4-connected, membranes 8-connected, and membrane surrounds the image.
As in the paper the warping is greedy and flips only pixels that differ, so the error is
an upper bound of the least possible: a thin membrane beside its true place, without
touching it, stays an error. Pixels are counted, also as in the paper, where the table
of ISBI 2012 counted every cluster of them that splits or merges cells as one.
"""

import functools

import numpy as np
import scipy.ndimage

_EIGHT = np.ones((3, 3), int)
# Neighbours in raster order; the bit of each in the key of `_simple_points`.
_AROUND = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]


def warping_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Returns the share of pixels that differ once the truth is warped.

    Args:
        truth: Booleans `(height, width)`: true in cells, false on membranes.
        prediction: Booleans `(height, width)`, likewise.

    Returns:
        0 to 1, smaller is better.

    Raises:
        ValueError: If they are not boolean maps of one size.

    Example:
    >>> import numpy as np
    >>> truth = np.ones((8, 9), bool)
    >>> truth[:, 4] = False
    >>> warping_error(truth, np.roll(truth, 1, axis=1))  # moved, but whole
    0.0
    """
    return float(np.mean(warp(truth, prediction) != prediction))


def warp(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Moves the borders of a map towards another, as far as its topology allows.

    Args:
        truth: As in `warping_error`.
        prediction: As in `warping_error`.

    Returns:
        Booleans `(height, width)` with as many cells, and holes in them, as `truth`.

    Raises:
        ValueError: As `warping_error` does.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    if (
        truth.shape != prediction.shape
        or truth.ndim != 2
        or not truth.size
        or {truth.dtype, prediction.dtype} != {np.dtype(bool)}
    ):
        raise ValueError(
            "`truth` and `prediction` must be booleans (height, width) of one size. "
            f"Received: {truth.dtype} {truth.shape} and {prediction.dtype} "
            f"{prediction.shape}."
        )
    simple = _simple_points()
    warped, goal = np.pad(truth, 1), np.pad(prediction, 1).ravel()
    width = warped.shape[1]
    warped = warped.ravel()
    offsets = np.array([(y - 1) * width + x - 1 for y, x in _AROUND])
    bits = 1 << np.arange(8)

    # Pixels two apart are in no common neighbourhood: a quarter goes at once. One that
    # stays is looked at again when a neighbour has flipped.
    differ = warped != goal
    waiting = [[part] for part in _quarters(np.flatnonzero(differ), width)]
    is_waiting, order = differ.copy(), np.empty(differ.size, np.int64)
    while any(waiting):
        for quarter in range(4):
            if not waiting[quarter]:
                continue
            pixels = np.concatenate(waiting[quarter])
            waiting[quarter], is_waiting[pixels] = [], False
            keys = warped[pixels[:, np.newaxis] + offsets] @ bits
            pixels = pixels[simple[keys]]
            warped[pixels], differ[pixels] = goal[pixels], False
            near = (pixels[:, np.newaxis] + offsets).ravel()
            near = near[differ[near] & ~is_waiting[near]]
            order[near] = places = np.arange(near.size)
            near = near[order[near] == places]  # each once
            is_waiting[near] = True
            if near.size:
                for parts, part in zip(waiting, _quarters(near, width), strict=True):
                    parts.append(part)
    return warped.reshape(-1, width)[1:-1, 1:-1]


def _quarters(pixels: np.ndarray, width: int) -> list[np.ndarray]:
    """Divides pixels by whether their row and their column are even."""
    quarter = pixels // width % 2 * 2 + pixels % width % 2
    return [pixels[quarter == number] for number in range(4)]


@functools.cache
def _simple_points() -> np.ndarray:
    """Tells for each of the 256 neighbourhoods whether its centre is simple.

    It is, whatever the centre's own value, if one 4-connected component of cell among
    the eight neighbours touches the centre by a side, and they hold one 8-connected
    component of membrane.
    """
    table = np.zeros(256, bool)
    for key in range(256):
        cells = np.zeros((3, 3), bool)
        for bit, place in enumerate(_AROUND):
            cells[place] = key >> bit & 1
        membranes = ~cells
        membranes[1, 1] = False
        components = scipy.ndimage.label(cells)[0]  # type: ignore[index]
        beside = {int(components[place]) for place in ((0, 1), (1, 0), (1, 2), (2, 1))}
        count = scipy.ndimage.label(membranes, _EIGHT)[1]  # type: ignore[index]
        table[key] = len(beside - {0}) == 1 and count == 1
    return table
