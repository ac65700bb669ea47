"""How fast a run reads, augments and learns, and which of the three holds it up."""

import itertools
import time
from collections.abc import Iterator
from statistics import median

import keras

from kseg.training.feeds import open_feeds
from kseg.training.fit import all_devices, compiled


def throughput(experiment, seconds: float = 10.0) -> dict[str, float]:
    """Measures the parts of a run, each alone.

    Args:
        experiment: The run.
        seconds: About how long each part is measured, after it has warmed up.

    Returns:
        Images per second that are read from the source by one thread
        (`"read"`), that come augmented in batches (`"feed"`), and that the model is
        trained on where a batch is always there (`"model"`).

    Raises:
        ValueError: If `seconds` is not positive, or the experiment is wrong.
    """
    if seconds <= 0:
        raise ValueError(f"`seconds` must be positive. Received: {seconds}.")
    feeds = open_feeds(**experiment.data)
    with all_devices():
        model, trained, heads, _ = compiled(experiment, feeds, steps=1000)
    size = feeds.train_examples.batch_size
    order = itertools.cycle(range(len(feeds.train)))
    batches = _batches(feeds.training(0, heads))
    batch = next(batches)
    return {
        "read": 1 / _pace((feeds.train[index] for index in order), seconds),
        "feed": size / _pace(batches, seconds),
        "model": size / _step(trained, batch, seconds),
    }


def verdict(rates: dict[str, float]) -> str:
    """Words what holds a run up.

    Args:
        rates: As `throughput` returns them.

    Returns:
        A sentence for the terminal.

    Example:
    >>> verdict({"read": 90, "feed": 300, "model": 10})
    'The model is the limit: the feed is 30.0 times as fast.'
    """
    ratio = rates["feed"] / rates["model"]
    if ratio >= 1:
        return f"The model is the limit: the feed is {ratio:.1f} times as fast."
    return (
        f"The feed is the limit: the model waits {1 - ratio:.0%} of the time. Give it "
        "more cores, keep the data in memory (data.cache=true), convert it with `kseg "
        "prepare`, or take fewer or cheaper augmentations."
    )


def _batches(feed) -> Iterator:
    """Yields the batches of either feed."""
    if isinstance(feed, keras.utils.PyDataset):
        return (feed[step] for step in itertools.count())
    return iter(feed)


def _pace(items: Iterator, seconds: float) -> float:
    """Returns the seconds that an item takes, after what was made ahead is used up."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds / 4:
        next(items)
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        next(items)
        count += 1
    return (time.perf_counter() - begin) / count


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
