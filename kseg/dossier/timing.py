"""How long LiteRT files take on this machine, side by side."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kseg.export import LiteRTModel

_SECONDS = 20.0  # for all files together
_LEAST, _MOST = 5, 50  # rounds


def latencies(
    files: Mapping[str, Path], image: np.ndarray, threads: Sequence[int]
) -> dict[str, dict[int, float]]:
    """Measures files in turns, so that what slows the machine slows all of them.

    Args:
        files: LiteRT files by name.
        image: uint8 `(height, width, channels)` of their size.
        threads: Numbers of threads of the CPU.

    Returns:
        By name and number of threads, the median milliseconds from the image to its
        class ids.
    """
    models = {
        (name, count): LiteRTModel(path, count)
        for name, path in files.items()
        for count in threads
    }
    seconds = {key: [] for key in models}
    for model in models.values():
        model.predict_ids(image)
    began = time.perf_counter()
    for done in range(_MOST):
        if done >= _LEAST and time.perf_counter() - began > _SECONDS:
            break
        for key, model in models.items():
            start = time.perf_counter()
            model.predict_ids(image)
            seconds[key].append(time.perf_counter() - start)
    return {
        name: {
            count: 1000 * float(np.median(seconds[name, count])) for count in threads
        }
        for name in files
    }
