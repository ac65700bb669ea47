"""Slopes and compiled functions on either backend."""

import keras
import numpy as np

BACKEND = keras.backend.backend()
MODES = {
    "tensorflow": ("graph", "graph of unknown size", "xla"),
    "jax": ("jit",),
}.get(BACKEND, ())


def value_and_gradient(function, logits):
    """Returns a scalar function and its slope as arrays."""
    if BACKEND == "tensorflow":
        import tensorflow as tf

        variable = tf.Variable(logits)
        with tf.GradientTape() as tape:
            value = function(variable)
        return np.asarray(value), np.asarray(tape.gradient(value, variable))
    import jax

    value, gradient = jax.value_and_grad(function)(jax.numpy.asarray(logits))
    return np.asarray(value), np.asarray(gradient)


def compiled_gradient(loss, mode, labels, logits, factors):
    """Returns the value and the slope of a loss, compiled, in float32."""
    arguments = labels.astype("int32"), logits.astype("float32"), factors
    if mode == "jit":
        import jax

        value, gradient = jax.jit(jax.value_and_grad(loss, argnums=1))(*arguments)
        return np.asarray(value), np.asarray(gradient)
    import tensorflow as tf

    def function(y_true, y_pred, sample_weight):
        with tf.GradientTape() as tape:
            tape.watch(y_pred)
            value = loss(y_true, y_pred, sample_weight)
        return value, tape.gradient(value, y_pred)

    any_size = [
        tf.TensorSpec((None, None, None, *x.shape[3:]), x.dtype) for x in arguments
    ]
    compiled = tf.function(
        function,
        input_signature=any_size if mode == "graph of unknown size" else None,
        jit_compile=mode == "xla",
        autograph=False,
    )
    value, gradient = compiled(*map(tf.constant, arguments))
    return value.numpy(), gradient.numpy()


def slope(function, logits, step=1e-5):
    """Returns the slope of a scalar function of an array by central differences."""
    gradient = np.zeros(logits.shape)
    for place in np.ndindex(*logits.shape):
        up, down = logits.copy(), logits.copy()
        up[place] += step
        down[place] -= step
        gradient[place] = (function(up) - function(down)) / (2 * step)
    return gradient
