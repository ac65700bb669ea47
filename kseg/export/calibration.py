"""A network with the ranges of its tensors, and the integer files that they make.

Calibration runs every image through the network; what follows takes a second. So it is
done once, and the ranges make a file of integers, one in which some layers stay float,
or one that computes both ways.

https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger
"""

import warnings
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import keras
import numpy as np

from kseg.export.converter import open_converter
from kseg.export.flatbuffer import open_tensors, with_ranges
from kseg.export.saved_model import image_shape
from kseg.lite.litert_model import check_image
from kseg.quiet import quiet


def checked_images(
    images: Iterable[np.ndarray] | None, shape: tuple[int, ...]
) -> list[np.ndarray]:
    """Returns images to calibrate on, checked; together they span 0 to 255.

    Args:
        images: As `calibration` in `kseg.export.export_litert`.
        shape: Height, width and channels of the input.

    Raises:
        ValueError: If there is no image, or one is of another shape or type.
    """
    found = [] if images is None else list(images)
    if not found:
        raise ValueError(
            'Precision "int8" needs `calibration`: some tens of typical images, uint8 '
            f"of shape {shape}. Received: no images."
        )
    for image in found:
        check_image(image, shape)
    # The input's scale comes from the values seen. Two pixels pin it to one step per
    # byte, so that the file takes an image's bytes as they are.
    found[0] = found[0].copy()
    found[0][0, 0], found[0][-1, -1] = 0, 255
    return found


def spread(images: Sequence[np.ndarray], most: int = 10) -> Sequence[np.ndarray]:
    """Returns some of the images, evenly spaced.

    Args:
        images: Where they come from.
        most: How many at the most.
    """
    return images[:: max(len(images) // most, 1)][:most]


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

    found = checked_images(images, (*input_size, image_shape(model)[-1]))
    with (
        open_converter(model, input_size, output, integer=True) as converter,
        warnings.catch_warnings(),
    ):
        _calibrate_on(converter, found[:1])
        warnings.simplefilter("ignore")  # It opens an interpreter that is to go.
        debugger = tf.lite.experimental.QuantizationDebugger(converter=converter)
        content = debugger.calibrated_model
    return with_ranges(content, _ranges(content, found))


def _calibrate_on(converter: Any, images: Sequence[np.ndarray]) -> None:
    """Lets a converter quantise to integers, with ranges of images."""
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [image[np.newaxis].astype("float32")] for image in images
    )


def _ranges(
    content: bytes, images: Sequence[np.ndarray]
) -> dict[int, tuple[float, float]]:
    """Returns the lowest and highest value of each float tensor on images, by number.

    The converter takes ten times as long, and lets an operator that writes where it
    reads spoil what was read.
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


def quantise(
    calibrated: bytes, keep_float: Collection[str] = (), per_channel: bool = True
) -> bytes:
    """Makes the integer file of a calibrated network.

    Without options it is the file that `kseg.export.export_litert` writes, if the
    biases of the network were corrected ahead of calibration.

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
    found = checked_images(images, (*input_size, image_shape(model)[-1]))
    with open_converter(model, input_size, "logits", integer=True) as converter:
        _calibrate_on(converter, found)
        converter.target_spec.supported_ops = [getattr(tf.lite.OpsSet, kind)]
        return converter.convert()
