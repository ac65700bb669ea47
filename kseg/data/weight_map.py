"""U-Net's weights of pixels: those between two cells count more.

Ronneberger et al., "U-Net", equation 2: w(x) = w_c(x) + w0 exp(-(d1(x) + d2(x))^2 /
(2 sigma^2)), with the distances to the border of the nearest and of the second
nearest cell. https://arxiv.org/abs/1505.04597
What the paper leaves open is settled so: a distance is that of pixel centres to the
nearest pixel of the cell, 1 beside it; the second term is for background alone, and
0 where there are fewer than two cells; cells are told apart by their ids; void
weighs 0.
"""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

# Cells further away than this many sigma add less than w0 e^-18.
_REACH = 6.0


def weight_map(
    instances: np.ndarray,
    w0: float = 10.0,
    sigma: float = 5.0,
    class_weights: Sequence[float] = (1.0, 1.0),
    ignore: np.ndarray | None = None,
) -> np.ndarray:
    """Returns the weights of the pixels of an instance mask.

    Cells that touch have no background between them that could weigh more:
    `separate_touching` makes some, and the network must then be trained on
    `instances > 0` of its result.

    Args:
        instances: Integer array `(height, width)`: 0 is background, every other value
            one cell; none is below 0.
        w0: Weight of the pixels between two cells, on top of the class's.
        sigma: How fast it falls with the distance, in pixels.
        class_weights: w_c of background and of cells.
        ignore: Boolean array `(height, width)`, true where the weight is 0; `None`
            for nowhere.

    Returns:
        float32 array `(height, width)`.

    Raises:
        ValueError: If a number is out of range or `instances` is no such array.

    Example:
    >>> weight_map(np.array([[1, 0, 2]])).round(2)
    array([[ 1.  , 10.23,  1.  ]], dtype=float32)
    """
    _check_ids(instances, "instances")
    if len(class_weights) != 2:
        raise ValueError(
            "`class_weights` must be two numbers, of background and of cells. "
            f"Received: {class_weights}."
        )
    _check_factors(class_weights)
    weights = np.where(instances == 0, *class_weights) + _between(instances, w0, sigma)
    return _finished(weights, ignore)


def mask_weights(
    mask: np.ndarray,
    w0: float = 10.0,
    sigma: float = 5.0,
    class_weights: Sequence[float] | None = None,
    background: int = 0,
    ignore_class: int = 255,
) -> np.ndarray:
    """Returns the weights of the pixels of a mask of class ids.

    Its cells are the connected parts of every class but the background, as
    `instances_of` finds them.

    Args:
        mask: Integer array `(height, width)` of class ids.
        w0: As in `weight_map`.
        sigma: As in `weight_map`, in pixels.
        class_weights: w_c of every class; `None` for 1.
        background: The class between the cells.
        ignore_class: Class id of pixels that weigh 0.

    Returns:
        float32 array `(height, width)`.

    Raises:
        ValueError: If a number is out of range, `mask` is no such array, or a class
            has no weight.
    """
    ignore = mask == ignore_class
    ids = np.where(ignore, background, mask)
    _check_ids(ids, "mask")
    if class_weights is None:
        class_weights = np.ones(int(ids.max(initial=0)) + 1).tolist()
    elif ids.max(initial=0) >= len(class_weights):
        raise ValueError(
            "`class_weights` must have one number per class. Received: "
            f"{len(class_weights)}, and a mask with class {ids.max()}."
        )
    _check_factors(class_weights)
    between = _between(instances_of(mask, background, ignore_class), w0, sigma)
    return _finished(np.take(class_weights, ids) + between, ignore)


