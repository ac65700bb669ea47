"""LiteRT files of a few operators, made without a network."""

import numpy as np
import tensorflow as tf

from kseg.quiet import quiet


def convert(path, function, *shapes, int8=False):
    """Converts a function of float tensors; with int8, calibrated on noise."""
    specs = [tf.TensorSpec(shape, tf.float32) for shape in shapes]
    rng = np.random.default_rng(0)
    with quiet():
        concrete = tf.function(function).get_concrete_function(*specs)
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [concrete], tf.Module()
        )
        if int8:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
            converter.representative_dataset = lambda: (
                [rng.normal(0, 1, shape).astype("float32") for shape in shapes]
                for _ in range(4)
            )
        path.write_bytes(converter.convert())
    return path
