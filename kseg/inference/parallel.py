"""Blocks of rows on all cores, for NumPy and SciPy, which free the interpreter."""

import functools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from kseg.cores import cores

# Rows at a time: with some tens of float32 channels they stay in a core's cache.
BLOCK = 8192


def row_blocks(rows: int) -> list[slice]:
    """Returns slices of `BLOCK` rows that make up `rows`.

    Example:
    >>> row_blocks(10_000)
    [slice(0, 8192, None), slice(8192, 10000, None)]
    """
    return [slice(i, min(i + BLOCK, rows)) for i in range(0, rows, BLOCK)]


def in_threads(function: Callable, items: Iterable) -> list:
    """Applies a function to items on all cores, and returns what it returns.

    Args:
        function: Of one item; it must not call `in_threads` itself.
        items: Its arguments.
    """
    return list(_threads().map(function, items))


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Returns the threads of this process, which wait between calls."""
    return ThreadPoolExecutor(cores())


if hasattr(os, "register_at_fork"):
    # A forked process has the pool but none of its threads.
    os.register_at_fork(after_in_child=_threads.cache_clear)
