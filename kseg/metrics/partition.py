"""Scores of an image cut into regions: are the regions split or merged?

V_rand and V_info: Arganda-Carreras et al., "Crowdsourcing the creation of image
segmentation algorithms for connectomics", Frontiers in Neuroanatomy 2015, the scores
of ISBI 2012. https://doi.org/10.3389/fnana.2015.00142
Adapted Rand error: the score of SNEMI3D, https://snemi3d.grand-challenge.org.

Regions are named by ids, and 0 is the border between them. Only pixels of true regions
count; those that the prediction calls border are regions of one pixel each, as in
Fiji's Trainable Segmentation (RandError.java, VariationOfInformation.java).
With p the share of the pixels in true region i and predicted region j, t and s the
shares of true and of predicted regions, a predicted split lowers the split score,
sum p^2 / sum t^2 or I(S; T) / H(S), and a merger the merge score, sum p^2 / sum s^2 or
I(S; T) / H(T). F is their harmonic mean.
Departure: where nothing can be split or merged, because there is one region, Fiji sets
V_info to 0; here the score of what cannot happen is 1, so that one region found as one
region is perfect.
"""

from typing import NamedTuple

import numpy as np

from kseg.metrics.averages import ratio


class PartitionScore(NamedTuple):
    """A score of regions: 1 is perfect, NaN that there was no true region."""

    f: float
    split: float
    merge: float


class RegionSizes(NamedTuple):
    """Pixels, int64, of the overlaps, of the predicted and of the true regions."""

    joint: np.ndarray
    predicted: np.ndarray
    true: np.ndarray


def rand_scores(truth: np.ndarray, prediction: np.ndarray) -> PartitionScore:
    """Scores regions by pairs of pixels (V_rand).

    Args:
        truth: True region ids, integers of any shape; 0 is border, not scored.
        prediction: Predicted region ids, integers of the same shape; 0 is border.

    Returns:
        F, split and merge score, 0 to 1.

    Raises:
        ValueError: If the maps differ in shape or hold no region ids.

    Example:
    >>> import numpy as np
    >>> truth = np.array([[1, 1, 0, 2, 2]])
    >>> rand_scores(truth, np.array([[1, 1, 1, 1, 1]]))  # merged
    PartitionScore(f=0.6666666666666666, split=1.0, merge=0.5)
    """
    return rand_of_pairs(*pairs(region_sizes(truth, prediction)))


def information_scores(truth: np.ndarray, prediction: np.ndarray) -> PartitionScore:
    """Scores regions by their mutual information (V_info).

    Args:
        truth: As in `rand_scores`.
        prediction: As in `rand_scores`.

    Returns:
        F, split and merge score, 0 to 1.

    Raises:
        ValueError: As `rand_scores` does.
    """
    return information_of_sizes(region_sizes(truth, prediction))


def adapted_rand_error(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Returns 1 minus the F score of pairs of two different pixels.

    It is SNEMI3D's score, and what scikit-image calls so: a pixel makes no pair with
    itself, and predicted border is a region like any other. So it is not 1 - V_rand.

    Args:
        truth: True region ids, integers of any shape; 0 is border, not scored.
        prediction: Predicted region ids, integers of the same shape.

    Returns:
        0 to 1, smaller is better; NaN where no region has two pixels.

    Raises:
        ValueError: As `rand_scores` does.
    """
    prediction = np.asarray(prediction)
    _check(np.asarray(truth), prediction)
    sizes = region_sizes(truth, _numbered(prediction) + 1)
    pixels = sizes.true.sum()
    joint, predicted, true = (pair - pixels for pair in pairs(sizes))
    return float(1 - ratio(np, 2.0 * joint, float(predicted + true)))


def region_sizes(truth: np.ndarray, prediction: np.ndarray) -> RegionSizes:
    """Counts the pixels that regions and their overlaps have in true regions.

    Args:
        truth: As in `rand_scores`.
        prediction: As in `rand_scores`.

    Raises:
        ValueError: As `rand_scores` does.
    """
    truth, prediction = np.asarray(truth), np.asarray(prediction)
    _check(truth, prediction)
    inside = truth != 0
    border = prediction[inside] == 0
    true, predicted = _numbered(truth[inside]), _numbered(prediction[inside])
    first = predicted.max(initial=0) + 1
    predicted[border] = first + np.arange(border.sum())
    joint = true * (predicted.max(initial=0) + 1) + predicted
    return RegionSizes(*map(_counts, (joint, predicted, true)))


def pairs(sizes: RegionSizes) -> np.ndarray:
    """Counts ordered pairs of pixels in one overlap, predicted and true region.

    Args:
        sizes: From `region_sizes`.

    Returns:
        float64 `(3,)`. Over several images V_rand is that of their sum.
    """
    return np.array([float(np.square(size).sum()) for size in sizes])


def rand_of_pairs(joint: float, predicted: float, true: float) -> PartitionScore:
    """Returns V_rand from counts of `pairs`."""
    f = ratio(np, 2 * joint, predicted + true)
    split, merge = ratio(np, joint, true), ratio(np, joint, predicted)
    return PartitionScore(float(f), float(split), float(merge))


def information_of_sizes(sizes: RegionSizes) -> PartitionScore:
    """Returns V_info from `region_sizes`."""
    if not sizes.true.size:
        return PartitionScore(np.nan, np.nan, np.nan)
    joint, predicted, true = map(_entropy, sizes)
    # Rounding leaves a trifle below 0 where the maps tell nothing of each other.
    mutual = max(predicted + true - joint, 0.0)
    return PartitionScore(
        f=2 * mutual / (predicted + true) if predicted + true else 1.0,
        split=mutual / predicted if predicted else 1.0,
        merge=mutual / true if true else 1.0,
    )


def _numbered(ids: np.ndarray) -> np.ndarray:
    """Returns ids from 0 on without gaps, int64: products of large ids overflow."""
    return np.unique(ids, return_inverse=True)[1].reshape(ids.shape).astype(np.int64)


def _counts(ids: np.ndarray) -> np.ndarray:
    return np.unique(ids, return_counts=True)[1].astype(np.int64)


def _entropy(sizes: np.ndarray) -> float:
    """Returns the entropy, in nats, of the region that a pixel is in."""
    shares = sizes / sizes.sum()
    return float(-(shares * np.log(shares)).sum()) + 0.0


def _check(truth: np.ndarray, prediction: np.ndarray) -> None:
    """Raises unless both are region ids of one shape."""
    if truth.shape != prediction.shape:
        raise ValueError(
            "`truth` and `prediction` must have the same shape. Received: "
            f"{truth.shape} and {prediction.shape}."
        )
    for name, ids in (("truth", truth), ("prediction", prediction)):
        if ids.dtype.kind not in "biu" or ids.min(initial=0) < 0:
            raise ValueError(
                f"`{name}` must be region ids, integers from 0 on. Received: dtype "
                f"{ids.dtype}, minimum {ids.min(initial=0)}. `kseg.metrics."
                "regions` numbers the regions of a map of cells."
            )
