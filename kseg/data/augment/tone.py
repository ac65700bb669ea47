"""Changes of tone by a table: posterize, solarize, equalize, and sharpness.

With rotation, shear, translation and the colours these are the operations of Cubuk et
al., "RandAugment" (2020), https://arxiv.org/abs/1909.13719, table 6.
"""

import dataclasses

import cv2
import numpy as np

from kseg.data.augment.ranges import check_range
from kseg.data.geometry import Example

_LEVELS = np.arange(256, dtype=np.uint8)


@dataclasses.dataclass(frozen=True)
class RandomPosterize:
    """Keeps the highest bits of every channel.

    Args:
        bits: Smallest and largest number of bits that are kept, 1 to 8.

    Raises:
        ValueError: If a number is out of range, or they are out of order.
    """

    bits: tuple[int, int] = (4, 8)

    def __post_init__(self):
        """Checks the numbers."""
        check_range("bits", self.bits, 1, 8)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image in fewer colours."""
        lost = 8 - int(rng.integers(self.bits[0], self.bits[1] + 1))
        return example._replace(image=cv2.LUT(example.image, _LEVELS >> lost << lost))


@dataclasses.dataclass(frozen=True)
class RandomSolarize:
    """Turns levels above a threshold into their negative.

    Args:
        threshold: Smallest and largest threshold, 0 to 256; 256 changes nothing.

    Raises:
        ValueError: If a threshold is out of range, or they are out of order.
    """

    threshold: tuple[float, float] = (128.0, 256.0)

    def __post_init__(self):
        """Checks the thresholds."""
        check_range("threshold", self.threshold, 0, 256)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image solarized."""
        above = rng.uniform(*self.threshold) <= _LEVELS
        table = np.where(above, 255 - _LEVELS, _LEVELS)
        return example._replace(image=cv2.LUT(example.image, table))


@dataclasses.dataclass(frozen=True)
class Equalize:
    """Makes all levels of every channel about equally frequent."""

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image equalized."""
        channels = [cv2.equalizeHist(channel) for channel in cv2.split(example.image)]
        return example._replace(image=cv2.merge(channels))


@dataclasses.dataclass(frozen=True)
class AutoContrast:
    """Stretches every channel from black to white."""

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image with all of the contrast."""
        tables = np.stack([_LEVELS] * 3, axis=-1)
        for channel, plane in enumerate(cv2.split(example.image)):
            low, high, _, _ = cv2.minMaxLoc(plane)
            if high > low:
                stretched = (_LEVELS - low) * (255 / (high - low))
                tables[:, channel] = np.clip(stretched + 0.5, 0, 255)
        return example._replace(image=cv2.LUT(example.image, tables[np.newaxis]))


@dataclasses.dataclass(frozen=True)
class RandomSharpness:
    """Sharpens or softens, from and towards a smooth image as Pillow does.

    Args:
        factor: Smallest and largest factor: 0 is the smooth image, 1 changes nothing,
            2 is as far on the other side.

    Raises:
        ValueError: If a factor is negative, or they are out of order.
    """

    factor: tuple[float, float] = (0.2, 1.8)

    def __post_init__(self):
        """Checks the factors."""
        check_range("factor", self.factor, 0)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image sharper or softer."""
        factor = rng.uniform(*self.factor)
        smooth = np.ones((3, 3), np.float32)
        smooth[1, 1] = 5  # the weights of Pillow's filter SMOOTH
        kernel = (1 - factor) * smooth / 13
        kernel[1, 1] += factor
        return example._replace(image=cv2.filter2D(example.image, -1, kernel))
