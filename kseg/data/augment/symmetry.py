"""Mirrors and quarter turns, which interpolate nothing."""

import dataclasses

import cv2
import numpy as np

from kseg.data.augment.ranges import check_share
from kseg.data.geometry import Example


@dataclasses.dataclass(frozen=True)
class RandomFlip:
    """Mirrors left and right, and top and bottom, each with a probability.

    Args:
        probability: Of left and right, 0 to 1.
        vertical: Of top and bottom, 0 to 1.

    Raises:
        ValueError: If a probability is out of range.
    """

    probability: float = 0.5
    vertical: float = 0.0

    def __post_init__(self):
        """Checks the probabilities."""
        check_share("probability", self.probability)
        check_share("vertical", self.vertical)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example mirrored, or as it is."""
        if rng.random() < self.probability:
            example = _mirrored(example, 1)
        if self.vertical and rng.random() < self.vertical:
            example = _mirrored(example, 0)
        return example


@dataclasses.dataclass(frozen=True)
class RandomQuarterTurn:
    """Turns by 0, 90, 180 or 270 degrees, without interpolation.

    Height and width change places where the turn is odd: it belongs in front of
    `RandomScaleCrop`, or behind one of a square.
    """

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example turned."""
        turns = int(rng.integers(4))
        return example.each(lambda array: np.rot90(array, turns))


def _mirrored(example: Example, axis: int) -> Example:
    """Mirrors; OpenCV is faster than a copy of NumPy's view of an image."""
    image = cv2.flip(example.image, axis)
    return example.each(lambda array: np.flip(array, axis))._replace(image=image)
