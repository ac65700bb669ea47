"""Mixes of several examples."""

import numpy as np
import pytest
from array_source import numbered
from painted import IDS, assert_same, classes_seen, painted

from kseg.data import Examples
from kseg.data.augment import (
    ClassMix,
    CopyPaste,
    CutMix,
    MixUp,
    Mosaic,
    RandomFlip,
    RandomScaleCrop,
)
from kseg.data.geometry import Example


@pytest.fixture(scope="module")
def four():
    one = painted()
    turned = [
        one.each(np.fliplr),
        one.each(np.flipud),
        one.each(lambda array: np.rot90(array, 2)),
    ]
    return [one, *turned]


ALL = [CutMix(), ClassMix(), CopyPaste((3, 11)), Mosaic(), MixUp()]


@pytest.mark.parametrize("mix", ALL, ids=repr)
def test_a_mix_is_of_its_examples_and_leaves_them(four, mix):
    examples = [e.each(np.copy) for e in four[: 1 + mix.partners]]
    results = []
    for seed in (*range(8), *range(8)):
        mixed = mix(examples, np.random.default_rng(seed))
        results.append(mixed)
        assert mixed.image.shape == (150, 200, 3) and mixed.mask.shape == (150, 200)
        assert mixed.image.dtype == mixed.mask.dtype == np.uint8
        assert set(np.unique(mixed.mask)) <= set(IDS)
        np.testing.assert_array_equal(mixed.weights, mixed.mask)
        if not isinstance(mix, MixUp):
            np.testing.assert_array_equal(classes_seen(mixed.image), mixed.mask)
        bare = [e._replace(weights=None) for e in examples]
        without = mix(bare, np.random.default_rng(seed))
        assert without.weights is None
        assert_same(without[:2], mixed[:2])
    for one, two in zip(results[:8], results[8:], strict=True):
        assert_same(one, two)
    drawn = not isinstance(mix, CopyPaste)
    assert (len({mixed.image.tobytes() for mixed in results}) > 1) == drawn
    for one, two in zip(examples, four, strict=False):
        assert_same(one, two)


@pytest.mark.parametrize("mix", ALL, ids=repr)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (3, 2)])
def test_tiny_examples_and_16_bit_masks_are_mixed(mix, shape):
    example = Example(np.zeros((*shape, 3), np.uint8), np.full(shape, 300, np.uint16))
    for seed in range(5):
        mixed = mix([example] * (1 + mix.partners), np.random.default_rng(seed))
        assert_same(mixed[:2], example[:2])
        assert mixed.mask.dtype == np.uint16


def flat(number, shape=(40, 50)):
    return Example(np.full((*shape, 3), number, np.uint8), np.full(shape, number))


def test_cut_mix_pastes_one_rectangle_of_a_uniform_share():
    shares = []
    for seed in range(200):
        mask = CutMix()([flat(0), flat(1)], np.random.default_rng(seed)).mask
        rows, columns = mask.any(axis=1).sum(), mask.any(axis=0).sum()
        assert mask.sum() == rows * columns
        shares.append(mask.mean())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.06)
    assert np.quantile(shares, [0.25, 0.75]) == pytest.approx([0.25, 0.75], abs=0.1)


def test_class_mix_pastes_whole_classes_of_half_of_them(four):
    first, second = flat(99, (150, 200)), four[0]
    second = second._replace(mask=np.where(second.mask == 0, 255, second.mask))
    for seed in range(10):
        mixed = ClassMix()([first, second], np.random.default_rng(seed))
        pasted = set(np.unique(mixed.mask)) - {99}
        assert len(pasted) == 3 and 255 not in pasted  # of 5
        np.testing.assert_array_equal(mixed.mask != 99, np.isin(second.mask, [*pasted]))


def test_copy_paste_pastes_its_classes(four):
    mixed = CopyPaste((3, 200))([flat(99, (150, 200)), four[0]], None)
    np.testing.assert_array_equal(mixed.mask, np.where(four[0].mask == 3, 3, 99))


def test_mix_ups_loss_is_unbiased():
    # Any loss of the image and the mask; its mean over masks is that of MixUp.
    rng = np.random.default_rng(0)
    first, second = flat(200, (1, 1)), flat(40, (1, 1))
    blends, chosen = [], []
    for _ in range(1500):
        mixed = MixUp(1.0)([first, second], rng)
        blends.append((mixed.image[0, 0, 0] - 40) / 160)
        chosen.append(mixed.mask[0, 0] == 200)
    blends, chosen = np.array(blends), np.array(chosen)
    assert np.quantile(blends, [0.25, 0.5, 0.75]) == pytest.approx(
        [0.25, 0.5, 0.75], abs=0.05
    )
    for low in np.arange(0, 1, 0.25):
        some = (low <= blends) & (blends < low + 0.25)
        assert chosen[some].mean() == pytest.approx(blends[some].mean(), abs=0.08)


def test_mosaic_is_four_windows_around_a_point():
    mosaic = Mosaic((0.25, 0.5))
    starts = set()
    for seed in range(30):
        examples = []
        for number in range(4):
            mask = np.arange(2000).reshape(40, 50) + 2000 * number
            examples.append(Example(np.zeros((40, 50, 3), np.uint8), mask))
        mask = mosaic(examples, np.random.default_rng(seed)).mask
        which, (rows, columns) = mask // 2000, divmod(mask % 2000, 50)
        row, column = (which[:, 0] == 0).sum(), (which[0] == 0).sum()
        assert 10 <= row <= 20 and 12 <= column <= 25
        expected = np.kron([[0, 1], [2, 3]], np.ones((40, 50)))
        expected = expected[40 - row : 80 - row, 50 - column : 100 - column]
        np.testing.assert_array_equal(which, expected)
        for number in range(4):  # a window as it is
            at = np.argwhere(which == number)
            moved = np.stack([rows[which == number], columns[which == number]], -1) - at
            assert (moved == moved[0]).all()
            starts.add((number, *moved[0]))
    assert len(starts) > 60


@pytest.mark.parametrize(
    "wrong", [lambda: CutMix(0), lambda: MixUp(1, 2), lambda: Mosaic((0.6, 0.5))]
)
def test_wrong_arguments_are_an_error(wrong):
    with pytest.raises(ValueError, match="must be .* Received: "):
        wrong()
    with pytest.raises(ValueError, match="one id or more"):
        CopyPaste(())


def test_examples_draw_partners_by_seed_and_position():
    source = numbered(6)
    augment = [RandomScaleCrop((8, 10), (1, 1)), RandomFlip()]
    mixes = [CutMix(probability=0.5), Mosaic(probability=0.3)]

    def examples(**options):
        return Examples(source, (8, 10), 2, augment, 5, mixes=mixes, **options)

    plain = Examples(source, (8, 10), 2, augment, 5)
    mixed = 0
    for position in reversed(range(30)):
        one, two = examples().example(position), examples().example(position)
        assert_same(one[:2], two[:2])
        np.testing.assert_array_equal(one.image[..., 0], one.mask)
        if not np.array_equal(one.mask, plain.example(position).mask):
            mixed += 1
    assert 8 <= mixed <= 26  # 1 - 0.5 * 0.7, less where a partner is the example
    weighted = examples(weights=lambda mask: mask.astype(np.float32)).example(3)
    np.testing.assert_array_equal(weighted.weights, weighted.mask)
