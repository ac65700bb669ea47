"""Augmentations that move an image and its mask together.

Each is a function object of `(image, mask, rng)`. They run on NumPy and Pillow,
so `tf.data` and the TensorFlow-free loader share them. What they pad is
`ignore_class` in the mask and a neutral grey in the image; masks are never
interpolated.
"""

import dataclasses

import numpy as np
from PIL import Image

# The grey that networks normalise to about zero.
NEUTRAL = 127


@dataclasses.dataclass(frozen=True)
class RandomScaleCrop:
    """Cuts a window of random scale and place, and resizes it to one size.

    Args:
        size: Height and width of the result in pixels.
        scale: Smallest and largest factor by which the image is enlarged.
        ignore_class: What the mask gets where the window leaves the image.

    Raises:
        ValueError: If a factor is not positive or they are out of order.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    ignore_class: int = 255

    def __post_init__(self):
        """Checks the factors."""
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                "`scale` must be two positive factors in order. Received: "
                f"{self.scale}."
            )

    def __call__(self, image, mask, rng: np.random.Generator):
        """Returns the window of `image` and of `mask`."""
        low, high = np.log(self.scale)
        scale = np.exp(rng.uniform(low, high))
        height, width = (side / scale for side in self.size)
        image = _pad(image, int(np.ceil(height)), int(np.ceil(width)), NEUTRAL)
        mask = _pad(mask, image.shape[0], image.shape[1], self.ignore_class)
        top = rng.uniform(0, image.shape[0] - height)
        left = rng.uniform(0, image.shape[1] - width)
        box = (left, top, left + width, top + height)
        return _resize_pair(image, mask, self.size, box)


@dataclasses.dataclass(frozen=True)
class RandomFlip:
    """Mirrors left and right with a probability.

    Args:
        probability: 0 to 1.
    """

    probability: float = 0.5

    def __call__(self, image, mask, rng: np.random.Generator):
        """Returns both mirrored, or both as they are."""
        if rng.random() < self.probability:
            return image[:, ::-1], mask[:, ::-1]
        return image, mask


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    """Changes brightness, contrast and saturation, each by a random factor.

    Args:
        brightness: The factor is drawn from 1 - brightness to 1 + brightness.
        contrast: Likewise, about the image's mean grey.
        saturation: Likewise, about each pixel's grey.
    """

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2

    def __call__(self, image, mask, rng: np.random.Generator):
        """Returns the image in other colours, and the mask as it is."""
        brightness, contrast, saturation = 1 + rng.uniform(-1, 1, 3) * (
            self.brightness,
            self.contrast,
            self.saturation,
        )
        luma = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
        # All three are linear in the colour, so one matrix and offset do.
        matrix = saturation * np.eye(3) + (1 - saturation) * np.outer(luma, np.ones(3))
        mean = float(image.mean(axis=(0, 1)) @ luma)
        matrix = (matrix * contrast * brightness).astype(np.float32)
        offset = np.float32((1 - contrast) * brightness * mean)
        colors = image.astype(np.float32) @ matrix + offset
        return np.clip(colors + 0.5, 0, 255).astype(np.uint8), mask


def fit_inside(image, mask, size: tuple[int, int], ignore_class: int = 255):
    """Resizes to fit into a size, keeping the proportions, and pads the rest.

    Args:
        image: uint8 array `(height, width, 3)`.
        mask: Integer array `(height, width)`.
        size: Height and width of the result in pixels.
        ignore_class: What the mask gets in the padding.

    Returns:
        The image and the mask; unchanged if they have the size already.
    """
    if image.shape[:2] != tuple(size):
        factor = min(size[0] / image.shape[0], size[1] / image.shape[1])
        inner = (
            min(max(round(image.shape[0] * factor), 1), size[0]),
            min(max(round(image.shape[1] * factor), 1), size[1]),
        )
        box = (0, 0, image.shape[1], image.shape[0])
        image, mask = _resize_pair(image, mask, inner, box)
        image = _pad(image, *size, NEUTRAL, centre=False)
        mask = _pad(mask, *size, ignore_class, centre=False)
    return image, mask


def _pad(array, height: int, width: int, value: int, centre: bool = True):
    """Pads to at least a height and width."""
    extra = [max(height - array.shape[0], 0), max(width - array.shape[1], 0)]
    if not any(extra):
        return array
    pads = [(n // 2, n - n // 2) if centre else (0, n) for n in extra]
    pads += [(0, 0)] * (array.ndim - 2)
    return np.pad(array, pads, constant_values=value)


def _resize_pair(image, mask, size: tuple[int, int], box):
    """Resizes a window, bilinear for the image and nearest for the mask."""
    height, width = size
    image = Image.fromarray(image).resize(
        (width, height), Image.Resampling.BILINEAR, box
    )
    mask = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST, box)
    return np.asarray(image), np.asarray(mask)
