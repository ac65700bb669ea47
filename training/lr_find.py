"""The learning rates that a config can take.

Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017, section 3.3,
https://arxiv.org/abs/1506.01186: the rate rises from batch to batch until the loss
does, and a good one lies where the loss falls fastest.
"""

import dataclasses
import math
from collections.abc import Sequence

import keras
import numpy as np

from kseg.data.tf_calls import original_errors
from kseg.taps import sums_of_taps
from kseg.training.devices import all_devices
from kseg.training.fit import ready
from kseg.training.optimizer import constant

# Share of what was before in the smoothed loss.
_SMOOTHING = 0.9


def find_rates(
    experiment, first: float = 1e-6, last: float = 1.0, steps: int = 100
) -> tuple[list[float], list[float]]:
    """Trains on a batch for each rate of a rising row.

    Args:
        experiment: The run.
        first: The lowest rate.
        last: The highest; it ends sooner where the loss is four times the least.
        steps: Batches.

    Returns:
        The rates, and the loss at each, smoothed.

    Raises:
        ValueError: If the experiment is wrong, or a number out of range.
    """
    if not 0 < first < last or steps < 2:
        raise ValueError(
            "`first` must be over 0 and below `last`, `steps` 2 or more. Received: "
            f"{first}, {last} and {steps}."
        )
    optimizer = {**constant(experiment.optimizer), "learning_rate": first}
    experiment = dataclasses.replace(experiment, optimizer=optimizer)
    feeds, trained, heads = ready(experiment, steps)
    rise = _Rise(np.geomspace(first, last, steps))
    with all_devices(), sums_of_taps(trained), original_errors():
        # An epoch of a batch: the logged loss is that of the batch.
        trained.fit(
            feeds.training(0, heads), epochs=steps, steps_per_epoch=1, verbose=0,
            shuffle=False, callbacks=[rise],
        )  # fmt: skip
    feeds.clear()
    return [float(rate) for rate in rise.rates[: len(rise.losses)]], rise.losses


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float:
    """Returns the rate at which the loss falls fastest, before it is least.

    Args:
        rates: As `find_rates` returns them, 3 or more.
        losses: Likewise.

    Raises:
        ValueError: If there are fewer than 3, or the loss falls nowhere.

    Example:
    >>> steepest([1e-4, 1e-3, 1e-2, 1e-1], [2.0, 1.9, 1.0, 3.0])
    0.001
    """
    least = int(np.argmin(losses))
    if len(rates) < 3 or least == 0:
        raise ValueError(
            "The loss must fall somewhere. Received: losses from "
            f"{losses[0]:.3g} at a rate of {rates[0]:.3g} to {losses[-1]:.3g} at "
            f"{rates[-1]:.3g}. Begin lower, or see `kseg doctor --config`."
        )
    slopes = np.diff(losses[: least + 1]) / np.diff(np.log(rates[: least + 1]))
    return rates[int(np.argmin(slopes))]


def chart(rates: Sequence[float], losses: Sequence[float], rows: int = 24) -> str:
    """Draws the losses for a terminal.

    Args:
        rates: As `find_rates` returns them.
        losses: Likewise.
        rows: Lines at most, evenly spaced.

    Returns:
        A line for each rate, with a bar as long as the loss.
    """
    step = math.ceil(len(rates) / rows)
    largest = max(losses)
    return "\n".join(
        f"{rate:9.2e}  {loss:8.4g}  {'█' * max(round(50 * loss / largest), 1)}"
        for rate, loss in list(zip(rates, losses, strict=True))[::step]
    )


class _Rise(keras.callbacks.Callback):
    """Sets the rate of each batch and smoothes its loss; ends when that is too high."""

    def __init__(self, rates: np.ndarray):
        """Stores the rates."""
        super().__init__()
        self.rates = rates
        self.losses: list[float] = []
        self._average = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Sets the rate."""
        self.model.optimizer.learning_rate = float(self.rates[epoch])

    def on_epoch_end(self, epoch, logs=None):
        """Notes the loss."""
        loss = (logs or {})["loss"]
        if not math.isfinite(loss):
            self.model.stop_training = True
            return
        self._average = _SMOOTHING * self._average + (1 - _SMOOTHING) * loss
        # Divided by what the weights add up to, so that the start is not too low.
        self.losses.append(float(self._average / (1 - _SMOOTHING ** (epoch + 1))))
        if self.losses[-1] > 4 * min(self.losses):
            self.model.stop_training = True
