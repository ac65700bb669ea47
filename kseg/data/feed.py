"""Feeds: examples as a `tf.data.Dataset`, or as a `keras.utils.PyDataset`."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent import futures

import cv2
import keras
import numpy as np

from kseg.cores import cores
from kseg.data.examples import Examples
from kseg.data.tf_calls import for_tensorflow


def tf_feed(
    examples: Examples,
    start_step: int = 0,
    outputs: Sequence[str] = (),
    workers: int | None = None,
):
    """Returns a `tf.data.Dataset` of batches, read and augmented in parallel.

    Args:
        examples: What to feed; endless if it augments.
        start_step: The training step to begin with.
        outputs: Names of a model's outputs that all get the masks and weights, for a
            model with several heads; none for a model with one.
        workers: Threads that make batches; `None` for one a core, up to 16.

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
    if examples.weights_shape is not None:
        types.append(tf.float32)
        shapes.append(examples.weights_shape)
    batch = for_tensorflow(examples.batch)

    def load(step):
        images, *targets = (
            tf.ensure_shape(array, shape)
            for array, shape in zip(
                tf.numpy_function(batch, [step], types), shapes, strict=True
            )
        )
        return images, *_by_output(targets, outputs)

    workers = _workers(workers)
    _one_thread_a_worker()
    return (
        tf.data.Dataset.range(start_step, last)
        .map(load, num_parallel_calls=workers)
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
        workers: Threads or processes that make batches; `None` for one a core, up
            to 16.
        processes: Whether workers are processes, for augmentation that one
            interpreter cannot keep up with; they start anew, so a script needs its
            `if __name__ == "__main__":`.
        max_queue_size: Batches that are made ahead, at least two more than workers.

    Returns:
        A `keras.utils.PyDataset` of `(images, masks)` or `(images, masks, weights)`
        as `Examples.batch` describes them.
    """
    workers = _workers(workers)
    _one_thread_a_worker()
    pool, batch = futures.ThreadPoolExecutor(workers), examples.batch
    if processes:
        # A fork of a process that runs JAX can wait forever.
        context = multiprocessing.get_context("spawn")
        pool = futures.ProcessPoolExecutor(workers, context, _hold, (examples,))
        batch = _held_batch
    ahead = max(max_queue_size, workers + 2)
    return _PyDataset(examples, start_step, tuple(outputs), pool, batch, ahead)


def _workers(given: int | None) -> int:
    """Returns how many batches are made at once.

    Raises:
        ValueError: If `given` is not positive.
    """
    if given is None:
        return min(cores(), 16)  # every one holds a batch, and its neighbours wait
    if given < 1:
        raise ValueError(f"`workers` must be 1 or more. Received: {given}.")
    return given


def _one_thread_a_worker() -> None:
    """Has OpenCV work in the thread that calls it: the workers use every core."""
    cv2.setNumThreads(1)


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
        ahead: int,
    ):
        super().__init__()
        self._examples = examples
        self._start_step = start_step
        self._outputs = outputs
        self._pool = pool
        self._batch = batch
        self._ahead = ahead
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
        images, *targets = self._pending.pop(step).result()
        return images, *_by_output(targets, self._outputs)
