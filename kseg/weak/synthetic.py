"""Scribbles and points drawn from full masks, as an annotator might draw them.

Lin et al., "ScribbleSup", CVPR 2016, asked people for strokes; Bearman et al., "What's
the Point", ECCV 2016, for one click an object. https://arxiv.org/abs/1604.05144
https://arxiv.org/abs/1506.02106
Here a stroke starts anywhere in a connected region of a class, sets off in the
direction in which it gets furthest, and wanders on, turning away from the border of
the region, until it is long enough or has nowhere to go. Every pixel drawn has its
true class.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

_DIRECTIONS = 16
_ANGLES = 2 * np.pi / _DIRECTIONS * np.arange(_DIRECTIONS)
_STEPS = np.stack([np.sin(_ANGLES), np.cos(_ANGLES)], axis=-1)
# A stroke takes the first of these turns that keeps it inside; none turns it back.
_TURNS = np.array([0, 1, -1, 2, -2, 3, -3, 4, -4])
# How often it turns by one direction without need.
_WANDER = 0.2
# Pixels that it looks ahead to set off.
_SIGHT = np.arange(2, 60, 3)
# Steps of one stroke at most; a region that wants more gets several, and one that
# wants more than so many of these gets longer ones.
_LONGEST = 150
_STROKES = 30
# Pixels that a step of 1 adds to a stroke of width 1, in a mean direction.
_PER_STEP = 4 / np.pi
# A region is drawn into if its part is this many times the square of the width.
_WORTHWHILE = 3
# The share of what is to be drawn that may be missing.
_NEAR = 0.02
# Strokes for a region at most, before its inside counts as full.
_ROUNDS = 300


class _Regions(NamedTuple):
    """The connected regions of a mask, from 1 on; 0 stands for void.

    `ids` are those of the pixels, `places` those of the pixels where the brush's
    upper left corner may be (0 where it may not), `brushes` the widths of the brush
    in each region, and `largest` tells which are the largest of their class.
    """

    ids: np.ndarray
    places: np.ndarray
    sizes: np.ndarray
    brushes: np.ndarray
    largest: np.ndarray


def draw_scribbles(
    mask: np.ndarray,
    fraction: float,
    ignore_class: int = 255,
    width: int = 3,
    seed: int | Sequence[int] = 0,
) -> np.ndarray:
    """Draws strokes into the regions of a mask.

    Regions are parts of a class that are connected by sides. The length drawn into
    one grows with the root of its area, as what people draw does. Regions too small
    for a stroke are passed over, but into the largest of every class, however small,
    one is drawn.

    Args:
        mask: Integer array `(height, width)` of class ids.
        fraction: Share of the pixels of classes that strokes cover, above 0 to 1.
            It is met to a twentieth of itself or to `width * (width + 2)` pixels a
            class, whichever is more, unless the insides of the regions hold less.
        ignore_class: Class id of pixels that count nothing; `mask`'s type holds it.
        width: Of the strokes in pixels; where a region is too narrow, 1.
        seed: One number or several; the same ones draw the same strokes.

    Returns:
        Array like `mask`: its class ids where strokes are, `ignore_class` elsewhere.

    Raises:
        ValueError: If `mask` is no such array or holds no class, or a number is out
            of range.

    Example:
    >>> scribbles = draw_scribbles(np.zeros((60, 80), np.uint8), fraction=0.1)
    >>> bool(0.09 < (scribbles == 0).mean() < 0.11)
    True
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"`fraction` must be above 0 to 1. Received: {fraction}.")
    regions = _find_regions(mask, ignore_class, width)
    rng = np.random.default_rng(seed)
    target = fraction * regions.sizes.sum()
    lengths = np.sqrt(regions.sizes)
    lengths[~_worthwhile(regions, lengths, target)] = 0
    drawn = np.zeros(mask.shape, bool)
    for _ in range(_ROUNDS):
        free = np.where(drawn, 0, regions.places)
        covered = np.bincount(regions.ids[drawn], minlength=len(lengths))
        open_ = np.bincount(free.ravel(), minlength=len(lengths)) > 0
        open_ &= lengths > 0
        rest = target - covered.sum()
        if not open_.any() or rest <= _NEAR * target:
            break
        parts = (rest + covered[open_].sum()) * lengths / lengths[open_].sum()
        missing = np.where(open_, parts - covered, -np.inf)
        steps = (missing / regions.brushes - regions.brushes) / _PER_STEP
        # Only the first stroke of a region may be as short as a point.
        wanted = (steps > regions.brushes) | (open_ & (covered == 0))
        if not wanted.any():
            # What all are short of together makes a stroke in one.
            one = missing.argmax()
            wanted[one] = True
            steps[one] = (
                rest / regions.brushes[one] - regions.brushes[one]
            ) / _PER_STEP
            if steps[one] < 1:
                break
        chosen, starts = _one_place_each(np.where(wanted[free], free, 0), rng)
        longest = np.maximum(_LONGEST, steps[chosen] / _STROKES)
        limits = np.clip(np.rint(steps[chosen]), 1, longest).astype(int)
        path, whose = _walk(regions.places, starts, chosen, limits, rng)
        _stamp(drawn, path, regions.brushes[whose])
    return np.where(drawn, mask, ignore_class).astype(mask.dtype)


