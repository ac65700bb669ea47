"""Dense CRF: every pixel talks to every other, in mean field.

Kraehenbuehl and Koltun, "Efficient Inference in Fully Connected CRFs with Gaussian
Edge Potentials", NIPS 2011, algorithm 1. https://arxiv.org/abs/1210.5644
As DeepLab uses it: Chen et al. 2015, section 3.4. https://arxiv.org/abs/1412.7062

The energy of two pixels i and j of labels a and b is mu(a, b) k(i, j), with
k(i, j) = w1 exp(-|p_i - p_j|^2 / 2 s_alpha^2 - |I_i - I_j|^2 / 2 s_beta^2)
        + w2 exp(-|p_i - p_j|^2 / 2 s_gamma^2)
for positions p in pixels and colours I in 0 to 255. Each of the two kernels is
normalised first, in one of four ways; published parameters belong to one of them. As
in the authors' code the message of a pixel to itself is not taken away.
"""

import functools
import operator
from collections.abc import Mapping
from typing import Any

import numpy as np

from kseg.inference.parallel import in_threads, row_blocks
from kseg.inference.permutohedral import PermutohedralLattice
from kseg.layers.mean_field import NORMALIZATIONS
from kseg.registry import unknown

# Parameters found by DeepLab's authors and those after them, by the network they
# belong to: comments of the authors' evaluation scripts, xmojiao/deeplab_v2 and
# kazuto1011/deeplab-pytorch; HyeonwooNoh/DeconvNet; Kraehenbuehl's demo of 2011. That
# and DeepLab's use the code of 2011, which normalises "after"; the others are younger.
CRF_PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "deeplab": dict(w1=5, s_alpha=50, s_beta=10, normalization="after"),
    "deeplab_msc": dict(w1=3, s_alpha=95, s_beta=3, normalization="after"),
    "deeplab_coco": dict(w1=5, s_alpha=67, s_beta=3, normalization="after"),
    "deeplab_largefov": dict(w1=4, s_alpha=121, s_beta=5, normalization="after"),
    "deeplab_msc_largefov": dict(w1=4, s_alpha=83, s_beta=5, normalization="after"),
    "deeplab_coco_largefov": dict(w1=5, s_alpha=69, s_beta=5, normalization="after"),
    "deeplab_msc_coco_largefov": dict(
        w1=4, s_alpha=59, s_beta=5, normalization="after"
    ),
    "deeplabv2": dict(w1=4, s_alpha=49, s_beta=5, normalization="after"),
    "deeplabv2_resnet101": dict(w1=4, s_alpha=67, s_beta=3, s_gamma=1),
    "deconvnet": dict(w1=5, s_alpha=20, s_beta=3),
    "kraehenbuehl": dict(w1=10, s_alpha=60, s_beta=20, normalization="after"),
}

# Most pixels that `exact` takes: its kernels have the square of it.
_MOST_EXACT = 1 << 14
# In standard deviations: beyond it the coordinates of the lattice have no room.
_FARTHEST = 1e9


