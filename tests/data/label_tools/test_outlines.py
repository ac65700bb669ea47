"""Masks become outlines and the same masks again."""

import numpy as np
import pytest
from scipy import ndimage

from kseg.data.label_tools.outlines import one_ring, regions, simplify, trace
from kseg.data.label_tools.shapes import Polygon, draw
from kseg.labels import Labels

LABELS = Labels.named(["background", "a", "b"])


def random_masks(count):
    rng = np.random.default_rng(0)
    for number in range(count):
        size = rng.integers(1, 25, 2)
        shares = rng.dirichlet([1] * 4)
        mask = rng.choice([0, 1, 2, 255], size, p=shares).astype(np.uint8)
        yield np.kron(mask, np.ones((number % 3 + 1,) * 2, np.uint8))


def area(ring):
    x, y = ring.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


@pytest.mark.parametrize("background", ["background", None])
@pytest.mark.parametrize("join", [lambda rings: rings, lambda r: [one_ring(r)]])
def test_masks_come_back_bit_by_bit(background, join):
    for mask in random_masks(60):
        back = np.full(mask.shape, 255 if background is None else 0, np.uint8)
        for region in regions(mask, LABELS, background, "void"):
            window, bits = draw(Polygon(join(region.rings())), mask.shape)
            assert (back[window][bits] == (255 if background is None else 0)).all()
            void = region.label == "void"
            back[window][bits] = 255 if void else LABELS.names.index(region.label)
        np.testing.assert_array_equal(back, mask)


def test_a_region_has_an_outline_and_its_holes():
    bits = np.ones((7, 9), bool)
    bits[2:4, 2:5] = False
    bits[5, 7] = False
    outline, *holes = trace(bits)
    assert area(outline) == 63 and sorted(outline.tolist())[0] == [0, 0]
    assert sorted(area(hole) for hole in holes) == [-6, -1]
    assert len(outline) == 4 and all(len(hole) == 4 for hole in holes)


def test_holes_are_as_many_as_scipy_finds():
    for mask in random_masks(30):
        for region in regions(mask, LABELS, "background", "void"):
            bits = region.bitmap.bits
            outside = np.pad(~bits, 1, constant_values=True)
            # What touches by a corner is one hole: the region is joined by sides alone.
            holes = ndimage.label(outside, np.ones((3, 3)))[1] - 1
            rings = region.rings()
            assert len(rings) == 1 + holes
            assert sum(area(ring) for ring in rings) == bits.sum()


def test_regions_that_touch_by_a_corner_are_two():
    mask = np.array([[1, 0], [0, 1]], np.uint8)
    found = list(regions(mask, LABELS, "background", "void"))
    assert [len(r.rings()) for r in found] == [1, 1]
    assert [r.bitmap.left for r in found] == [0, 1]


def test_simplified_outlines_stay_within_the_tolerance():
    y, x = np.mgrid[:60, :60]
    bits = np.hypot(x - 30, y - 30) < 25
    (ring,) = trace(bits)
    numbers = []
    for tolerance in (0.0, 0.5, 1.0, 3.0):
        few = simplify(ring, tolerance)
        numbers.append(len(few))
        ends = np.roll(few, -1, axis=0)
        for point in ring:
            along = ends - few
            share = ((point - few) * along).sum(1) / (along**2).sum(1)
            near = few + np.clip(share, 0, 1)[:, None] * along
            assert np.hypot(*(near - point).T).min() <= tolerance + 1e-9
    assert numbers == sorted(numbers, reverse=True) and numbers[-1] < numbers[0] / 4
    np.testing.assert_array_equal(simplify(ring, 0), ring)


def test_what_would_vanish_is_not_simplified():
    (ring,) = trace(np.ones((1, 1), bool))
    assert len(simplify(ring, 10)) >= 3
