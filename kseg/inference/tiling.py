"""Large images by tiles, which overlap and are joined or blended.

Ronneberger et al., "U-Net": the overlap-tile strategy of figure 2, where a tile's
borders are context alone and beyond the image it is mirrored.
https://arxiv.org/abs/1505.04597
Gaussian weights: Isensee et al., "nnU-Net", Nature Methods 2021, whose code has a
standard deviation of an eighth of the tile. https://arxiv.org/abs/1904.08128

Departures: tiles lie a multiple of the network's stride apart, not side by side, so
that its poolings fall on the pixels that they fall on in the whole image; tiles of
networks that pad by themselves lie inside the image, whose border they then see as
they see it in the whole image. Weights are 0 in the outer quarter of what two tiles
share, where results may depend on a tile's border, and sum to 1 everywhere.
"""

import itertools
import numbers
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tqdm

from kseg.inference.one_pass import (
    batch_probabilities,
    count_classes,
    fixed_size,
    output_size,
    valid_size,
)
from kseg.registry import unknown

BLENDS = ("none", "linear", "gaussian")
# Half of it lies at each side of a seam: 96 is what a result of the U-Net of five
# levels depends on.
OVERLAP = 192

# The coarsest stride of a backbone: tiles so far apart have the same grid.
_STRIDE = 32
# Tiles run together until they have so many pixels: small ones leave a device idle.
_BATCH_PIXELS = 1 << 17


class Span(NamedTuple):
    """Where a tile lies along one axis.

    Attributes:
        seen: First pixel that the model sees, from the image's first; it may lie
            before the image.
        given: First pixel that the model returns.
        kept: The pixels of the image that the tile counts for.
        weights: float32, how much for each of them.
    """

    seen: int
    given: int
    kept: slice
    weights: np.ndarray


class Tiles(NamedTuple):
    """The tiles of an image: all pairs of a span down and a span across.

    Attributes:
        size: Height and width that the model sees of a tile.
        down: The spans of the rows of tiles.
        across: The spans of the columns of tiles.
    """

    size: tuple[int, int]
    down: list[Span]
    across: list[Span]


def lay_tiles(
    model,
    size: tuple[int, int],
    tile: tuple[int, int],
    overlap: int | None = None,
    blend: str = "none",
) -> Tiles:
    """Lays tiles over an image.

    Joined without blending, or blended, tiles give what the network gives for the
    whole image: always of `valid` convolutions, whose tiles need no overlap, and of
    `same` ones where half of `overlap`, or of blends a quarter, in whole strides of 32
    pixels, covers what a result depends on at each side. Networks that pool over the
    whole image see the tile instead.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`.
        size: Height and width of the image.
        tile: Height and width that the model sees at once, a size that it takes; its
            own if that is fixed. Networks of `same` convolutions that take any size
            see up to 31 pixels less, or all of a smaller image.
        overlap: Least number of pixels that neighbours share of what they return;
            `None` for `default_overlap`.
        blend: `"none"`: of two tiles that share a pixel the one counts in whose
            result it lies deeper. `"linear"` and `"gaussian"` weigh them by distance
            from a tile's border or middle.

    Returns:
        The tiles.

    Raises:
        ValueError: If `blend` is unknown, `tile` is no pair of sizes, the model does
            not take it, or the overlap leaves too little of it.

    Example:
    >>> import kseg
    >>> model = kseg.build("unet", num_classes=2, filters=2, depth=2)
    >>> tiles = lay_tiles(model, (50, 150), (128, 128), overlap=64)
    >>> tiles.size, [span.kept for span in tiles.across]
    ((50, 118), [slice(0, 64, None), slice(64, 150, None)])
    """
    if blend not in BLENDS:
        raise ValueError(unknown("blend", blend, list(BLENDS)))
    fixed, given, stride, least = _facts(model, tile)
    if overlap is None:
        overlap = _default_overlap(tile, given, least)
    shared = overlap if given == tuple(tile) else 0
    right = isinstance(overlap, numbers.Integral) and overlap >= 0
    if not right or min(given) - shared < least:
        raise ValueError(
            f"A tile must return {least} pixels or more beside `overlap`, which must "
            f"be an integer of 0 or more. Received: tile={tuple(tile)}, which returns "
            f"{given}, and overlap={overlap}. Use larger tiles or a smaller overlap."
        )
    sides, axes = [], []
    for axis, have in enumerate(size):
        side, inner = tile[axis], given[axis]
        if side == inner and fixed[axis] is None:
            side = inner = _in_phase(side, have)
        sides.append(side)
        axes.append(_spans(have, side, inner, shared, stride, blend))
    return Tiles((sides[0], sides[1]), *axes)


