"""Hashes of images: equal for equal pixels, or near for images that look alike.

The perceptual hash is the DCT hash of Zauner, "Implementation and Benchmarking of
Perceptual Image Hash Functions", 2010, section 3.2.1 (pHash): the signs, about their
median, of the 8x8 lowest frequencies of the image in grey at 32x32. Departures: the
mean over each cell in the place of a 7x7 mean filter, and no hash for flat images,
whose signs are noise.
"""

import hashlib
import itertools

import numpy as np
from PIL import Image
from scipy import fft

# Bits in which the hashes of two pictures of one image may differ. Copies of CamVid,
# BSDS500 and ISBI 2012 images at half or 1.5 times the size, as JPEG of quality 20 to
# 90, in grey, blurred by 2 pixels or with noise of 10 grey levels, differ in 2 at
# most. Different images differ in 10 or more between the splits of CamVid, whose
# frames are of the same streets, in 8 in ISBI 2012, and in 16 in BSDS500.
NEAR = 4
_SIDE = 32
_FLAT = 2.0  # grey levels
# Pairs of hashes that are compared at a time.
_TOGETHER = 1 << 18


def content_hash(*arrays: np.ndarray) -> bytes:
    """Returns 16 bytes that are equal for equal arrays of one shape."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def perceptual_hash(image: Image.Image) -> int | None:
    """Returns 64 bits of what an image looks like, or `None` for a flat one.

    Args:
        image: A picture.

    Example:
    >>> ramp = Image.linear_gradient("L")
    >>> perceptual_hash(ramp) == perceptual_hash(ramp.resize((99, 70)))
    True
    """
    small = image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)
    grey = np.asarray(small, np.float32)
    if grey.std() < _FLAT:
        return None
    low = fft.dctn(grey, norm="ortho")[:8, :8].ravel()
    bits = low > np.median(low[1:])
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def nearest(
    hashes: np.ndarray, groups: np.ndarray, distance: int = NEAR
) -> tuple[np.ndarray, np.ndarray]:
    """Finds for every hash one that is near, in its own group and in another.

    Two hashes that differ in at most d of 64 bits are equal in one of d + 1 bands of
    bits, so only those that share a band are compared, and of equal ones, such as of
    a camera that stands still, one a group. A hash that has a near one is not compared
    with farther ones. So the time grows with their number, and with the number of pairs
    only where many share a band and few are near.

    Args:
        hashes: uint64 array `(n,)`.
        groups: Integer array `(n,)`.
        distance: The bits that may differ, 0 to 15.

    Returns:
        Two integer arrays `(n,)`: positions of the nearest hash in the same group,
        and of the nearest in another group; -1 where there is none.
    """
    pairs = np.stack([hashes, groups.astype(np.uint64)], axis=1)
    _, first, inverse = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.ravel()  # NumPy 2.0 gives it two dimensions
    found = _nearest_of_different(hashes[first], groups[first], distance)
    best = np.where(found < 0, -1, first[found])[:, inverse]
    # Nothing is nearer than an equal one: the first of them, and for that another.
    first_of = first[inverse]
    copies = np.flatnonzero(first_of != np.arange(len(hashes)))
    best[0, first_of[copies]] = copies
    best[0, copies] = first_of[copies]
    return best[0], best[1]


def _nearest_of_different(
    hashes: np.ndarray, groups: np.ndarray, distance: int
) -> np.ndarray:
    """Does so for hashes that are all different in their group; int `(2, n)`.

    Near ones are looked for first, in few long bands: of images that all look alike
    most are found there, and only the others look into the many of short bands.
    """
    best = np.full((2, len(hashes)), -1)
    least = np.full((2, len(hashes)), distance + 1)
    known = 0  # what is as near as this is the nearest
    for reach in sorted({distance // 4, distance // 2, distance}):
        for band in _bands(hashes, reach + 1):
            order = np.lexsort((groups, band))
            changes = np.diff(band[order]) != 0
            of_band = _runs(changes)
            of_group = _runs(changes | (np.diff(groups[order]) != 0))
            itself = np.arange(len(order)), np.arange(len(order)) + 1
            _compare(hashes, order, of_group, itself, best[0], least[0], known)
            _compare(hashes, order, of_band, of_group, best[1], least[1], known)
        known = reach + 1
    return best


def _runs(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns for every place where its run begins and ends.

    Args:
        changes: Between which neighbours there is a border, booleans `(n - 1,)`.
    """
    edges = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(changes) + 1]])
    lengths = np.diff(edges)
    return np.repeat(edges[:-1], lengths), np.repeat(edges[1:], lengths)


def _compare(hashes, order, among, without, best, least, known: int) -> None:
    """Compares hashes with those of a run, but for those of a run inside of it.

    Args:
        hashes: uint64 array `(n,)`.
        order: In which they lie in runs.
        among: Begin and end of the run for every place in this order.
        without: Of the run inside, likewise.
        best: Of each hash the nearest so far, which is written to.
        least: Of each hash the bits in which that differs, likewise.
        known: A hash whose nearest differs in as many bits, or fewer, is left alone.
    """
    begin, inner = among[0], without[0]
    skipped = without[1] - inner
    count = among[1] - begin - skipped
    left = np.flatnonzero((least[order] > known) & (count > 0))
    step = 0
    while left.size:
        width = min(max(_TOGETHER // left.size, 1), int(count[left].max()) - step)
        offset = np.arange(step, step + width)
        there = offset < count[left, None]
        place = begin[left, None] + offset
        place += np.where(place >= inner[left, None], skipped[left, None], 0)
        partners = order[np.where(there, place, 0)]
        own = order[left]
        bits = np.bitwise_count(hashes[own, None] ^ hashes[partners])
        bits[~there] = 64
        nearest = np.arange(len(left)), bits.argmin(axis=1)
        better = bits[nearest] < least[own]
        least[own[better]] = bits[nearest][better]
        best[own[better]] = partners[nearest][better]
        step += width
        left = left[(least[own] > known) & (count[left] > step)]


def _bands(hashes: np.ndarray, count: int):
    """Yields the bits of the hashes in `count` parts."""
    edges = np.linspace(0, 64, count + 1).round().astype(int)
    for start, end in itertools.pairwise(edges.tolist()):
        yield (hashes >> np.uint64(start)) & np.uint64(2 ** (end - start) - 1)
