"""LiteRT (TensorFlow Lite): one file for phones, browsers and microcontrollers.

The way to a right file leads through Keras's `ExportArchive`. Other ways give files
that run and are wrong, so every file is opened again and checked before it appears.

https://ai.google.dev/edge/litert
Integer arithmetic: Jacob et al., "Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference", CVPR 2018.
https://arxiv.org/abs/1712.05877
"""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from kseg.export.bias_correction import correct_biases
from kseg.export.calibration import calibrate, checked_images, quantise, spread
from kseg.export.converter import open_converter
from kseg.export.device_form import in_float32
from kseg.export.litert_check import check_litert
from kseg.export.litert_metadata import add_metadata
from kseg.export.outputs import OUTPUTS, decided_on
from kseg.export.saved_model import image_shape
from kseg.export.sidecar import describe, write_sidecar
from kseg.labels import Labels
from kseg.layers import MaxPoolingWithIndices, class_logits
from kseg.lite.litert_model import LiteRTModel, sidecar_path
from kseg.registry import unknown

PRECISIONS = ("float32", "float16", "dynamic_range", "int8")

# How far logits may be from the model's, as a share of the largest one.
_TOLERANCES = {"float32": 1e-3, "float16": 2e-2}


def export_litert(
    model: keras.Model,
    path: str | Path,
    input_size: tuple[int, int],
    precision: str = "float32",
    output: str = "logits",
    calibration: Iterable[np.ndarray] | None = None,
    labels: Labels | None = None,
) -> Path:
    """Writes a model as a LiteRT file for images of one size, and its sidecar.

    The input is `image`, `(1, height, width, channels)` in the range 0 to 255:
    float32, or uint8 in an int8 file. The output is `(1, height, width, num_classes)`
    logits or probabilities: float32, or quantised uint8 in an int8 file; or class ids
    `(1, height, width)`, uint8 in every file. The file appears at `path` whole or not
    at all, and replaces one that is there.

    Args:
        model: A model from one image tensor to one tensor of logits. Layers that
            compute in half precision are converted as float32.
        path: The file to write, `*.tflite`; missing parents are made. The sidecar is
            `*.json` beside it: see `read_sidecar`.
        input_size: Height and width of the images in pixels.
        precision: `"float32"`; `"float16"`, which stores weights in half the bytes;
            `"dynamic_range"`, which stores them in a byte and finds the ranges of the
            rest as it runs, so that nothing is calibrated; or `"int8"`, in which
            weights and arithmetic are integers throughout, and biases are corrected
            for what rounding does to kernels (`kseg.export.bias_correction`).
        output: `"logits"`, `"probabilities"` (softmax), `"class_map"` (argmax), or
            `"coarse_class_map"`: the argmax of the logits ahead of the network's last
            resize, each id repeated over its pixels, which is faster.
        calibration: For `"int8"` only, and required there: some tens of typical images,
            uint8 `(height, width, channels)` of the input's size, from which the ranges
            of all activations are taken.
        labels: What the class ids mean; `None` numbers the classes.

    Returns:
        `path`.

    Raises:
        ValueError: If an argument breaks a rule above.
        RuntimeError: If the file fails `check_litert`, or a float file's output for a
            random image is not the model's. How near files of integer weights come,
            and float16 ones of pooling with indices, is a matter of real images:
            `verify` measures it.
    """
    path = Path(path)
    shape = (*input_size, image_shape(model)[-1])
    if labels is None:
        labels = Labels.numbered(max(model.outputs[0].shape[-1], 2))
    _check_arguments(model, path, input_size, precision, output, labels)
    model = in_float32(model)
    if precision == "int8":
        images = checked_images(calibration, shape)
        corrected = correct_biases(model, spread(images))
        content = quantise(calibrate(corrected, input_size, images, output))
    else:
        content = _convert(model, input_size, output, precision)
    return write_litert(content, path, model.name, precision, output, labels, model)


