"""How long a model file takes on this machine, and how much memory."""

import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from kseg.lite.litert_model import LiteRTModel

# Runs before those that count: the first ones fill caches.
_WARM_UP = 5


def measure(
    path: str | Path, threads: Sequence[int] = (1, 2), runs: int = 50
) -> list[dict[str, Any]]:
    """Measures a file, for each number of threads in a process of its own.

    Args:
        path: The `.tflite` file.
        threads: Numbers of CPU threads.
        runs: How often to run it.

    Returns:
        For each number of threads, in order: `threads`; `load`, `median` and `p90`,
        milliseconds until the file is loaded, and from an image of the file's size to
        its class ids, half and nine tenths of the runs; and `memory`, the most bytes
        that the process held, Python and numpy among them, `None` on Windows.

    Raises:
        ValueError: If a number is less than 1, or the file is no model.
    """
    if runs < 1 or not threads or min(threads) < 1:
        raise ValueError(
            "There must be a run and a thread. Received: "
            f"{runs} runs on {list(threads)} threads."
        )
    context = multiprocessing.get_context("spawn")
    rows = []
    for count in threads:
        with ProcessPoolExecutor(1, context) as process:
            rows.append(process.submit(_measure, str(path), count, runs).result())
    return rows


def _measure(path: str, threads: int, runs: int) -> dict[str, Any]:
    """Returns a row of `measure`, of the process that it runs in."""
    start = time.perf_counter()
    model = LiteRTModel(path, threads)
    load = time.perf_counter() - start
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, model.image_shape, np.uint8)
    for _ in range(_WARM_UP):
        model.predict_ids(image)
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        model.predict_ids(image)
        seconds.append(time.perf_counter() - start)
    median, p90 = np.percentile(seconds, [50, 90])
    return {
        "threads": threads,
        "load": 1000 * load,
        "median": 1000 * float(median),
        "p90": 1000 * float(p90),
        "memory": _most_memory(),
    }


def _most_memory() -> int | None:
    """Returns the most bytes that this process held, where the system says so."""
    if sys.platform == "linux":
        # `resource` counts the parent, too, from which the process was forked.
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    try:
        import resource
    except ImportError:  # on Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