def dense_crf(
    image: np.ndarray,
    scores: np.ndarray,
    scores_are: str = "probabilities",
    w1: float = 4.0,
    s_alpha: float = 49.0,
    s_beta: float = 5.0,
    w2: float = 3.0,
    s_gamma: float = 3.0,
    iterations: int = 10,
    normalization: str = "symmetric",
    compatibility: np.ndarray | None = None,
    exact: bool = False,
) -> np.ndarray:
    """Sharpens class probabilities by the image they were found in.

    Args:
        image: Array `(height, width, channels)` of finite numbers, usually uint8 RGB;
            `s_beta` is in its unit.
        scores: Float array `(height, width, num_classes)`.
        scores_are: `"probabilities"`, which sum to 1 at each pixel, or `"logits"`.
        w1: Weight of the bilateral kernel; 0 leaves it out.
        s_alpha: Its standard deviation in pixels.
        s_beta: Its standard deviation in the unit of the image.
        w2: Weight of the Gaussian kernel; 0 leaves it out.
        s_gamma: Its standard deviation in pixels.
        iterations: Updates of the mean field; 0 returns the probabilities.
        normalization: What divides a kernel by its sums over all pixels, n_i:
            `"symmetric"` by the roots of n_i and n_j, as pydensecrf does by itself;
            `"after"` by n_i, so that a pixel hears a mean, as the code of 2011 does;
            `"before"` by n_j; `"none"` by nothing, and the sums are large.
        compatibility: mu, float array `(num_classes, num_classes)`: the cost of label
            a of a pixel beside label b of another, times k. `None` for Potts, which
            is `1 - eye(num_classes)`: what costs is positive here.
        exact: Whether the sums are over all pairs of pixels, for images of up to
            16,384 pixels, or by a lattice, within some per cent of them and in time
            linear in the pixels.

    Returns:
        float32 probabilities `(height, width, num_classes)`.

    Raises:
        ValueError: If an array has another shape or holds what is not finite,
            probabilities are negative or do not sum to 1 within 1e-3, or a parameter
            is out of range.

    Example:
    >>> image = np.zeros((4, 6, 3), "uint8")
    >>> image[:, 3:] = 200
    >>> scores = np.full((4, 6, 2), 0.5)
    >>> scores[:, 0] = 0.9, 0.1
    >>> scores[:, 5] = 0.1, 0.9
    >>> dense_crf(image, scores, **CRF_PARAMETERS["deeplab"]).argmax(-1)[0].tolist()
    [0, 0, 0, 1, 1, 1]
    """
    check_crf_input(image, scores, scores_are)
    _check_parameters(w1=w1, s_alpha=s_alpha, s_beta=s_beta, w2=w2, s_gamma=s_gamma)
    if normalization not in NORMALIZATIONS:
        raise ValueError(unknown("normalization", normalization, list(NORMALIZATIONS)))
    if not isinstance(iterations, int) or iterations < 0:
        raise ValueError(
            f"`iterations` must be an integer, 0 or more. Received: {iterations!r}."
        )
    height, width, num_classes = scores.shape
    mu = _compatibility(compatibility, num_classes)
    if exact and height * width > _MOST_EXACT:
        raise ValueError(
            f"`exact` takes images of up to {_MOST_EXACT} pixels. Received: "
            f"{height}x{width}. Use exact=False."
        )
    kernels = [
        _kernel(features, weight, normalization, exact)
        for weight, features in (
            (w1, _bilateral_features(image, s_alpha, s_beta)),
            (w2, _positions(height, width) / s_gamma),
        )
        if weight > 0
    ]
    unary = scores.reshape(-1, num_classes).astype(np.float32)
    if scores_are == "probabilities":
        unary = np.log(np.maximum(unary, 1e-30))
    q = np.empty_like(unary)
    blocks = list(enumerate(row_blocks(len(unary))))

    def update(block):
        number, rows = block
        messages = (kernel.gather(values, number) for kernel, values in spread)
        logits = functools.reduce(operator.iadd, messages)
        # Of Potts all but the own label costs: the same as a bonus for that one.
        logits = logits if mu is None else logits @ -mu.T
        logits += unary[rows]
        _softmax(logits, out=q[rows])

    in_threads(lambda block: _softmax(unary[block[1]].copy(), out=q[block[1]]), blocks)
    for _ in range(iterations if kernels else 0):
        spread = [(kernel, kernel.spread(q)) for kernel in kernels]
        in_threads(update, blocks)
    return q.reshape(scores.shape)


def _softmax(logits: np.ndarray, out: np.ndarray) -> None:
    """Turns float32 logits `(pixels, num_classes)` into probabilities; they change."""
    # NumPy takes the largest of some tens of numbers slowly, and of columns fast.
    logits -= np.ascontiguousarray(logits.T).max(axis=0)[:, np.newaxis]
    np.exp(logits, out=logits)
    sums = logits @ np.ones(logits.shape[1], np.float32)
    np.divide(logits, sums[:, np.newaxis], out=out)


