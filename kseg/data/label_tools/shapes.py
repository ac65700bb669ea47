"""The shapes of label tools, and which pixels each covers.

Coordinates are pixels from the upper left corner of the image, so that the pixel in
column x and row y covers x to x + 1 and y to y + 1. A pixel belongs to a shape if its
centre lies in it: neighbours that share an edge neither overlap nor leave a gap, and
an outline along the edges of pixels gives just these pixels. LabelMe's own converter
and pycocotools also take pixels that an outline merely touches; their masks may be
half a pixel fatter.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Polygon:
    """What an odd number of rings surround, so that rings in rings are holes.

    Args:
        rings: Float arrays `(points, 2)` of x and y, each closed by itself.
    """

    rings: Sequence[np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """A line with round ends.

    Args:
        points: Float array `(points, 2)` of x and y.
        width: In pixels.
    """

    points: np.ndarray
    width: float


@dataclasses.dataclass(frozen=True)
class Ellipse:
    """An ellipse.

    Args:
        center: x and y.
        radii: Along its two axes, above 0.
        rotation: In degrees, clockwise as seen.
    """

    center: tuple[float, float]
    radii: tuple[float, float]
    rotation: float = 0.0


@dataclasses.dataclass(frozen=True, eq=False)
class Bitmap:
    """Pixels.

    Args:
        left: Column of the first.
        top: Row of the first.
        bits: bool array `(height, width)`.
    """

    left: int
    top: int
    bits: np.ndarray


Shape = Polygon | Line | Ellipse | Bitmap
Window = tuple[slice, slice]


def box(
    left: float, top: float, right: float, bottom: float, rotation: float = 0.0
) -> Polygon:
    """Returns a rectangle, turned about its centre.

    Args:
        left: Smallest x.
        top: Smallest y.
        right: Largest x.
        bottom: Largest y.
        rotation: In degrees, clockwise as seen.
    """
    ring = np.array([(left, top), (right, top), (right, bottom), (left, bottom)], float)
    if rotation:
        cosine, sine = _turn(rotation)
        center = ring.mean(axis=0)
        ring = (ring - center) @ np.array([(cosine, sine), (-sine, cosine)]) + center
    return Polygon([ring])


def draw(shape: Shape, size: tuple[int, int]) -> tuple[Window, np.ndarray]:
    """Says which pixels of an image a shape covers.

    Args:
        shape: The shape.
        size: Height and width of the image.

    Returns:
        Rows and columns of a part of the image, and a bool array of its pixels.

    Raises:
        ValueError: If the shape lies outside the image, all of it.
    """
    left, top, right, bottom = _bounds(shape)
    height, width = size
    if not (left < width and top < height and right > 0 and bottom > 0):
        raise ValueError(
            f"A shape must meet its image of {height}x{width} (height, width). "
            f"Received: x from {left:g} to {right:g}, y from {top:g} to {bottom:g}."
        )
    rows = slice(max(math.floor(top), 0), min(math.ceil(bottom), height))
    columns = slice(max(math.floor(left), 0), min(math.ceil(right), width))
    if isinstance(shape, Bitmap):
        bits = shape.bits[
            rows.start - shape.top : rows.stop - shape.top,
            columns.start - shape.left : columns.stop - shape.left,
        ]
    elif isinstance(shape, Polygon):
        bits = _inside(shape.rings, rows, columns)
    else:
        x = np.arange(columns.start, columns.stop) + 0.5
        y = np.arange(rows.start, rows.stop)[:, np.newaxis] + 0.5
        bits = _near(shape, x, y) if isinstance(shape, Line) else _round(shape, x, y)
    return (rows, columns), bits


def _bounds(shape: Shape) -> tuple[float, float, float, float]:
    """Returns the smallest x and y and the largest."""
    if isinstance(shape, Bitmap):
        height, width = shape.bits.shape
        return shape.left, shape.top, shape.left + width, shape.top + height
    if isinstance(shape, Ellipse):
        margin = max(shape.radii)
        points = np.array([shape.center])
    elif isinstance(shape, Line):
        margin, points = shape.width / 2, shape.points
    else:
        margin, points = 0.0, np.concatenate(shape.rings)
    left, top = points.min(axis=0) - margin
    right, bottom = points.max(axis=0) + margin
    return float(left), float(top), float(right), float(bottom)


def _inside(rings: Sequence[np.ndarray], rows: slice, columns: slice) -> np.ndarray:
    """Returns the pixels of a window whose centres an odd number of rings surround."""
    height, width = rows.stop - rows.start, columns.stop - columns.start
    starts = np.concatenate(rings)
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])
    # Downwards, so that an edge of two polygons is cut at the same x in both.
    down = (starts[:, 1] <= ends[:, 1])[:, np.newaxis]
    (x0, y0), (x1, y1) = np.where(down, starts, ends).T, np.where(down, ends, starts).T
    first = np.clip(np.ceil(y0 - 0.5), rows.start, rows.stop).astype(int)
    count = np.clip(np.ceil(y1 - 0.5), rows.start, rows.stop).astype(int) - first
    edge = np.repeat(np.arange(len(starts)), count)
    # The rows of all edges one after another: 3 4 5, 4 5 6 7, ...
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count - first, count)
    share = (row + 0.5 - y0[edge]) / (y1[edge] - y0[edge])
    x = x0[edge] + share * (x1[edge] - x0[edge])
    column = np.clip(np.ceil(x - 0.5), columns.start, columns.stop).astype(int)
    crossings = np.zeros((height, width + 1), bool)
    place = (row - rows.start, column - columns.start)
    np.logical_xor.at(crossings, place, True)
    return np.logical_xor.accumulate(crossings, axis=1)[:, :width]


def _near(line: Line, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the pixels whose centres are within half the width of a line."""
    result = np.zeros((y.size, x.size), bool)
    points = line.points if len(line.points) > 1 else np.repeat(line.points, 2, axis=0)
    for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        along = (x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)
        share = np.clip(along / length, 0, 1) if length else 0.0
        distance = (x - x0 - share * (x1 - x0)) ** 2 + (y - y0 - share * (y1 - y0)) ** 2
        result |= distance <= (line.width / 2) ** 2
    return result


def _round(ellipse: Ellipse, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Returns the pixels whose centres are in an ellipse."""
    cosine, sine = _turn(ellipse.rotation)
    x, y = x - ellipse.center[0], y - ellipse.center[1]
    first = (x * cosine + y * sine) / ellipse.radii[0]
    second = (y * cosine - x * sine) / ellipse.radii[1]
    return first**2 + second**2 <= 1


def _turn(degrees: float) -> tuple[float, float]:
    """Returns cosine and sine."""
    return math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
