"""Means over views of an image: scales, mirror images, quarter turns.

Scales and mirror images as DeepLab and PSPNet are evaluated: Chen et al., "Rethinking
Atrous Convolution", 2017, section 4.1, https://arxiv.org/abs/1706.05587; Zhao et al.,
"Pyramid Scene Parsing Network", 2017, https://arxiv.org/abs/1612.01105. Turned and
mirrored versions of an image as in Ronneberger et al., "U-Net", table 1, which does
not name its 7: with `flip` and `turns` they are the 8 symmetries of the square.

Views are made window by window, by the same arithmetic for every window, so that what
is seen of a part of an image is what is seen of it in the whole image.
"""

import functools
import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import scipy.sparse

from kseg.inference.one_pass import fixed_size, whole_probabilities
from kseg.inference.tiling import lay_tiles, tile_probabilities


def check_views(model, tile: tuple[int, int] | None, scales: Sequence[float]) -> None:
    """Raises if there is no scale, or one that cannot be or makes no difference.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`.
        tile: Size of the tiles, or `None` for whole images.
        scales: Factors of the image's height and width.

    Raises:
        ValueError: If so.
    """
    factors = np.asarray(scales)
    if (
        factors.ndim != 1
        or factors.dtype.kind not in "iuf"
        or not factors.size
        or not ((factors > 0) & (factors < np.inf)).all()
    ):
        raise ValueError(
            "`scales` must hold a number or more, each above 0 and finite. Received: "
            f"{scales}."
        )
    if tile is None and None not in fixed_size(model) and set(scales) != {1}:
        raise ValueError(
            "A model of a fixed size sees whole images at one scale, its own. "
            f"Received: scales={list(scales)} for a model of {fixed_size(model)}. "
            f"With tile={fixed_size(model)} it sees them part by part, at any scale."
        )


def view_probabilities(
    model,
    image,
    rows: slice,
    columns: slice,
    tile: tuple[int, int] | None,
    overlap: int | None,
    blend: str,
    scales: Sequence[float],
    flip: bool,
    turns: bool,
) -> np.ndarray:
    """Returns the mean probabilities over all views, in a window of an image.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`.
        image: The image, as in `kseg.inference.tiling.tile_probabilities`.
        rows: The window's rows within the image.
        columns: Its columns.
        tile: As in `kseg.inference.tiling.lay_tiles`; `None` for whole images.
        overlap: As there.
        blend: As there.
        scales: Factors of the image's height and width.
        flip: Whether to mirror the image left to right, too.
        turns: Whether to turn it by 90, 180 and 270 degrees, too.

    Returns:
        float32 array `(rows, columns, num_classes)`, summing to 1.
    """
    quarters = range(4) if turns else (0,)
    symmetries = list(itertools.product(quarters, (False, True) if flip else (False,)))

    def of_view(view: _Turned, seen: tuple[slice, slice]) -> np.ndarray:
        part = view.place(*seen)
        if tile is None:
            return view.undo(whole_probabilities(model, view[:, :])[part])
        tiles = lay_tiles(model, view.shape[:2], tile, overlap, blend)
        return view.undo(tile_probabilities(model, view, tiles, *part))

    def of_scale(scale: float) -> np.ndarray:
        height, width = (max(1, round(side * scale)) for side in image.shape[:2])
        if (height, width) == tuple(image.shape[:2]):
            return _sum(
                of_view(_Turned(image, *s), (rows, columns)) for s in symmetries
            )
        scaled = _Resized(image, (height, width))
        down = _Interpolation(height, image.shape[0], rows)
        across = _Interpolation(width, image.shape[1], columns)
        seen = down.needed, across.needed
        found = _sum(of_view(_Turned(scaled, *s), seen) for s in symmetries)
        return _interpolate(found, down, across)

    total = _sum(of_scale(scale) for scale in scales)
    total /= len(scales) * len(symmetries)
    return total


