"""The graph of an image: pixels, their neighbours, and the contrast of these."""

import numpy as np

from kseg.graph_cut.checks import checked_edges


def grid_edges(height: int, width: int, diagonals: bool = False) -> np.ndarray:
    """Returns the edges between neighbouring pixels, numbered row by row.

    Args:
        height: Rows of pixels.
        width: Pixels in a row.
        diagonals: Whether pixels that share a corner are neighbours too: 8 instead
            of 4.

    Returns:
        int32 array `(m, 2)`: edges to the right, downwards, then both diagonals.

    Raises:
        ValueError: If the grid has no pixel.

    Example:
    >>> grid_edges(2, 2).tolist()
    [[0, 1], [2, 3], [0, 2], [1, 3]]
    """
    if min(height, width) < 1:
        raise ValueError(
            f"A grid must have one pixel or more. Received: {height}x{width}."
        )
    ids = np.arange(height * width, dtype=np.int32).reshape(height, width)
    pairs = [(ids[:, :-1], ids[:, 1:]), (ids[:-1], ids[1:])]
    if diagonals:
        pairs += [(ids[:-1, :-1], ids[1:, 1:]), (ids[:-1, 1:], ids[1:, :-1])]
    return np.concatenate(
        [np.stack([a.ravel(), b.ravel()], axis=1) for a, b in pairs], axis=0
    )


def contrast_weights(
    image: np.ndarray, edges: np.ndarray, sigma: float | None = None
) -> np.ndarray:
    """Returns weights that make it cheap for labels to change where colours do.

    A weight is exp(-d^2 / (2 sigma^2)) divided by the distance of the two pixels, d
    the Euclidean distance of their colours (Boykov and Jolly, "Interactive Graph
    Cuts", ICCV 2001, section 3).

    Args:
        image: Array `(height, width)` or `(height, width, channels)`.
        edges: Integer array `(m, 2)` of pixels, numbered row by row, as `grid_edges`
            gives.
        sigma: In units of the image, positive; `None` for the root of the mean of
            d^2 over the edges.

    Returns:
        float64 array `(m,)`, 0 to 1.

    Raises:
        ValueError: If an array is not as described, or `sigma` is not positive.

    Example:
    >>> image = np.array([[10.0, 10.0, 14.0]])
    >>> contrast_weights(image, grid_edges(1, 3), sigma=4).round(3)
    array([1.   , 0.607])
    """
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(
            "`image` must be (height, width) or (height, width, channels), of one "
            f"pixel or more. Received: shape {image.shape}."
        )
    if not np.isfinite(image).all():
        raise ValueError("`image` must be finite. Received: NaN or infinite values.")
    if sigma is not None and not 0 < sigma < np.inf:
        raise ValueError(f"`sigma` must be positive and finite. Received: {sigma}.")
    height, width = image.shape[:2]
    edges = checked_edges(edges, height * width)
    first, second = edges[:, 0], edges[:, 1]
    colors = image.reshape(height * width, -1).astype(np.float64)
    distances = np.linalg.norm(colors[first] - colors[second], axis=1)
    if sigma is None:
        # An image of one colour has none, nor any contrast that it could scale.
        sigma = np.sqrt((distances**2).sum() / max(len(distances), 1)) or 1.0
    with np.errstate(over="ignore"):  # beside a tiny sigma any contrast is infinite
        contrast = (distances / sigma) ** 2
    rows, columns = np.divmod(first, width) - np.array(np.divmod(second, width))
    return np.exp(-contrast / 2) / np.hypot(rows, columns)
