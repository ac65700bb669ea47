"""Parameters of the dense CRF, found on a validation set.

Chen et al. 2015, section 5.1: w2, s_gamma and the number of iterations stay as they
are; w1, s_alpha and s_beta are searched on some 100 images, coarsely first, and then
with finer steps around the best. https://arxiv.org/abs/1412.7062
"""

import itertools
from collections.abc import Sequence

import numpy as np
import tqdm

from kseg.inference.dense_crf import dense_crf
from kseg.metrics import confusion_matrix, scores
from kseg.metrics.dataset import SCALARS
from kseg.registry import unknown

# Of the paper's second version; the first has 5 to 10, 50 to 100 and 3 to 10.
SEARCH = {"w1": (3, 4, 5, 6), "s_alpha": (30, 50, 70, 90, 100), "s_beta": (3, 4, 5, 6)}


def search_dense_crf(
    examples: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    ignore_class: int | None = 255,
    w1: Sequence[float] = SEARCH["w1"],
    s_alpha: Sequence[float] = SEARCH["s_alpha"],
    s_beta: Sequence[float] = SEARCH["s_beta"],
    rounds: int = 2,
    metric: str = "mean_iou",
    **options,
) -> list[dict[str, float]]:
    """Tries the dense CRF with all combinations of parameters, then near the best.

    Args:
        examples: Images, scores and masks, as `dense_crf` takes them, with integers
            `(height, width)` for masks. They are read once a combination: a class
            with `__getitem__` may read them from files.
        ignore_class: The label of void pixels in masks; `None` for no void.
        w1: Weights of the bilateral kernel to try.
        s_alpha: Standard deviations in pixels to try.
        s_beta: Standard deviations in the unit of the image to try.
        rounds: How often to search; each round after the first tries the best
            combination, and half the distance to its neighbours at either side.
        metric: What to be best at, a score of `kseg.metrics.scores`: `"mean_iou"`,
            `"pixel_accuracy"`, `"mean_accuracy"`, `"frequency_weighted_iou"` or
            `"mean_dice"`.
        **options: Other arguments of `dense_crf`.

    Returns:
        The combinations with their `metric`, the best first; and with them, as
        `w1=0`, the score without the bilateral kernel, which any should surpass.

    Raises:
        ValueError: If there is no example, no pixel to score or no value to try,
            `rounds` is below 1, `metric` is another, or as `dense_crf` does.
    """
    if metric not in SCALARS:
        raise ValueError(unknown("metric", metric, list(SCALARS)))
    axes = {"w1": sorted(w1), "s_alpha": sorted(s_alpha), "s_beta": sorted(s_beta)}
    if not len(examples) or not all(axes.values()) or rounds < 1:
        raise ValueError(
            "There must be an example, a value of each parameter and a round. "
            f"Received: {len(examples)} examples, {axes}, {rounds=}."
        )
    tried: dict[tuple, float] = {}

    def score(combination) -> float:
        arguments = dict(zip(axes, combination, strict=True)) | options
        matrices = [
            _confusion(*examples[i], ignore_class, arguments)
            for i in range(len(examples))
        ]
        return float(scores(np.sum(matrices, axis=0))[metric])

    without = (0.0, axes["s_alpha"][0], axes["s_beta"][0])
    tried[without] = score(without)
    if np.isnan(tried[without]):
        raise ValueError(
            "The masks must have pixels to score. Received: masks that are all void."
        )
    for _ in range(rounds):
        grid = [c for c in itertools.product(*axes.values()) if c not in tried]
        for combination in tqdm.tqdm(grid, desc="CRF", unit="setting", leave=False):
            tried[combination] = score(combination)
        best = max(tried, key=lambda c: tried[c] if c[0] else -1.0)
        axes = {
            name: _around(values, value)
            for (name, values), value in zip(axes.items(), best, strict=True)
        }
    found = [
        {**dict(zip(axes, combination, strict=True)), metric: value}
        for combination, value in tried.items()
    ]
    return sorted(found, key=lambda entry: -entry[metric])


def _confusion(image, values, mask, ignore_class, arguments) -> np.ndarray:
    """Returns the confusion matrix of one image, sharpened."""
    ids = dense_crf(image, values, **arguments).argmax(axis=-1)
    return confusion_matrix(mask, ids, values.shape[-1], ignore_class)


def _around(values: list[float], best: float) -> list[float]:
    """Returns a value, and what lies in the middle of it and its neighbours."""
    near = [v for v in values if v < best][-1:] + [v for v in values if v > best][:1]
    return sorted({best, *((v + best) / 2 for v in near)})
