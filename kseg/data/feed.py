"""Feeds: examples as a `tf.data.Dataset`, or as a `keras.utils.PyDataset`."""

from concurrent import futures

import keras
import numpy as np

from kseg.data.examples import Examples


def tf_feed(examples: Examples, start_step: int = 0):
    """Returns a `tf.data.Dataset` of batches, read and augmented in parallel.

    Args:
        examples: What to feed; endless if it augments.
        start_step: The training step to begin with.

    Returns:
        A data set of `(images, masks)` as `Examples.batch` describes them.
    """
    import tensorflow as tf

    last = (
        np.iinfo(np.int64).max
        if examples.augment is not None
        else examples.steps * examples.batch_size
    )
    types = (tf.uint8, tf.as_dtype(examples.mask_dtype))

    def load(position):
        image, mask = tf.numpy_function(examples.example, [position], types)
        image.set_shape((*examples.size, 3))
        mask.set_shape(examples.mask_size)
        return image, mask

    return (
        tf.data.Dataset.range(start_step * examples.batch_size, last)
        .map(load, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(examples.batch_size, drop_remainder=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def keras_feed(
    examples: Examples, start_step: int = 0, workers: int = 2, max_queue_size: int = 8
):
    """Returns the same batches for any backend, without TensorFlow.

    Args:
        examples: What to feed; endless if it augments, so that `fit` must be told
            `steps_per_epoch`.
        start_step: The training step to begin with.
        workers: Threads that make batches.
        max_queue_size: Batches that are made ahead.

    Returns:
        A `keras.utils.PyDataset` of `(images, masks)` as `Examples.batch` describes
        them, in float32 and int32.
    """
    return _PyDataset(examples, start_step, workers, max_queue_size)


class _PyDataset(keras.utils.PyDataset):
    """Batches of `Examples` by their step, made ahead by threads of its own.

    Keras's own workers (3.15) lose and repeat batches: `fit` and `evaluate` take one
    to build the model, and what the workers had made by then comes again.
    """

    def __init__(
        self, examples: Examples, start_step: int, workers: int, max_queue_size: int
    ):
        super().__init__()
        self._examples = examples
        self._start_step = start_step
        self._executor = futures.ThreadPoolExecutor(workers)
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
                self._pending[each] = self._executor.submit(self._batch, each)
        return self._pending.pop(step).result()

    def _batch(self, step: int):
        images, masks = self._examples.batch(self._start_step + step)
        return images.astype("float32"), masks.astype("int32")
