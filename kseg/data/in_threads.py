"""Many examples at once, under a progress bar."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import tqdm

from kseg.cores import cores

_Result = TypeVar("_Result")


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
    pool = ThreadPoolExecutor(workers or cores())
    try:
        results = pool.map(function, range(count))
        yield from tqdm.tqdm(results, what, count, leave=False, unit="image")
    finally:
        pool.shutdown(cancel_futures=True)
