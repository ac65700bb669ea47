"""How sure scores are: intervals by the bootstrap, and a paired test of two models.

Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, sections 13.3 (intervals
of percentiles) and 15.2 (permutation test). What is drawn are whole images: pixels of
one image are not independent. The intervals say how far the scores would vary with
other images of the same kind, not with another training.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from kseg.metrics.averages import mean_of_known, ratio
from kseg.metrics.confusion import scores_of_counts

# Samples that are scored at a time.
_CHUNK = 100


class ImageScores(NamedTuple):
    """What is known of each image of a data set.

    Attributes:
        counts: Integers `(images, 3, num_classes)`, of `kseg.metrics.class_counts`.
        boundary_f1: Floats `(images, num_classes)`, of `kseg.metrics.boundary_f1`.
        bands: Integers `(images, 2, num_classes)`, of `kseg.metrics.boundary_iou`.
    """

    counts: np.ndarray
    boundary_f1: np.ndarray
    bands: np.ndarray


def intervals(
    images: ImageScores, level: float = 0.95, samples: int = 2000, seed: int = 0
) -> dict[str, np.ndarray]:
    """Finds between which bounds the scores of a data set lie.

    Args:
        images: What `kseg.metrics.DatasetScores.images` returns.
        level: Share of the samples within the bounds.
        samples: How many samples of as many images are drawn, with replacement.
        seed: Of the random numbers.

    Returns:
        For each score that `kseg.metrics.DatasetScores` has, float64 `(2,)`, or `(2,
        num_classes)` for those of the classes. Samples that do not hold a class count
        nothing for it. NaN where there is no score, and for fewer than two images.

    Raises:
        ValueError: If the arrays do not fit each other, or a number is out of range.

    Example:
    >>> counts = np.array([[[3, 1], [4, 1], [3, 2]], [[2, 2], [2, 2], [2, 2]]])
    >>> images = ImageScores(counts, np.ones((2, 2)), np.ones((2, 2, 2)))
    >>> intervals(images)["pixel_accuracy"].tolist()
    [0.8, 1.0]
    """
    _check(images, level, samples)
    found = _joined(_scores(part, images) for part in _draws(images, samples, seed))
    number = len(images.counts)
    return {name: _bounds(values, level, number) for name, values in found.items()}


def compared(
    first: ImageScores,
    second: ImageScores,
    level: float = 0.95,
    samples: int = 2000,
    seed: int = 0,
) -> dict[str, dict[str, np.ndarray]]:
    """Compares two models by their scores on the same images.

    Args:
        first: As in `intervals`, of one model.
        second: Of the other, on the same images in the same order.
        level: As in `intervals`.
        samples: How many, of the bootstrap and of the permutation test.
        seed: Of the random numbers.

    Returns:
        For each score as in `intervals`, `difference`, the second's less the first's;
        `interval`, its bounds, of samples of images that both models share; and
        `p_value`, how often models that are one another's in random images differ as
        much, at least `1 / (samples + 1)`. Float64, `()` or of the classes; NaN where
        one of the models has no score, and bounds for fewer than two images.

    Raises:
        ValueError: If the images are not the same, or as `intervals` does.
    """
    _check(first, level, samples)
    _check(second, level, samples)
    true = first.counts[:, 1], second.counts[:, 1]
    if not np.array_equal(*true):
        raise ValueError(
            "Both models must be scored on the same images and masks. Received: true "
            f"pixels of shapes {true[0].shape} and {true[1].shape}, which differ. "
            "Evaluate both on the same data with the same options."
        )
    number = len(first.counts)
    pair = ImageScores(*map(np.concatenate, zip(first, second, strict=True)))
    rng = np.random.default_rng(seed + 1)
    once = np.ones((1, number), np.int64)

    def difference(own, other) -> dict[str, np.ndarray]:
        """Returns differences of samples, of a model's own and the other's images."""
        ones = _scores(np.hstack([own, other]), pair)
        others = _scores(np.hstack([other, own]), pair)
        return {name: others[name] - ones[name] for name in ones}

    seen = difference(once, 0 * once)
    drawn = _draws(first, samples, seed)
    resampled = _joined(difference(part, 0 * part) for part in drawn)
    exchanged = (rng.integers(0, 2, (n, number)) for n in _parts(samples))
    mixed = _joined(difference(1 - part, part) for part in exchanged)
    return {
        name: {
            "difference": value[0],
            "interval": _bounds(resampled[name], level, number),
            "p_value": _p_value(mixed[name], value[0]),
        }
        for name, value in seen.items()
    }


def _check(images: ImageScores, level: float, samples: int) -> None:
    """Raises if the arrays do not fit each other, or a number is out of range."""
    shapes = [array.shape for array in images]
    number, _, classes = (*shapes[0], 0, 0, 0)[:3]
    fits = [(number, 3, classes), (number, classes), (number, 2, classes)]
    if not number or shapes != fits:
        raise ValueError(
            "Counts must be (images, 3, num_classes), of an image or more, boundary F1 "
            "(images, num_classes), and bands (images, 2, num_classes). Received: "
            f"{shapes}."
        )
    if not 0 < level < 1 or samples < 1:
        raise ValueError(
            "`level` must be between 0 and 1, `samples` 1 or more. Received: "
            f"{level} and {samples}."
        )


def _draws(images: ImageScores, samples: int, seed: int) -> Iterator[np.ndarray]:
    """Draws how often each image is in each sample, int64 `(some samples, images)`.

    Some at a time: all of them would be 8 bytes for each sample and image.
    """
    number = len(images.counts)
    rng = np.random.default_rng(seed)
    shares = np.full(number, 1 / number)
    for part in _parts(samples):
        yield rng.multinomial(number, shares, part)


def _parts(samples: int) -> list[int]:
    """Returns how many samples are scored at a time."""
    parts = -(-samples // _CHUNK)
    return [samples * (i + 1) // parts - samples * i // parts for i in range(parts)]


def _scores(weights: np.ndarray, images: ImageScores) -> dict[str, np.ndarray]:
    """Scores samples: float64 `(samples,)`, of classes `(samples, num_classes)`."""
    weights = weights.astype(np.float64)

    def summed(counts):
        """Adds counts `(images, ...)` up; BLAS is exact below 2^53."""
        flat = counts.reshape(len(counts), -1).astype(np.float64)
        return (weights @ flat).reshape(len(weights), *counts.shape[1:])

    found = scores_of_counts(summed(images.counts))
    intersection, union = np.moveaxis(summed(images.bands), 1, 0)
    found["class_boundary_iou"] = ratio(np, intersection, union)
    found["boundary_iou"] = mean_of_known(np, found["class_boundary_iou"], axis=-1)
    by_image = mean_of_known(np, images.boundary_f1, axis=1)
    for name, values in (
        ("boundary_f1", by_image),
        ("class_boundary_f1", images.boundary_f1),
    ):
        known = ~np.isnan(values)
        total = weights @ np.where(known, values, 0.0)
        found[name] = ratio(np, total, weights @ known.astype(np.float64))
    return found


def _joined(parts) -> dict[str, np.ndarray]:
    """Joins the scores of some samples with those of others."""
    parts = list(parts)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _bounds(values: np.ndarray, level: float, images: int) -> np.ndarray:
    """Returns the percentiles of samples `(samples, ...)`, float64 `(2, ...)`."""
    known = ~np.isnan(values).all(axis=0)
    if images < 2:
        known = np.zeros_like(known)
    filled = np.where(known, values, 0.0)  # NumPy warns of columns of NaN
    outside = (1 - level) / 2
    bounds = np.nanquantile(filled, (outside, 1 - outside), axis=0)
    return np.where(known, bounds, np.nan)


def _p_value(mixed: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Returns the share of differences `(samples, ...)` that are as large as seen."""
    # Sums in another order differ in the last bits.
    as_large = np.abs(mixed) >= np.abs(seen) - 1e-12
    share = (1 + as_large.sum(axis=0)) / (1 + len(mixed))
    return np.where(np.isnan(seen), np.nan, share)