def default_overlap(model, tile: tuple[int, int]) -> int:
    """Returns how many pixels tiles share where nobody says it.

    Args:
        model: As in `lay_tiles`.
        tile: As in `lay_tiles`.

    Returns:
        192, or half of a tile that leaves too little beside it, or less; 0 where the
        model returns the middle of a tile.

    Raises:
        ValueError: If `tile` is no pair of sizes, or the model does not take it.
    """
    _, given, _, least = _facts(model, tile)
    return _default_overlap(tile, given, least)


def _default_overlap(tile, given: tuple[int, int], least: int) -> int:
    """Returns it of what `_facts` says."""
    if given != tuple(tile):
        return 0
    room = max(min(given) - least, 0)
    return OVERLAP if room >= OVERLAP else min(room, min(given) // 2)


def _facts(model, tile):
    """Returns what tiles of a model are laid by, of a tile that it takes.

    Returns:
        The sides that the model fixes, what it returns of a tile, the stride of the
        tiles' places, and the least that a tile must return beside the overlap.
    """
    sides = np.asarray(tile)
    if sides.shape != (2,) or sides.dtype.kind not in "iu" or sides.min() < 1:
        raise ValueError(
            "`tile` must be a height and a width, integers of 1 or more. Received: "
            f"{tile}."
        )
    fixed = _check_fixed(model, tile)
    given = output_size(model, tuple(tile))
    if given != tuple(tile):
        valid = valid_size(model)
        stride = valid.step if valid else _STRIDE
        return fixed, given, stride, stride
    # Of open networks, what `_in_phase` may cut off must not be missing.
    return fixed, given, _STRIDE, 2 * _STRIDE - 1 if None in fixed else _STRIDE


def tile_probabilities(
    model, image, tiles: Tiles, rows: slice, columns: slice
) -> np.ndarray:
    """Returns the probabilities in a window of an image, computed tile by tile.

    Args:
        model: As in `lay_tiles`.
        image: The image, of which windows are taken by two slices: a NumPy array, or
            what `kseg.raster.open_windows` gives.
        tiles: What `lay_tiles` returned for the image's size.
        rows: The window's rows within the image.
        columns: Its columns.

    Returns:
        float32 array `(rows, columns, num_classes)`.
    """
    height, width = rows.stop - rows.start, columns.stop - columns.start
    canvas = np.zeros((height, width, count_classes(model)), "float32")
    places = list(
        itertools.product(_touching(tiles.down, rows), _touching(tiles.across, columns))
    )
    together = _BATCH_PIXELS // (tiles.size[0] * tiles.size[1])
    together = max(1, min(together, len(places)))
    with tqdm.tqdm(total=len(places), desc="tiles", unit="tile", leave=False) as bar:
        for first in range(0, len(places), together):
            batch = places[first : first + together]
            seen = [
                _seen(image, down.seen, across.seen, tiles.size)
                for down, across in batch
            ]
            results = batch_probabilities(model, np.stack(seen), together)
            for (down, across), result in zip(batch, results, strict=True):
                there, here, down_weights = _part(down, rows)
                right, left, across_weights = _part(across, columns)
                weights = down_weights[:, np.newaxis] * across_weights
                canvas[there, right] += result[here, left] * weights[..., np.newaxis]
            bar.update(len(batch))
    return canvas


def _check_fixed(model, tile: tuple[int, int]) -> tuple[int | None, int | None]:
    """Returns the sides that are fixed; raises if the tile has others."""
    fixed = fixed_size(model)
    if any(own not in (None, side) for own, side in zip(fixed, tile, strict=True)):
        raise ValueError(
            "`tile` must be the size of a model of a fixed size. Received: "
            f"{tuple(tile)}, and a model of {fixed}."
        )
    return fixed


def _in_phase(side: int, have: int) -> int:
    """Returns a side up to `side` that lies flush with the end of the image.

    It leaves the rest that the image leaves when it is divided by the stride, so that
    every layer pads the tile as it pads the image.
    """
    return have if have <= side else side - (side - have) % _STRIDE


def _spans(
    have: int, side: int, given: int, overlap: int, stride: int, blend: str
) -> list[Span]:
    """Lays tiles along one axis.

    Args:
        have: Height or width of the image.
        side: Height or width that the model sees.
        given: Height or width that it returns.
        overlap: Pixels of it that neighbours share, or more.
        stride: What the starts are multiples of.
        blend: As in `lay_tiles`.
    """
    step = max((given - overlap) // stride * stride, stride)
    last = -(-max(have - given, 0) // stride) * stride
    starts = [*range(0, last, step), last]
    pairs = list(itertools.pairwise(starts))
    # Borders of what is kept lie where cells of the deepest map begin: from there a
    # result reaches no farther to either side than from the middle of a cell.
    parts = 2 if blend == "none" else 4
    cuts = [(a + given - b) // parts for a, b in pairs]
    begins = [b + _aligned(n, n, stride) for (_, b), n in zip(pairs, cuts, strict=True)]
    ends = begins
    if blend != "none":
        ends = [
            _aligned(a + given - n, n, stride)
            for (a, _), n in zip(pairs, cuts, strict=True)
        ]
    kept = [slice(*k) for k in zip([0, *begins], [*ends, have], strict=True)]
    weights = [
        _weights(start, k, given, have, blend)
        for start, k in zip(starts, kept, strict=True)
    ]
    total = np.zeros(have)
    for k, weight in zip(kept, weights, strict=True):
        total[k] += weight
    before = (side - given) // 2
    return [
        Span(start - before, start, k, (weight / total[k]).astype("float32"))
        for start, k, weight in zip(starts, kept, weights, strict=True)
    ]


def _aligned(place: int, cut: int, stride: int) -> int:
    """Returns a place, moved down to a multiple of the stride where a cut has one."""
    return place // stride * stride if cut >= stride else place


def _weights(start: int, kept: slice, given: int, have: int, blend: str) -> np.ndarray:
    """Returns how much a tile counts beside others, float64, above 0."""
    pixels = np.arange(kept.start, kept.stop) + 0.5
    if blend == "none":
        return np.ones(len(pixels))
    if blend == "gaussian":
        return np.exp(-((((pixels - start) / given - 0.5) * 8) ** 2) / 2)
    # No weight falls towards a border of the image, where there is no other tile.
    begin = kept.start if start > 0 else -given
    end = kept.stop if kept.stop < have else have + given
    return np.minimum(pixels - begin, end - pixels)


def _touching(spans: Sequence[Span], window: slice) -> list[Span]:
    return [
        span
        for span in spans
        if span.kept.start < window.stop and span.kept.stop > window.start
    ]


def _part(span: Span, window: slice) -> tuple[slice, slice, np.ndarray]:
    """Returns where a tile counts: in a window, in its result; and its weights."""
    first = max(span.kept.start, window.start)
    stop = min(span.kept.stop, window.stop)
    return (
        slice(first - window.start, stop - window.start),
        slice(first - span.given, stop - span.given),
        span.weights[first - span.kept.start : stop - span.kept.start],
    )


def _seen(image, top: int, left: int, size: tuple[int, int]) -> np.ndarray:
    """Returns a tile of an image, whose borders are mirrored as often as it takes."""
    rows = _mirrored(top, size[0], image.shape[0])
    columns = _mirrored(left, size[1], image.shape[1])
    first, start = rows.min(), columns.min()
    part = image[first : rows.max() + 1, start : columns.max() + 1]
    return part[rows - first][:, columns - start]


def _mirrored(start: int, side: int, have: int) -> np.ndarray:
    """Returns which pixels of an image of `have` lie at `side` places from `start`."""
    period = max(2 * (have - 1), 1)
    place = np.arange(start, start + side) % period
    return np.minimum(place, period - place) if have > 1 else place * 0