def write_litert(
    content: bytes,
    path: str | Path,
    model_name: str,
    precision: str,
    output: str,
    labels: Labels,
    model: keras.Model | None = None,
) -> Path:
    """Writes what a converter made, with metadata and its sidecar, once it is checked.

    Args:
        content: The LiteRT file as converted.
        path: As in `export_litert`.
        model_name: What the sidecar calls the model.
        precision: One of `PRECISIONS`; or `"mixed"`, of integers where some layers
            stay float, and `"int16"`, of activations of 16 bits.
        output: As in `export_litert`.
        labels: What the class ids mean.
        model: What a float file is compared with; `None` to leave that out.

    Returns:
        `path`.

    Raises:
        RuntimeError: As `export_litert`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as scratch:
        file = Path(scratch, path.name)
        file.write_bytes(content)
        kind = OUTPUTS[output]
        description = describe(file, model_name, precision, kind, labels)
        add_metadata(file, description)
        check_litert(file, precision)
        write_sidecar(file, description)
        if model is not None and _comparable(model, precision):
            litert = LiteRTModel(file)
            compared = decided_on(model, output, litert.input_size)
            _compare(compared, litert, _TOLERANCES[precision])
        os.replace(sidecar_path(file), sidecar_path(path))
        os.replace(file, path)
    return path


def _check_arguments(
    model: keras.Model,
    path: Path,
    input_size: tuple[int, int],
    precision: str,
    output: str,
    labels: Labels,
) -> None:
    """Raises if an argument of `export_litert` breaks a rule."""
    if precision not in PRECISIONS:
        raise ValueError(unknown("precision", precision, list(PRECISIONS)))
    if output not in OUTPUTS:
        raise ValueError(unknown("output", output, list(OUTPUTS)))
    if path.suffix != ".tflite" or path.is_dir():
        raise ValueError(f"`path` must be a file *.tflite. Received: {str(path)!r}.")
    taken = image_shape(model)[:2]
    if len(input_size) != 2 or not all(
        side > 0 and side == (fixed or side)
        for side, fixed in zip(input_size, taken, strict=True)
    ):
        raise ValueError(
            "`input_size` must be a height and a width in pixels that the model takes: "
            f"{taken}, where None is any. Received: {input_size}."
        )
    decided_on(model, output, input_size)
    num_classes = max(model.outputs[0].shape[-1], 2)
    if labels.num_classes != num_classes or num_classes > 256:
        raise ValueError(
            "The labels must name the model's classes, at most 256, as ids are uint8. "
            f"Received: {labels.num_classes} labels for {num_classes} classes."
        )


def _convert(
    model: keras.Model, input_size: tuple[int, int], output: str, precision: str
) -> bytes:
    """Returns a model as a LiteRT file that computes in floats."""
    import tensorflow as tf

    with open_converter(model, input_size, output, integer=False) as converter:
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


def _comparable(model: keras.Model, precision: str) -> bool:
    """Returns whether a file must give the model's logits for every image.

    Where the largest of four values is a close call, rounding decides which one pooling
    with indices takes; its value then goes to another place.
    """
    by_places = any(isinstance(x, MaxPoolingWithIndices) for x in model.layers)
    return precision == "float32" or (precision == "float16" and not by_places)


def _compare(model: keras.Model, litert: LiteRTModel, tolerance: float) -> None:
    """Raises if a file's output for a random image is not the model's."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, litert.image_shape, dtype=np.uint8)
    logits = np.asarray(model(image[np.newaxis].astype("float32"), training=False))[0]
    actual = litert.predict(image)
    if litert.output != "logits":
        logits = np.asarray(class_logits(logits))
    if litert.output == "logits":
        difference = np.abs(actual - logits).max()
    elif litert.output == "probabilities":
        # Softmax makes no difference larger than it was between the logits.
        difference = np.abs(actual - np.asarray(keras.ops.softmax(logits))).max()
    else:
        enlarged = [a // b for a, b in zip(actual.shape, logits.shape, strict=False)]
        logits = logits.repeat(enlarged[0], axis=0).repeat(enlarged[1], axis=1)
        # Two logits that are off by d each can change places if less than 2 d apart.
        chosen = np.take_along_axis(logits, actual[..., np.newaxis].astype("int"), -1)
        difference = (logits.max(axis=-1, keepdims=True) - chosen).max() / 2
    largest = np.abs(logits).max()
    if not difference <= tolerance * largest:
        raise RuntimeError(
            f"A {litert.precision} file must give the model's {litert.output}, its "
            f"logits to {tolerance:g} of the largest one, {largest:.3g}. Received: a "
            f"difference of {difference:.3g} for a random image."
        )
