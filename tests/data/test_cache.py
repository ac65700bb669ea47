import pickle
import threading

import numpy as np
import pytest
from array_source import numbered

from kseg.data.cache import CachedSource
from kseg.data.examples import Examples

EXAMPLE = 8 * 10 * 4  # bytes of an image and a mask of `numbered`


def test_an_example_is_read_once():
    source = numbered(3)
    cached = CachedSource(source)
    for index in (0, 2, 0, 0, 2):
        image, mask = cached[index]
        np.testing.assert_array_equal(image, source.pairs[index][0])
        np.testing.assert_array_equal(mask, source.pairs[index][1])
    assert source.reads == cached.kept == 2
    assert len(cached) == 3 and cached.name(1) == "1" and cached.labels == source.labels


def test_a_mask_alone_comes_from_memory_where_it_is_there():
    source = numbered(2)
    cached = CachedSource(source)
    assert cached.mask(1) is source.pairs[1][1]
    cached[1]
    source.pairs[1] = None
    assert (cached.mask(1) == 1).all()


def test_what_does_not_fit_is_read_every_time():
    source = numbered(5)
    cached = CachedSource(source, limit=2 * EXAMPLE + 1)
    for _ in range(2):
        for index in range(5):
            assert (cached[index][1] == index).all()
    assert cached.kept == 2
    assert source.reads == 5 + 3
    assert CachedSource(source, limit=0).kept == 0


def test_what_is_kept_cannot_be_written_to():
    image, mask = CachedSource(numbered(1))[0]
    for array in (image, mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_worker_process_begins_with_an_empty_cache():
    cached = CachedSource(numbered(4), limit=10 * EXAMPLE)
    cached[0]
    copy = pickle.loads(pickle.dumps(cached))
    assert copy.kept == 0 and copy.limit == cached.limit
    assert (copy[3][0] == 3).all() and copy.kept == 1


def test_threads_share_it_and_the_limit_holds():
    source = numbered(16)
    cached = CachedSource(source, limit=7 * EXAMPLE)
    threads = [
        threading.Thread(target=lambda: [cached[i] for i in range(16)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cached.kept == 7


def test_augmented_examples_are_those_of_the_files():
    plain, cached = (
        Examples(source, (8, 10), 2, [lambda example, rng: example], seed=3)
        for source in (numbered(5), CachedSource(numbered(5)))
    )
    for position in range(12):
        one, two = plain.example(position), cached.example(position)
        np.testing.assert_array_equal(one.image, two.image)


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="`limit` must be 0 bytes or more.*-1"):
        CachedSource(numbered(1), limit=-1)


def test_memory_can_be_given_back():
    source = numbered(3)
    cached = CachedSource(source, limit=2 * EXAMPLE)
    for index in (0, 1, 2):
        cached[index]
    cached.clear()
    assert cached.kept == 0
    for index in (0, 1, 2):
        cached[index]
    assert cached.kept == 2
