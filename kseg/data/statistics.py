"""How often classes occur, and the weights that balance them."""

from collections.abc import Sequence

import numpy as np
import tqdm

from kseg.data.sources import Source


def class_frequencies(source: Source) -> np.ndarray:
    """Counts pixels.

    Args:
        source: Where the masks are; all are read.

    Returns:
        int64 array `(2, num_classes)`: the pixels of each class, and all pixels,
        void or not, of the images that hold the class.
    """
    pixels = pixels_by_image(source)
    classes, sizes = pixels[:, :-1], pixels.sum(axis=1)
    return np.stack([classes.sum(axis=0), sizes @ (classes > 0)])


def pixels_by_image(source: Source) -> np.ndarray:
    """Counts the pixels of every mask.

    Args:
        source: Where the masks are; all are read.

    Returns:
        int64 array `(images, num_classes + 1)`: the pixels of each class and, last,
        those that are void.
    """
    labels = source.labels
    counts = np.zeros((len(source), labels.num_classes + 1), np.int64)
    for index in tqdm.trange(len(source), desc="class frequencies", leave=False):
        mask = source.mask(index)
        known = mask[mask != labels.ignore_class]
        counts[index, :-1] = np.bincount(known, minlength=labels.num_classes)
        counts[index, -1] = mask.size - known.size
    return counts


def class_weights(
    source: Source, method: str | Sequence[float] = "none"
) -> list[float] | None:
    """Returns the factors for the loss of each class.

    `"median_frequency"`: the frequency of a class is its pixels over all pixels of
    the images that hold it; the factor is the median frequency over the class's
    (Eigen and Fergus 2015; Badrinarayanan et al., "SegNet", section 3.3). A class
    that never occurs gets 0. The factors in the authors' `segnet_train.prototxt` are
    others: of CamVid's training masks neither this rule, with or without void among
    all pixels, nor the frequency over all images gives them (9.64 for signs, say,
    where this gives 3.85).

    Args:
        source: The training data.
        method: `"none"`, `"median_frequency"`, or the factors themselves.

    Returns:
        One factor per class, or `None` for `"none"`.

    Raises:
        ValueError: If the method is none of these, or the number of factors is
            not that of the classes.
    """
    if isinstance(method, str):
        if method == "none":
            return None
        if method == "median_frequency":
            pixels, of = class_frequencies(source)
            there = pixels > 0
            frequency = pixels[there] / of[there]
            weights = np.zeros(len(pixels))
            weights[there] = np.median(frequency) / frequency
            return weights.tolist()
    elif len(method) == source.labels.num_classes:
        return [float(weight) for weight in method]
    raise ValueError(
        "`class_weights` must be 'none', 'median_frequency' or one number per "
        f"class ({source.labels.num_classes}). Received: {method!r}."
    )
