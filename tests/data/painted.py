"""An example whose image and weights show its mask."""

import numpy as np
from scipy import ndimage

from kseg.data.geometry import NEUTRAL, Example

# Colours that say the class, far from one another and from the grey of padding.
COLORS = np.array(
    [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 0],
        [0, 255, 255],
        [255, 0, 255],
    ],
    np.uint8,
)
IDS = np.array([0, 3, 4, 7, 11, 18], np.uint8)


def painted():
    """150x200 pixels whose colour and weight say the class."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:150, :200]
    seeds = rng.uniform((0, 0), (150, 200), (14, 2))
    distance = (rows - seeds[:, :1, None]) ** 2 + (columns - seeds[:, 1:, None]) ** 2
    kind = np.arange(14)[distance.argmin(axis=0)] % 6
    return Example(COLORS[kind], IDS[kind], IDS[kind].astype(np.float32))


def classes_seen(image):
    """The mask that an image shows; `ignore_class` where it is the grey of padding."""
    colors = np.concatenate([COLORS, [[NEUTRAL] * 3]]).astype(np.int32)
    distance = ((image[..., None, :].astype(np.int32) - colors) ** 2).sum(axis=-1)
    return np.append(IDS, 255).astype(np.uint8)[distance.argmin(axis=-1)]


def inside(mask, margin):
    """Pixels that are further than `margin` from another class."""
    size = 2 * margin + 1
    return ndimage.minimum_filter(mask, size) == ndimage.maximum_filter(mask, size)


def assert_same(example, expected):
    for one, two in zip(example, expected, strict=True):
        np.testing.assert_array_equal(one, two)
