"""How fast a run reads, augments and learns, and which of the three holds it up."""

import itertools
import time
from collections.abc import Iterator
from statistics import median

import keras

from kseg.data import CachedSource
from kseg.data.tf_calls import original_errors
from kseg.taps import sums_of_taps
from kseg.training.devices import all_devices
from kseg.training.fit import ready


def throughput(experiment, seconds: float = 10.0) -> dict[str, float]:
    """Measures the parts of a run, each alone.

    Args:
        experiment: The run.
        seconds: About how long each part is measured, after it has warmed up.

    Returns:
        Images per second that are read from the source by one thread (`"read"`), that
        come augmented in batches (`"feed"`), and that the model is trained on where a
        batch is always there (`"model"`); and the share of the examples that was in
        memory when the feed was measured (`"kept"`), which a long run has from its
        second pass on.

    Raises:
        ValueError: If `seconds` is not positive, or the experiment is wrong.
    """
    if seconds <= 0:
        raise ValueError(f"`seconds` must be positive. Received: {seconds}.")
    feeds, trained, heads = ready(experiment)
    source, size = feeds.train_examples.source, feeds.train_examples.batch_size
    read = _pace((source[index] for index in range(len(source))), seconds)
    kept = source.kept / len(source) if isinstance(source, CachedSource) else 0.0
    with original_errors():
        batches = _batches(feeds.training(0, heads))
        batch = _warm_up(batches, seconds / 4)
        feed = size * _pace(batches, seconds)
    with all_devices(), sums_of_taps(trained):
        model = size / _step(trained, batch, seconds)
    feeds.clear()
    return {"read": read, "kept": kept, "feed": feed, "model": model}


def verdict(rates: dict[str, float]) -> str:
    """Words what holds a run up.

    Args:
        rates: As `throughput` returns them.

    Returns:
        A sentence for the terminal.

    Example:
    >>> verdict({"read": 90, "kept": 1.0, "feed": 300, "model": 10})
    'The model is the limit: the feed is 30.0 times as fast.'
    """
    ratio = rates["feed"] / rates["model"]
    if ratio >= 1:
        return f"The model is the limit: the feed is {ratio:.1f} times as fast."
    kept = "" if rates["kept"] == 1 else "keep all of the data in memory (data.cache), "
    return (
        f"The feed is the limit: the model waits {1 - ratio:.0%} of the time. Give it "
        f"more cores, {kept}or take fewer or cheaper augmentations."
    )


def _batches(feed) -> Iterator:
    """Yields the batches of either feed."""
    if isinstance(feed, keras.utils.PyDataset):
        return (feed[step] for step in itertools.count())
    return iter(feed)


def _warm_up(batches: Iterator, seconds: float):
    """Takes what was made ahead, and returns a batch."""
    begin = time.perf_counter()
    while True:
        batch = next(batches)
        if time.perf_counter() - begin > seconds:
            return batch


def _pace(items: Iterator, seconds: float) -> float:
    """Returns how many items come in a second; it stops when there are no more."""
    begin, count = time.perf_counter(), 0
    for _ in items:
        count += 1
        if time.perf_counter() - begin > seconds:
            break
    return count / (time.perf_counter() - begin)


def _step(trained: keras.Model, batch, seconds: float) -> float:
    """Returns the seconds of a training step on a batch that is there."""
    clock = _Clock(seconds)
    same = (batch for _ in itertools.count())
    steps = 10**6  # the clock ends it
    trained.fit(
        same, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[clock]
    )
    return median(clock.steps)


class _Clock(keras.callbacks.Callback):
    """Times the steps of a training, and stops it when the time is over.

    The first two steps, in which the graph is made, count nothing.

    Args:
        seconds: When it is over; at least one step is timed.
    """

    def __init__(self, seconds: float):
        super().__init__()
        self.seconds = seconds
        self.steps: list[float] = []

    def on_train_batch_begin(self, batch, logs=None):
        self._begin = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if batch < 2:
            return
        self.steps.append(time.perf_counter() - self._begin)
        self.model.stop_training = sum(self.steps) >= self.seconds
