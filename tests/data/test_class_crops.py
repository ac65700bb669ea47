"""Crops that are mixed, or around pixels of drawn classes."""

import numpy as np
import pytest
from array_source import ArraySource

from kseg.data import ClassCentre, Example, RandomScaleCrop, class_centre
from kseg.labels import Labels


def scene(height=60, width=80):
    """Class 0 with a small square of class 1, two pixels of class 2, and void."""
    mask = np.zeros((height, width), np.uint8)
    mask[20:26, 50:56] = 1
    mask[40, 10:12] = 2
    mask[:5] = 255
    return Example(np.repeat(mask[..., None], 3, axis=-1), mask)


def share(mask, c, ignore_class=255):
    return (mask == c).sum() / max((mask != ignore_class).sum(), 1)


@pytest.mark.parametrize("scale", [(1, 1), (0.7, 1.6)])
def test_the_middle_is_a_pixel_of_the_class(scale):
    example = scene()
    crop = RandomScaleCrop((21, 21), scale, centre=ClassCentre((0, 1, 0), 1.0))
    seen = set()
    for seed in range(40):
        mask = crop(example, np.random.default_rng(seed)).mask
        assert mask[10, 10] == 1
        seen.add(mask.tobytes())
    assert len(seen) > 15


def test_at_the_border_the_window_stays_inside():
    mask = np.zeros((30, 40), np.uint8)
    mask[0, 0] = mask[29, 39] = 1
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    crop = RandomScaleCrop((10, 12), (1, 1), centre=ClassCentre((0, 1), 1.0))
    found = set()
    for seed in range(20):
        cut = crop(Example(image, mask), np.random.default_rng(seed))
        first = np.array_equal(cut.image, image[:10, :12])
        last = np.array_equal(cut.image, image[20:, 28:])
        assert first != last
        found.add(first)
    assert found == {True, False}


def test_with_a_mirrored_border_the_pixel_is_in_what_the_network_returns():
    mask = np.zeros((30, 40), np.uint8)
    mask[29, 0] = 1
    crop = RandomScaleCrop((24, 24), (1, 1), 255, "mirror", (10, 10),
                           centre=ClassCentre((0, 1), 1.0))  # fmt: skip
    example = Example(np.zeros((30, 40, 3), np.uint8), mask)
    for seed in range(5):
        middle = crop(example, np.random.default_rng(seed)).mask[7:17, 7:17]
        assert middle[9, 0] == 1


def test_classes_are_drawn_by_their_weights_and_pixels_alike():
    mask = scene().mask
    rng = np.random.default_rng(0)
    drawn = [ClassCentre((1.0, 2.0, 1.0, 9.0), 0.5)(mask, rng) for _ in range(4000)]
    places = [place for place in drawn if place is not None]
    assert len(places) == pytest.approx(2000, rel=0.1)
    ids = [mask[int(row), int(column)] for row, column in places]
    for c, expected in enumerate((0.25, 0.5, 0.25)):  # class 3 is not there
        assert np.mean(np.equal(ids, c)) == pytest.approx(expected, abs=0.04)
    square = np.array([p for p, c in zip(places, ids, strict=True) if c == 1]) - 0.5
    _, counts = np.unique(square, axis=0, return_counts=True)
    assert len(counts) == 36 and counts.max() < 3 * counts.mean()


def test_where_no_class_is_the_crop_is_anywhere():
    void = np.full((9, 9), 255, np.uint8)
    assert ClassCentre((1.0, 1.0), 1.0)(void, np.random.default_rng(0)) is None
    assert ClassCentre((0, 0, 0, 1.0), 1.0)(scene().mask, np.random.default_rng(0)) is (
        None
    )


def test_the_same_numbers_draw_the_same_crop():
    crop = RandomScaleCrop((21, 21), cat_max_ratio=0.9, centre=ClassCentre((1, 1, 1)))
    one, two = (crop(scene(), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.image, two.image)


def test_of_a_data_set_rare_classes_are_drawn_by_the_inverse_of_their_pixels():
    pairs = [(None, np.uint8([[0, 0, 0, 0, 1, 255]])), (None, np.uint8([[0, 3, 3]]))]
    source = ArraySource(pairs, Labels.numbered(4))
    assert class_centre(source, 0.5) == ClassCentre((1.0, 5.0, 0.0, 2.5), 0.5)
    uniform = class_centre(source, 0.25, "uniform")
    assert uniform == ClassCentre((1.0, 1.0, 1.0, 1.0), 0.25)
    with pytest.raises(ValueError, match="must be one of .'inverse', 'uniform'"):
        class_centre(source, draw="frequency")


# cat_max_ratio


def test_of_ten_windows_the_first_mixed_one_is_taken():
    example = scene()
    plain = RandomScaleCrop((20, 20), (1, 1))
    crop = RandomScaleCrop((20, 20), (1, 1), cat_max_ratio=0.95)
    mixed = tries = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        rng.uniform()  # the scale, which is drawn once
        for _ in range(10):
            top, left = round(rng.uniform(0, 40)), round(rng.uniform(0, 60))
            expected = example.mask[top : top + 20, left : left + 20]
            tries += 1
            if max(share(expected, c) for c in range(3)) <= 0.95:
                mixed += 1
                break
        cut = crop(example, np.random.default_rng(seed)).mask
        np.testing.assert_array_equal(cut, expected)
    before = [plain(example, np.random.default_rng(s)).mask for s in range(60)]
    were_mixed = sum(max(share(m, c) for c in range(3)) <= 0.95 for m in before)
    assert were_mixed < mixed - 15 and 60 < tries < 600


def test_the_ratio_is_of_what_the_network_returns():
    """Class 1 is a half of the window, and all of its middle."""
    mask = np.zeros((40, 40), np.uint8)
    mask[6:34, 6:34] = 1
    crop = RandomScaleCrop((40, 40), (1, 1), mask_size=(20, 20), cat_max_ratio=0.75)
    assert share(mask, 1) < 0.5
    assert not crop._is_mixed(mask, 0, 0, 40, 40)
    assert RandomScaleCrop((40, 40), cat_max_ratio=0.75)._is_mixed(mask, 0, 0, 40, 40)


@pytest.mark.parametrize("ratio", [0, -0.5, 1.5])
def test_wrong_ratios_are_an_error(ratio):
    with pytest.raises(ValueError, match="above 0 and up to 1. Received: "):
        RandomScaleCrop((8, 8), cat_max_ratio=ratio)


@pytest.mark.parametrize(
    ("weights", "probability"),
    [((0.0, 0.0), 0.5), ((1.0, -1.0), 0.5), ((1.0, np.inf), 0.5), ((1.0,), 1.5)],
)
def test_wrong_centres_are_an_error(weights, probability):
    with pytest.raises(ValueError, match="Received: "):
        ClassCentre(weights, probability)
