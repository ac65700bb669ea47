"""Scribbles and points drawn from masks, on made regions and on CamVid."""

import time

import numpy as np
import pytest
from camvid_members import read_camvid
from scipy import ndimage

from kseg.weak import draw_points, draw_scribbles, synthetic

NAMES = ["0001TP_006690", "0006R0_f02190", "0016E5_05220"]


@pytest.fixture(scope="module")
def masks(reference):
    return [mask for _, mask in read_camvid(reference, NAMES)]


def made(seed=0, size=(90, 120), num_classes=4):
    """Patches of classes and of void, some of them a pixel wide."""
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(num_classes, *size)), (0, 9, 9))
    mask = noise.argmax(axis=0).astype(np.uint8)
    mask[20:70, 40] = num_classes
    mask[80, 5] = num_classes + 1
    mask[:9, 100:] = 255
    return mask


def share(scribbles, mask):
    return (scribbles != 255).sum() / (mask != 255).sum()


def assert_true(scribbles, mask):
    """Every pixel drawn has its class, and every class is drawn."""
    drawn = scribbles != 255
    np.testing.assert_array_equal(scribbles[drawn], mask[drawn])
    assert set(np.unique(scribbles)) | {255} == set(np.unique(mask)) | {255}
    assert scribbles.dtype == mask.dtype


@pytest.mark.parametrize("fraction", [0.01, 0.03, 0.1])
def test_the_fraction_is_met_on_camvid(masks, fraction):
    for mask in masks:
        scribbles = draw_scribbles(mask, fraction)
        assert_true(scribbles, mask)
        assert share(scribbles, mask) == pytest.approx(fraction, rel=0.05)


@pytest.mark.parametrize("width", [1, 2, 3, 6])
@pytest.mark.parametrize("fraction", [0.05, 0.2, 0.5])
def test_the_fraction_is_met_for_any_width(width, fraction):
    mask = made(width)
    scribbles = draw_scribbles(mask, fraction, width=width)
    assert_true(scribbles, mask)
    # Widths of 6 leave the borders of regions bare.
    if width < 6 or fraction < 0.5:
        assert share(scribbles, mask) == pytest.approx(fraction, rel=0.05)


def test_the_fraction_is_met_on_small_masks():
    """To a twentieth, or to `width * (width + 2)` pixels a class."""
    rng = np.random.default_rng(1)
    for index in range(150):
        classes, width = rng.integers(1, 5, 2).tolist()
        size = tuple(rng.integers(8, 110, 2).tolist())
        noise = rng.normal(size=(classes, *size))
        sigma = rng.uniform(2, 12)
        mask = ndimage.gaussian_filter(noise, (0, sigma, sigma)).argmax(axis=0)
        fraction = rng.choice([0.005, 0.01, 0.03, 0.1, 0.3])
        scribbles = draw_scribbles(mask, fraction, width=width, seed=index)
        assert_true(scribbles, mask)
        target, drawn = fraction * mask.size, (scribbles != 255).sum()
        present = len(np.unique(mask))
        allowed = max(0.05 * target, width * (width + 2) * present)
        assert abs(drawn - target) <= allowed, (index, target, drawn)


def test_the_fraction_is_met_in_a_large_region(monkeypatch):
    """Whose strokes are longer; fewer rounds do for a smaller one."""
    monkeypatch.setattr(synthetic, "_ROUNDS", 110)
    mask = np.zeros((500, 500), np.uint8)
    scribbles = draw_scribbles(mask, 0.1, width=1)
    assert share(scribbles, mask) == pytest.approx(0.1, rel=0.05)


def test_strokes_have_their_width():
    mask = np.zeros((80, 90), np.uint8)
    for width in (1, 2, 3, 5):
        drawn = draw_scribbles(mask, 0.1, width=width) == 0
        opened = ndimage.binary_opening(drawn, np.ones((width, width)))
        np.testing.assert_array_equal(opened, drawn)
        assert ndimage.distance_transform_cdt(drawn).max() <= 2 * width


