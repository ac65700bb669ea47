"""What every augmentation must do, whichever it is."""

import dataclasses

import numpy as np
import pytest
from painted import IDS, assert_same, classes_seen, inside, painted

from kseg.data import augment, presets
from kseg.data.geometry import NEUTRAL, Example

SIZE = (60, 70)
FILL = (9, 120, 30)
# Every geometric augmentation, filling with a colour that is no class's.
GEOMETRIC = {
    "affine": {"degrees": 40.0, "shear": 15.0, "translation": 0.2, "fill": FILL},
    "cutout": {"fill": FILL},
    "elastic": {"sigma": 6.0, "border": "void", "fill": FILL},
    "flip": {"vertical": 0.5},
    "quarter_turn": {},
    "rotation": {"fill": FILL},
    "scale_crop": {"scale": (0.3, 2.0), "size": (64, 96)},
}
REQUIRED = {
    "scale_crop": {"size": SIZE},
    "some_of": {"augmentations": ({"name": "gaussian_blur"}, {"name": "equalize"})},
}
# keras-cv's take seconds: see test_from_keras.py.
OURS = [name for name in presets.AUGMENTATIONS if not name.startswith("keras_cv")]
EVERY = [presets.make({"name": name, **REQUIRED.get(name, {})}, {}) for name in OURS]
COLORS = [each for name, each in zip(OURS, EVERY, strict=True) if name not in GEOMETRIC]


@pytest.fixture(scope="module")
def pair():
    return painted()


def frozen(example):
    """The example in arrays that cannot be written to."""

    def lock(array):
        array = array.copy()
        array.setflags(write=False)
        return array

    return example.each(lock)


def test_every_augmentation_and_mix_has_a_name():
    named = {*presets.AUGMENTATIONS.values(), *presets.MIXES.values()}
    offered = {getattr(augment, name) for name in augment.__all__}
    assert offered - named == {augment.Sometimes, augment.Mix}


@pytest.mark.parametrize("name", GEOMETRIC)
def test_image_mask_and_weights_move_together(pair, name):
    moves = presets.make({"name": name, **GEOMETRIC[name]}, {"ignore_class": 222})
    padded = 0
    for seed in range(10):
        image, mask, weights = moves(pair, np.random.default_rng(seed))
        assert image.shape == (*mask.shape, 3) and weights.shape == mask.shape
        assert (image.dtype, mask.dtype) == (np.uint8, np.uint8)
        assert weights.dtype == np.float32
        assert set(np.unique(mask)) <= {*IDS, 222}
        apart, void = inside(mask, 2), mask == 222
        seen = classes_seen(image)
        assert (seen == mask)[apart & ~void].mean() >= 0.999
        assert np.isclose(weights, mask % 222, atol=1e-4)[apart].mean() >= 0.99
        if name != "scale_crop":
            at_border = np.isclose(image, FILL, atol=1).all(axis=-1)
            assert (at_border == void)[apart].mean() >= 0.995
        padded += void.sum()
    assert (padded > 0) == (name not in ("flip", "quarter_turn"))


@pytest.mark.parametrize("colors", COLORS, ids=repr)
def test_colors_leave_mask_and_weights(pair, colors):
    for seed in range(3):
        changed = colors(pair, np.random.default_rng(seed))
        assert changed.mask is pair.mask and changed.weights is pair.weights
        assert changed.image.shape == pair.image.shape
        assert changed.image.dtype == np.uint8


@pytest.mark.parametrize("each", EVERY, ids=repr)
def test_the_generator_decides_and_the_input_stays(pair, each):
    fixed = isinstance(each, augment.AutoContrast | augment.Equalize)
    # No colour is at an end of its range, where some change nothing.
    locked = frozen(pair._replace(image=pair.image // 2 + np.uint8(70)))
    before = locked.each(np.copy)
    results = []
    for seed in (*range(12), *range(12)):
        results.append(each(locked, np.random.default_rng(seed)))
    for one, two in zip(results[:12], results[12:], strict=True):
        assert_same(one, two)
    assert (len({result.image.tobytes() for result in results}) == 1) == fixed
    assert_same(locked, before)
    bare = each(locked._replace(weights=None), np.random.default_rng(0))
    assert bare.weights is None
    assert_same(bare[:2], results[0][:2])


@pytest.mark.parametrize("each", EVERY, ids=repr)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (7, 13)])
def test_tiny_and_odd_sizes_are_taken(each, shape):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (*shape, 3)).astype(np.uint8)
    mask = np.full(shape, 300, np.uint16)
    for seed in range(4):
        moved = each(Example(image, mask), np.random.default_rng(seed))
        sizes = {shape, shape[::-1], SIZE}
        assert moved.mask.shape in sizes and moved.image.shape == (*moved.mask.shape, 3)
        assert moved.mask.dtype == np.uint16
        assert set(np.unique(moved.mask)) <= {300, 255}


@pytest.mark.parametrize("each", EVERY, ids=repr)
def test_views_are_taken_as_their_copies(pair, each):
    view = pair.each(lambda array: np.rot90(array[:, ::-1]))
    copy = view.each(np.ascontiguousarray)
    assert_same(
        each(view, np.random.default_rng(1)), each(copy, np.random.default_rng(1))
    )


