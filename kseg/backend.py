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


def trace_once(model, dtype) -> None:
    """Has TensorFlow trace a network for `predict` once, whatever batches come.

    Left alone, Keras (3.15) traces for the first shape and again when others come, and
    where there is a GPU it has XLA compile for each. On other backends nothing is done,
    nor to a model that has predicted before.

    Args:
        model: A functional `keras.Model` of one input.
        dtype: The type of the batches.
    """
    import keras

    if (
        keras.backend.backend() != "tensorflow"
        or model.predict_function is not None
        or model.run_eagerly
    ):
        return
    import tensorflow as tf

    (image,) = model.inputs
    xla, model.jit_compile = model.jit_compile, False
    model.make_predict_function()
    model.jit_compile = xla
    batch = tf.TensorSpec(image.shape, dtype)
    model.predict_function.get_concrete_function([(batch,)])
