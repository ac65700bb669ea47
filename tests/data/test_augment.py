import numpy as np
import pytest
from scipy import ndimage

from kseg.data.augment import (
    NEUTRAL,
    ColorJitter,
    RandomFlip,
    RandomScaleCrop,
    fit_inside,
)

# Colours that say the class, far from one another and from the grey of padding.
COLORS = np.array(
    [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 0],
        [0, 255, 255],
        [255, 0, 255],
    ],
    np.uint8,
)
IDS = np.array([0, 3, 4, 7, 11, 18], np.uint8)


@pytest.fixture(scope="module")
def pair():
    """An image of 150x200 in which the colour says the class, and its mask."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:150, :200]
    seeds = rng.uniform((0, 0), (150, 200), (14, 2))
    distance = (rows - seeds[:, :1, None]) ** 2 + (columns - seeds[:, 1:, None]) ** 2
    kind = np.arange(14)[distance.argmin(axis=0)] % 6
    return COLORS[kind], IDS[kind]


def classes_seen(image):
    """The mask that an image shows; `ignore_class` where it is the grey of padding."""
    colors = np.concatenate([COLORS, [[NEUTRAL] * 3]]).astype(np.int32)
    distance = ((image[..., None, :].astype(np.int32) - colors) ** 2).sum(axis=-1)
    return np.append(IDS, 255).astype(np.uint8)[distance.argmin(axis=-1)]


def inside(mask, margin):
    """Pixels that are further than `margin` from another class."""
    size = 2 * margin + 1
    return ndimage.minimum_filter(mask, size) == ndimage.maximum_filter(mask, size)


def ramp(height=200, width=220):
    """An image whose red is the column and whose green is the row."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return np.stack([columns, rows, columns], axis=-1), np.zeros_like(rows)


# RandomScaleCrop


@pytest.mark.parametrize("size", [(96, 128), (75, 51), (33, 200), (160, 160)])
def test_scale_crop_moves_image_and_mask_together(pair, size):
    augment = RandomScaleCrop(size, (0.5, 2.0))
    for seed in range(60):
        image, mask = augment(*pair, np.random.default_rng(seed))
        assert image.shape == (*size, 3) and mask.shape == size
        assert image.dtype == mask.dtype == np.uint8
        seen, apart = classes_seen(image), inside(mask, 2)
        assert (seen == mask)[apart].mean() >= 0.999
        assert (seen == mask).mean() >= 0.97
        assert set(np.unique(mask)) <= {*IDS, 255}
        assert set(np.unique(mask[apart])) <= set(np.unique(seen))


def test_scale_crop_puts_borders_of_image_and_mask_at_the_same_place():
    # Between black and white the interpolated border lies where the image is half
    # grey, to a fraction of a pixel; a mask that is off by half a pixel shows.
    mask = np.zeros((120, 160), np.uint8)
    mask[:, 40:90] = mask[30:70] = 1
    image = np.repeat(255 * mask[..., None], 3, axis=2)
    augment = RandomScaleCrop((90, 100), (1.0, 3.0))
    wrong, at_borders = 0, 0
    for seed in range(40):
        moved, ids = augment(image, mask, np.random.default_rng(seed))
        wrong += ((moved[..., 0] > 127.5) != ids).sum()
        at_borders += (~inside(ids, 1)).sum()
    assert at_borders > 3000
    assert wrong < 0.03 * at_borders


def test_scale_crop_scales_by_what_it_says():
    augment = RandomScaleCrop((60, 64), (0.5, 2.0))
    scales, tops, lefts = [], [], []
    for seed in range(300):
        image, mask = augment(*ramp(), np.random.default_rng(seed))
        assert (mask == 0).all()
        image = image.astype(np.float64)
        across = (image[:, 63, 0] - image[:, 0, 0]).mean() / 63
        down = (image[59, :, 1] - image[0, :, 1]).mean() / 59
        assert across == pytest.approx(down, abs=0.03)
        scales.append(1 / across)
        height, width = 60 / scales[-1], 64 / scales[-1]
        tops.append(image[0, 0, 1] / (200 - height))
        lefts.append(image[0, 0, 0] / (220 - width))
    assert 0.49 < min(scales) < 0.53 and 1.9 < max(scales) < 2.05
    # Uniform in the logarithm: half of the windows enlarge.
    assert np.median(scales) == pytest.approx(1, abs=0.12)
    for place in (tops, lefts):
        assert min(place) < 0.05 and max(place) > 0.95
        assert np.mean(place) == pytest.approx(0.5, abs=0.06)
    assert abs(np.corrcoef(tops, lefts)[0, 1]) < 0.2


