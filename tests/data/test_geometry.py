import numpy as np
import pytest
from painted import IDS, assert_same, classes_seen, inside, painted

from kseg.data.geometry import NEUTRAL, Example, cut, fit_inside, pad, resize, warp


@pytest.fixture(scope="module")
def pair():
    return painted()


def noise(height, width, seed=0):
    """An example of noise whose mask and weights are its first two channels."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Example(image, image[..., 0], image[..., 1].astype(np.float32))


def fold(places, size):
    """Where a place beyond the border is mirrored to, by folding until it is in."""
    places = np.array(places)
    while ((places < 0) | (places > size - 1)).any():
        places = np.abs(places)
        places = np.where(places > size - 1, 2 * (size - 1) - places, places)
    return places


# Example, pad


def test_each_leaves_out_weights_that_are_not_there():
    example = noise(4, 5)
    doubled = example.each(lambda array, factor: factor * array, (1, 2, 3))
    np.testing.assert_array_equal(doubled.mask, 2 * example.mask)
    np.testing.assert_array_equal(doubled.weights, 3 * example.weights)
    assert example._replace(weights=None).each(np.flipud).weights is None


@pytest.mark.parametrize("pads", [((1, 2), (3, 0)), ((40, 33), (7, 90)), ((0, 0),) * 2])
def test_a_mirrored_border_is_folded_as_often_as_it_takes(pads):
    example = noise(6, 9)
    rows = fold(np.arange(-pads[0][0], 6 + pads[0][1]), 6)
    columns = fold(np.arange(-pads[1][0], 9 + pads[1][1]), 9)
    padded = pad(example, pads, "mirror", 255)
    assert_same(padded, example.each(lambda array: array[rows][:, columns]))


def test_one_pixel_is_mirrored_to_itself():
    padded = pad(noise(1, 1), ((2, 3), (4, 0)), "mirror", 255)
    assert padded.image.shape == (6, 5, 3)
    assert (padded.image == padded.image[0, 0]).all()


def test_a_void_border_is_grey_and_counts_nothing():
    example = noise(3, 4)
    padded = pad(example, ((2, 1), (0, 3)), "void", 222)
    assert_same(padded.each(lambda array: array[2:5, :4]), example)
    for array, fill in zip(padded, (NEUTRAL, 222, 0), strict=True):
        outside = np.ones((6, 7), bool)
        outside[2:5, :4] = False
        assert (array[outside] == fill).all()
        assert array.dtype == (np.float32 if fill == 0 else np.uint8)


def test_a_whole_window_of_the_same_size_is_cut_out_exactly():
    example = noise(30, 40)
    window = resize(example, (10, 20), (7, 5, 27, 15))
    assert_same(window, example.each(lambda array: array[5:15, 7:27]))


# cut


def test_a_window_beyond_the_image_at_its_own_size_is_the_padded_image():
    example = noise(10, 12)
    padded = pad(example, ((5, 4), (3, 8)), "void", 222)
    box = (-3, -5, 20, 14)
    assert_same(cut(example, (19, 23), box, 222), padded)
    assert_same(
        cut(example, (4, 6), (2, 3, 8, 7), 222), resize(example, (4, 6), (2, 3, 8, 7))
    )


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_only_what_is_of_the_image_is_resized(factor):
    example = noise(20, 30)
    size = round(40 * factor), round(60 * factor)
    image, mask, weights = cut(example, size, (-10, -10, 50, 30), 222)
    inner = resize(example, (round(20 * factor), round(30 * factor)))
    top, left = round(10 * factor), round(10 * factor)
    rows, columns = (
        slice(top, top + inner.mask.shape[0]),
        slice(left, left + inner.mask.shape[1]),
    )
    assert_same(Example(image, mask, weights).each(lambda a: a[rows, columns]), inner)
    outside = np.ones(size, bool)
    outside[rows, columns] = False
    assert (mask[outside] == 222).all() and (image[outside] == NEUTRAL).all()


def test_one_pixel_of_the_image_is_seen_however_small():
    shown = cut(noise(1, 1), (5, 7), (-100, -100, 900, 900), 222).mask != 222
    assert shown.sum() == 1


# warp


@pytest.mark.parametrize("border", ["void", "mirror"])
def test_whole_places_are_taken_as_they_are(border):
    example = noise(8, 11)
    places = np.mgrid[-3:10, -20:25]
    rows, columns = fold(places[0], 8), fold(places[1], 11)
    warped = warp(example, places.astype(float), border, 222)
    expected = example.each(lambda array: array[rows, columns])
    if border == "void":
        outside = (places[0] != rows) | (places[1] != columns)
        for array, fill in zip(expected, (NEUTRAL, 222, 0), strict=True):
            array[outside] = fill
    assert_same(warped, expected)


def test_between_pixels_image_and_weights_are_linear_and_the_mask_is_nearest():
    example = noise(9, 10)
    places = np.random.default_rng(1).uniform(0, 1, (2, 7, 6)) * [[[8]], [[9]]]
    image, mask, weights = warp(example, places, "mirror", 255)
    low = np.floor(places).astype(int)
    part = places - low
    expected = np.zeros((7, 6))
    for down in (0, 1):
        for across in (0, 1):
            share = np.abs(1 - down - part[0]) * np.abs(1 - across - part[1])
            expected += share * example.image[low[0] + down, low[1] + across, 1]
    np.testing.assert_allclose(weights, expected, atol=1e-3)
    np.testing.assert_allclose(image[..., 1], expected, atol=0.5 + 1e-3)
    nearest = np.rint(places).astype(int)
    np.testing.assert_array_equal(mask, example.mask[nearest[0], nearest[1]])


# fit_inside, to a size


def test_fitting_at_the_same_size_changes_nothing(pair):
    example = fit_inside(pair, (150, 200))
    assert all(one is two for one, two in zip(example, pair, strict=True))


@pytest.mark.parametrize("size", [(100, 100), (99, 301), (300, 201), (150, 77), (7, 5)])
def test_fitting_keeps_the_proportions_and_pads_below_and_right(pair, size):
    image, mask, weights = fit_inside(pair, size, ignore_class=222)
    assert image.shape == (*size, 3) and mask.shape == weights.shape == size
    factor = min(size[0] / 150, size[1] / 200)
    rows, columns = (round(side * factor) for side in (150, 200))
    assert rows == size[0] or columns == size[1]
    assert (mask[:rows, :columns] != 222).all()
    assert (mask[rows:] == 222).all() and (mask[:, columns:] == 222).all()
    assert (image[rows:] == NEUTRAL).all() and (image[:, columns:] == NEUTRAL).all()
    assert (weights[rows:] == 0).all() and (weights[:, columns:] == 0).all()
    same = classes_seen(image) == mask
    assert set(np.unique(mask)) <= {*IDS, 222}
    assert same[:rows, :columns][inside(mask[:rows, :columns], 1)].all()
    if factor >= 0.5:
        assert same[:rows, :columns].mean() > 0.97


def test_fitting_leaves_no_side_empty():
    example = Example(np.zeros((1000, 2, 3), np.uint8), np.full((1000, 2), 3, np.uint8))
    mask = fit_inside(example, (40, 40)).mask
    assert (mask[:, 0] == 3).all() and (mask[:, 1:] == 255).all()


def test_fitting_one_pixel_fills_with_it():
    example = Example(np.uint8([[[9, 8, 7]]]), np.uint8([[4]]))
    image, mask, _ = fit_inside(example, (5, 9))
    assert (mask[:, :5] == 4).all() and (mask[:, 5:] == 255).all()
    assert (image[:, :5] == [9, 8, 7]).all()
    image, mask, _ = fit_inside(Example(image, mask), (1, 1))
    assert image.shape == (1, 1, 3) and mask.shape == (1, 1)


# fit_inside, into the middle that a `valid` network returns


@pytest.mark.parametrize("have", [(20, 28), (13, 28), (20, 5), (1, 1), (7, 9)])
def test_a_smaller_image_is_not_enlarged_and_mirrored_around(have):
    example = noise(*have)
    image, mask, weights = fit_inside(example, (36, 44), 222, "mirror", (20, 28))
    rows, columns = (
        np.zeros(whole, int) if side == 1 else fold(np.arange(whole) - 8, side)
        for whole, side in zip((36, 44), have, strict=True)
    )
    np.testing.assert_array_equal(image, example.image[rows][:, columns])
    scored = (slice(8, 8 + have[0]), slice(8, 8 + have[1]))
    np.testing.assert_array_equal(mask[scored], example.mask)
    np.testing.assert_array_equal(weights[scored], example.weights)
    assert (mask == 222).sum() >= 36 * 44 - have[0] * have[1]
    assert (weights != 0).sum() <= have[0] * have[1]


def test_a_larger_image_is_shrunk_into_the_middle(pair):
    image, mask, _ = fit_inside(pair, (116, 96), 222, "mirror", (80, 60))
    assert image.shape == (116, 96, 3) and mask.shape == (116, 96)
    here = mask != 222  # 45 rows of 60 pixels: three quarters, as 150 of 200 are
    assert here[18:63, 18:78].all() and here.sum() == 45 * 60
    apart = here & inside(mask, 1)
    np.testing.assert_array_equal(classes_seen(image)[apart], mask[apart])
    np.testing.assert_array_equal(image[:18], image[18 + 18 : 18 : -1])
    np.testing.assert_array_equal(image[:, :18], image[:, 18 + 18 : 18 : -1])
