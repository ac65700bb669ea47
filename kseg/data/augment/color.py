"""Changes of colour, by one matrix or one table for all pixels.

Those of brightness, contrast, saturation and hue come twice: `ColorJitter` does all
of the first three at once, and `PhotometricDistortion` each with a probability and
in a random order, as Liu et al., "SSD" (2016), https://arxiv.org/abs/1512.02325, had
it and most segmentation networks were trained since. Saturation and hue are those of
HSV there, in OpenCV's 180 steps of hue.
"""

import dataclasses

import cv2
import numpy as np

from kseg.data.augment.ranges import check_range, check_share
from kseg.data.geometry import Example

_LEVELS = np.arange(256, dtype=np.float32)


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    """Changes brightness, contrast and saturation, each by a random factor.

    Args:
        brightness: The factor is drawn from 1 - brightness to 1 + brightness.
        contrast: Likewise, about the image's mean grey.
        saturation: Likewise, about each pixel's grey; grey images have none.

    Raises:
        ValueError: If one is not 0 to 1.
    """

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2

    def __post_init__(self):
        """Checks the changes."""
        for name, value in vars(self).items():
            check_share(name, value)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image in other colours."""
        brightness, contrast, saturation = 1 + rng.uniform(-1, 1, 3) * (
            self.brightness,
            self.contrast,
            self.saturation,
        )
        luma = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
        # All three are linear in the colour, so one matrix and offset do.
        matrix = saturation * np.eye(3) + (1 - saturation) * np.outer(np.ones(3), luma)
        mean = luma @ cv2.mean(example.image)[:3]
        offset = np.full(3, (1 - contrast) * mean)
        affine = brightness * np.column_stack([contrast * matrix, offset])
        image = cv2.transform(example.image, affine.astype(np.float32))
        return example._replace(image=image)


@dataclasses.dataclass(frozen=True)
class PhotometricDistortion:
    """Brightness, contrast, saturation and hue, each or not, in a random order.

    Brightness is first, and contrast comes before or after saturation and hue. The
    defaults are those of "SSD", section 2.2, in its authors' code.

    Args:
        brightness: Largest change to either side, in levels of 255.
        contrast: Smallest and largest factor, about black.
        saturation: Smallest and largest factor of the saturation of HSV.
        hue: Largest change to either side in degrees, 0 to 180.
        each: Probability of each of the four, 0 to 1.

    Raises:
        ValueError: If an argument is out of range.
    """

    brightness: float = 32.0
    contrast: tuple[float, float] = (0.5, 1.5)
    saturation: tuple[float, float] = (0.5, 1.5)
    hue: float = 36.0
    each: float = 0.5

    def __post_init__(self):
        """Checks the arguments."""
        check_share("brightness", self.brightness, 255)
        check_range("contrast", self.contrast, 0)
        check_range("saturation", self.saturation, 0)
        check_share("hue", self.hue, 180)
        check_share("each", self.each)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image in other colours."""
        chosen = rng.random(4) < self.each
        shift = rng.uniform(-self.brightness, self.brightness) if chosen[0] else 0.0
        contrast = rng.uniform(*self.contrast) if chosen[1] else 1.0
        saturation = rng.uniform(*self.saturation) if chosen[2] else 1.0
        turn = rng.uniform(-self.hue, self.hue) if chosen[3] else 0.0
        contrast_first = rng.random() < 0.5
        levels = np.clip(_LEVELS + shift, 0, 255)
        in_hsv = chosen[2] or chosen[3]
        if contrast_first or not in_hsv:
            levels, contrast = levels * contrast, 1.0
        image = _look_up(example.image, levels)
        if in_hsv:
            image = _saturate_and_turn(image, saturation, turn)
        return example._replace(image=_look_up(image, _LEVELS * contrast))


@dataclasses.dataclass(frozen=True)
class RandomGamma:
    """Raises brightness to a power: shadows and lights change, black and white stay.

    Args:
        gamma: Smallest and largest exponent, 0.01 or more, uniform in the logarithm;
            below 1 the image gets lighter.

    Raises:
        ValueError: If an exponent is out of range, or they are out of order.
    """

    gamma: tuple[float, float] = (0.7, 1.4)

    def __post_init__(self):
        """Checks the exponents."""
        check_range("gamma", self.gamma, 0.01)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image lighter or darker."""
        gamma = np.exp(rng.uniform(*np.log(self.gamma)))
        table = _table(255 * (_LEVELS / 255) ** gamma)
        return example._replace(image=cv2.LUT(example.image, table))


@dataclasses.dataclass(frozen=True)
class RandomGrayscale:
    """Takes the colour away, with a probability; the image keeps three channels.

    Args:
        probability: 0 to 1.

    Raises:
        ValueError: If the probability is out of range.
    """

    probability: float = 0.1

    def __post_init__(self):
        """Checks the probability."""
        check_share("probability", self.probability)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image in grey, or as it is."""
        if rng.random() >= self.probability:
            return example
        grey = cv2.cvtColor(example.image, cv2.COLOR_RGB2GRAY)
        return example._replace(image=cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB))


@dataclasses.dataclass(frozen=True)
class RandomClahe:
    """Equalises the lightness in tiles, with a limited contrast (CLAHE).

    Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV,
    1994; on the L of CIE Lab.

    Args:
        clip_limit: Smallest and largest limit of the contrast, 0.1 or more.
        grid: Tiles down and across, 1 or more each.

    Raises:
        ValueError: If a number is out of range, or the limits are out of order.
    """

    clip_limit: tuple[float, float] = (1.0, 4.0)
    grid: tuple[int, int] = (8, 8)

    def __post_init__(self):
        """Checks the numbers."""
        check_range("clip_limit", self.clip_limit, 0.1)
        check_range("grid", tuple(sorted(self.grid)), 1)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image with more contrast."""
        clahe = cv2.createCLAHE(rng.uniform(*self.clip_limit), self.grid[::-1])
        lab = cv2.cvtColor(example.image, cv2.COLOR_RGB2LAB)
        cv2.insertChannel(clahe.apply(cv2.extractChannel(lab, 0)), lab, 0)
        return example._replace(image=cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def _saturate_and_turn(image: np.ndarray, saturation: float, degrees: float):
    """Multiplies the saturation of HSV, and turns the hue."""
    tables = np.stack(
        [
            # A hue has 180 steps in 8 bits; the table's rest is never looked up.
            (np.arange(256) + round(degrees / 2)) % 180,
            _table(_LEVELS * saturation),
            _LEVELS,
        ],
        axis=-1,
    ).astype(np.uint8)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    return cv2.cvtColor(cv2.LUT(hsv, tables[np.newaxis]), cv2.COLOR_HSV2RGB)


def _look_up(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Returns an image of other levels, itself where all of them stay."""
    table = _table(levels)
    return image if np.array_equal(table, _LEVELS) else cv2.LUT(image, table)


def _table(levels: np.ndarray) -> np.ndarray:
    """Returns 256 levels, rounded and clipped, as a table of bytes."""
    return np.clip(levels + 0.5, 0, 255).astype(np.uint8)