def draw_points(
    mask: np.ndarray,
    points: int = 1,
    ignore_class: int = 255,
    width: int = 3,
    smallest: int = 25,
    seed: int | Sequence[int] = 0,
) -> np.ndarray:
    """Draws points well inside the regions of a mask.

    Args:
        mask: Integer array `(height, width)` of class ids.
        points: How many in each part of a class that is connected by sides; fewer
            where the part is full.
        ignore_class: Class id of pixels that count nothing; `mask`'s type holds it.
        width: Of the points, squares, in pixels; where a region is too narrow, 1.
        smallest: Pixels below which a region gets no points, unless it is the largest
            of its class.
        seed: One number or several; the same ones draw the same points.

    Returns:
        Array like `mask`: its class ids at points, `ignore_class` elsewhere.

    Raises:
        ValueError: If `mask` is no such array or holds no class, or a number is out
            of range.

    Example:
    >>> int((draw_points(np.zeros((60, 80), np.uint8)) == 0).sum())
    9
    """
    if points < 1:
        raise ValueError(f"`points` must be 1 or more. Received: {points}.")
    regions = _find_regions(mask, ignore_class, width)
    rng = np.random.default_rng(seed)
    around = {"size": 3, "mode": "constant", "cval": -1}  # the image's border counts
    uniform = ndimage.minimum_filter(regions.ids, **around) == regions.ids
    uniform &= ndimage.maximum_filter(regions.ids, **around) == regions.ids
    depth = ndimage.distance_transform_cdt(uniform, "chessboard")
    deepest = ndimage.maximum(depth, regions.ids, np.arange(len(regions.sizes)))
    rows, columns = np.nonzero(regions.places)
    whose = regions.places[rows, columns]
    middle = regions.brushes[whose] // 2
    deep = depth[rows + middle, columns + middle] >= np.asarray(deepest)[whose] / 2
    deep &= ((regions.sizes >= smallest) | regions.largest)[whose]
    free = np.zeros_like(regions.places)
    free[rows[deep], columns[deep]] = whose[deep]
    drawn = np.zeros(mask.shape, bool)
    for _ in range(points):
        chosen, places = _one_place_each(np.where(drawn, 0, free), rng)
        _stamp(drawn, places, regions.brushes[chosen])
    return np.where(drawn, mask, ignore_class).astype(mask.dtype)


