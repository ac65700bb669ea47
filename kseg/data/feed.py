"""Feeds: examples as a `tf.data.Dataset`, or as a `keras.utils.PyDataset`."""

import atexit
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent import futures

import cv2
import keras
import numpy as np

from kseg.data.examples import Examples


def tf_feed(examples: Examples, start_step: int = 0, outputs: Sequence[str] = ()):
    """Returns a `tf.data.Dataset` of batches, read and augmented in parallel.

    Args:
        examples: What to feed; endless if it augments.
        start_step: The training step to begin with.
        outputs: Names of a model's outputs that all get the masks and weights, for a
            model with several heads; none for a model with one.

    Returns:
        A data set of `(images, masks)` or `(images, masks, weights)` as
        `Examples.batch` describes them; `fit` takes the weights as `sample_weight`.
    """
    import tensorflow as tf

    endless = examples.augment is not None
    last = np.iinfo(np.int64).max if endless else examples.steps
    types = [tf.uint8, tf.as_dtype(examples.mask_dtype)]
    shapes = [
        (examples.share, *examples.size, 3),
        (examples.share, *examples.mask_size),
    ]
    if examples.weights is not None:
        types.append(tf.float32)
        shapes.append(shapes[1])
    nothing = [
        np.zeros(shape, kind.as_numpy_dtype)
        for shape, kind in zip(shapes, types, strict=True)
    ]
    batch = _calls.until_exit(examples.batch, nothing)

    def load(step):
        images, *targets = (
            tf.ensure_shape(array, shape)
            for array, shape in zip(
                tf.numpy_function(batch, [step], types), shapes, strict=True
            )
        )
        return images, *_by_output(targets, outputs)

    _one_thread_a_worker()
    return (
        tf.data.Dataset.range(start_step, last)
        .map(load, num_parallel_calls=_workers())
        .prefetch(2)
    )


def keras_feed(
    examples: Examples,
    start_step: int = 0,
    outputs: Sequence[str] = (),
    workers: int | None = None,
    processes: bool = False,
    max_queue_size: int = 8,
):
    """Returns the same batches for any backend, without TensorFlow.

    Args:
        examples: What to feed; endless if it augments, so that `fit` must be told
            `steps_per_epoch`.
        start_step: The training step to begin with.
        outputs: As in `tf_feed`.
        workers: Threads or processes that make batches; `None` for one a core.
        processes: Whether workers are processes, for augmentation that one
            interpreter cannot keep up with; they start anew, so a script needs its
            `if __name__ == "__main__":`.
        max_queue_size: Batches that are made ahead.

    Returns:
        A `keras.utils.PyDataset` of `(images, masks)` or `(images, masks, weights)`
        as `Examples.batch` describes them, in float32, int32 and float32.
    """
    workers = workers or _workers()
    _one_thread_a_worker()
    pool, batch = futures.ThreadPoolExecutor(workers), examples.batch
    if processes:
        # A fork of a process that runs JAX can wait forever.
        context = multiprocessing.get_context("spawn")
        pool = futures.ProcessPoolExecutor(workers, context, _hold, (examples,))
        batch = _held_batch
    return _PyDataset(examples, start_step, tuple(outputs), pool, batch, max_queue_size)


def _workers() -> int:
    """Returns how many batches are made at once: one a core, and not too many."""
    return min(os.cpu_count() or 1, 16)


def _one_thread_a_worker() -> None:
    """Has OpenCV work in the thread that calls it: the workers use every core."""
    cv2.setNumThreads(1)


class _Calls:
    """Calls from TensorFlow's threads, which end before the interpreter does.

    A thread that wants the interpreter after that never comes back, and TensorFlow
    waits for it for ever: a script that ends while `tf.data` reads ahead would hang.
    """

    def __init__(self):
        self._lock = threading.Lock()
        self._running = self._begun = 0
        self._closed = False
        atexit.register(self._close)

    def until_exit(self, function: Callable, nothing: object) -> Callable:
        """Returns a function that gives `nothing`, at once, when the process ends."""

        def call(*arguments):
            with self._lock:
                self._begun += 1
                self._running += 1
            try:
                return nothing if self._closed else function(*arguments)
            finally:
                with self._lock:
                    self._running -= 1

        return call

    def _close(self) -> None:
        """Waits until no call runs and none begins: what is read ahead is bounded."""
        self._closed = True
        begun = -1
        while self._running or begun != self._begun:
            begun = self._begun
            time.sleep(0.05)


_calls = _Calls()


# The examples of a worker process: it gets them once, and keeps what they keep.
_held: Examples


def _hold(examples: Examples) -> None:
    """Keeps the examples that this worker makes batches of."""
    _one_thread_a_worker()
    global _held
    _held = examples


def _held_batch(step: int) -> tuple[np.ndarray, ...]:
    """Returns a batch of the examples that this worker keeps."""
    return _held.batch(step)


def _by_output(targets, outputs: Sequence[str]) -> list:
    """Returns masks and weights, or a dictionary of each by the output's name."""
    if not outputs:
        return list(targets)
    return [dict.fromkeys(outputs, target) for target in targets]


class _PyDataset(keras.utils.PyDataset):
    """Batches of `Examples` by their step, made ahead by workers of its own.

    Keras's own workers (3.15) lose and repeat batches: `fit` and `evaluate` take one
    to build the model, and what the workers had made by then comes again.
    """

    def __init__(
        self,
        examples: Examples,
        start_step: int,
        outputs: tuple[str, ...],
        pool: futures.Executor,
        batch: Callable[[int], tuple[np.ndarray, ...]],
        max_queue_size: int,
    ):
        super().__init__()
        self._examples = examples
        self._start_step = start_step
        self._outputs = outputs
        self._pool = pool
        self._batch = batch
        self._ahead = max_queue_size
        self._pending: dict[int, futures.Future] = {}

    @property
    def num_batches(self) -> int | None:
        if self._examples.augment is not None:
            return None
        return self._examples.steps - self._start_step

    def __getitem__(self, step: int):
        end = step + 1 + self._ahead
        if self.num_batches is not None:
            end = min(end, self.num_batches)
        wanted = (step, *range(step + 1, end))
        for other in set(self._pending) - set(wanted):
            self._pending.pop(other).cancel()
        for each in wanted:
            if each not in self._pending:
                self._pending[each] = self._pool.submit(
                    self._batch, self._start_step + each
                )
        images, masks, *weights = self._pending.pop(step).result()
        targets = [masks.astype("int32"), *weights]
        return images.astype("float32"), *_by_output(targets, self._outputs)
