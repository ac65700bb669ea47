"""Whether a config can learn at all: a few images by heart.

A network, loss and optimizer that fit together learn eight images by heart in minutes.
Where they do not, a long training would not either, and it is known at once (Karpathy,
"A Recipe for Training Neural Networks", 2019, section 2).
"""

import dataclasses
from collections.abc import Mapping

import keras

from kseg.data import Examples
from kseg.data.label_tools.views import Part
from kseg.data.tf_calls import original_errors
from kseg.taps import sums_of_taps
from kseg.training.devices import all_devices
from kseg.training.feeds import Feeds
from kseg.training.fit import ready
from kseg.training.optimizer import constant

# Mean IoU at which images count as known by heart.
TARGET = 0.9


def overfit(
    experiment, images: int = 8, passes: int = 100, target: float = TARGET
) -> dict[str, float]:
    """Trains on a few images, unaugmented, until it knows them by heart.

    Args:
        experiment: The run; its rate stays that of the start, without a warm-up.
        images: How many.
        passes: The most passes over them.
        target: The mean IoU, 0 to 1, at which it stops.

    Returns:
        `mean_iou` as the network trains, `predicted`, the mean IoU as it predicts, with
        the moving statistics of its batch norms, and `passes`, how many it took.

    Raises:
        ValueError: If the experiment is wrong, or a number out of range.
        FloatingPointError: If the loss is not finite.
    """
    if images < 1 or passes < 1 or not 0 < target <= 1:
        raise ValueError(
            "`images` and `passes` must be 1 or more, `target` over 0 and at most 1. "
            f"Received: {images}, {passes} and {target}."
        )
    optimizer = constant(experiment.optimizer)
    experiment = dataclasses.replace(experiment, optimizer=optimizer)
    feeds, trained, heads = ready(experiment, passes)
    x, y = few(feeds, images, heads)
    prefix = "logits_" if heads else ""
    stop = _StopAt(f"{prefix}mean_iou", target)
    size = feeds.train_examples.batch_size
    with all_devices(), sums_of_taps(trained), original_errors():
        history = trained.fit(x, y, size, passes, 0, [stop], shuffle=True).history
        predicted = trained.evaluate(x, y, size, verbose=0, return_dict=True)
    feeds.clear()
    learned = history[f"{prefix}mean_iou"]
    return {
        "mean_iou": float(learned[-1]),
        "predicted": float(predicted[f"{prefix}mean_iou"]),
        "passes": len(learned),
    }


def few(feeds: Feeds, count: int, heads: tuple[str, ...] = ()):
    """Returns the first images of the training data, unaugmented, and their masks.

    Args:
        feeds: The data, with masks cropped to what the network returns.
        count: How many at most.
        heads: Names of the model's outputs, none for a single one.

    Returns:
        uint8 images `(count, height, width, 3)` fitted into the size of the training
        crops, and integer masks `(count, mask height, mask width)`, for each head.
    """
    examples = feeds.train_examples
    part = Part(examples.source, range(min(count, len(examples.source))))
    x, y = Examples(
        part,
        examples.size,
        len(part),
        mask_size=examples.mask_size,
        border=examples.border,
    ).batch(0)
    return x, dict.fromkeys(heads, y) or y


def verdict(scores: Mapping[str, float], target: float = TARGET) -> str:
    """Words what `overfit` found.

    Args:
        scores: What it returned.
        target: As it was given.

    Returns:
        A sentence for the terminal.

    Example:
    >>> verdict({"mean_iou": 0.95, "predicted": 0.93, "passes": 31})
    'It can learn: the images are known by heart after 31 passes (mean IoU 95 %).'
    """
    learned, predicted = (
        f"{100 * scores[name]:.0f} %" for name in ("mean_iou", "predicted")
    )
    if scores["mean_iou"] < target:
        return (
            f"It does not learn: mean IoU {learned} on the same few images after "
            f"{scores['passes']} passes, and not {100 * target:.0f} %. Look at the "
            "masks (`kseg check`), take a rate that `kseg lr-find` proposes, and leave "
            "out class weights, frozen batch norms and half precision one by one."
        )
    if scores["predicted"] < target / 2:
        return (
            f"It learns, and predicts otherwise: mean IoU {learned} as it trains, "
            f"{predicted} as it predicts. The moving statistics of its batch norms "
            "are not those of its batches: take larger batches, or "
            "fit.freeze_batch_norm=True with pretrained weights."
        )
    return (
        f"It can learn: the images are known by heart after {scores['passes']} passes "
        f"(mean IoU {learned})."
    )


class _StopAt(keras.callbacks.Callback):
    """Ends a training at a score."""

    def __init__(self, name: str, target: float):
        """Stores the arguments."""
        super().__init__()
        self.name = name
        self.target = target

    def on_epoch_end(self, epoch, logs=None):
        """Ends it if the score is reached."""
        if (logs or {})[self.name] >= self.target:
            self.model.stop_training = True
