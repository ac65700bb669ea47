"""Silence for the logs of TensorFlow's compiled code."""

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences what compiled code writes to the process's standard error.

    TensorFlow's converter writes a page of notes there for every file, past Python's
    logging and warnings. Exceptions pass as they are.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(terminal, 2)
        os.close(terminal)


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