def _find_regions(mask: np.ndarray, ignore_class: int, width: int) -> _Regions:
    """Finds the regions of a mask, or raises."""
    if mask.ndim != 2 or mask.dtype.kind not in "iu" or (mask == ignore_class).all():
        raise ValueError(
            "`mask` must be integers (height, width) and hold a class. Received: "
            f"{mask.dtype} {mask.shape}, ids {np.unique(mask)[:8].tolist()} with "
            f"ignore_class={ignore_class}."
        )
    held = np.iinfo(mask.dtype)
    if not held.min <= ignore_class <= held.max:
        raise ValueError(
            "`ignore_class` must be a number that the type of `mask` holds. Received: "
            f"{ignore_class} for {mask.dtype}. `mask.astype('int32')` holds it."
        )
    if width < 1:
        raise ValueError(f"`width` must be 1 or more. Received: {width}.")
    ids = np.zeros(mask.shape, np.int32)
    firsts, count = [], 1
    for identity in np.unique(mask[mask != ignore_class]).tolist():
        parts, found = ndimage.label(mask == identity)
        ids += np.where(parts > 0, parts + (count - 1), 0).astype(np.int32)
        firsts.append(count)
        count += found
    sizes = np.bincount(ids.ravel(), minlength=count)
    sizes[0] = 0
    largest = np.zeros(count, bool)
    for start, stop in zip(firsts, [*firsts[1:], count], strict=True):
        largest[start + sizes[start:stop].argmax()] = True
    # A brush fits where the square to the right and below is of one region.
    reach = {"size": width, "mode": "constant", "cval": -1, "origin": -(width // 2)}
    fits = ndimage.minimum_filter(ids, **reach) == ndimage.maximum_filter(ids, **reach)
    places = np.where(fits, ids, 0)
    narrow = np.bincount(places.ravel(), minlength=count) == 0
    places = np.where(narrow[ids], ids, places)
    return _Regions(ids, places, sizes, np.where(narrow, 1, width), largest)


def _worthwhile(regions: _Regions, lengths: np.ndarray, target: float) -> np.ndarray:
    """Tells which regions are drawn into: the largest, down to too small a part."""
    order = np.argsort(-lengths, kind="stable")
    parts = target * lengths[order] / np.maximum(np.cumsum(lengths[order]), 1)
    result = regions.largest.copy()
    result[order] |= parts >= _WORTHWHILE * regions.brushes[order] ** 2
    return result


def _one_place_each(places: np.ndarray, rng) -> tuple[np.ndarray, np.ndarray]:
    """Chooses a place at random in every region that has one.

    Returns:
        The regions, and rows and columns `(regions, 2)`.
    """
    flat = places.ravel()
    candidates = rng.permutation(np.flatnonzero(flat))
    place = np.full(flat.max(initial=0) + 1, -1)
    place[flat[candidates]] = candidates  # the last one stays
    regions = np.flatnonzero(place >= 0)
    return regions, np.stack(np.divmod(place[regions], places.shape[1]), axis=1)


def _walk(places, starts, regions, limits, rng) -> tuple[np.ndarray, np.ndarray]:
    """Walks all strokes at once.

    Returns:
        Rows and columns `(n, 2)` of all steps, and the regions `(n,)` they are in.
    """
    margin = int(_SIGHT.max()) + 1  # so that nothing looks beyond the array
    places = np.pad(places, margin)

    def inside(positions, whose):
        pixels = np.rint(positions).astype(np.intp)
        return places[pixels[..., 0], pixels[..., 1]] == whose

    positions = starts + float(margin)
    ahead = positions[:, None, None] + _SIGHT[:, None] * _STEPS[:, None]
    run = inside(ahead, regions[:, None, None]).cumprod(axis=2).sum(axis=2)
    # Of directions that are alike, any.
    directions = (run + rng.random(run.shape)).argmax(axis=1)
    paths, owners = [positions], [regions]
    for step in range(1, limits.max(initial=1)):
        going = step < limits
        positions, directions = positions[going], directions[going]
        regions, limits = regions[going], limits[going]
        wander = (rng.random(len(limits)) < _WANDER) * rng.choice([-1, 1], len(limits))
        options = (directions + wander)[:, None] + _TURNS
        options %= _DIRECTIONS
        targets = positions[:, None] + _STEPS[options]
        possible = inside(targets, regions[:, None])
        first = possible.argmax(axis=1)
        each = np.arange(len(first))
        alive = possible[each, first]
        positions, directions = targets[each, first], options[each, first]
        limits = np.where(alive, limits, 0)
        paths.append(positions[alive])
        owners.append(regions[alive])
        if not alive.any():
            break
    path = np.rint(np.concatenate(paths)).astype(np.intp) - margin
    return path, np.concatenate(owners)


def _stamp(drawn: np.ndarray, corners: np.ndarray, brushes: np.ndarray) -> None:
    """Sets squares of the brushes' widths, whose upper left corners are given."""
    for row in range(brushes.max(initial=0)):
        for column in range(brushes.max(initial=0)):
            wide = brushes > max(row, column)
            drawn[corners[wide, 0] + row, corners[wide, 1] + column] = True