def test_scale_crop_at_scale_1_is_a_crop_or_the_image(pair):
    image, mask = pair
    whole = RandomScaleCrop((150, 200), (1, 1))(image, mask, np.random.default_rng(0))
    np.testing.assert_array_equal(whole[0], image)
    np.testing.assert_array_equal(whole[1], mask)


@pytest.mark.parametrize("shape", [(40, 50), (40, 300), (300, 50), (9, 8)])
@pytest.mark.parametrize("scale", [0.5, 0.9])
def test_what_is_padded_is_void_in_the_mask_and_grey_in_the_image(shape, scale):
    image = np.tile(np.uint8([250, 20, 30]), (*shape, 1))
    mask = np.full(shape, 7, np.uint8)
    augment = RandomScaleCrop((64, 80), (scale, scale), ignore_class=200)
    image, mask = augment(image, mask, np.random.default_rng(1))
    assert set(np.unique(mask)) <= {7, 200} and 200 in mask
    grey = (image == NEUTRAL).all(axis=-1)
    apart = inside(mask, 1)
    np.testing.assert_array_equal(grey[apart], (mask == 200)[apart])
    for axis in (0, 1):  # centred, and as large as the scale says
        filled = np.flatnonzero((mask == 7).any(axis=1 - axis))
        expected = min(shape[axis] * scale, mask.shape[axis])
        assert len(filled) == pytest.approx(expected, abs=1)
        assert filled.mean() == pytest.approx((mask.shape[axis] - 1) / 2, abs=1)


def test_scale_crop_keeps_16_bit_ids():
    mask = np.arange(300, dtype=np.uint16).reshape(15, 20) + 256
    image = np.zeros((15, 20, 3), np.uint8)
    augment = RandomScaleCrop((20, 20), (0.7, 2), ignore_class=65535)
    for seed in range(20):
        _, ids = augment(image, mask, np.random.default_rng(seed))
        assert ids.dtype == np.uint16
        assert set(np.unique(ids)) <= {*np.unique(mask), 65535}


@pytest.mark.parametrize("scale", [(0, 1), (-0.5, 2), (2, 0.5)])
def test_wrong_scales_are_an_error(scale):
    with pytest.raises(ValueError, match="positive factors in order. Received: "):
        RandomScaleCrop((8, 8), scale)


# RandomFlip


def test_a_flip_mirrors_both_exactly(pair):
    image, mask = RandomFlip(1.0)(*pair, np.random.default_rng(0))
    np.testing.assert_array_equal(image, np.fliplr(pair[0]))
    np.testing.assert_array_equal(mask, np.fliplr(pair[1]))
    image, mask = RandomFlip(0.0)(*pair, np.random.default_rng(0))
    np.testing.assert_array_equal(image, pair[0])
    np.testing.assert_array_equal(mask, pair[1])


def test_flips_come_as_often_as_they_should(pair):
    rng, flip = np.random.default_rng(0), RandomFlip(0.3)
    flipped = [not np.array_equal(flip(*pair, rng)[1], pair[1]) for _ in range(1000)]
    assert np.mean(flipped) == pytest.approx(0.3, abs=0.05)


# ColorJitter


def direct(image, brightness, contrast, saturation):
    """Saturation, then contrast, then brightness, each by its definition."""
    image = image.astype(np.float64)
    grey = image @ [0.299, 0.587, 0.114]
    image = grey[..., None] + saturation * (image - grey[..., None])
    image = grey.mean() + contrast * (image - grey.mean())
    return np.clip(np.floor(brightness * image + 0.5), 0, 255)