def instances_of(
    mask: np.ndarray, background: int = 0, ignore_class: int = 255
) -> np.ndarray:
    """Numbers the connected parts of every class but the background.

    Pixels are connected by their sides, not by their corners.

    Args:
        mask: Integer array `(height, width)` of class ids.
        background: The class that is no object.
        ignore_class: Class id of pixels that are no object either.

    Returns:
        int32 array `(height, width)`: 1, 2, ... for the parts, 0 elsewhere.

    Raises:
        ValueError: If `mask` is no such array.

    Example:
    >>> instances_of(np.array([[1, 1, 0, 1], [2, 0, 1, 255]])).tolist()
    [[1, 1, 0, 2], [4, 0, 3, 0]]
    """
    mask = np.where(mask == ignore_class, background, mask)
    _check_ids(mask, "mask")
    instances = np.zeros(mask.shape, np.int32)
    count = 0
    for identity in np.unique(mask).tolist():
        if identity != background:
            parts, found = ndimage.label(mask == identity)
            instances[parts > 0] = parts[parts > 0] + count
            count += found
    return instances


def separate_touching(instances: np.ndarray, width: int = 1) -> np.ndarray:
    """Makes background of the pixels where two cells touch.

    The paper computes the border between cells "using morphological operations":
    here a cell loses the pixels that have another cell within a square around them.

    Args:
        instances: Integer array `(height, width)`: 0 is background, no id is below 0.
        width: Pixels that each of two cells that touch loses.

    Returns:
        A copy in which `2 * width` pixels of background lie between two cells where
        they touched, and `width` or more anywhere else.

    Raises:
        ValueError: If `width` is below 1 or `instances` is no such array.

    Example:
    >>> separate_touching(np.array([[1, 1, 1, 2, 2, 2]])).tolist()
    [[1, 1, 0, 0, 2, 2]]
    """
    if width < 1:
        raise ValueError(f"`width` must be 1 or more. Received: {width}.")
    _check_ids(instances, "instances")
    square = 2 * width + 1
    largest = ndimage.maximum_filter(instances, square)
    # Background is no neighbour: it passes for the highest id here.
    cells = np.where(instances == 0, instances.max(), instances)
    smallest = ndimage.minimum_filter(cells, square)
    alone = (largest == instances) & (smallest == instances)
    return np.where(alone, instances, 0).astype(instances.dtype)


def _check_ids(ids: np.ndarray, name: str) -> None:
    """Raises if an array is anything but ids, of one pixel or more."""
    if ids.ndim != 2 or ids.dtype.kind not in "iu" or ids.size == 0:
        raise ValueError(
            f"`{name}` must be integers (height, width), of one pixel or more. "
            f"Received: {ids.dtype} {ids.shape}."
        )
    if ids.min() < 0:
        raise ValueError(f"`{name}` must hold no id below 0. Received: {ids.min()}.")


def _check_factors(class_weights: Sequence[float]) -> None:
    """Raises if a class weighs what no loss can be multiplied by."""
    if not all(0 <= weight < np.inf for weight in class_weights):
        raise ValueError(
            "`class_weights` must be finite and not negative. Received: "
            f"{class_weights}."
        )


def _between(instances: np.ndarray, w0: float, sigma: float) -> np.ndarray:
    """Returns the second term of equation 2.

    A cell is only seen from the box around it that its term can reach, and of all
    the distances of a pixel the two smallest are kept.
    """
    if not (0 < sigma < np.inf and 0 <= w0 < np.inf):
        raise ValueError(
            "`sigma` must be positive and `w0` not negative, both finite. Received: "
            f"sigma={sigma}, w0={w0}."
        )
    ids, numbers = np.unique(instances, return_inverse=True)
    numbers = numbers.reshape(instances.shape) + 1
    reach = int(np.ceil(_REACH * sigma))
    nearest = np.full(instances.shape, np.inf)
    second = np.full(instances.shape, np.inf)
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        if ids[number - 1] == 0:
            continue
        window = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in box)
        distance = ndimage.distance_transform_edt(numbers[window] != number)
        farther = np.maximum(nearest[window], distance)
        np.minimum(second[window], farther, out=second[window])
        np.minimum(nearest[window], distance, out=nearest[window])
    term = w0 * np.exp(-((nearest + second) ** 2) / (2 * sigma**2))
    return np.where(instances == 0, term, 0.0)


def _finished(weights: np.ndarray, ignore: np.ndarray | None) -> np.ndarray:
    """Returns the weights as float32, 0 where they are ignored."""
    if ignore is not None:
        weights = np.where(ignore, 0.0, weights)
    return weights.astype(np.float32)
