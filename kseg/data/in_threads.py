"""Many examples at once, under a progress bar."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import tqdm

from kseg.cores import cores

_Result = TypeVar("_Result")

# Positions that each thread is ahead: while one takes long, the others go on.
_AHEAD = 64


def in_threads(
    function: Callable[[int], _Result],
    count: int,
    what: str,
    workers: int | None = None,
) -> Iterator[_Result]:
    """Calls a function with 0 to `count - 1` in threads.

    Reading pictures frees the interpreter most of the time.

    Args:
        function: Of a position.
        count: How many positions.
        what: What the progress bar says.
        workers: How many threads; `None` for one a core.

    Yields:
        What it returns, in order.
    """
    workers = workers or cores()
    pool = ThreadPoolExecutor(workers)
    try:
        results = _in_order(pool, function, count, _AHEAD * workers)
        yield from tqdm.tqdm(results, what, count, leave=False, unit="image")
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor,
    function: Callable[[int], _Result],
    count: int,
    ahead: int,
) -> Iterator[_Result]:
    """Yields results in order; `pool.map` would keep a call for every position."""
    pending = deque(pool.submit(function, index) for index in range(min(ahead, count)))
    for index in range(count):
        yield pending.popleft().result()
        if index + ahead < count:
            pending.append(pool.submit(function, index + ahead))
