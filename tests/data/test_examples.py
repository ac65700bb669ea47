import pickle

import numpy as np
import pytest
from array_source import ArraySource, numbered

from kseg.data import (
    ColorJitter,
    Example,
    Examples,
    RandomFlip,
    RandomScaleCrop,
    examples,
    fitted,
)
from kseg.data.geometry import NEUTRAL
from kseg.labels import Labels

STILL = (RandomFlip(0.0),)
SIZE = (8, 10)


def order(examples, positions):
    """Which example of a `numbered` source comes at each position."""
    return [int(examples.example(position)[1].max()) for position in positions]


@pytest.fixture
def textured():
    """Ten examples of noise, of different sizes."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(10):
        height, width = rng.integers(12, 30, 2)
        image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        pairs.append((image, rng.integers(0, 5, (height, width)).astype(np.uint8)))
    return ArraySource(pairs, Labels.numbered(5))


def augmented(source, seed=0, **options):
    augment = [RandomScaleCrop(SIZE), RandomFlip(), ColorJitter()]
    return Examples(source, SIZE, 4, augment, seed, **options)


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


# The training stream


def test_every_pass_is_another_permutation():
    examples = Examples(numbered(13), SIZE, 4, STILL)
    passes = [order(examples, range(13 * p, 13 * p + 13)) for p in range(20)]
    for one in passes:
        assert sorted(one) == list(range(13))
    assert len({tuple(one) for one in passes}) == 20
    assert list(range(13)) not in passes
    # Every example comes first, or last, now and then.
    assert len({one[0] for one in passes}) > 6 and len({one[-1] for one in passes}) > 6


def test_the_seed_decides_the_order():
    def first_pass(seed):
        return order(Examples(numbered(13), SIZE, 4, STILL, seed), range(26))

    assert first_pass(5) == first_pass(5)
    assert len({tuple(first_pass(seed)) for seed in range(10)}) == 10


def test_the_seed_decides_the_augmentation(textured):
    for position in range(25):
        one = augmented(textured, 3).example(position)
        assert same(one, augmented(textured, 3).example(position))
        assert not same(one, augmented(textured, 4).example(position))


def test_an_example_is_augmented_differently_in_every_pass(textured):
    examples = augmented(ArraySource(textured.pairs[:1], textured.labels))
    assert len({examples.example(p)[0].tobytes() for p in range(30)}) == 30


def test_a_position_does_not_depend_on_what_was_read_before(textured):
    examples = augmented(textured)
    forwards = [examples.example(position) for position in range(25)]
    for position in np.random.default_rng(1).permutation(25):
        assert same(augmented(textured).example(int(position)), forwards[position])
        assert same(examples.example(int(position)), forwards[position])
        assert same(examples.example(np.int64(position)), forwards[position])


def test_an_example_reads_one_pair(textured):
    augmented(textured).example(123456789)
    assert textured.reads == 1


def test_a_batch_is_the_stream_in_order(textured):
    examples = augmented(textured)
    assert examples.steps == 3
    for step in (0, 2, 5):
        images, masks = examples.batch(step)
        for i in range(4):
            expected = examples.example(4 * step + i)
            assert same((images[i], masks[i], None), expected)


def test_the_pass_goes_on_within_a_batch():
    # 13 examples in batches of 4: none is repeated or lost between the passes.
    examples = Examples(numbered(13), SIZE, 4, STILL)
    found = np.concatenate([examples.batch(s)[1].max(axis=(1, 2)) for s in range(13)])
    assert np.bincount(found).tolist() == [4] * 13


def test_an_empty_list_of_augmentations_is_a_training_stream():
    examples = Examples(numbered(13), SIZE, 4, [])
    assert sorted(order(examples, range(13))) == list(range(13))
    assert order(examples, range(13)) != list(range(13))


# Evaluation


def test_evaluation_is_the_source_in_order_filled_with_void():
    examples = Examples(numbered(10), SIZE, 4, seed=7)
    assert examples.steps == 3
    batches = [examples.batch(step) for step in range(3)]
    masks = np.concatenate([masks for _, masks in batches])
    images = np.concatenate([images for images, _ in batches])
    assert len(masks) == 12
    for i in range(10):
        assert (masks[i] == i).all() and (images[i] == i).all()
    assert (masks[10:] == 255).all() and (images[10:] == NEUTRAL).all()


def test_evaluation_without_a_remainder_is_not_filled():
    examples = Examples(numbered(8), SIZE, 4)
    assert examples.steps == 2
    assert order(examples, range(8)) == list(range(8))


def test_evaluation_fits_images_into_the_size():
    source = numbered(2, size=(4, 10))
    image, mask, _ = Examples(source, (8, 10), 1).example(1)
    assert (mask[:4] == 1).all() and (mask[4:] == 255).all()
    assert (image[4:] == NEUTRAL).all()


def test_filling_uses_the_sources_ignore_class():
    source = numbered(1)
    source.labels = Labels.numbered(300, ignore_class=999)
    _, masks = Examples(source, SIZE, 2).batch(0)
    assert masks.dtype == np.uint16 and (masks[1] == 999).all()


# Shapes


@pytest.mark.parametrize("ignore_class", [255, 65535])
@pytest.mark.parametrize("training", [True, False])
def test_shapes_and_dtypes(textured, training, ignore_class):
    textured.labels = Labels.numbered(5, ignore_class)
    augment = [RandomScaleCrop(SIZE, ignore_class=ignore_class)] if training else None
    examples = Examples(textured, list(SIZE), 3, augment)
    if ignore_class > 255:
        textured.pairs = [(i, m.astype(np.uint16)) for i, m in textured.pairs]
    images, masks = examples.batch(3)
    assert images.shape == (3, 8, 10, 3) and images.dtype == np.uint8
    assert masks.shape == (3, 8, 10) and masks.dtype == examples.mask_dtype
    assert examples.mask_dtype == {255: "uint8", 65535: "uint16"}[ignore_class]
    assert examples.example(0)[0].flags.c_contiguous


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [np.int64, np.uint32, bool])
def test_masks_of_a_source_may_be_any_integers(textured, training, dtype):
    if dtype is bool:
        textured.pairs = [(i, m % 2) for i, m in textured.pairs]
    wide = ArraySource(
        [(i, m.astype(dtype)) for i, m in textured.pairs], textured.labels
    )
    augment = [RandomScaleCrop(SIZE)] if training else None
    ours, theirs = (Examples(s, SIZE, 2, augment) for s in (wide, textured))
    for position in range(10):
        assert same(ours.example(position)[:2], theirs.example(position)[:2])
    for one, two in zip(fitted(wide, SIZE), fitted(textured, SIZE), strict=True):
        assert same(one, two)


@pytest.mark.parametrize("training", [True, False])
def test_void_that_masks_of_8_bits_cannot_hold_is_kept(training):
    source = numbered(1, size=(4, 10))
    source.labels = Labels.numbered(20, ignore_class=65535)
    augment = [RandomScaleCrop((8, 30), (1, 1), ignore_class=65535)]
    fed = Examples(source, (8, 30), 1, augment if training else None)
    assert np.unique(fed.example(0).mask).tolist() == [0, 65535]


@pytest.mark.parametrize("mask_size", [(8, 10), (4, 6), (3, 7), (1, 1), (8, 2)])
@pytest.mark.parametrize("training", [True, False])
def test_a_smaller_mask_is_the_centre(textured, mask_size, training):
    augment = [RandomScaleCrop(SIZE)] if training else None
    whole = Examples(textured, SIZE, 2, augment)
    middle = Examples(textured, SIZE, 2, augment, mask_size=mask_size)
    for position in range(11):
        image, mask, _ = whole.example(position)
        same_image, centre, _ = middle.example(position)
        np.testing.assert_array_equal(same_image, image)
        assert centre.shape == mask_size
        # What is cut off is equal on both sides, or one more below and on the right.
        above, left = (8 - mask_size[0]) // 2, (10 - mask_size[1]) // 2
        below, right = 8 - mask_size[0] - above, 10 - mask_size[1] - left
        assert 0 <= below - above <= 1 and 0 <= right - left <= 1
        expected = mask[above : 8 - below, left : 10 - right]
        np.testing.assert_array_equal(centre, expected)


# Weights


class Weights:
    """A weight of twice the class id, and a count of how often it is computed."""

    def __init__(self):
        self.calls = 0

    def __call__(self, mask):
        self.calls += 1
        return 2.0 * mask


@pytest.mark.parametrize("training", [True, False])
def test_weights_are_computed_from_the_mask_as_it_was_and_augmented(training):
    source = numbered(6, size=(12, 14))
    augment = [RandomScaleCrop(SIZE, (1, 1.5)), RandomFlip()] if training else None
    fed = Examples(source, SIZE, 4, augment, mask_size=(4, 6), weights=Weights())
    for step in range(2):
        images, masks, weights = fed.batch(step)
        assert weights.dtype == np.float32 and weights.shape == masks.shape == (4, 4, 6)
        np.testing.assert_allclose(weights, np.where(masks == 255, 0, 2.0 * masks))
        without = Examples(source, SIZE, 4, augment, mask_size=(4, 6)).batch(step)
        assert same((images, masks), without)
    # The last two of evaluation are filling: void, of no weight.
    assert (weights[2:] == 0).all() != training


def test_weights_are_computed_once_for_each_example():
    weights = Weights()
    fed = Examples(numbered(5), SIZE, 5, STILL, weights=weights)
    first = fed.batch(0)
    for step in range(1, 4):
        fed.batch(step)
    assert weights.calls == 5
    assert same(fed.batch(0), first)


def test_weights_are_kept_up_to_a_limit_and_then_computed_anew(monkeypatch):
    monkeypatch.setattr(examples, "KEPT_BYTES", 2 * 8 * 10 * 4)
    weights = Weights()
    fed = Examples(numbered(5), SIZE, 5, STILL, weights=weights)
    for step in range(3):
        fed.batch(step)
    assert weights.calls == 5 + 3 + 3


def test_an_augmentation_cannot_change_the_weights_that_are_kept():
    def double(example, rng):
        np.multiply(example.weights, 2, out=example.weights)
        return example

    fed = Examples(numbered(3), SIZE, 1, [double], weights=Weights())
    with pytest.raises(ValueError, match="read-only"):
        fed.example(0)
    fed.augment = STILL
    fresh = Examples(numbered(3), SIZE, 1, STILL, weights=Weights())
    assert same(fed.example(0), fresh.example(0))


def test_what_the_function_of_the_weights_returned_stays_its_own():
    own = np.ones(SIZE, np.float32)
    fed = Examples(numbered(1), SIZE, 1, STILL, weights=lambda mask: own)
    fed.example(0)
    own += 1  # it may fill the same array each time
    assert (fed.example(1).weights == 1).all()


@pytest.mark.parametrize("training", [True, False])
def test_weights_of_another_shape_are_an_error(training):
    augment = STILL if training else None
    fed = Examples(numbered(3), SIZE, 1, augment, weights=lambda mask: mask[1:])
    with pytest.raises(
        ValueError, match=r"Received: \(7, 10\) for a mask of \(8, 10\)"
    ):
        fed.example(0)


def test_a_worker_does_not_get_the_weights_that_are_kept():
    fed = Examples(numbered(5), SIZE, 5, STILL, weights=np.ones_like)
    small = len(pickle.dumps(fed))
    fed.batch(0)
    assert len(pickle.dumps(fed)) < small + 100
    assert same(pickle.loads(pickle.dumps(fed)).batch(1), fed.batch(1))


def test_an_augmentation_that_loses_the_weights_is_an_error():
    def lose(example, rng):
        return Example(example.image, example.mask)

    with pytest.raises(ValueError, match="must pass on the weights.*Received: "):
        Examples(numbered(3), SIZE, 1, [lose], weights=Weights()).example(0)
    Examples(numbered(3), SIZE, 1, [lose]).example(0)


def test_an_augmentation_may_be_any_function():
    def invert(example, rng):
        return example._replace(image=255 - example.image)

    plain = Examples(numbered(5), SIZE, 1, STILL)
    inverted = Examples(numbered(5), SIZE, 1, [*STILL, invert])
    for position in range(5):
        image, mask, _ = inverted.example(position)
        assert same((255 - image, mask, None), plain.example(position))


# Mirrored borders


def test_evaluation_of_a_valid_network_mirrors_around_what_it_returns(textured):
    fed = Examples(textured, (60, 64), 4, mask_size=(44, 48), border="mirror")
    for index in range(len(textured)):
        image, mask, _ = fed.example(index)
        original, ids = textured[index]
        rows, columns = ids.shape
        np.testing.assert_array_equal(mask[:rows, :columns], ids)
        assert (mask != 255).sum() == ids.size
        pads = ((8, 60 - 8 - rows), (8, 64 - 8 - columns), (0, 0))
        np.testing.assert_array_equal(image, np.pad(original, pads, mode="reflect"))


def test_another_border_is_an_error():
    with pytest.raises(ValueError, match="Received: 'grey'"):
        Examples(numbered(3), SIZE, 1, border="grey")


def test_nothing_to_feed_is_an_error():
    with pytest.raises(ValueError, match="Received: 0 examples, batch_size=4"):
        Examples(numbered(0), SIZE, 4)
    with pytest.raises(ValueError, match="Received: 3 examples, batch_size=0"):
        Examples(numbered(3), SIZE, 0)


# fitted


def test_fitted_yields_examples_at_one_size_in_order(textured):
    found = list(fitted(textured, SIZE))
    assert len(found) == 10
    evaluation = Examples(textured, SIZE, 1)
    for index, pair in enumerate(found):
        assert same(pair, evaluation.example(index)[:2])


@pytest.mark.parametrize(("most", "expected"), [(1, [0]), (3, [0, 4, 8]), (99, None)])
def test_fitted_yields_evenly_spaced_examples(most, expected):
    found = [int(mask.max()) for _, mask in fitted(numbered(12), SIZE, most)]
    assert found == (expected or list(range(12)))


def test_fitted_reads_only_what_it_yields():
    source = numbered(12)
    next(fitted(source, SIZE, 3))
    assert source.reads == 1
