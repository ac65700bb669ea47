import dataclasses

import numpy as np
import pytest
from painted import IDS, assert_same, classes_seen, inside, painted
from scipy import ndimage

from kseg.data.augment import (
    ColorJitter,
    ElasticDeformation,
    RandomFlip,
    RandomQuarterTurn,
    RandomRotation,
    RandomScaleCrop,
)
from kseg.data.geometry import NEUTRAL, Example


@pytest.fixture(scope="module")
def pair():
    return painted()


def ramp(height=200, width=220):
    """An image whose red is the column and whose green is the row."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    return Example(np.stack([columns, rows, columns], axis=-1), np.zeros_like(rows))


# RandomScaleCrop


@pytest.mark.parametrize("size", [(96, 128), (75, 51), (33, 200), (160, 160)])
def test_scale_crop_moves_image_and_mask_together(pair, size):
    augment = RandomScaleCrop(size, (0.5, 2.0))
    for seed in range(60):
        image, mask, weights = augment(pair, np.random.default_rng(seed))
        assert image.shape == (*size, 3) and mask.shape == weights.shape == size
        assert image.dtype == mask.dtype == np.uint8 and weights.dtype == np.float32
        seen, apart = classes_seen(image), inside(mask, 2)
        assert np.isclose(weights, mask % 255, atol=1e-4)[apart].mean() >= 0.995
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
        moved, ids, _ = augment(Example(image, mask), np.random.default_rng(seed))
        wrong += ((moved[..., 0] > 127.5) != ids).sum()
        at_borders += (~inside(ids, 1)).sum()
    assert at_borders > 3000
    assert wrong < 0.03 * at_borders


def test_scale_crop_scales_by_what_it_says():
    augment = RandomScaleCrop((60, 64), (0.5, 2.0))
    scales, tops, lefts = [], [], []
    for seed in range(300):
        image, mask, _ = augment(ramp(), np.random.default_rng(seed))
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


def test_scale_crop_at_scale_1_is_a_crop_or_the_image():
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3)).astype(np.uint8)
    example = Example(image, image[..., 0], image[..., 1].astype(np.float32))
    whole = RandomScaleCrop((50, 70), (1, 1))(example, np.random.default_rng(0))
    assert_same(whole, example)
    views = np.lib.stride_tricks.sliding_window_view(image, (20, 31), (0, 1))
    views = np.moveaxis(views, 2, -1)
    found = set()
    for seed in range(20):
        crop = RandomScaleCrop((20, 31), (1, 1))(example, np.random.default_rng(seed))
        matches = np.argwhere((views == crop.image).all(axis=(2, 3, 4)))
        assert len(matches) == 1  # a window as it is, not one between pixels
        found.add(tuple(matches[0]))
        np.testing.assert_array_equal(crop.mask, crop.image[..., 0])
        np.testing.assert_array_equal(crop.weights, crop.image[..., 1])
    assert len(found) > 15


@pytest.mark.parametrize("shape", [(40, 50), (40, 300), (300, 50), (9, 8)])
@pytest.mark.parametrize("scale", [0.5, 0.9])
def test_what_is_padded_is_void_in_the_mask_and_grey_in_the_image(shape, scale):
    image = np.tile(np.uint8([250, 20, 30]), (*shape, 1))
    mask = np.full(shape, 7, np.uint8)
    augment = RandomScaleCrop((64, 80), (scale, scale), ignore_class=200)
    example = Example(image, mask, np.ones(shape, np.float32))
    image, mask, weights = augment(example, np.random.default_rng(1))
    assert set(np.unique(mask)) <= {7, 200} and 200 in mask
    grey = (image == NEUTRAL).all(axis=-1)
    apart = inside(mask, 1)
    np.testing.assert_array_equal(grey[apart], (mask == 200)[apart])
    np.testing.assert_allclose(weights[apart], (mask != 200)[apart], atol=1e-4)
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
        ids = augment(Example(image, mask), np.random.default_rng(seed)).mask
        assert ids.dtype == np.uint16
        assert set(np.unique(ids)) <= {*np.unique(mask), 65535}


@pytest.mark.parametrize("scale", [(0, 1), (-0.5, 2), (2, 0.5)])
def test_wrong_scales_are_an_error(scale):
    with pytest.raises(ValueError, match="positive factors in order. Received: "):
        RandomScaleCrop((8, 8), scale)


@pytest.mark.parametrize("scale", [0.5, 1, 1.7])
def test_a_mirrored_crop_has_its_middle_inside_and_reaches_every_pixel(scale):
    # Rows and columns are told by red and green, in the mirrored pixels too.
    image = ramp(90, 110).image
    mask = np.arange(90 * 110, dtype=np.uint16).reshape(90, 110)
    example = Example(image, mask, mask.astype(np.float32))
    augment = RandomScaleCrop((72, 56), (scale, scale), 65535, "mirror", (40, 24))
    seen = set()
    for seed in range(300):
        crop = augment(example, np.random.default_rng(seed))
        assert crop.image.shape == (72, 56, 3) and 65535 not in crop.mask
        ids = crop.mask.astype(int)
        middle = ids[16:56, 16:40]
        # In the middle nothing is mirrored: rows and columns only grow.
        assert (np.diff(middle // 110, axis=0) >= 0).all()
        assert (np.diff(middle % 110, axis=1) >= 0).all()
        off = np.abs(crop.image[..., 0] - (ids % 110)) + np.abs(
            crop.image[..., 1] - (ids // 110)
        )
        assert off.max() <= 3  # half a pixel to the nearest, each way, and rounding
        seen |= set(middle.ravel().tolist())
    if scale == 1:
        assert {i // 110 for i in seen} == set(range(90))
        assert {i % 110 for i in seen} == set(range(110))


def test_an_image_smaller_than_a_mirrored_crop_is_in_its_middle():
    image = np.random.default_rng(0).integers(0, 256, (9, 12, 3)).astype(np.uint8)
    example = Example(image, image[..., 0])
    augment = RandomScaleCrop((29, 20), (1, 1), border="mirror")
    moved = augment(example, np.random.default_rng(0))
    expected = np.pad(image, ((10, 10), (4, 4), (0, 0)), mode="reflect")
    assert_same(moved[:2], (expected, expected[..., 0]))


@pytest.mark.parametrize(
    "augment", [RandomRotation, ElasticDeformation, RandomScaleCrop]
)
def test_another_border_is_an_error(augment):
    size = ((8, 8),) if augment is RandomScaleCrop else ()
    with pytest.raises(ValueError, match=r"'void', 'mirror'.*Received: 'reflect'"):
        augment(*size, border="reflect")


# RandomFlip, RandomQuarterTurn


@pytest.mark.parametrize(
    ("augment", "expected"),
    [
        (RandomFlip(1.0), np.fliplr),
        (RandomFlip(0.0, 1.0), np.flipud),
        (RandomFlip(1.0, 1.0), lambda array: np.rot90(array, 2)),
        (RandomFlip(0.0), np.asarray),
    ],
)
def test_a_flip_mirrors_all_exactly(pair, augment, expected):
    assert_same(augment(pair, np.random.default_rng(0)), map(expected, pair))


def test_flips_come_as_often_as_they_should(pair):
    rng, flip = np.random.default_rng(0), RandomFlip(0.3, 0.8)
    counts = np.zeros((2, 2))
    tiny = Example(pair.image[:2, :2], np.array([[0, 1], [2, 3]], np.uint8))
    for _ in range(2000):
        vertical, horizontal = divmod(flip(tiny, rng).mask[0, 0], 2)
        counts[vertical, horizontal] += 1
    expected = np.outer([0.2, 0.8], [0.7, 0.3])
    np.testing.assert_allclose(counts / 2000, expected, atol=0.04)


def test_without_vertical_flips_the_random_numbers_stay_what_they_were(pair):
    one, two = np.random.default_rng(4), np.random.default_rng(4)
    RandomFlip(0.5)(pair, one)
    two.random()
    assert one.random() == two.random()


def test_quarter_turns_are_the_four(pair):
    found = []
    for seed in range(40):
        turned = RandomQuarterTurn()(pair, np.random.default_rng(seed))
        (turns,) = (
            k for k in range(4) if np.array_equal(turned.mask, np.rot90(pair.mask, k))
        )
        assert_same(turned, (np.rot90(array, turns) for array in pair))
        found.append(turns)
    assert np.bincount(found).min() >= 4


# RandomRotation and ElasticDeformation


@pytest.mark.parametrize("border", ["void", "mirror"])
@pytest.mark.parametrize("warp", [RandomRotation(180), ElasticDeformation(6.0)])
def test_warps_move_image_mask_and_weights_alike(pair, warp, border):
    warp = dataclasses.replace(warp, border=border, ignore_class=222)
    void = 0
    for seed in range(12):
        image, mask, weights = warp(pair, np.random.default_rng(seed))
        assert image.shape == (150, 200, 3) and mask.shape == weights.shape == (
            150,
            200,
        )
        assert image.dtype == mask.dtype == np.uint8 and weights.dtype == np.float32
        assert set(np.unique(mask)) <= {*IDS, 222}
        seen, apart = classes_seen(image), inside(mask, 2)
        seen[seen == 255] = 222
        assert (seen == mask)[apart].mean() >= 0.999
        assert (seen == mask).mean() >= 0.97
        assert np.isclose(weights, mask % 222, atol=1e-4)[apart].mean() >= 0.99
        void += (mask == 222).sum()
    assert (void > 0) == (border == "void")


def test_warps_keep_16_bit_ids(pair):
    mask = pair.mask.astype(np.uint16) + 300
    for warp in (RandomRotation(90), ElasticDeformation(6.0, border="void")):
        warp = dataclasses.replace(warp, ignore_class=65535)
        ids = warp(Example(pair.image, mask), np.random.default_rng(0)).mask
        assert ids.dtype == np.uint16
        assert set(np.unique(ids)) <= {*(IDS.astype(int) + 300), 65535}


@pytest.mark.parametrize("angle", [-180.0, -37.0, 0.0, 20.0, 90.0])
def test_a_rotation_turns_points_about_the_middle(angle):
    class Angle:
        def uniform(self, low, high):
            assert (low, high) == (-180, 180)
            return angle

    mask = np.zeros((101, 141), np.uint8)
    places = np.array([[50, 70], [30, 70], [50, 95], [22, 40]])
    for identity, (row, column) in enumerate(places, start=1):
        mask[row - 2 : row + 3, column - 2 : column + 3] = identity
    example = Example(np.repeat(mask[..., None], 3, axis=-1), mask)
    turned = RandomRotation(180)(example, Angle()).mask
    found = ndimage.center_of_mass(turned > 0, turned, [1, 2, 3, 4])
    down, across = (places - [50, 70]).T
    turn = np.deg2rad(angle)
    rows = 50 + np.cos(turn) * down + np.sin(turn) * across
    columns = 70 - np.sin(turn) * down + np.cos(turn) * across
    np.testing.assert_allclose(found, np.stack([rows, columns], -1), atol=0.5)


def test_a_rotation_by_nothing_is_the_identity(pair):
    still = RandomRotation(0)(pair, np.random.default_rng(0))
    assert_same(still, pair)


@pytest.mark.parametrize("degrees", [-1, 181])
def test_wrong_angles_are_an_error(degrees):
    with pytest.raises(ValueError, match="must be 0 to 180. Received: "):
        RandomRotation(degrees)


@pytest.mark.parametrize("border", ["void", "mirror"])
def test_a_deformation_by_nothing_is_the_identity(pair, border):
    still = ElasticDeformation(0.0, border=border)(pair, np.random.default_rng(0))
    assert_same(still, pair)


def test_displacements_are_those_of_the_grid_and_smooth_between():
    deform = ElasticDeformation(10.0)
    for seed in range(20):
        flow = deform.flow((257, 513), np.random.default_rng(seed))
        assert flow.shape == (2, 257, 513)
        nodes = flow[:, ::128, ::256]
        # The grid's corners are the image's, and its points are what was drawn.
        drawn = np.random.default_rng(seed).normal(0, 10, (2, 3, 3))
        np.testing.assert_allclose(nodes, drawn, atol=1e-4)
        # Natural splines through 3 points are within 1.193 of the largest, along
        # each axis; their slope is within 5/2 of it over half of the image.
        largest = np.abs(drawn).max()
        assert np.abs(flow).max() <= 1.193**2 * largest + 1e-4
        assert np.abs(np.diff(flow, axis=1)).max() <= 1.193 * 2.5 * largest / 128
        assert np.abs(np.diff(flow, axis=2)).max() <= 1.193 * 2.5 * largest / 256
        second = np.abs(np.diff(flow, 2, axis=1)).max()
        assert second <= 1.193 * 6 * largest / 128**2 + 1e-5


def test_displacements_are_normal_with_the_sigma():
    deform = ElasticDeformation(7.0, grid=(4, 5))
    rng = np.random.default_rng(0)
    nodes = np.stack([deform.flow((4, 5), rng) for _ in range(400)])
    assert nodes.mean() == pytest.approx(0, abs=0.25)
    assert nodes.std() == pytest.approx(7, rel=0.02)
    assert np.mean(np.abs(nodes) < 7) == pytest.approx(0.683, abs=0.015)
    correlation = np.corrcoef(nodes.reshape(400, -1), rowvar=False)
    assert np.abs(correlation - np.eye(40)).max() < 0.25


def test_a_deformation_takes_pixels_from_where_its_flow_says():
    example = ramp(60, 90)
    deform = ElasticDeformation(4.0)
    rows, columns = np.mgrid[:60, :90] + deform.flow((60, 90), np.random.default_rng(5))
    image = deform(example, np.random.default_rng(5)).image
    # A ramp that is mirrored at its outermost pixels is this zigzag.
    rows, columns = (59 - np.abs(59 - np.abs(rows)), 89 - np.abs(89 - np.abs(columns)))
    apart = (rows > 1) & (rows < 58) & (columns > 1) & (columns < 88)
    np.testing.assert_allclose(image[..., 0][apart], columns[apart], atol=0.5001)
    np.testing.assert_allclose(image[..., 1][apart], rows[apart], atol=0.5001)


@pytest.mark.parametrize("options", [{"sigma": -1}, {"grid": (3, 1)}])
def test_wrong_deformations_are_an_error(options):
    with pytest.raises(ValueError, match="`sigma` must be 0 or more.*Received: sigma="):
        ElasticDeformation(**options)


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
        example = Example(image, np.zeros((30, 40), np.uint8))
        jittered = ColorJitter(*amounts)(example, np.random.default_rng(seed)).image
        assert jittered.dtype == np.uint8
        difference = np.abs(jittered - direct(image, *factors))
        # OpenCV counts in 1/1024 of a level.
        assert difference.max() <= 1 and (difference > 0).mean() < 0.12


def test_jitter_leaves_mask_weights_and_its_input(pair):
    image = pair.image.copy()
    jittered = ColorJitter(0.5, 0.5, 0.5)(pair, np.random.default_rng(3))
    assert jittered.mask is pair.mask and jittered.weights is pair.weights
    np.testing.assert_array_equal(pair.image, image)
    assert (jittered.image != image).any()


def test_jitter_by_nothing_is_the_identity(pair):
    assert_same(ColorJitter(0, 0, 0)(pair, np.random.default_rng(0)), pair)


# All


ALL = [
    RandomScaleCrop((50, 60)),
    RandomScaleCrop((50, 60), (1, 1), border="mirror", mask_size=(30, 40)),
    RandomFlip(),
    RandomQuarterTurn(),
    RandomRotation(),
    ElasticDeformation(),
    ColorJitter(),
]


@pytest.mark.parametrize("augment", ALL, ids=repr)
def test_the_generator_decides_everything(pair, augment):
    def images(seeds):
        return [augment(pair, np.random.default_rng(s)).image for s in seeds]

    for one, two in zip(images(range(6)), images(range(6)), strict=True):
        np.testing.assert_array_equal(one, two)
    assert len({image.tobytes() for image in images(range(12))}) > 1


@pytest.mark.parametrize("augment", ALL, ids=repr)
def test_weights_change_neither_image_nor_mask(pair, augment):
    for seed in range(3):
        with_weights = augment(pair, np.random.default_rng(seed))
        without = augment(pair._replace(weights=None), np.random.default_rng(seed))
        assert without.weights is None and with_weights.weights is not None
        assert_same(without[:2], with_weights[:2])
