"""Images that wait together run together, off the event loop."""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Sequence

import numpy as np

from kseg.serving.limits import Limits, Refused
from kseg.serving.metrics import Metrics
from kseg.serving.model import Run


@dataclasses.dataclass(eq=False)
class _Job:
    """An image that waits for its result."""

    image: np.ndarray
    result: asyncio.Future
    since: float
    started: bool = False


class Batcher:
    """Hands images to the copies of a model, as many of one size as there may be.

    An image waits until there are enough of its size, or the delay since it came is
    over; where the model was busy for as long, it does not wait. Each copy has a thread
    of its own.

    Args:
        runs: How each copy runs.
        takes_batches: Whether it takes more than an image.
        limits: The bounds.
        metrics: Where to count.
    """

    def __init__(
        self, runs: Sequence[Run], takes_batches: bool, limits: Limits, metrics: Metrics
    ):
        """Keeps the arguments; `running` starts the work."""
        self._runs = runs
        self._most = limits.max_batch if takes_batches else 1
        self._limits = limits
        self._metrics = metrics
        self._waiting: list[_Job] = []
        self._came = asyncio.Event()
        self._begun: dict[int, float] = {}
        metrics.waiting.set_function(lambda: len(self._waiting))

    @contextlib.asynccontextmanager
    async def running(self):
        """Works as long as the block lasts."""
        threads = [concurrent.futures.ThreadPoolExecutor(1) for _ in self._runs]
        pairs = zip(self._runs, threads, strict=True)
        workers = [asyncio.create_task(self._work(*pair)) for pair in pairs]
        try:
            yield
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            for thread in threads:
                thread.shutdown(wait=False, cancel_futures=True)

    async def submit(self, image: np.ndarray, deadline: float) -> np.ndarray:
        """Returns the model's output for an image.

        Args:
            image: uint8 `(height, width, 3)`.
            deadline: When it is too late, in the time of the event loop.

        Raises:
            Refused: If it is too late, or the model cannot run the image.
        """
        loop = asyncio.get_running_loop()
        job = _Job(image, loop.create_future(), loop.time())
        self._waiting.append(job)
        self._came.set()
        try:
            async with asyncio.timeout_at(deadline):
                return await job.result
        except TimeoutError:
            if job.started:
                raise Refused(
                    504, "The model took too long. Send a smaller image."
                ) from (None)
            raise Refused(503, "The server is busy. Try again later.") from None

    def longest_run(self) -> float:
        """Returns for how many seconds the model has been at a batch."""
        now = time.monotonic()
        return max((now - begun for begun in self._begun.values()), default=0.0)

    async def _work(self, run: Run, thread) -> None:
        """Runs batches without end."""
        loop = asyncio.get_running_loop()
        while True:
            jobs = await self._next()
            for job in jobs:
                job.started = True
            images = np.stack([job.image for job in jobs])
            self._begun[id(run)] = time.monotonic()
            try:
                results = await loop.run_in_executor(thread, run, images)
            except Exception as error:
                for job in jobs:
                    if not job.result.done():
                        job.result.set_exception(error)
            else:
                self._metrics.pixels.inc(images[..., 0].size)
                for job, result in zip(jobs, results, strict=True):
                    if not job.result.done():  # its client waits no more
                        job.result.set_result(result)
            finally:
                begun = self._begun.pop(id(run))
                self._metrics.model.observe(time.monotonic() - begun)
                self._metrics.batch.observe(len(jobs))

    async def _next(self) -> list[_Job]:
        """Waits for a batch, and takes it out of what waits."""
        loop = asyncio.get_running_loop()
        while True:
            self._waiting = [job for job in self._waiting if not job.result.done()]
            self._came.clear()
            wait = None
            if self._waiting:
                first = self._waiting[0]
                most = self._most_of(first.image)
                same = [x for x in self._waiting if x.image.shape == first.image.shape]
                wait = first.since + self._limits.delay - loop.time()
                if len(same) >= most or wait <= 0:
                    jobs = same[:most]
                    self._waiting = [job for job in self._waiting if job not in jobs]
                    return jobs
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._came.wait(), wait)

    def _most_of(self, image: np.ndarray) -> int:
        """Returns how many images of a size there may be in a batch."""
        pixels = image.shape[0] * image.shape[1]
        return max(1, min(self._most, self._limits.max_pixels // pixels))
