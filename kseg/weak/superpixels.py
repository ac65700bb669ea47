"""Superpixels: how an image falls into them, which touch, and how they look.

Felzenszwalb and Huttenlocher, "Efficient Graph-Based Image Segmentation", IJCV 2004,
whose superpixels ScribbleSup takes, and Achanta et al., "SLIC Superpixels", PAMI 2012;
both are scikit-image's.
https://cs.brown.edu/people/pfelzens/papers/seg-ijcv.pdf
The appearance is that of Lin et al., "ScribbleSup", CVPR 2016, section 3.1: colours in
25 bins a channel, horizontal and vertical gradients in 10 bins each. The paper does
not say what its histograms h sum to, while its costs exp(-|h - h'|^2 / delta^2) with
delta 5 (colour) and 10 (gradient) depend on it: for counts of pixels they are 0, for
shares always near 1. Here a histogram sums to the published delta, so that the
exponent is the squared distance of two histograms of shares: 0 for two alike, 2 for
two that have no bin in common. On 31 CamVid images it was the best of the sums tried,
1 to 25 for colours and 1 to 20 for gradients (`kseg.weak.scribblesup`).
"""

import numpy as np
from scipy import ndimage

from kseg.optional import import_optional
from kseg.raster import check_image

COLOR_BINS = 25
GRADIENT_BINS = 10
_COLOR_SUM = 5.0
_GRADIENT_SUM = 10.0
# Grey of RGB, as ITU-R BT.601 weighs it.
_GREY = np.array([0.299, 0.587, 0.114])
# A central difference of grey values lies between these two, of either sign.
_STEEPEST = 127.5


def superpixels(
    image: np.ndarray, method: str = "felzenszwalb", size: int = 60
) -> np.ndarray:
    """Divides an image into superpixels. Needs scikit-image.

    Args:
        image: uint8 array `(height, width, 3)`, RGB.
        method: `"felzenszwalb"`, whose superpixels follow edges and differ in size, or
            `"slic"`, whose superpixels are about equal and compact.
        size: About how many pixels a superpixel has. For Felzenszwalb's the scale is
            a third of it and the least size a sixth, which comes to this mean in
            street scenes of 360x480.

    Returns:
        int32 array `(height, width)` of ids from 0 on, none left out. The pixels of
        one id are connected by sides or corners.

    Raises:
        ImportError: If scikit-image is missing.
        ValueError: If `image` is no such array, or another argument is out of range.
    """
    check_image(image)
    check_superpixels(method, size)
    segmentation = import_optional("skimage.segmentation")
    if method == "felzenszwalb":
        found = segmentation.felzenszwalb(
            image, scale=size / 3, sigma=0.8, min_size=max(size // 6, 1)
        )
    else:
        count = max(round(image.shape[0] * image.shape[1] / size), 1)
        found = segmentation.slic(image, count, compactness=10.0, start_label=0)
    ids = np.unique(found, return_inverse=True)[1]
    return ids.reshape(found.shape).astype(np.int32)


def check_superpixels(method: str, size: int) -> None:
    """Raises if the arguments of `superpixels` are not as they must be.

    Args:
        method: As in `superpixels`.
        size: As in `superpixels`.

    Raises:
        ValueError: If so.
    """
    if method not in ("felzenszwalb", "slic"):
        raise ValueError(
            f"`method` must be 'felzenszwalb' or 'slic'. Received: {method!r}."
        )
    if not isinstance(size, int) or size < 1:
        raise ValueError(f"`size` must be an integer, 1 or more. Received: {size!r}.")


def adjacency(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the superpixels that touch by sides of pixels.

    Args:
        ids: Integer array `(height, width)`, 0 or more.

    Returns:
        edges: int64 array `(m, 2)` of ids, the lower one first, in order, each once.
        lengths: int64 array `(m,)`: the sides of pixels that lie between the two.

    Raises:
        ValueError: If `ids` is no such array.

    Example:
    >>> edges, lengths = adjacency(np.array([[0, 0, 2], [1, 1, 2]]))
    >>> edges.tolist(), lengths.tolist()
    ([[0, 1], [0, 2], [1, 2]], [2, 1, 1])
    """
    _check_ids(ids)
    ids = ids.astype(np.int64)
    first = np.concatenate([ids[:, :-1].ravel(), ids[:-1].ravel()])
    second = np.concatenate([ids[:, 1:].ravel(), ids[1:].ravel()])
    low, high = np.minimum(first, second), np.maximum(first, second)
    base = ids.max() + 1
    codes, lengths = np.unique((low * base + high)[low < high], return_counts=True)
    return np.stack(np.divmod(codes, base), axis=1), lengths


def appearance(image: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns histograms of the colours and of the gradients of superpixels.

    Args:
        image: uint8 array `(height, width, 3)`, RGB.
        ids: Integer array `(height, width)`: ids from 0 on, none left out.

    Returns:
        colors: float64 array `(count, 75)`: 25 bins of red, green and blue; those of
            each sum to 5.
        gradients: float64 array `(count, 20)`: 10 bins of the horizontal, then of the
            vertical central difference of the grey values; those of each sum to 10.

    Raises:
        ValueError: If `image` is no such array, `ids` is not of its size, or leaves
            an id out.
    """
    check_image(image)
    _check_ids(ids)
    if ids.shape != image.shape[:2]:
        raise ValueError(
            "`ids` must have the height and width of `image`. Received: "
            f"{ids.shape} for {image.shape[:2]}."
        )
    counts = np.bincount(ids.ravel())
    if not counts.all():
        raise ValueError(
            "`ids` must be 0, 1, 2, ... with none left out. Received: "
            f"no pixel of {np.flatnonzero(counts == 0)[:8].tolist()}."
        )
    channels = np.moveaxis(image, -1, 0).astype(np.int64)
    colors = [_shares(ids, c * COLOR_BINS // 256, COLOR_BINS) for c in channels]
    grey = image @ _GREY
    gradients = []
    for axis in (1, 0):
        slope = ndimage.correlate1d(grey, [-0.5, 0, 0.5], axis, mode="nearest")
        bins = ((slope / _STEEPEST + 1) / 2 * GRADIENT_BINS).astype(np.int64)
        bins = np.clip(bins, 0, GRADIENT_BINS - 1)
        gradients.append(_shares(ids, bins, GRADIENT_BINS))
    return (
        _COLOR_SUM * np.concatenate(colors, axis=1),
        _GRADIENT_SUM * np.concatenate(gradients, axis=1),
    )


def _shares(ids: np.ndarray, bins: np.ndarray, num_bins: int) -> np.ndarray:
    """Returns the share of each superpixel's pixels in each bin."""
    counts = np.bincount(
        ids.ravel().astype(np.int64) * num_bins + bins.ravel(),
        minlength=num_bins * (int(ids.max()) + 1),
    ).reshape(-1, num_bins)
    return counts / counts.sum(axis=1, keepdims=True)


def _check_ids(ids: np.ndarray) -> None:
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or ids.size == 0 or ids.min() < 0:
        raise ValueError(
            "`ids` must be integers (height, width), 0 or more. Received: "
            f"{ids.dtype} {ids.shape}."
        )