@pytest.mark.parametrize("name", ["affine", "rotation", "elastic"])
def test_grey_is_the_fill_unless_it_is_said(pair, name):
    moves = presets.make({"name": name}, {"border": "void"})
    image, mask, _ = moves(pair, np.random.default_rng(3))
    void = (mask == 255) & inside(mask, 2)
    assert void.any() and (image[void] == NEUTRAL).all()


# Affine


def test_an_affine_is_one_interpolation_at_the_places_it_says():
    ramp = np.mgrid[:90, :120].astype(np.uint8)
    image = np.stack([ramp[1], ramp[0], ramp[1]], axis=-1)
    moves = augment.RandomAffine(20.0, (0.7, 1.4), 10.0, 0.1, border="mirror")
    for seed in range(5):
        moved = moves(
            Example(image, np.zeros((90, 120), np.uint8)), np.random.default_rng(seed)
        )
        rng = np.random.default_rng(seed)
        angle = np.deg2rad(rng.uniform(-20, 20))
        scale = np.exp(rng.uniform(np.log(0.7), np.log(1.4)))
        lean, other = np.tan(np.deg2rad(rng.uniform(-10, 10, 2)))
        across, down = rng.uniform(-0.1, 0.1, 2) * (120, 90)
        # Homogeneous matrices, one motion each, from the result to the image.
        move = np.eye(3)
        for part in (
            [[1, 0, 59.5], [0, 1, 44.5]],
            [
                [np.cos(angle), np.sin(angle), 0],
                [-np.sin(angle), np.cos(angle), 0],
            ],
            [[1, lean, 0], [0, 1, 0]],
            [[1, 0, 0], [other, 1, 0]],
            [[1 / scale, 0, 0], [0, 1 / scale, 0]],
            [[1, 0, -59.5 - across], [0, 1, -44.5 - down]],
        ):
            move = move @ np.vstack([part, [0, 0, 1]])
        columns, rows, _ = np.tensordot(
            move, np.stack([ramp[1], ramp[0], np.ones_like(ramp[0])]), 1
        )
        within = (1 < columns) & (columns < 118) & (1 < rows) & (rows < 88)
        assert within.mean() > 0.3
        np.testing.assert_allclose(
            moved.image[..., 0][within], columns[within], atol=0.53
        )
        np.testing.assert_allclose(moved.image[..., 1][within], rows[within], atol=0.53)


@pytest.mark.parametrize(
    "options",
    [{"degrees": 200}, {"shear": 90}, {"scale": (0, 1)}, {"translation": 1.5}],
)
def test_wrong_affines_are_an_error(options):
    with pytest.raises(ValueError, match="must be .*Received: "):
        augment.RandomAffine(**options)


def test_sides_that_opencv_cannot_count_are_an_error():
    image = np.zeros((1, 40000, 3), np.uint8)
    with pytest.raises(ValueError, match="sides below 32767.*WindowCrops"):
        augment.ElasticDeformation()(
            Example(image, image[..., 0]), np.random.default_rng(0)
        )


# Cutout and chance


@pytest.mark.parametrize("void", [True, False])
def test_cutout_hides_what_it_says(pair, void):
    cut = augment.Cutout((1, 1), (0.2, 0.4), void, 99, FILL)
    for seed in range(10):
        image, mask, weights = cut(pair, np.random.default_rng(seed))
        hidden = (image == FILL).all(axis=-1)
        rows, columns = hidden.any(axis=1).sum(), hidden.any(axis=0).sum()
        assert hidden.sum() == rows * columns  # one rectangle
        assert 29 <= rows <= 61 and 39 <= columns <= 81
        np.testing.assert_array_equal(mask, np.where(hidden & void, 99, pair.mask))
        np.testing.assert_array_equal(weights, np.where(hidden & void, 0, pair.weights))


def test_sometimes_comes_as_often_as_it_says(pair):
    tiny = Example(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8))
    rng = np.random.default_rng(0)
    negative = augment.Sometimes(lambda e, _: e._replace(image=255 - e.image), 0.3)
    share = np.mean([negative(tiny, rng).image.any() for _ in range(2000)])
    assert share == pytest.approx(0.3, abs=0.03)
    with pytest.raises(ValueError, match="0 to 1. Received: 1.5"):
        dataclasses.replace(negative, probability=1.5)


def test_some_of_draws_all_alike_and_with_repetition():
    def add(number):
        return lambda e, _: e._replace(image=e.image + np.uint8(number))

    tiny = Example(np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8))
    some = augment.SomeOf([add(1), add(10), add(100)], count=2)
    rng = np.random.default_rng(0)
    sums = [int(some(tiny, rng).image[0, 0, 0]) for _ in range(1800)]
    found = {value: sums.count(value) / 1800 for value in set(sums)}
    expected = {2: 1, 20: 1, 200: 1, 11: 2, 101: 2, 110: 2}
    assert found == pytest.approx({k: v / 9 for k, v in expected.items()}, abs=0.03)
    for wrong in ({"augmentations": []}, {"count": 0}):
        with pytest.raises(ValueError, match="one or more, and `count`"):
            dataclasses.replace(some, **wrong)
