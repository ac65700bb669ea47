"""Scores of a model on images with known masks, each at its own size."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
import tqdm

from kseg.inference.one_pass import ids_of
from kseg.labels import Labels
from kseg.metrics import DatasetScores

# What is said of a data set, and the four that are said of two models.
SCORES = {
    "mean IoU": "mean_iou",
    "pixel accuracy": "pixel_accuracy",
    "mean accuracy": "mean_accuracy",
    "frequency-weighted IoU": "frequency_weighted_iou",
    "Dice": "mean_dice",
    "boundary F1": "boundary_f1",
    "boundary IoU": "boundary_iou",
}
MAIN_SCORES = {
    word: SCORES[word]
    for word in ("mean IoU", "pixel accuracy", "boundary F1", "boundary IoU")
}


class Examples(Protocol):
    """A data set: images and masks by position."""

    @property
    def labels(self) -> Labels:
        """The classes."""
        ...

    def __len__(self) -> int:
        """Returns the number of examples."""
        ...

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns an image, uint8 `(h, w, 3)`, and its mask of ids `(h, w)`."""
        ...

    def name(self, index: int) -> str:
        """Returns what to call an example."""
        ...


def evaluate(
    predict_ids: Callable[[np.ndarray], np.ndarray],
    examples: Iterable[tuple[np.ndarray, np.ndarray]],
    labels: Labels,
    total: int | None = None,
) -> dict:
    """Scores a model, one image at a time.

    Args:
        predict_ids: From a uint8 image `(height, width, 3)` to class ids
            `(height, width)`.
        examples: Images and masks of class ids, of any size.
        labels: The classes.
        total: How many examples there are, for the progress bar.

    Returns:
        What `kseg.metrics.DatasetScores.result` returns, and `images`, how many
        there were.

    Raises:
        ValueError: As `collect`.
    """
    collected = collect(predict_ids, examples, labels, total)
    return {"images": len(collected.boundaries), **collected.result()}


def collect(
    predict: Callable[[np.ndarray], np.ndarray],
    examples: Iterable[tuple[np.ndarray, np.ndarray]],
    labels: Labels,
    total: int | None = None,
    names: Sequence[str] | None = None,
    collectors: Sequence = (),
) -> DatasetScores:
    """Runs a model over images, and collects what scores are made of.

    While the model sees an image, a thread reads the next one and another scores the
    last one.

    Args:
        predict: From a uint8 image `(height, width, 3)` to class ids `(height, width)`,
            or to probabilities `(height, width, num_classes)`.
        examples: Images and masks of class ids, of any size.
        labels: The classes.
        total: How many examples there are, for the progress bar.
        names: What messages call the images; `None` for their numbers.
        collectors: What else to collect from a mask and what `predict` returned, by a
            method `update`.

    Returns:
        The counts of all images.

    Raises:
        ValueError: If there is no example, all pixels are void, or a mask or what
            `predict` returned is broken; the message names the image.
    """
    collected = DatasetScores(labels)

    def score(index: int, mask: np.ndarray, found: np.ndarray) -> None:
        try:
            collected.update(mask, ids_of(found) if found.ndim == 3 else found)
            for collector in collectors:
                collector.update(mask, found)
        except ValueError as error:
            name = names[index] if names is not None else f"image {index}"
            raise ValueError(f"{name}: {error}") from error

    iterator = iter(examples)
    with (
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(1) as scorer,
        tqdm.tqdm(desc="evaluate", unit="image", total=total) as progress,
    ):
        coming = reader.submit(next, iterator, None)
        scoring: Future | None = None
        index = 0
        while (example := coming.result()) is not None:
            coming = reader.submit(next, iterator, None)
            image, mask = example
            found = predict(image)
            if scoring is not None:
                scoring.result()
            scoring = scorer.submit(score, index, mask, found)
            index += 1
            progress.update()
        if scoring is None:
            raise ValueError("`examples` must hold at least one image. Received: none.")
        scoring.result()
    if not collected.matrix.any():
        raise ValueError(
            "A pixel or more must not be void. Received: masks of "
            f"{labels.ignore_class} alone, in {index} images."
        )
    return collected


def score_table(result: dict) -> str:
    """Words the scores of `evaluate` as a table for a terminal.

    Args:
        result: What `evaluate` or `kseg.inference.score_record` returned.

    Returns:
        A line per class with IoU, accuracy and boundary F1 in percent, then the
        scores of the whole data set, on a line each and with their bounds where there
        are any.
    """
    names = list(result["class_iou"])
    width = max(map(len, [*names, "class"]))
    bounds = result.get("intervals")
    between = f"  {'between':<13}" if bounds else ""
    lines = [f"{'class':<{width}}    IoU{between}    acc     BF"]
    for name in names:
        iou, *others = (
            f"{_percent(result[key][name]):>6}"
            for key in ("class_iou", "class_accuracy", "class_boundary_f1")
        )
        between = f"  {_between(bounds['class_iou'][name]):<13}" if bounds else ""
        lines.append(f"{name:<{width}} {iou}{between} {' '.join(others)}")
    scores = {word: _percent(result[key]) for word, key in SCORES.items()}
    if not bounds:
        words = ", ".join(f"{word} {score} %" for word, score in scores.items())
        return "\n".join([*lines, f"{result['images']} images: {words}"])
    lines.append(f"{result['images']} images:")
    for (word, score), key in zip(scores.items(), SCORES.values(), strict=True):
        lines.append(f"{word:<22} {score:>6} %  {_between(bounds[key])}")
    return "\n".join(lines)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.2f}"


def _between(bounds: Sequence[float]) -> str:
    """Words the bounds of a score."""
    low, high = bounds
    return "-" if np.isnan(low) else f"{100 * low:.1f} to {100 * high:.1f}"
