"""A network with the ranges of its tensors, and the integer files that they make.

Calibration runs every image through the network; what follows takes a second. So it is
done once, and the ranges make a file of integers, one in which some layers stay float,
or one that computes both ways.

https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger
"""

import contextlib
import tempfile
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kseg.export.device_form import in_device_form
from kseg.export.flatbuffer import open_tensors, with_ranges
from kseg.export.litert import (
    calibration_images,
    in_float32,
    write_saved_model,
)
from kseg.export.saved_model import SIGNATURE, image_shape
from kseg.quiet import quiet


def calibrate(
    model: keras.Model,
    input_size: tuple[int, int],
    images: Iterable[np.ndarray],
    output: str = "logits",
) -> bytes:
    """Finds the range of every tensor of a network on images.

    Args:
        model: A model from one image tensor to one tensor of logits.
        input_size: Height and width of the images in pixels.
        images: As `calibration` in `kseg.export.export_litert`.
        output: As there.

    Returns:
        A LiteRT file of floats that holds the ranges, for the functions below.

    Raises:
        ValueError: If an image is of another size, or there is none.
    """
    import tensorflow as tf

    images = list(images)
    with (
        _converter(model, input_size, images[:1], output) as converter,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # It opens an interpreter that is to go.
        debugger = tf.lite.experimental.QuantizationDebugger(converter=converter)
        content = debugger.calibrated_model
    shape = (*input_size, image_shape(model)[-1])
    return with_ranges(content, _ranges(content, calibration_images(images, shape)))


def _ranges(
    content: bytes, images: Sequence[np.ndarray]
) -> dict[int, tuple[float, float]]:
    """Returns the lowest and highest value of each float tensor on images, by number.

    The converter finds the same ones, and takes ten times as long.
    """
    interpreter = open_tensors(content)
    image = interpreter.get_input_details()[0]["index"]
    found = [x["index"] for x in interpreter.get_output_details()]
    kinds = {x["index"]: x["dtype"] for x in interpreter.get_tensor_details()}
    ranges = {i: (np.inf, -np.inf) for i in (image, *found) if kinds[i] is np.float32}
    for pixels in images:
        interpreter.set_tensor(image, pixels[np.newaxis].astype("float32"))
        interpreter.invoke()
        for index, (low, high) in ranges.items():
            values = interpreter.get_tensor(index)
            ranges[index] = min(low, values.min()), max(high, values.max())
    return ranges


@contextlib.contextmanager
def _converter(
    model: keras.Model,
    input_size: tuple[int, int],
    images: Iterable[np.ndarray],
    output: str,
) -> Iterator[Any]:
    """Gives a silent converter of a model that calibrates on images."""
    import tensorflow as tf

    shape = (*input_size, image_shape(model)[-1])
    checked = calibration_images(images, shape)
    with tempfile.TemporaryDirectory() as folder, quiet():
        seen = in_device_form(in_float32(model), input_size, integer=True)
        write_saved_model(seen, Path(folder), shape, output)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=[SIGNATURE]
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [image[np.newaxis].astype("float32")] for image in checked
        )
        yield converter


def quantise(
    calibrated: bytes, keep_float: Collection[str] = (), per_channel: bool = True
) -> bytes:
    """Makes the integer file of a calibrated network.

    Without options it is the file that `kseg.export.export_litert` writes.

    Args:
        calibrated: From `calibrate`.
        keep_float: Names of the tensors whose operators stay in float32; integers are
            turned into floats ahead of them, and back behind them.
        per_channel: Whether each channel of a kernel has its own scale, or all have
            one.

    Returns:
        The LiteRT file. Images and logits are uint8 unless the operators there stay
        float.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.util import modify_model_io_type

    with quiet():
        content = mlir_quantize(
            calibrated,
            disable_per_channel=not per_channel,
            denylisted_nodes=list(keep_float),
        )
        return modify_model_io_type(content, tf.uint8, tf.uint8)


def instrument(calibrated: bytes, accumulated: bool = False) -> bytes:
    """Makes a file that computes in integers and in floats, and compares.

    Each operator `NumericVerify` in it reads a quantised tensor and the float one that
    it stands for.

    Args:
        calibrated: From `calibrate`.
        accumulated: Whether floats come from floats, so that errors add up through the
            network, or each operator gets the quantised inputs, so that its own error
            is left.

    Returns:
        The LiteRT file, with float32 images and logits, which the interpreter of
        TensorFlow runs.
    """
    from tensorflow.lite.python.convert import mlir_quantize

    with quiet():
        return mlir_quantize(
            calibrated,
            enable_numeric_verify=True,
            enable_whole_model_verify=accumulated,
        )


def convert_int16(
    model: keras.Model, input_size: tuple[int, int], images: Iterable[np.ndarray]
) -> bytes:
    """Converts a network to kernels of 8 and activations of 16 bits.

    Args:
        model: As in `calibrate`.
        input_size: As in `calibrate`.
        images: As in `calibrate`.

    Returns:
        The LiteRT file, with float32 images and logits.

    Raises:
        ValueError: As `calibrate`.
    """
    import tensorflow as tf

    kind = "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8"
    with _converter(model, input_size, images, "logits") as converter:
        converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, kind)]
        return converter.convert()