@pytest.mark.parametrize("amounts", [(0.4, 0, 0), (0, 0.4, 0), (0, 0, 0.9), (0.3,) * 3])
def test_jitter_is_brightness_contrast_and_saturation(amounts):
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    image[..., 0] //= 2  # a cast, so that the mean grey is not the middle
    for seed in range(10):
        factors = 1 + np.random.default_rng(seed).uniform(-1, 1, 3) * amounts
        jittered, _ = ColorJitter(*amounts)(
            image, np.zeros((30, 40), np.uint8), np.random.default_rng(seed)
        )
        assert jittered.dtype == np.uint8
        difference = np.abs(jittered - direct(image, *factors))
        assert difference.max() <= 1 and (difference > 0).mean() < 0.001


def test_jitter_leaves_the_mask_and_its_input(pair):
    image, mask = pair[0].copy(), pair[1].copy()
    jittered, same = ColorJitter(0.5, 0.5, 0.5)(image, mask, np.random.default_rng(3))
    assert same is mask
    np.testing.assert_array_equal(mask, pair[1])
    np.testing.assert_array_equal(image, pair[0])
    assert (jittered != image).any()


def test_jitter_by_nothing_is_the_identity(pair):
    jittered, _ = ColorJitter(0, 0, 0)(*pair, np.random.default_rng(0))
    np.testing.assert_array_equal(jittered, pair[0])


@pytest.mark.parametrize(
    "augment", [RandomScaleCrop((50, 60)), RandomFlip(), ColorJitter()], ids=repr
)
def test_the_generator_decides_everything(pair, augment):
    def images(seeds):
        return [augment(*pair, np.random.default_rng(s))[0] for s in seeds]

    for one, two in zip(images(range(6)), images(range(6)), strict=True):
        np.testing.assert_array_equal(one, two)
    assert len({image.tobytes() for image in images(range(12))}) > 1


# fit_inside


def test_fitting_at_the_same_size_changes_nothing(pair):
    image, mask = fit_inside(*pair, (150, 200))
    assert image is pair[0] and mask is pair[1]


@pytest.mark.parametrize("size", [(100, 100), (99, 301), (300, 201), (150, 77), (7, 5)])
def test_fitting_keeps_the_proportions_and_pads_below_and_right(pair, size):
    image, mask = fit_inside(*pair, size, ignore_class=222)
    assert image.shape == (*size, 3) and mask.shape == size
    factor = min(size[0] / 150, size[1] / 200)
    rows, columns = (round(side * factor) for side in (150, 200))
    assert rows == size[0] or columns == size[1]
    assert (mask[:rows, :columns] != 222).all()
    assert (mask[rows:] == 222).all() and (mask[:, columns:] == 222).all()
    assert (image[rows:] == NEUTRAL).all() and (image[:, columns:] == NEUTRAL).all()
    same = classes_seen(image) == mask
    assert set(np.unique(mask)) <= {*IDS, 222}
    assert same[:rows, :columns][inside(mask[:rows, :columns], 1)].all()
    if factor >= 0.5:
        assert same[:rows, :columns].mean() > 0.97


def test_fitting_leaves_no_side_empty():
    image, mask = np.zeros((1000, 2, 3), np.uint8), np.full((1000, 2), 3, np.uint8)
    image, mask = fit_inside(image, mask, (40, 40))
    assert (mask[:, 0] == 3).all() and (mask[:, 1:] == 255).all()


def test_fitting_one_pixel_fills_with_it():
    image, mask = np.uint8([[[9, 8, 7]]]), np.uint8([[4]])
    image, mask = fit_inside(image, mask, (5, 9))
    assert (mask[:, :5] == 4).all() and (mask[:, 5:] == 255).all()
    assert (image[:, :5] == [9, 8, 7]).all()
    image, mask = fit_inside(image, mask, (1, 1))
    assert image.shape == (1, 1, 3) and mask.shape == (1, 1)
