"""Masks as outlines, which drawn again give the same pixels.

The outlines run along the edges of pixels, with the inside on their right, so that all
coordinates are whole. `shapes.draw` of them is the mask, bit by bit, as long as they
are not simplified.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy import ndimage, spatial

from kseg.data.label_tools.shapes import Bitmap
from kseg.labels import Labels

# Steps to the right, down, to the left, up.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


@dataclasses.dataclass(frozen=True, eq=False)
class Region:
    """Pixels of one class that touch by their sides.

    Args:
        label: The class.
        bitmap: The pixels.
    """

    label: str
    bitmap: Bitmap

    def rings(self, tolerance: float = 0.0) -> list[np.ndarray]:
        """Returns the outline, and after it those of the holes.

        Args:
            tolerance: Pixels that a simplified outline may be away; 0 for exact ones.

        Returns:
            Float arrays `(points, 2)` of x and y in the image.
        """
        offset = (self.bitmap.left, self.bitmap.top)
        return [simplify(ring, tolerance) + offset for ring in trace(self.bitmap.bits)]


def regions(
    mask: np.ndarray, labels: Labels, background: str | None, void: str
) -> Iterator[Region]:
    """Yields what a label tool shows of a mask, class by class.

    Args:
        mask: Class ids `(height, width)`.
        labels: The classes.
        background: The class that is left out, as all that is not covered is it; `None`
            for no class, and then void is what is left out.
        void: What void is called, where it is not left out.
    """
    names = dict(enumerate(labels.names))
    if background is not None:
        names[labels.ignore_class] = void
    for identity, name in names.items():
        if name == background:
            continue
        parts, _ = ndimage.label(mask == identity)
        for number, window in enumerate(ndimage.find_objects(parts), 1):
            rows, columns = window
            bits = parts[window] == number
            yield Region(name, Bitmap(columns.start, rows.start, bits))


def trace(bits: np.ndarray) -> list[np.ndarray]:
    """Traces a region along the edges of its pixels.

    Args:
        bits: bool array `(height, width)` of pixels that touch by their sides.

    Returns:
        Float arrays `(points, 2)` of x and y, corners only: the outline, then the
        holes, which run the other way.
    """
    padded = np.pad(bits, 1)
    inside, height, width = padded[1:-1, 1:-1], *bits.shape
    # Where a step of each direction begins: along the upper side of a pixel that has
    # none above, and so on around it.
    edges = np.zeros((4, height + 1, width + 1), bool)
    edges[0, :-1, :-1] = inside & ~padded[:-2, 1:-1]
    edges[1, :-1, 1:] = inside & ~padded[1:-1, 2:]
    edges[2, 1:, 1:] = inside & ~padded[2:, 1:-1]
    edges[3, 1:, :-1] = inside & ~padded[1:-1, :-2]
    left = [bytearray(direction.tobytes()) for direction in edges]
    steps = [dx + dy * (width + 1) for dx, dy in _STEPS]
    rings = []
    for start in np.flatnonzero(edges[0]).tolist():
        if not left[0][start]:
            continue
        corners, place, direction = [], start, 0
        while left[direction][place]:
            left[direction][place] = 0
            place += steps[direction]
            # To the right before ahead: pixels that touch by a corner stay apart.
            for turn in (1, 0, 3):
                following = (direction + turn) % 4
                if left[following][place] or (place == start and following == 0):
                    break
            if following != direction:
                corners.append(place)
            direction = following
        flat = np.array(corners)
        rings.append(
            np.stack([flat % (width + 1), flat // (width + 1)], 1).astype(float)
        )
    return rings


def one_ring(rings: list[np.ndarray]) -> np.ndarray:
    """Joins an outline and its holes to one ring, for formats that have no holes.

    A cut without width leads to each hole and back: what counts how often a ring is
    crossed, as `shapes.draw` does, sees it twice or not at all.

    Args:
        rings: The outline, then the holes, as `Region.rings` returns.

    Returns:
        Float array `(points, 2)`.
    """
    outline, holes = rings[0], rings[1:]
    if not holes:
        return outline
    begins = [int(np.lexsort((hole[:, 1], hole[:, 0]))[0]) for hole in holes]
    points = [hole[begin] for hole, begin in zip(holes, begins, strict=True)]
    near = spatial.cKDTree(outline).query(points)[1]
    parts, last = [], 0
    for index in np.argsort(near, kind="stable").tolist():
        turned = np.roll(holes[index], -begins[index], axis=0)
        parts += [outline[last : near[index] + 1], turned, turned[:1]]
        last = near[index]
    return np.concatenate([*parts, outline[last:]])


def simplify(ring: np.ndarray, tolerance: float) -> np.ndarray:
    """Leaves out points of a ring (Douglas and Peucker, 1973).

    Args:
        ring: Float array `(points, 2)`.
        tolerance: Pixels that points left out may be away from what is left.

    Returns:
        Three points or more; the ring as it is where fewer would be left.
    """
    if tolerance <= 0 or len(ring) < 4:
        return ring
    # From a point to the one that is farthest away, and back to it.
    far = int(((ring - ring[0]) ** 2).sum(axis=1).argmax())
    closed = np.concatenate([ring, ring[:1]])
    keep = np.zeros(len(closed), bool)
    keep[[0, far, len(ring)]] = True
    parts = [(0, far), (far, len(ring))]
    while parts:
        begin, end = parts.pop()
        if end - begin < 2:
            continue
        distances = _distances(closed[begin + 1 : end], closed[begin], closed[end])
        index = int(distances.argmax())
        if distances[index] > tolerance:
            middle = begin + 1 + index
            keep[middle] = True
            parts += [(begin, middle), (middle, end)]
    result = closed[:-1][keep[:-1]]
    return result if len(result) > 2 else ring


def _distances(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Returns how far points are from the line between two others."""
    along, offsets = end - start, points - start
    length = float((along**2).sum())
    if not length:
        return np.hypot(*offsets.T)
    share = np.clip(offsets @ along / length, 0, 1)[:, np.newaxis]
    return np.hypot(*(offsets - share * along).T)
