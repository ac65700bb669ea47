"""Labelled windows of images: the training data of a patch classifier.

Ciresan et al., "Deep Neural Networks Segment Neuronal Membranes in Electron Microscopy
Images", NIPS 2012: a window has the class of the pixel in its middle, classes are drawn
equally often, and borders are mirrored. A classifier trained on such windows segments
an image with `kseg.inference.slide_classifier`.
"""

import numpy as np
import tqdm

from kseg.data.sources import Source
from kseg.data.statistics import pixels_by_image


def patches(
    source: Source, size: int, count: int, balanced: bool = True, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Draws windows and the classes of the pixels in their middle.

    A draw chooses a class, then a pixel of it anywhere in the source; void is never
    chosen. Every mask is read once to count, and each image that is drawn from once.

    Args:
        source: The images and masks.
        size: Height and width of a window in pixels. Its middle is at row and column
            `size // 2`.
        count: How many windows. They are in random order.
        balanced: Whether the classes that occur are drawn equally often; otherwise as
            often as they occur.
        seed: What is drawn from; other seeds give other windows, for example one for
            each epoch.

    Returns:
        uint8 windows `(count, size, size, 3)` and integer class ids `(count,)`.

    Raises:
        ValueError: If `size` or `count` is below 1, or the masks hold no class.
    """
    if size < 1 or count < 1:
        raise ValueError(
            f"`size` and `count` must be 1 or more. Received: {size} and {count}."
        )
    pixels = pixels_by_image(source)[:, :-1]
    if not pixels.any():
        raise ValueError(
            "The masks must have pixels that are not void. Received: none in "
            f"{len(source)} masks."
        )
    rng = np.random.default_rng(seed)
    classes = _draw_classes(pixels.sum(axis=0), count, balanced, rng)
    images = np.empty(count, int)
    for c in np.unique(classes):
        share = pixels[:, c] / pixels[:, c].sum()
        of_class = classes == c
        images[of_class] = rng.choice(len(source), of_class.sum(), p=share)

    windows = np.empty((count, size, size, 3), np.uint8)
    for index in tqdm.tqdm(np.unique(images).tolist(), desc="patches", leave=False):
        image, mask = source[index]
        edge = (size // 2, size - 1 - size // 2)
        image = np.pad(image, (edge, edge, (0, 0)), mode="reflect")
        for c in np.unique(classes[images == index]):
            wanted = np.flatnonzero((images == index) & (classes == c))
            where = rng.choice(np.flatnonzero(mask == c), len(wanted))
            for i, row, column in zip(
                wanted, *divmod(where, mask.shape[1]), strict=True
            ):
                windows[i] = image[row : row + size, column : column + size]
    return windows, classes.astype(source.labels.mask_dtype)


def _draw_classes(
    pixels: np.ndarray, count: int, balanced: bool, rng: np.random.Generator
) -> np.ndarray:
    """Draws class ids, balanced to one, in random order."""
    if not balanced:
        return rng.choice(len(pixels), count, p=pixels / pixels.sum())
    present = rng.permutation(np.flatnonzero(pixels))
    return rng.permutation(np.resize(present, count))
