"""Segmentation by colour: the baseline that knows nothing of classes.

Pixels of one object look alike, and colour changes where objects meet: k-means on the
colours of an image gives regions without any training. The same idea fails where a
person wears red and black, or road and sky are grey. Colours are compared in CIE Lab,
where distance is about what people see as difference, MacQueen's k-means (1967) is
scikit-learn's. https://scikit-learn.org/stable/modules/clustering.html#k-means
"""

import numpy as np

from kseg.labels import Labels
from kseg.optional import import_optional
from kseg.raster import check_image


def color_clusters(
    image: np.ndarray,
    num_clusters: int = 8,
    spatial_weight: float = 0.0,
    sample: int = 20_000,
    seed: int = 0,
) -> np.ndarray:
    """Divides an image into clusters of similar colour.

    Args:
        image: uint8 array `(height, width, 3)`, RGB.
        num_clusters: How many clusters, 1 to 256. Where fewer are distinct, of the
            sampled pixels, colour and place, each gets one; places only differ with
            a `spatial_weight`.
        spatial_weight: How much places count beside colours: the distance in Lab
            units, of which black and white are 100 apart, that the image's longer
            side is worth. 0 for colour alone.
        sample: The means are found on at most so many pixels; all are assigned.
        seed: What the pixels and the first means are drawn from.

    Returns:
        uint8 ids `(height, width)`; 0 is the darkest cluster, and so on.

    Raises:
        ValueError: If `image` is not such an array or a number is out of range.
        ImportError: If scikit-image or scikit-learn is missing.

    Example:
    >>> image = np.zeros((2, 3, 3), np.uint8)
    >>> image[:, 1:] = 200, 30, 30
    >>> color_clusters(image, num_clusters=2)
    array([[0, 1, 1],
           [0, 1, 1]], dtype=uint8)
    """
    check_image(image)
    if not (1 <= num_clusters <= 256 and spatial_weight >= 0 and sample >= 1):
        raise ValueError(
            "`num_clusters` must be 1 to 256, `spatial_weight` 0 or more and `sample` "
            f"1 or more. Received: {num_clusters}, {spatial_weight} and {sample}."
        )
    skimage_color = import_optional("skimage.color")
    sklearn_cluster = import_optional("sklearn.cluster")
    threadpoolctl = import_optional("threadpoolctl")  # comes with scikit-learn

    height, width = image.shape[:2]
    lab = skimage_color.rgb2lab(image)
    places = np.moveaxis(np.indices((height, width)), 0, -1) / max(height, width)
    pixels = np.concatenate([lab, spatial_weight * places], axis=-1).reshape(-1, 5)

    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(pixels), min(sample, len(pixels)), replace=False)
    distinct = np.unique(pixels[chosen], axis=0)
    # Four starts: one alone can leave a colour without its mean.
    number = min(num_clusters, len(distinct))
    means = sklearn_cluster.KMeans(number, n_init=4, random_state=seed)
    # Threads only wait for each other on so few pixels, on a busy machine for seconds.
    with threadpoolctl.threadpool_limits(1):
        ids = means.fit(pixels[chosen]).predict(pixels)

    dark_first = np.lexsort(means.cluster_centers_.T[::-1])
    rank = np.empty(len(dark_first), np.uint8)
    rank[dark_first] = np.arange(len(dark_first))
    return rank[ids].reshape(height, width)


def clusters_to_classes(
    ids: np.ndarray, mask: np.ndarray, labels: Labels
) -> np.ndarray:
    """Gives each cluster the class that most of its pixels have in the true mask.

    No naming of the clusters can score more pixels right, so `kseg.metrics` on the
    result tells how far the clusters alone could get.

    Args:
        ids: Clusters, integers `(height, width)` from 0 on.
        mask: True class ids, integers `(height, width)`.
        labels: The classes of the mask.

    Returns:
        Class ids `(height, width)`, of the mask's dtype. Equal numbers go to the class
        with the lower id; a cluster that is all void to the most frequent class.

    Raises:
        ValueError: If the shapes differ, the mask is void everywhere or holds an id
            that is no class, or a cluster is below 0.

    Example:
    >>> ids = np.array([[0, 0, 1, 1]])
    >>> clusters_to_classes(ids, np.array([[2, 255, 1, 1]]), Labels.numbered(3))
    array([[2, 2, 1, 1]])
    """
    known = mask != labels.ignore_class
    if ids.shape != mask.shape or not known.any():
        raise ValueError(
            "`ids` and `mask` must have the same shape, and the mask a pixel that is "
            f"not void. Received: shapes {ids.shape} and {mask.shape}, "
            f"{np.count_nonzero(known)} pixels with a class."
        )
    classes = mask[known]
    if ids.min() < 0 or classes.min() < 0 or classes.max() >= labels.num_classes:
        raise ValueError(
            "`ids` must be 0 or more, and `mask` hold classes, 0 to "
            f"{labels.num_classes - 1}, or {labels.ignore_class}. Received: ids from "
            f"{ids.min()} on, and classes {classes.min()} to {classes.max()}."
        )
    shape = (int(ids.max()) + 1, labels.num_classes)
    pairs = np.ravel_multi_index((ids[known].astype(int), classes), shape)
    votes = np.bincount(pairs, minlength=shape[0] * shape[1]).reshape(shape)
    votes[votes.sum(axis=1) == 0] = votes.sum(axis=0)
    return votes.argmax(axis=1).astype(mask.dtype)[ids]
