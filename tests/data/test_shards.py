import numpy as np
import pytest
from array_source import ArraySource, numbered

from kseg.data import Examples, RandomFlip, RandomScaleCrop, keras_feed, tf_feed
from kseg.labels import Labels

SIZE = (8, 10)


def textured(count=7):
    """Examples of noise, of different sizes."""
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(count):
        height, width = rng.integers(12, 20, 2)
        image = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
        pairs.append((image, rng.integers(0, 5, (height, width)).astype(np.uint8)))
    return ArraySource(pairs, Labels.numbered(5))


def training(source, batch_size=6, **options):
    augment = [RandomScaleCrop(SIZE), RandomFlip()]
    return Examples(source, SIZE, batch_size, augment, **options)


def joined(batches):
    """The batches of all workers, concatenated in their order."""
    return tuple(np.concatenate(arrays) for arrays in zip(*batches, strict=True))


def assert_same(found, expected):
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_the_workers_together_make_the_batches_of_one(count):
    source = textured()
    alone = training(source)
    workers = [training(source, shard=(i, count)) for i in range(count)]
    for step in (0, 1, 2, 40):
        batches = [worker.batch(step) for worker in workers]
        assert {len(images) for images, _ in batches} == {6 // count}
        assert_same(joined(batches), alone.batch(step))


def test_the_positions_of_the_workers_are_those_of_the_stream_once():
    source = textured()
    workers = [training(source, shard=(i, 3)) for i in range(3)]
    positions = [[w.position(n) for n in range(8)] for w in workers]
    assert positions[1] == [2, 3, 8, 9, 14, 15, 20, 21]
    assert sorted(sum(positions, [])) == list(range(24))
    assert [training(source).position(n) for n in range(24)] == list(range(24))


@pytest.mark.parametrize("start_step", [0, 5])
def test_feeds_of_workers_begin_at_any_step(start_step):
    pytest.importorskip("tensorflow")
    source = textured()
    alone = training(source)
    workers = [training(source, shard=(i, 2)) for i in range(2)]
    feeds = [tf_feed(worker, start_step).take(3) for worker in workers]
    (images, _) = feeds[0].element_spec
    assert images.shape == (3, *SIZE, 3)
    others = [keras_feed(worker, start_step) for worker in workers]
    for step, batches in enumerate(zip(*feeds, strict=True)):
        expected = alone.batch(start_step + step)
        assert_same(joined(batches), expected)
        assert_same(joined([other[step] for other in others]), expected)


def test_evaluation_shows_every_example_once_and_fills_the_last_batch():
    pytest.importorskip("tensorflow")
    source = numbered(7)
    workers = [Examples(source, SIZE, 4, shard=(i, 2)) for i in range(2)]
    assert [worker.steps for worker in workers] == [2, 2]
    feeds = [[m.numpy() for _, m in tf_feed(worker)] for worker in workers]
    assert [[m.max(axis=(1, 2)).tolist() for m in feed] for feed in feeds] == [
        [[0, 1], [4, 5]],
        [[2, 3], [6, 255]],
    ]
    assert [keras_feed(worker).num_batches for worker in workers] == [2, 2]


def test_weights_are_of_the_shard():
    def weights(mask):
        return 1.0 + mask

    source = textured()
    alone = training(source, weights=weights)
    workers = [training(source, weights=weights, shard=(i, 2)) for i in range(2)]
    batches = [worker.batch(3) for worker in workers]
    assert len(batches[0]) == 3 and batches[0][2].shape == (3, *SIZE)
    assert_same(joined(batches), alone.batch(3))


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0), (0, 4), (0, 12)])
def test_a_shard_is_one_of_even_slices(shard):
    with pytest.raises(ValueError, match=r"`shard` must be .*batch_size=6"):
        training(textured(), shard=shard)
