"""All files of a model at once, each run and compared with it."""

import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np

from kseg.export.litert import PRECISIONS, export_litert
from kseg.export.onnx_file import export_onnx
from kseg.export.outputs import OUTPUTS
from kseg.export.saved_model import export_saved_model
from kseg.export.verify import verify
from kseg.labels import Labels
from kseg.registry import unknown

# More change the ranges little; fewer miss rare scenes.
CALIBRATION_IMAGES = 100
FORMATS = ("saved_model", "onnx", "float32", "float16", "dynamic_range", "int8")
# Those that need no further package, and what a phone takes.
USUAL_FORMATS = ("saved_model", "float32", "float16", "int8")


def check_formats(formats: Sequence[str], output: str) -> None:
    """Raises if `deploy` would refuse these.

    Args:
        formats: As in `deploy`.
        output: As in `deploy`.

    Raises:
        ValueError: If one is unknown, or `formats` is a text.
    """
    if isinstance(formats, str):
        raise ValueError(
            f"`formats` must be a list of {FORMATS}. Received: the text {formats!r}."
        )
    for format_ in formats:
        if format_ not in FORMATS:
            raise ValueError(unknown("format", format_, list(FORMATS)))
    if output not in OUTPUTS:
        raise ValueError(unknown("output", output, list(OUTPUTS)))


def deploy(
    model: keras.Model,
    name: str,
    directory: str | Path,
    input_size: tuple[int, int],
    labels: Labels,
    formats: Sequence[str] = USUAL_FORMATS,
    output: str = "logits",
    calibration: Iterable[np.ndarray] = (),
    examples: Iterable[tuple[np.ndarray, np.ndarray]] = (),
) -> list[dict]:
    """Writes a model in several formats and measures the LiteRT files.

    Args:
        model: A network from images to logits.
        name: What the files are called: `name_int8.tflite`, ...
        directory: Where they go; files that are there are replaced.
        input_size: Height and width of the LiteRT files' images in pixels.
        labels: The classes.
        formats: Of `"saved_model"`, `"onnx"`, and of LiteRT `"float32"`, `"float16"`,
            `"dynamic_range"` and `"int8"`.
        output: What the LiteRT files return: `"logits"`, `"probabilities"`,
            `"class_map"` or `"coarse_class_map"`.
        calibration: uint8 images of the size, for int8: of the training data.
        examples: uint8 images of the size and their masks, to measure on; none to
            leave that out.

    Returns:
        The rows of `kseg.export.verify`; none where nothing was measured.

    Raises:
        ValueError: If a format or output is unknown, or int8 has no calibration.
        RuntimeError: If a file is not what the model is.
    """
    check_formats(formats, output)
    directory = Path(directory)
    files = litert_files(name, directory, formats)
    for format_ in formats:
        if format_ == "saved_model":
            export_saved_model(model, directory / "saved_model", overwrite=True)
            continue
        if format_ == "onnx":
            export_onnx(model, directory / f"{name}.onnx", labels)
            continue
        path = files[_title(format_)]
        images = calibration if format_ == "int8" else None
        export_litert(model, path, input_size, format_, output, images, labels)
    examples = iter(examples)
    first = next(examples, None)
    if not files or first is None:
        return []
    examples = itertools.chain([first], examples)
    return verify(model, files, examples, labels)


def litert_files(
    name: str, directory: str | Path, formats: Sequence[str]
) -> dict[str, Path]:
    """Returns where `deploy` writes LiteRT files.

    Args:
        name: As in `deploy`.
        directory: As in `deploy`.
        formats: As in `deploy`.

    Returns:
        The paths by what the rows of `deploy` call them: `"LiteRT int8"`, ...
    """
    return {
        _title(format_): Path(directory, f"{name}_{format_}.tflite")
        for format_ in formats
        if format_ in PRECISIONS
    }


def _title(precision: str) -> str:
    """Returns what a LiteRT file is called in a table."""
    return f"LiteRT {precision.replace('_', ' ')}"
