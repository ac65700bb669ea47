"""Feeds: examples as a `tf.data.Dataset`, or as a `keras.utils.PyDataset`."""

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
        if examples.augment
        else (examples.steps * examples.batch_size)
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


def keras_feed(examples: Examples, start_step: int = 0, **options):
    """Returns the same batches for any backend, without TensorFlow.

    Args:
        examples: What to feed; one epoch of it is `examples.steps` batches.
        start_step: The training step to begin with, a whole number of epochs.
        **options: `workers`, `use_multiprocessing` and `max_queue_size` of
            `keras.utils.PyDataset`.

    Returns:
        A `keras.utils.PyDataset`.
    """
    return _PyDataset(examples, start_step, **options)


class _PyDataset(keras.utils.PyDataset):
    """Batches of `Examples`; every epoch goes on in the stream."""

    def __init__(self, examples: Examples, start_step: int, **options):
        super().__init__(**options)
        self.examples = examples
        self.first_step = start_step

    def __len__(self) -> int:
        return self.examples.steps

    def __getitem__(self, step: int):
        images, masks = self.examples.batch(self.first_step + step)
        return images.astype("float32"), masks.astype("int32")

    def on_epoch_end(self) -> None:
        if self.examples.augment is not None:
            self.first_step += self.examples.steps