def test_strokes_are_long():
    parts, count = ndimage.label(
        draw_scribbles(np.zeros((100, 120), "int64"), 0.03) == 0
    )
    longest = max(
        max(rows.stop - rows.start, columns.stop - columns.start)
        for rows, columns in ndimage.find_objects(parts)
    )
    assert count <= 3 and longest > 30


def test_nearly_everything_can_be_drawn():
    mask = made()
    scribbles = draw_scribbles(mask, 1.0, width=1)
    assert_true(scribbles, mask)
    assert share(scribbles, mask) > 0.95


def test_large_regions_come_first():
    mask = np.zeros((60, 60), np.uint8)
    mask[5::6, 5::6] = 1  # 100 points
    scribbles = draw_scribbles(mask, 0.02)
    assert (scribbles == 1).sum() == 1
    assert (scribbles == 0).sum() > 40


def test_the_seed_says_what_is_drawn():
    mask = made()
    for draw in (lambda seed: draw_scribbles(mask, 0.05, seed=seed),
                 lambda seed: draw_points(mask, seed=seed)):  # fmt: skip
        np.testing.assert_array_equal(draw(3), draw(3))
        assert (draw(3) != draw(4)).any()
        assert (draw((3, 0)) != draw((3, 1))).any()


def test_scribbles_are_fast(masks):
    draw_scribbles(masks[0], 0.03)
    start = time.process_time()
    for mask in masks:
        draw_scribbles(mask, 0.03)
    # 35 ms each; the limit is for slow machines.
    assert (time.process_time() - start) / len(masks) < 0.5


def test_points_are_one_for_an_object_and_inside(masks):
    for mask in masks:
        points = draw_points(mask, width=3, smallest=25)
        assert_true(points, mask)
        for identity in np.unique(mask[mask != 255]):
            parts, count = ndimage.label(mask == identity)
            sizes = np.bincount(parts.ravel())[1:]
            objects = np.flatnonzero(sizes >= 25) + 1
            if not len(objects):
                objects = [sizes.argmax() + 1]
            drawn = np.bincount(parts[points == identity], minlength=count + 1)
            assert set(np.flatnonzero(drawn)) == set(objects)
            assert set(drawn[objects]) <= {1, 9}


def test_points_are_well_inside_and_as_many_as_asked():
    mask = np.full((41, 41), 255, np.uint8)
    mask[:, :40] = 2
    points = draw_points(mask, points=5, width=1)
    rows, columns = np.nonzero(points == 2)
    assert len(rows) == 5
    assert min(rows.min(), 40 - rows.max(), columns.min(), 39 - columns.max()) >= 9
    full = draw_points(np.zeros((3, 3), np.uint8), points=50, width=1)
    assert (full == 0).sum() <= 9


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"fraction": 0}, "`fraction`.*Received: 0"),
        ({"fraction": 1.5}, "`fraction`.*Received: 1.5"),
        ({"width": 0}, "`width`.*Received: 0"),
        ({"mask": np.zeros((4, 4))}, "integers.*float64"),
        ({"mask": np.zeros(4, int)}, r"\(4,\)"),
        ({"mask": np.full((4, 4), 255)}, r"hold a class.*\[255\]"),
        ({"mask": np.zeros((4, 4), np.uint8), "ignore_class": 999},
         "`ignore_class`.*holds.*Received: 999 for uint8"),
        ({"mask": np.zeros((4, 4), np.int8)}, "Received: 255 for int8"),
        ({"mask": np.zeros((4, 4), np.uint16), "ignore_class": -1}, "-1 for uint16"),
    ],
)  # fmt: skip
def test_wrong_input_is_an_error(wrong, words):
    with pytest.raises(ValueError, match=words):
        draw_scribbles(**{"mask": np.zeros((4, 4), int), "fraction": 0.1, **wrong})
    if "fraction" not in wrong:
        with pytest.raises(ValueError, match=words):
            draw_points(**{"mask": np.zeros((4, 4), int), **wrong})


def test_there_must_be_points():
    with pytest.raises(ValueError, match="`points`.*Received: 0"):
        draw_points(np.zeros((4, 4), int), 0)
