"""What a run is trained on: all devices that are visible."""

import contextlib

import keras


def all_devices():
    """Returns the scope of a `MirroredStrategy` over all visible devices."""
    if keras.backend.backend() != "tensorflow":
        return contextlib.nullcontext()
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices(
        "CPU"
    )
    return tf.distribute.MirroredStrategy([d.name for d in devices]).scope()


def replicas() -> int:
    """Returns how many devices a batch is split over, inside of `all_devices`."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def jit_compile() -> bool:
    """Returns whether to compile with XLA: always on JAX, where there is no other.

    On TensorFlow `MirroredStrategy` refuses it.
    """
    return keras.backend.backend() == "jax"
