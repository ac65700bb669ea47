import asyncio
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from running import red

from kseg.serving.batching import Batcher
from kseg.serving.limits import Limits
from kseg.serving.metrics import Metrics


def image(value, size=(4, 5)):
    return np.full((*size, 3), value, np.uint8)


def submit_all(images, run, takes_batches=True, copies=1, **limits):
    """Returns the results for images that come at the same time."""

    async def work():
        runs = [lambda batch, i=i: run(batch, i) for i in range(copies)]
        batcher = Batcher(runs, takes_batches, Limits(**limits), Metrics())
        end = asyncio.get_running_loop().time() + 10
        async with batcher.running():
            return await asyncio.gather(*(batcher.submit(x, end) for x in images))

    return asyncio.run(work())


def noted(shapes):
    """A run that notes the shapes it sees."""

    def run(batch, copy):
        shapes.append(batch.shape)
        return red(batch)

    return run


def test_images_of_one_size_run_together():
    shapes = []
    images = [image(10 * i, (4, 5 + i % 2)) for i in range(10)]
    results = submit_all(images, noted(shapes), max_batch=3)
    assert sorted(shape[0] for shape in shapes) == [2, 2, 3, 3]
    for given, result in zip(images, results, strict=True):
        np.testing.assert_array_equal(result, red(given))


def test_a_batch_has_no_more_pixels_than_a_request():
    shapes = []
    submit_all([image(0)] * 6, noted(shapes), max_pixels=59)
    assert [shape[0] for shape in shapes] == [2, 2, 2]
    shapes.clear()
    submit_all([image(0)] * 2, noted(shapes), max_pixels=19)
    assert [shape[0] for shape in shapes] == [1, 1]


def test_what_takes_no_batches_sees_one_image():
    shapes = []
    submit_all([image(0)] * 3, noted(shapes), takes_batches=False)
    assert [shape[0] for shape in shapes] == [1, 1, 1]


def test_copies_run_at_the_same_time():
    together = threading.Barrier(3, timeout=10)
    seen = set()

    def run(batch, copy):
        seen.add((copy, threading.get_ident()))
        together.wait()
        return red(batch)

    submit_all([image(0)] * 6, run, takes_batches=False, copies=3)
    assert len(seen) == 3


def test_an_image_waits_for_others_only_so_long():
    async def work():
        shapes = []
        run = noted(shapes)
        limits = Limits(delay=0.2)
        batcher = Batcher([lambda x: run(x, 0)], True, limits, Metrics())
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with batcher.running():
            alone = asyncio.create_task(batcher.submit(image(0), begun + 10))
            await asyncio.sleep(0.05)
            await asyncio.gather(batcher.submit(image(1), begun + 10), alone)
            assert 0.2 <= loop.time() - begun < 5
        assert [shape[0] for shape in shapes] == [2]

    asyncio.run(work())


def test_who_waits_no_more_is_not_run():
    async def work():
        shapes = []
        run = noted(shapes)
        batcher = Batcher([lambda x: run(x, 0)], True, Limits(delay=0.1), Metrics())
        end = asyncio.get_running_loop().time() + 10
        async with batcher.running():
            gone = asyncio.create_task(batcher.submit(image(0), end))
            stays = asyncio.create_task(batcher.submit(image(1), end))
            await asyncio.sleep(0.01)
            gone.cancel()
            await stays
        assert [shape[0] for shape in shapes] == [1]

    asyncio.run(work())
