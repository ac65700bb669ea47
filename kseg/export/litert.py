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

from kseg.export.device_form import in_device_form
from kseg.export.litert_check import check_litert
from kseg.export.litert_metadata import add_metadata
from kseg.export.outputs import OUTPUTS, decided_on, served
from kseg.export.saved_model import SIGNATURE, image_shape, write_signature
from kseg.export.sidecar import describe, write_sidecar
from kseg.labels import Labels
from kseg.layers import class_logits
from kseg.lite.litert_model import LiteRTModel, check_image, sidecar_path
from kseg.quiet import quiet
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
            weights and arithmetic are integers throughout.
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
            random image is not the model's. How near files of integer weights come is
            a matter of real images: `verify` measures it.
    """
    path = Path(path)
    shape = (*input_size, image_shape(model)[-1])
    if labels is None:
        labels = Labels.numbered(max(model.outputs[0].shape[-1], 2))
    _check_arguments(model, path, input_size, precision, output, labels)
    images = calibration_images(calibration, shape) if precision == "int8" else []
    model = in_device_form(in_float32(model), input_size, precision == "int8")
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(model, Path(folder), shape, output)
        content = _convert(Path(folder), precision, images)
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
        if model is not None and precision in _TOLERANCES:
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


def calibration_images(
    calibration: Iterable[np.ndarray] | None, shape: tuple[int, ...]
) -> list[np.ndarray]:
    """Returns images to calibrate on, checked; together they span 0 to 255.

    Args:
        calibration: As in `export_litert`.
        shape: Height, width and channels of the input.

    Raises:
        ValueError: If there is no image, or one is of another shape or type.
    """
    images = [] if calibration is None else list(calibration)
    if not images:
        raise ValueError(
            'Precision "int8" needs `calibration`: some tens of typical images, uint8 '
            f"of shape {shape}. Received: no images."
        )
    for image in images:
        check_image(image, shape)
    # The input's scale comes from the values seen. Two pixels pin it to one step per
    # byte, so that the file takes an image's bytes as they are.
    images[0] = images[0].copy()
    images[0][0, 0], images[0][-1, -1] = 0, 255
    return images


def in_float32(model: keras.Model) -> keras.Model:
    """Returns the model, or its float32 copy if layers compute in half precision.

    LiteRT has no operators for activations in half precision.

    Args:
        model: The model.
    """
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model

    def in_float32(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": "float32"})

    copy = keras.models.clone_model(model, clone_function=in_float32)
    copy.set_weights(model.get_weights())
    return copy


def write_saved_model(
    model: keras.Model, path: Path, shape: tuple[int, ...], output: str
) -> None:
    """Writes the SavedModel to convert: one image of one size to one output.

    Args:
        model: A model from one image tensor to one tensor of logits, in float32.
        path: The directory to write.
        shape: Height, width and channels of the image.
        output: As in `export_litert`.
    """
    serve = served(model, output, (shape[0], shape[1]))
    write_signature(model, serve, (1, *shape), path)


def _convert(saved_model: Path, precision: str, images: list[np.ndarray]) -> bytes:
    """Returns a SavedModel as the bytes of a LiteRT file."""
    import tensorflow as tf

    with quiet():
        converter = tf.lite.TFLiteConverter.from_saved_model(
            str(saved_model), signature_keys=[SIGNATURE]
        )
        if precision != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == "float16":
            converter.target_spec.supported_types = [tf.float16]
        elif precision == "int8":
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = tf.uint8
            converter.inference_output_type = tf.uint8
            converter.representative_dataset = lambda: (
                [image[np.newaxis].astype("float32")] for image in images
            )
        return converter.convert()


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
