"""Keras with its backend, imported without noise."""

import importlib.util
import os

from kseg.quiet import quiet


def import_backend() -> None:
    """Imports Keras with its backend, without the notes that TensorFlow prints.

    A command calls this before it does anything heavy. Where TensorFlow is not
    installed and nothing else is asked for, the backend is JAX. It also looks at the
    devices, which TensorFlow notes when they are first asked for.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    keras_chooses = "KERAS_BACKEND" in os.environ
    if not keras_chooses and importlib.util.find_spec("tensorflow") is None:
        os.environ["KERAS_BACKEND"] = "jax"
    with quiet():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            tf.config.list_logical_devices()