def _sum(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Adds arrays up in the first of them, so that two are held at a time."""
    return functools.reduce(lambda total, more: np.add(total, more, out=total), arrays)


class _Turned:
    """An image mirrored left to right and then turned, of which windows are made."""

    def __init__(self, image, quarters: int, mirrored: bool):
        """Says how; nothing is read yet."""
        self._image, self._quarters, self._mirrored = image, quarters, mirrored
        height, width = image.shape[:2]
        self.shape = (width, height, 3) if quarters % 2 else (height, width, 3)

    def __getitem__(self, window):
        """Makes a window."""
        rows, columns = (
            slice(*side.indices(length)[:2])
            for side, length in zip(window, self.shape, strict=False)
        )
        height, width = self.shape[:2]
        for _ in range(self._quarters):  # back to the mirrored image
            rows, columns = columns, slice(height - rows.stop, height - rows.start)
            height, width = width, height
        if self._mirrored:
            columns = slice(width - columns.stop, width - columns.start)
        part = self._image[rows, columns]
        part = np.fliplr(part) if self._mirrored else part
        return np.rot90(part, self._quarters)

    def place(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        """Returns where a window of the image lies in the view."""
        height, width = self._image.shape[:2]
        if self._mirrored:
            columns = slice(width - columns.stop, width - columns.start)
        for _ in range(self._quarters):
            rows, columns = slice(width - columns.stop, width - columns.start), rows
            height, width = width, height
        return rows, columns

    def undo(self, scores: np.ndarray) -> np.ndarray:
        """Returns what was found in a window of the view as it lies in the image."""
        scores = np.rot90(scores, -self._quarters)
        return np.fliplr(scores) if self._mirrored else scores


class _Resized:
    """An image at another size, of which windows are made."""

    def __init__(self, image, size: tuple[int, int]):
        """Keeps the sizes; nothing is read yet."""
        self._image, self.shape = image, (*size, 3)

    def __getitem__(self, window):
        """Makes a window, rounded to bytes."""
        down, across = (
            _Interpolation(have, want, slice(*side.indices(want)[:2]))
            for have, want, side in zip(
                self._image.shape[:2], self.shape[:2], window, strict=True
            )
        )
        part = self._image[down.needed, across.needed].astype("float32")
        return np.rint(_interpolate(part, down, across)).astype(np.uint8)


class _Interpolation:
    """Linear interpolation along one axis: some pixels of a side of another length.

    Pixel centres lie at halves. Where it shrinks, the triangle is as wide as a new
    pixel is, in old ones, to each side.

    Args:
        have: Length of the side.
        want: Length of the resized side.
        part: Which of its pixels.

    Attributes:
        needed: The pixels that they are made of.
        matrix: How, float32 `(pixels of part, pixels needed)`, sparse.
    """

    def __init__(self, have: int, want: int, part: slice):
        """Finds the weights."""
        ratio = have / want
        reach = max(ratio, 1.0)
        centres = (np.arange(part.start, part.stop) + 0.5) * ratio
        firsts = np.floor(centres - reach).astype(np.int64)
        old = firsts[:, np.newaxis] + np.arange(math.ceil(2 * reach) + 1)
        away = np.abs(old + 0.5 - centres[:, np.newaxis])
        weights = np.maximum(1 - away / reach, 0)
        weights[(old < 0) | (old >= have)] = 0
        weights /= weights.sum(axis=1, keepdims=True)
        new, taps = np.nonzero(weights)
        old = old[new, taps]
        self.needed = slice(int(old.min()), int(old.max()) + 1)
        self.matrix = scipy.sparse.csr_array(
            (weights[new, taps].astype("float32"), (new, old - self.needed.start)),
            (len(centres), self.needed.stop - self.needed.start),
        )


def _interpolate(
    array: np.ndarray, down: _Interpolation, across: _Interpolation
) -> np.ndarray:
    """Resizes float32 `(height, width, channels)`."""
    for axis, matrix in enumerate((down.matrix, across.matrix)):
        array = np.moveaxis(array, axis, 0)
        columns = np.ascontiguousarray(array).reshape(len(array), -1)
        array = (matrix @ columns).reshape(-1, *array.shape[1:])
        array = np.moveaxis(array, 0, axis)
    return array
