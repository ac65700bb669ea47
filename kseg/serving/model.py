"""A model as a server runs it: images of one size in, scores of their size out."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from kseg.labels import Labels

Run = Callable[[np.ndarray], Sequence[np.ndarray] | np.ndarray]


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """A model that has run once.

    Args:
        name: What clients call it.
        labels: What the class ids mean.
        output: `"logits"`, `"probabilities"` or `"class_map"`, which it gives.
        channels: Of that; `None` of a class map.
        takes_batches: Whether it runs several images at once.
        runs: For each copy of the model, from uint8 images `(images, height, width,
            3)` to an output for each, at the images' height and width. A run is
            called by one thread at a time.
        ids: From an output to class ids `(height, width)`, those of `kseg.predict`.
    """

    name: str
    labels: Labels
    output: str
    channels: int | None
    takes_batches: bool
    runs: tuple[Run, ...]
    ids: Callable[[np.ndarray], np.ndarray]
