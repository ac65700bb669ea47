"""Classes from tiles: the probabilities of one block are there at a time."""

import tracemalloc

import keras
import numpy as np
import pytest

import kseg
from kseg.inference import blocks, predict, predict_probabilities, tiling

CLASSES = 16


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    return kseg.build("unet", num_classes=CLASSES, filters=2, depth=2)


@pytest.fixture(scope="module")
def image():
    coarse = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    return coarse.repeat(8, axis=0).repeat(8, axis=1)


def most(work):
    """Returns the most bytes that were there at once, and what the work returned."""
    tracemalloc.start()
    result = work()
    bytes_ = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return bytes_, result


def test_memory_is_that_of_a_block_and_the_classes(network, image, monkeypatch):
    monkeypatch.setattr(tiling, "_BATCH_PIXELS", 1)
    options = {"tile": (128, 128), "overlap": 64}
    of_all, probabilities = most(
        lambda: predict_probabilities(network, image, **options)
    )
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 20)
    of_blocks, ids = most(lambda: predict(network, image, **options))
    np.testing.assert_array_equal(ids, probabilities.argmax(-1))
    assert len(np.unique(ids)) > 3
    assert of_all > probabilities.nbytes > 12e6
    assert of_blocks < 6e6


def test_no_tile_runs_twice(network, image, monkeypatch):
    seen = []
    run = tiling.batch_probabilities
    monkeypatch.setattr(
        tiling,
        "batch_probabilities",
        lambda model, batch, *rest: seen.append(len(batch)) or run(model, batch, *rest),
    )
    options = {"tile": (128, 128), "overlap": 64}
    whole = predict(network, image, **options)
    at_once = sum(seen)
    seen.clear()
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 20)
    np.testing.assert_array_equal(predict(network, image, **options), whole)
    assert sum(seen) == at_once > 20


def test_a_block_is_no_smaller_than_a_tile_and_no_larger_than_a_side(network):
    spans = tiling.lay_tiles(network, (700, 700), (128, 128), 64).down
    for side in (1, 100, 200, 10_000):
        joined = blocks.blocks(spans, side)
        assert joined[0].start == 0 and joined[-1].stop == 700
        starts = {span.kept.start for span in spans}
        assert {block.start for block in joined} <= starts
        if side == 10_000:
            assert len(joined) == 1
        if side == 1:
            assert len(joined) == len(spans)
        if side == 200:
            assert all(block.stop - block.start <= side for block in joined)
            assert len(joined) < len(spans)
