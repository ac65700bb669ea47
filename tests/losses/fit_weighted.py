"""One step of `fit` on weighted pixels; as a script, on all there is of a backend."""

import sys

import keras
import numpy as np

from kseg.losses import CrossEntropy


def fit(labels, images, factors, heads=()):
    """Returns loss and kernel of a 1x1 layer after a step from the identity."""
    image = keras.Input(images.shape[1:])
    dense = keras.layers.Dense(4, use_bias=False, kernel_initializer="identity")
    logits, loss = dense(image), CrossEntropy()
    outputs, losses = logits, loss
    if heads:
        outputs = {name: keras.layers.Identity(name=name)(logits) for name in heads}
        losses = dict.fromkeys(heads, loss)
        labels, factors = (dict.fromkeys(heads, array) for array in (labels, factors))
    model = keras.Model(image, outputs)
    model.compile(keras.optimizers.SGD(1.0), losses, jit_compile=False)
    history = model.fit(images, labels, 4, sample_weight=factors, verbose=0)
    return history.history["loss"][0], keras.ops.convert_to_numpy(dense.kernel)


def main(path):
    """Fits the arrays of a file, on two replicas on TensorFlow, and adds the result."""
    with np.load(path) as file:
        arrays = [file[name] for name in ("labels", "images", "factors")]
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        two = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two)
        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            loss, kernel = fit(*arrays)
    else:
        loss, kernel = fit(*arrays)
    np.savez(path, loss=loss, kernel=kernel)


if __name__ == "__main__":
    main(sys.argv[1])
