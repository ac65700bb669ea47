"""Where an int8 file loses: the error, the range and the odd channels of each tensor.

The errors are those that TensorFlow's quantisation debugger defines:
https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/quantization_debugger
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from kseg.export.calibration import instrument
from kseg.export.flatbuffer import (
    VERIFY,
    open_tensors,
    written_tensors,
)
from kseg.export.layer_names import layers_of
from kseg.export.operator_walk import Operator, walk_operators
from kseg.export.verify import markdown_rows

# What rounding to the nearest step costs by itself, in steps.
ROUNDING = 1 / math.sqrt(12)
# A channel this many times as wide as the median one leaves that one 5 bits of 8.
WIDE = 8.0
_WITH_KERNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


class _Comparison:
    """A quantised tensor, the float one it stands for, and what was seen of both."""

    def __init__(
        self, operator: str, tensor: dict, floating: dict, kernel: dict | None
    ):
        self.operator, self.name = operator, tensor["name"]
        self.quantised, self.floating = tensor["index"], floating["index"]
        self.scale, self.zero_point = tensor["quantization"]
        self.kernel_scales = np.zeros(1)
        if kernel:
            self.kernel_scales = kernel["quantization_parameters"]["scales"]
        self.count, self.error, self.signal = 0, 0.0, 0.0
        self.low: np.ndarray = np.array(np.inf)
        self.high: np.ndarray = np.array(-np.inf)

    def add(self, interpreter: Any) -> None:
        """Adds the tensors of one image, channels last."""
        values = interpreter.get_tensor(self.floating).astype("float64")
        stored = interpreter.get_tensor(self.quantised).astype("float64")
        error = (stored - self.zero_point) * self.scale - values
        self.count += values.size
        self.error += float(np.square(error).sum())
        self.signal += float(np.square(values).sum())
        channels = values.reshape(-1, values.shape[-1])
        self.low = np.minimum(self.low, channels.min(axis=0))
        self.high = np.maximum(self.high, channels.max(axis=0))

    def decibels(self) -> float:
        """Returns the ratio of signal to quantisation noise, NaN without either."""
        if not self.error or not self.signal:
            return math.nan
        return 10 * math.log10(self.signal / self.error)


def diagnose(
    model: keras.Model, calibrated: bytes, images: Iterable[np.ndarray]
) -> list[dict[str, Any]]:
    """Compares each tensor of an int8 file with the float one it stands for.

    Args:
        model: The model that was calibrated, for the names of its layers.
        calibrated: From `kseg.export.calibration.calibrate`.
        images: Some typical images, uint8 `(height, width, channels)`; four say it.

    Returns:
        One row for each tensor that the file computes, the largest error first:
        `layer`, the Keras layer; `layers`, all that the operator joins;
        `operator`; `tensor`, its name; `error`, the root mean square of what this
        operator adds, in steps of the tensor's scale, of which rounding alone is
        `ROUNDING`; `decibels`, the ratio of the signal to that error; and
        `accumulated_decibels`, to that of all operators up to here, both NaN without
        an error; `scale`;
        `range`, lowest and highest value on the images;
        `wide_channels`, whose range is `WIDE` times the median one's or more, from
        channel to factor; `kernel_wide_channels`, the same of the kernel, where it has
        a scale for each channel.

    Raises:
        ValueError: If there is no image.
    """
    images = list(images)
    if not images:
        raise ValueError("`images` must hold at least one image. Received: none.")
    operations = {operation.name: operation for operation in model.operations}
    names = iter(written_tensors(calibrated))
    whole = _compare(instrument(calibrated, accumulated=True), images)
    rows = []
    alone = _compare(instrument(calibrated), images)
    for found, so_far in zip(alone, whole, strict=True):
        # What is instrumented keeps the order, and numbers names that it has twice.
        tensor = next(x for x in names if _numbered(found.name, x))
        # Only the output has no name of a layer.
        layers = layers_of(tensor, operations) or [*operations][-1:]
        rows.append(
            {
                "layer": next((x for x in layers if _kernel(operations[x])), layers[0]),
                "layers": layers,
                "operator": found.operator,
                "tensor": tensor,
                "error": math.sqrt(found.error / found.count) / found.scale,
                "decibels": found.decibels(),
                "accumulated_decibels": so_far.decibels(),
                "scale": found.scale,
                "range": [float(found.low.min()), float(found.high.max())],
                "wide_channels": wide_channels(found.high - found.low),
                "kernel_wide_channels": wide_channels(found.kernel_scales),
            }
        )
    return sorted(rows, key=lambda row: -row["error"])


def wide_channels(ranges: np.ndarray) -> dict[int, float]:
    """Returns the channels that are `WIDE` times as wide as the median one or more.

    Args:
        ranges: Float `(channels,)`, highest less lowest value of each.

    Returns:
        From channel to factor, the widest first; none where most channels are still.

    Example:
    >>> wide_channels(np.array([1.0, 2.0, 1.0, 16.0]))
    {3: 10.666666666666666}
    """
    median = float(np.median(ranges))
    if median <= 0:
        return {}
    found = [i for i in np.argsort(-ranges) if ranges[i] >= WIDE * median]
    return {int(i): float(ranges[i]) / median for i in found}


def diagnosis_table(rows: Sequence[Mapping[str, Any]], most: int = 20) -> str:
    """Words the rows of `diagnose` as a Markdown table.

    Args:
        rows: What `diagnose` returned.
        most: How many of them to show, from the first on.

    Returns:
        The table.
    """
    head = ["Layer", "Operator", "Error, steps", "SNR, dB", "So far, dB", "Range"]
    cells = [[*head, "Wide channels", "In the kernel"]]
    for row in rows[:most]:
        low, high = row["range"]
        cells.append(
            [
                row["layer"],
                row["operator"],
                f"{row['error']:.2f}",
                _decibels(row["decibels"]),
                _decibels(row["accumulated_decibels"]),
                f"{low:.3g} to {high:.3g}",
                _channels(row["wide_channels"]),
                _channels(row["kernel_wide_channels"]),
            ]
        )
    return markdown_rows(cells)


def _channels(wide: Mapping[int, float], most: int = 3) -> str:
    """Words channels and how many times as wide as the median one they are."""
    told = [f"{channel}: {factor:.0f}x" for channel, factor in wide.items()][:most]
    more = [f"{len(wide) - most} more"] if len(wide) > most else []
    return ", ".join(told + more)


def _kernel(operation: Any) -> bool:
    """Returns whether a layer has a kernel: by that one an operator is known."""
    weights = getattr(operation, "weights", ())
    return any(weight.name.endswith("kernel") for weight in weights)


def _decibels(value: float) -> str:
    """Words a ratio."""
    return "-" if math.isnan(value) else f"{value:.1f}"


def _compare(content: bytes, images: Sequence[np.ndarray]) -> list[_Comparison]:
    """Runs an instrumented file, and returns what it compares, in its order."""
    interpreter = open_tensors(content)
    comparisons = list(_comparisons(content, interpreter.get_tensor_details()))
    target = interpreter.get_input_details()[0]["index"]
    for image in images:
        interpreter.set_tensor(target, image[np.newaxis].astype("float32"))
        interpreter.invoke()
        for comparison in comparisons:
            comparison.add(interpreter)
    return comparisons


def _comparisons(content: bytes, details: Sequence[dict]) -> Iterator[_Comparison]:
    """Yields what the operators `NumericVerify` of a file compare."""
    tensors = {tensor["index"]: tensor for tensor in details}
    made: dict[int, Operator] = {}
    for operator in walk_operators(content):
        if operator.name == VERIFY:
            quantised, floating = (tensors[index] for index in operator.reads)
            maker = made[operator.reads[0]]
            kernel = tensors[maker.reads[1]] if maker.name in _WITH_KERNEL else None
            yield _Comparison(maker.name, quantised, floating, kernel)
        made.update(dict.fromkeys(operator.writes, operator))


def _numbered(name: str, original: str) -> bool:
    """Returns whether a name is another one, with or without digits behind it."""
    return name.startswith(original) and not name[len(original) :].strip("0123456789")
