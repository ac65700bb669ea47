"""Examples that are decoded once: kept in memory as far as it goes."""

import threading

import numpy as np

from kseg.data.memory import free_memory
from kseg.data.sources import Source


class CachedSource:
    """A source that keeps the examples it has read, decoded.

    Reading a picture takes longer than augmenting it. What does not fit is read from
    the source every time. Threads share what is kept; a worker process gets an empty
    cache and fills its own. The arrays cannot be written to.

    Args:
        source: Where images and masks come from.
        limit: Most bytes that are kept; `None` for a quarter of the memory that is
            free now.

    Raises:
        ValueError: If `limit` is negative.
    """

    def __init__(self, source: Source, limit: int | None = None):
        """Checks and stores the arguments."""
        if limit is not None and limit < 0:
            raise ValueError(f"`limit` must be 0 bytes or more. Received: {limit}.")
        self.source = source
        self.labels = source.labels
        self.limit = free_memory() // 4 if limit is None else limit
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __getstate__(self):
        """Returns what a worker process gets: all but what is kept."""
        state = {**self.__dict__, "_kept": {}, "_bytes": 0}
        del state["_lock"]
        return state

    def __setstate__(self, state):
        """Begins with an empty cache."""
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Returns the number of examples."""
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns an example, from memory if it was read before."""
        example = self._kept.get(index)
        if example is None:
            example = self.source[index]
            self._keep(index, example)
        return example

    def mask(self, index: int) -> np.ndarray:
        """Returns a mask alone."""
        example = self._kept.get(index)
        return self.source.mask(index) if example is None else example[1]

    def name(self, index: int) -> str:
        """Returns what the source calls an example."""
        return self.source.name(index)

    @property
    def kept(self) -> int:
        """How many examples are in memory."""
        return len(self._kept)

    def clear(self) -> None:
        """Gives the memory back."""
        with self._lock:
            self._kept = {}
            self._bytes = 0

    def _keep(self, index: int, example: tuple[np.ndarray, np.ndarray]) -> None:
        """Keeps an example if there is room."""
        size = sum(array.nbytes for array in example)
        with self._lock:
            if index in self._kept or self._bytes + size > self.limit:
                return
            self._bytes += size
            self._kept[index] = example
        for array in example:
            array.setflags(write=False)
