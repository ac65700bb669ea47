"""A Markov random field of neighbouring pixels, solved by graph cut.

Boykov and Jolly, "Interactive Graph Cuts for Optimal Boundary & Region Segmentation of
Objects in N-D Images", ICCV 2001: borders are cheap where colours change. Moves for
more than two classes: see `kseg.graph_cut`. Beside the dense CRF it hears neighbours
only, and finds a strong optimum of its energy where that one's mean field is near.
"""

import numpy as np

from kseg.graph_cut import (
    alpha_beta_swap,
    alpha_expansion,
    contrast_weights,
    grid_edges,
)
from kseg.inference.dense_crf import check_crf_input
from kseg.registry import unknown

_METHODS = {"expansion": alpha_expansion, "swap": alpha_beta_swap}


def grid_crf(
    image: np.ndarray,
    scores: np.ndarray,
    scores_are: str = "probabilities",
    weight: float = 5.0,
    sigma: float | None = None,
    diagonals: bool = True,
    method: str = "expansion",
    compatibility: np.ndarray | None = None,
    superpixels: np.ndarray | None = None,
) -> np.ndarray:
    """Finds the labels of least energy of a field of neighbouring pixels.

    The energy is the sum of -log p over the pixels and of `weight * contrast * mu` over
    pairs of neighbours, with `kseg.graph_cut.contrast_weights`.

    Args:
        image: Array `(height, width, channels)` of finite numbers, usually uint8 RGB.
        scores: Float array `(height, width, num_classes)`.
        scores_are: `"probabilities"`, which sum to 1 at each pixel, or `"logits"`.
        weight: Cost of a border between two pixels of one colour; 0 for none.
        sigma: Contrast, in the image's unit, at which it is down to 0.6 of that;
            `None` for the mean one of the image.
        diagonals: Whether pixels have 8 neighbours or 4.
        method: `"expansion"`, or `"swap"` for a `compatibility` that is no metric.
        compatibility: mu, float array `(num_classes, num_classes)`, symmetric, with
            zeros on its diagonal: the cost of two classes side by side. `None` for
            Potts, 1 where they differ.
        superpixels: Integers `(height, width)` from 0 on: pixels of one number get one
            class. The energy is the same, and the time a small part of it.

    Returns:
        Class ids, int32 `(height, width)`.

    Raises:
        ValueError: If an array has another shape or holds what is not finite,
            probabilities are negative or do not sum to 1 within 1e-3, a parameter is
            out of range, or as `method` does.

    Example:
    >>> image = np.zeros((1, 4, 3), "uint8")
    >>> image[:, 2:] = 200
    >>> scores = np.array([[[0.9, 0.1], [0.4, 0.6], [0.3, 0.7], [0.1, 0.9]]])
    >>> grid_crf(image, scores, weight=2.0).tolist()
    [[0, 0, 1, 1]]
    """
    check_crf_input(image, scores, scores_are)
    if not 0 <= weight < np.inf:
        raise ValueError(f"`weight` must be finite and 0 or more. Received: {weight}.")
    if method not in _METHODS:
        raise ValueError(unknown("method", method, list(_METHODS)))
    height, width, num_classes = scores.shape
    logits = scores.reshape(-1, num_classes).astype(np.float64)
    if scores_are == "probabilities":
        logits = np.log(np.maximum(logits, 1e-30))
    unary = -logits
    edges = grid_edges(height, width, diagonals)
    weights = weight * contrast_weights(image, edges, sigma)
    nodes = np.arange(height * width)
    if superpixels is not None:
        nodes = _nodes(superpixels, (height, width))
        unary = np.stack([np.bincount(nodes, costs) for costs in unary.T], axis=1)
        edges = nodes[edges]
        across = edges[:, 0] != edges[:, 1]
        edges, weights = edges[across], weights[across]
    labels = _METHODS[method](unary, edges, weights, compatibility)
    return labels[nodes].reshape(height, width)


def _nodes(superpixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the superpixel of every pixel, `(pixels,)`, numbered without gaps."""
    superpixels = np.asarray(superpixels)
    if superpixels.shape != size or superpixels.dtype.kind not in "iu":
        raise ValueError(
            f"`superpixels` must be integers of the image's size {size}. Received: "
            f"{superpixels.dtype} {superpixels.shape}."
        )
    return np.unique(superpixels, return_inverse=True)[1].ravel()
