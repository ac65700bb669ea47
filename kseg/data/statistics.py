"""How often classes occur, and the weights that balance them."""

import inspect
from collections.abc import Mapping, Sequence

import numpy as np

from kseg.data.in_threads import in_threads
from kseg.data.sources import Source
from kseg.labels import Labels
from kseg.registry import unknown


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

    def count(index: int) -> np.ndarray:
        return count_pixels(source.mask(index), source.labels)

    counts = np.zeros((len(source), source.labels.num_classes + 1), np.int64)
    found = in_threads(count, len(source), "class frequencies")
    for row, pixels in zip(counts, found, strict=True):
        row[:] = pixels
    return counts


def count_pixels(mask: np.ndarray, labels: Labels) -> np.ndarray:
    """Counts the pixels of a mask.

    Args:
        mask: Class ids and `ignore_class`.
        labels: The classes.

    Returns:
        int64 array `(num_classes + 1,)`: the pixels of each class and, last, of void.
    """
    known = mask[mask != labels.ignore_class]
    classes = np.bincount(known, minlength=labels.num_classes)
    return np.append(classes, mask.size - known.size)


def class_weights(
    source: Source, method: str | Mapping | Sequence[float] | None = "none"
) -> list[float] | None:
    """Returns the factors for the loss of each class.

    With n the valid pixels of a class and f their share of all valid pixels:

    - `"inverse"`: 1 / (f times the number of classes that occur); so the mean over
      pixels is 1, and every class has the same sum.
    - `"median_frequency"`: the frequency of a class is its pixels over all pixels of
      the images that hold it; the factor is the median frequency over the class's
      (Eigen and Fergus 2015; Badrinarayanan et al., "SegNet", section 3.3). The
      factors in the authors' `segnet_train.prototxt` are others: of CamVid's training
      masks neither this rule, with or without void among all pixels, nor the frequency
      over all images gives them (9.64 for signs, say, where this gives 3.85).
    - `"effective_number"`: (1 - beta) / (1 - beta ** n), scaled to a mean over classes
      of 1 (Cui et al., "Class-Balanced Loss Based on Effective Number of Samples",
      2019). `beta` is 1 - 1e-7, as pixels are many: with the paper's 0.9999 all
      classes of more than some 50,000 pixels weigh the same.
    - `"enet"`: 1 / ln(c + f), not scaled, between 1.4 and 50.5 with `c` at 1.02
      (Paszke et al., "ENet", 2016, section 5.2).

    A class that never occurs gets 0. `power` is an exponent that all take: 0.5 gives
    square roots, which prefer rare classes less.

    Args:
        source: The training data.
        method: `"none"` or `None`, a name from above, a dictionary of `name` and
            options such as `{"name": "enet", "c": 1.1}`, or the factors themselves.

    Returns:
        One factor per class, or `None` where the method is none.

    Raises:
        ValueError: If the method is none of these, an option is unknown or out of
            range, or the number of factors is not that of the classes.
    """
    if method is None or (isinstance(method, str) and method == "none"):
        return None
    options = dict(method) if isinstance(method, Mapping) else {}
    name = options.pop("name", None) if isinstance(method, Mapping) else method
    if isinstance(name, str) and name in _METHODS:
        function = _METHODS[name]
        known = [*inspect.signature(function).parameters][2:] + ["power"]
        for key in options:
            if key not in known:
                raise ValueError(unknown(f"option of {name!r}", key, known))
        power = options.pop("power", 1.0)
        if not 0 <= power < np.inf:
            raise ValueError(f"`power` must be 0 or more. Received: {power}.")
        pixels, of = class_frequencies(source)
        there = pixels > 0
        weights = np.zeros(len(pixels))
        weights[there] = function(pixels[there], of[there], **options) ** power
        return weights.tolist()
    if isinstance(method, Sequence | np.ndarray) and not isinstance(method, str):
        if len(method) == source.labels.num_classes:
            return [float(weight) for weight in method]
    raise ValueError(
        f"`class_weights` must be one of {['none', *_METHODS]}, a dictionary with such "
        f"a `name`, or one number per class ({source.labels.num_classes}). Received: "
        f"{method!r}."
    )


def _inverse(pixels: np.ndarray, of: np.ndarray) -> np.ndarray:
    return pixels.sum() / (len(pixels) * pixels)


def _median_frequency(pixels: np.ndarray, of: np.ndarray) -> np.ndarray:
    frequency = pixels / of
    return np.median(frequency) / frequency


def _effective_number(
    pixels: np.ndarray, of: np.ndarray, beta: float = 1 - 1e-7
) -> np.ndarray:
    if not 0 <= beta < 1:
        raise ValueError(f"`beta` must be 0 or more and below 1. Received: {beta}.")
    with np.errstate(divide="ignore"):  # 0 ** n is 0
        weights = (1 - beta) / -np.expm1(pixels * np.log(beta))
    return weights / weights.mean()


def _enet(pixels: np.ndarray, of: np.ndarray, c: float = 1.02) -> np.ndarray:
    if not 1 < c < np.inf:
        raise ValueError(f"`c` must be above 1. Received: {c}.")
    return 1 / np.log(c + pixels / pixels.sum())


_METHODS = {
    "inverse": _inverse,
    "median_frequency": _median_frequency,
    "effective_number": _effective_number,
    "enet": _enet,
}
