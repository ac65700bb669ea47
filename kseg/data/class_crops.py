"""Crops around pixels of a drawn class, so that rare classes are seen more often.

Isensee et al., "nnU-Net: a self-configuring method for deep learning-based biomedical
image segmentation", Nature Methods 2021, puts a pixel of a class of the image, all
classes alike, into the middle of a third of its patches.
https://arxiv.org/abs/1904.08128
"""

import dataclasses

import numpy as np

from kseg.data.sources import Source
from kseg.data.statistics import class_frequencies
from kseg.registry import unknown

_DRAWS = ("inverse", "uniform")


@dataclasses.dataclass(frozen=True)
class ClassCentre:
    """Draws where the middle of a crop is: at a pixel of a drawn class.

    The class is one of those in the mask, drawn by `weights`; the pixel is one of its
    pixels, all alike.

    Args:
        weights: How often each class is drawn beside others, 0 or more.
        probability: How often there is such a middle at all, 0 to 1.

    Raises:
        ValueError: If a number is out of range, or all weights are 0.
    """

    weights: tuple[float, ...]
    probability: float = 1 / 3

    def __post_init__(self):
        """Checks the numbers."""
        if not 0 <= self.probability <= 1:
            raise ValueError(
                f"`probability` must be 0 to 1. Received: {self.probability}."
            )
        if not all(0 <= w < np.inf for w in self.weights) or not any(self.weights):
            raise ValueError(
                "`weights` must be finite, not negative, and not all 0. Received: "
                f"{self.weights}."
            )

    def __call__(
        self, mask: np.ndarray, rng: np.random.Generator
    ) -> tuple[float, float] | None:
        """Draws a middle.

        Args:
            mask: Integers `(height, width)`; ids beyond the classes are void.
            rng: What it is drawn from.

        Returns:
            Row and column of the middle of a pixel, so halves, or `None` for a crop
            anywhere: as often as `probability` says, and where no class is.
        """
        if rng.random() >= self.probability:
            return None
        pixels = np.bincount(mask.ravel(), minlength=len(self.weights))
        chances = np.where(pixels[: len(self.weights)] > 0, self.weights, 0.0)
        if not chances.any():
            return None
        drawn = rng.choice(len(chances), p=chances / chances.sum())
        place = np.flatnonzero(mask.ravel() == drawn)[rng.integers(pixels[drawn])]
        row, column = divmod(int(place), mask.shape[1])
        return row + 0.5, column + 0.5


def class_centre(
    source: Source, probability: float = 1 / 3, draw: str = "inverse"
) -> ClassCentre:
    """Returns what draws the middles of crops for a data set.

    Args:
        source: The training data.
        probability: How often a crop is put around a pixel of a drawn class, 0 to 1.
        draw: `"inverse"` draws classes by the inverse of their pixels in the training
            data, whose masks are all read; `"uniform"`, those in an image alike.

    Raises:
        ValueError: If `draw` is neither, or `probability` is out of range.
    """
    if draw not in _DRAWS:
        raise ValueError(unknown("value of 'draw'", draw, list(_DRAWS)))
    if draw == "uniform":
        return ClassCentre((1.0,) * source.labels.num_classes, probability)
    pixels = class_frequencies(source)[0]
    weights = np.where(pixels > 0, pixels.max() / np.maximum(pixels, 1), 0.0)
    return ClassCentre(tuple(weights.tolist()), probability)
