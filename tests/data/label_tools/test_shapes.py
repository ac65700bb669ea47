"""Shapes against a point-in-polygon test of every pixel, and enumerated cases."""

import numpy as np
import pytest

from kseg.data.label_tools.shapes import Bitmap, Ellipse, Line, Polygon, box, draw

SIZE = (9, 11)


def drawn(shape, size=SIZE):
    window, bits = draw(shape, size)
    mask = np.zeros(size, bool)
    mask[window] = bits
    return mask


def surrounds(rings, x, y):
    """Whether a ray to the right is crossed an odd number of times."""
    inside = False
    for ring in rings:
        for (x0, y0), (x1, y1) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                inside = not inside
    return inside


@pytest.mark.parametrize("seed", range(20))
def test_a_polygon_covers_the_pixels_whose_centres_it_surrounds(seed):
    rng = np.random.default_rng(seed)
    rings = [
        rng.uniform(-4, 14, (int(rng.integers(3, 9)), 2)) for _ in range(1 + seed % 3)
    ]
    expected = [
        [surrounds(rings, x + 0.5, y + 0.5) for x in range(SIZE[1])]
        for y in range(SIZE[0])
    ]
    np.testing.assert_array_equal(drawn(Polygon(rings)), expected)


def test_triangles_of_a_fan_cover_each_pixel_once():
    rng = np.random.default_rng(0)
    corners = np.array([(0, 0), (11, 0), (11, 9), (0, 9)], float)
    for _ in range(20):
        middle = rng.uniform(1, 8, 2)
        count = sum(
            drawn(Polygon([np.array([middle, one, two])])).astype(int)
            for one, two in zip(corners, np.roll(corners, -1, axis=0), strict=True)
        )
        assert (count == 1).all()


def test_a_ring_in_a_ring_is_a_hole():
    outer, inner = box(1, 1, 8, 8).rings[0], box(3, 2, 5, 6).rings[0]
    mask = drawn(Polygon([outer, inner]))
    assert mask.sum() == 49 - 8 and not mask[2:6, 3:5].any()


def test_a_box_covers_whole_pixels_and_turns():
    mask = drawn(box(2, 1, 6, 3))
    assert mask[1:3, 2:6].all() and mask.sum() == 8
    np.testing.assert_array_equal(drawn(box(2, 1, 6, 3, 180)), mask)
    turned = drawn(box(2, 3, 8, 5, 90))  # about (5, 4)
    assert turned[1:7, 4:6].all() and turned.sum() == 12


def test_a_turn_is_clockwise():
    # To the right of the centre goes below it.
    mask = drawn(Ellipse((5.5, 4.5), (4, 0.8), 45))
    assert mask[6, 7] and mask[2, 3] and not mask[6, 3] and not mask[2, 7]
    same = drawn(box(1.5, 4, 9.5, 5, 45))
    assert same[6, 7] and same[2, 3] and not same[6, 3]


def test_lines_and_discs_go_by_the_distance_of_centres():
    y, x = np.mgrid[:9, :11] + 0.5
    disc = drawn(Ellipse((5.2, 4.1), (3, 3)))
    np.testing.assert_array_equal(disc, np.hypot(x - 5.2, y - 4.1) <= 3)
    line = drawn(Line(np.array([(2.0, 4.0), (8.0, 4.0)]), 4))
    nearest = np.clip(x, 2, 8)
    np.testing.assert_array_equal(line, np.hypot(x - nearest, y - 4) <= 2)
    point = drawn(Line(np.array([(2.0, 4.0), (2.0, 4.0)]), 4))
    np.testing.assert_array_equal(point, np.hypot(x - 2, y - 4) <= 2)


@pytest.mark.parametrize(("left", "top"), [(-1, -2), (8, 7), (3, 3)])
def test_a_bitmap_is_cut_at_the_border(left, top):
    bits = np.random.default_rng(0).random((4, 5)) < 0.5
    large = np.zeros((30, 30), bool)
    large[top + 10 : top + 14, left + 10 : left + 15] = bits
    mask = drawn(Bitmap(left, top, bits))
    np.testing.assert_array_equal(mask, large[10:19, 10:21])


@pytest.mark.parametrize(
    "shape",
    [
        box(11, 0, 15, 5),
        box(2, -3, 4, 0),
        Bitmap(-3, 0, np.ones((2, 3), bool)),
        Ellipse((-5.0, 2.0), (4, 4)),
        Line(np.array([(0.0, 30.0), (9.0, 30.0)]), 10),
    ],
)
def test_a_shape_outside_the_image_is_an_error(shape):
    with pytest.raises(ValueError, match="must meet its image of 9x11"):
        draw(shape, SIZE)
