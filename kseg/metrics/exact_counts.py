"""Counts of a Keras metric that stay exact beyond 2^31 pixels.

Not every backend has 64-bit integers, and floating point stops counting at 2^24. So two
int32 variables hold a count: its lower 24 bits, and the rest.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

_LIMB = 2**24


class ExactCounts:
    """An array of counts in the state of a metric.

    Args:
        metric: The metric, whose `reset_state` resets the counts too.
        shape: Of the array.
    """

    def __init__(self, metric: keras.metrics.Metric, shape: tuple[int, ...]):
        """Adds the two variables to the metric."""
        self.low, self.high = (
            metric.add_variable(shape, "zeros", dtype="int32", name=name)
            for name in ("low", "high")
        )

    def add(self, counts: Any) -> None:
        """Adds int32 counts of the shape, each from 0 to below 2^31 - 2^24."""
        low = self.low + counts
        self.high.assign(self.high + low // _LIMB)
        self.low.assign(low % _LIMB)

    def tensor(self, dtype: str) -> Any:
        """Returns the counts in floating point, rounded."""
        high = ops.multiply(ops.cast(self.high, dtype), _LIMB)
        return ops.add(high, ops.cast(self.low, dtype))

    def numpy(self) -> np.ndarray:
        """Returns the counts, int64."""
        high = np.asarray(self.high).astype(np.int64)
        return high * _LIMB + np.asarray(self.low)
