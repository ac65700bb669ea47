"""Moves an image with its mask and its weights: pads, resizes and warps them.

The image and the weights are interpolated linearly, the mask takes the nearest
pixel, so no id is invented. What lies beyond the border of an image is a choice:

- `"void"`: a neutral grey in the image, `ignore_class` in the mask, weight 0.
- `"mirror"`: all three mirrored at their outermost pixels, as often as it takes.
  The mask of a mirrored image is the mirrored mask, so these pixels are true
  examples. Ronneberger et al., "U-Net", figure 2, mirrors so.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

# The grey that networks normalise to about zero.
NEUTRAL = 127
BORDERS = ("void", "mirror")
Color = int | tuple[int, int, int]
_BORDER_MODES = {"void": cv2.BORDER_CONSTANT, "mirror": cv2.BORDER_REFLECT_101}
# Of the image, the mask and the weights.
_METHODS = (cv2.INTER_LINEAR, cv2.INTER_NEAREST, cv2.INTER_LINEAR)
# OpenCV's `remap` counts the places in 16 bits.
_LONGEST = 32767


class Example(NamedTuple):
    """What is augmented and fed.

    Args:
        image: uint8 array `(height, width, 3)`, RGB.
        mask: Integer array `(height, width)` of class ids.
        weights: float32 array `(height, width)`, the factor of each pixel's loss;
            `None` where there are none.
    """

    image: np.ndarray
    mask: np.ndarray
    weights: np.ndarray | None = None

    def each(self, function: Callable, *options) -> "Example":
        """Applies a function to image, mask and weights.

        Args:
            function: Of an array, and of the array's item of each of `options`.
            *options: Three items each: for the image, the mask and the weights.
        """
        return Example._make(
            None if array is None else function(array, *items)
            for array, *items in zip(self, *options, strict=True)
        )


def check_border(border: str) -> None:
    """Raises if a border is none of `BORDERS`."""
    if border not in BORDERS:
        raise ValueError(f"`border` must be one of {BORDERS}. Received: {border!r}.")


def pad(example: Example, pads, border: str, ignore_class: int) -> Example:
    """Adds pixels at the sides.

    Args:
        example: What to pad.
        pads: Pixels above and below, and pixels on the left and on the right.
        border: One of `BORDERS`.
        ignore_class: What the mask gets beyond the border of a void one.
    """
    if not np.any(pads):
        return example
    (top, bottom), (left, right) = pads
    kind = cv2.BORDER_REFLECT_101 if border == "mirror" else cv2.BORDER_CONSTANT

    def padded(array, fill):
        value = (fill,) * 4
        return cv2.copyMakeBorder(array, top, bottom, left, right, kind, value=value)

    return example.each(padded, _fills(ignore_class))


def resize(example: Example, size: tuple[int, int], box=None) -> Example:
    """Resizes a window.

    What is shrunk is averaged, so that fine patterns do not turn into others.

    Args:
        example: What to cut the window out of.
        size: Height and width of the result.
        box: Left, top, right and bottom of the window in pixels, rounded to whole
            ones; `None` for all of it.
    """
    height, width = size
    if box is not None:
        left, top, right, bottom = (round(side) for side in box)
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        example = example.each(lambda array: array[top:bottom, left:right])
    have = example.mask.shape
    if have == (height, width):
        return example
    shrunk = have[0] > height and have[1] > width
    smooth = cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR

    def resized(array, method):
        return cv2.resize(array, (width, height), interpolation=method)

    return example.each(resized, (smooth, cv2.INTER_NEAREST_EXACT, smooth))


def cut(example: Example, size: tuple[int, int], box, ignore_class: int) -> Example:
    """Cuts out a window, which may reach beyond the image, and resizes it.

    Only what is of the image is resized; the rest is void.

    Args:
        example: What to cut the window out of; some of it must lie in the window.
        size: Height and width of the result.
        box: Left, top, right and bottom of the window in pixels, rounded to whole ones.
        ignore_class: What the mask gets beyond the image.
    """
    sides = [round(side) for side in box]
    pads, inner, part = [], [0, 0, 0, 0], []
    for axis, (have, side) in enumerate(zip(example.mask.shape, size, strict=True)):
        first, last = sides[1 - axis], sides[3 - axis]
        inner[1 - axis], inner[3 - axis] = max(first, 0), min(last, have)
        factor = side / (last - first)
        before = min(round((inner[1 - axis] - first) * factor), side - 1)
        after = max(round((inner[3 - axis] - first) * factor), before + 1)
        pads.append((before, side - after))
        part.append(after - before)
    example = resize(example, (part[0], part[1]), inner)
    return pad(example, pads, "void", ignore_class)


def warp(
    example: Example, places, border: str, ignore_class: int, fill: Color = NEUTRAL
) -> Example:
    """Takes every pixel from a place of its own.

    Args:
        example: What to warp.
        places: Rows and columns, `(2, height, width)`, where each pixel of the result
            is taken from; they need not be whole.
        border: One of `BORDERS`.
        ignore_class: What the mask gets beyond the border of a void one.
        fill: What the image gets there, a grey or a colour, 0 to 255.

    Raises:
        ValueError: If a side is longer than OpenCV takes.
    """
    rows, columns = np.asarray(places, np.float32)
    sides = (*example.mask.shape, *rows.shape)
    if max(sides) >= _LONGEST:
        raise ValueError(
            f"An image that is warped must have sides below {_LONGEST} pixels. "
            f"Received: {example.mask.shape}. Cut it first, by `WindowCrops`."
        )

    def warped(array, method, value):
        return cv2.remap(
            array,
            columns,
            rows,
            method,
            borderMode=_BORDER_MODES[border],
            borderValue=value,
        )

    return example.each(warped, _METHODS, _border_values(ignore_class, fill))


def warp_affine(
    example: Example, matrix, border: str, ignore_class: int, fill: Color = NEUTRAL
) -> Example:
    """Takes every pixel from a place that is an affine function of its own.

    Args:
        example: What to warp; the size stays.
        matrix: From (column, row, 1) of the result to (column, row) of the example,
            `(2, 3)`, in pixels whose centres are whole.
        border: One of `BORDERS`.
        ignore_class: What the mask gets beyond the border of a void one.
        fill: What the image gets there, a grey or a colour, 0 to 255.
    """
    size = example.mask.shape[::-1]

    def warped(array, method, value):
        return cv2.warpAffine(
            array,
            np.asarray(matrix, np.float64),
            size,
            flags=method | cv2.WARP_INVERSE_MAP,
            borderMode=_BORDER_MODES[border],
            borderValue=value,
        )

    return example.each(warped, _METHODS, _border_values(ignore_class, fill))


def fit_inside(
    example: Example,
    size: tuple[int, int],
    ignore_class: int = 255,
    border: str = "void",
    mask_size: tuple[int, int] | None = None,
) -> Example:
    """Resizes to fit into a size, keeping the proportions, and fills the rest.

    With the border `"void"` the example comes to lie at the top left and is enlarged
    if it is smaller. With `"mirror"` it comes to lie in the middle that a network of
    `valid` convolutions returns, at that middle's top left; it is shrunk if it is
    larger and never enlarged, and the network sees the image mirrored around it.
    What is filled counts nothing either way: the mask holds `ignore_class` there.

    Args:
        example: An image, its mask, and its weights if there are any.
        size: Height and width of the result in pixels.
        ignore_class: What the mask gets outside of the example.
        border: What the image gets there, one of `BORDERS`.
        mask_size: Height and width of the middle with the border `"mirror"`; `None`
            for all of `size`.

    Returns:
        The example at the size; unchanged if it has the size already.
    """
    middle = mask_size if mask_size and border == "mirror" else size
    have = example.mask.shape
    factor = min(middle[0] / have[0], middle[1] / have[1])
    if border == "mirror":
        factor = min(factor, 1.0)
    inner = (
        min(max(round(have[0] * factor), 1), middle[0]),
        min(max(round(have[1] * factor), 1), middle[1]),
    )
    if inner != have:
        example = resize(example, inner)
    starts = [(whole - part) // 2 for whole, part in zip(size, middle, strict=True)]
    pads = [
        (start, whole - start - part)
        for start, whole, part in zip(starts, size, inner, strict=True)
    ]
    filled = pad(example, pads, "void", ignore_class)
    if border == "mirror":
        return filled._replace(image=pad(example, pads, border, ignore_class).image)
    return filled


def _border_values(ignore_class: int, fill: Color) -> tuple:
    """Returns what OpenCV gives image, mask and weights beyond a void border."""
    color = (fill,) * 3 if isinstance(fill, int) else tuple(fill)
    return (color, ignore_class, 0)


def _fills(ignore_class: int) -> tuple[int, int, int]:
    """Returns what image, mask and weights get beyond a void border."""
    return (NEUTRAL, ignore_class, 0)