def _positions(height: int, width: int) -> np.ndarray:
    """Returns the column and row of every pixel, `(pixels, 2)`."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([columns.ravel(), rows.ravel()], axis=1).astype(np.float32)


def _bilateral_features(image: np.ndarray, s_alpha: float, s_beta: float) -> np.ndarray:
    """Returns position and colour of every pixel in standard deviations."""
    height, width, channels = image.shape
    colors = image.reshape(-1, channels).astype(np.float32) / s_beta
    features = np.concatenate([_positions(height, width) / s_alpha, colors], axis=1)
    largest = float(np.abs(features).max())
    if not largest < _FARTHEST:
        raise ValueError(
            f"Positions and colours must be below {_FARTHEST:.0e} standard deviations. "
            f"Received: {largest:.3g}. Look for values in the image that stand for no "
            "data, and for an `s_alpha` or `s_beta` next to 0."
        )
    return features


def _kernel(features: np.ndarray, weight: float, normalization: str, exact: bool):
    """Returns a kernel, normalised and weighted."""
    kernel = _AllPairs(features) if exact else PermutohedralLattice(features)
    ones = np.ones((len(features), 1), np.float32)
    before = behind = ones[:, 0]
    if normalization != "none":
        values = kernel.spread(ones)
        blocks = range(len(row_blocks(len(ones))))
        sums = np.concatenate([kernel.gather(values, i)[:, 0] for i in blocks]) + 1e-20
        if normalization == "symmetric":
            before = behind = 1 / np.sqrt(sums)
        elif normalization == "after":
            behind = 1 / sums
        else:
            before = 1 / sums
    kernel.scale(before, np.float32(weight) * behind)
    return kernel


class _AllPairs:
    """The kernel of every pair of pixels, with the methods of the lattice."""

    def __init__(self, features: np.ndarray):
        features = features.astype(np.float64)
        halves = (features**2).sum(axis=1) / 2
        kernel = features @ features.T - halves[:, np.newaxis] - halves
        np.exp(np.minimum(kernel, 0, out=kernel), out=kernel)
        self._matrix = kernel.astype(np.float32)
        self._rows = row_blocks(len(features))

    def scale(self, before: np.ndarray, behind: np.ndarray) -> None:
        self._matrix *= before * behind[:, np.newaxis]

    def spread(self, values: np.ndarray) -> np.ndarray:
        return values.copy()  # they change while others gather

    def gather(self, values: np.ndarray, block: int) -> np.ndarray:
        return self._matrix[self._rows[block]] @ values


def _compatibility(compatibility, num_classes: int) -> np.ndarray | None:
    """Returns mu as float32, checked; `None` for Potts."""
    if compatibility is None:
        return None
    mu = np.asarray(compatibility, np.float32)
    if mu.shape != (num_classes, num_classes) or not np.isfinite(mu).all():
        raise ValueError(
            "`compatibility` must be finite numbers (num_classes, num_classes) = "
            f"{(num_classes, num_classes)}. Received: {mu.shape}."
        )
    return mu


def _check_parameters(**parameters: float) -> None:
    """Raises if a weight is negative or a standard deviation is not positive."""
    for name, value in parameters.items():
        least = "0 or more" if name.startswith("w") else "above 0"
        number = isinstance(value, int | float | np.number)
        if not number or not 0 <= value < np.inf or (value == 0 and least == "above 0"):
            raise ValueError(
                f"`{name}` must be finite and {least}. Received: {value!r}."
            )


def check_crf_input(image: np.ndarray, scores: np.ndarray, scores_are: str) -> None:
    """Raises if an image and the scores of its pixels are not as they must be.

    Args:
        image: As in `dense_crf`.
        scores: As in `dense_crf`.
        scores_are: As in `dense_crf`.

    Raises:
        ValueError: As `dense_crf` does.
    """
    if scores_are not in ("probabilities", "logits"):
        raise ValueError(
            "`scores_are` must be 'probabilities' or 'logits'. Received: "
            f"{scores_are!r}."
        )
    if image.ndim != 3 or 0 in image.shape or not np.isfinite(image).all():
        raise ValueError(
            "`image` must be finite numbers (height, width, channels), of one pixel or "
            f"more. Received: {image.dtype} {image.shape}."
        )
    if scores.ndim != 3 or scores.shape[:2] != image.shape[:2] or scores.shape[2] < 2:
        raise ValueError(
            "`scores` must be (height, width, num_classes) of the image's height and "
            f"width, {image.shape[:2]}, and 2 classes or more. Received: "
            f"{scores.shape}."
        )
    if not np.isfinite(scores).all():
        raise ValueError("`scores` must be finite. Received: NaN or infinity.")
    if scores_are == "probabilities":
        off = float(np.abs(scores.sum(axis=2) - 1).max())
        if scores.min() < 0 or off > 1e-3:
            raise ValueError(
                "Probabilities must not be negative and sum to 1 at each pixel. "
                f"Received: a lowest of {scores.min():.3g}, and a sum that is off by "
                f"{off:.3g}. For logits use scores_are='logits'."
            )
