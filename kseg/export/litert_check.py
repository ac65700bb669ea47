"""What is inside a LiteRT file: its operators, and whether they can be right.

A file that was converted the wrong way still loads, runs and returns numbers: weights
left behind as variables read as nothing, and an operator left in float stops an
accelerator. Both show in the file's operators.
"""

import collections
from pathlib import Path

import numpy as np

from kseg.export.operator_walk import walk_operators
from kseg.lite.litert_model import load_interpreter


def operators(path: str | Path) -> dict[str, int]:
    """Counts the operators of a LiteRT file.

    Args:
        path: The `.tflite` file.

    Returns:
        How often each operator occurs, by its name in the format's schema
        (`"CONV_2D"`), the most frequent first.
    """
    names = [operator.name for operator in walk_operators(Path(path).read_bytes())]
    return dict(collections.Counter(names).most_common())


def check_litert(path: str | Path, precision: str) -> None:
    """Raises if a LiteRT file lost its weights, or is not as integer as it says.

    Args:
        path: The `.tflite` file; a sidecar is not needed.
        precision: What the file should be; `"int8"` is checked more strictly.

    Raises:
        RuntimeError: If the file reads variables, which are empty when it runs; or, for
            `"int8"`, if an operator reads or writes a float, the input is not uint8
            with scale 1 and zero point 0, or bytes are compared whose scale is 1 or
            more, which the runtime cannot do.
    """
    walked = list(walk_operators(Path(path).read_bytes()))
    variables = {"VAR_HANDLE", "READ_VARIABLE"} & {op.name for op in walked}
    if variables:
        raise RuntimeError(
            "The weights must lie in the LiteRT file as constants. Received: operators "
            f"{sorted(variables)}, which read variables that are empty when the file "
            "runs. Convert with `kseg.export.export_litert`."
        )
    if precision != "int8":
        return
    floats = {op.name for op in walked if any("FLOAT" in t.type for t in op.tensors)}
    if floats:
        raise RuntimeError(
            "An int8 file must compute in integers throughout. Received: operators on "
            f"floats {sorted(floats)}."
        )
    wide = [t.scale for op in walked if op.name == "EQUAL" for t in op.tensors]
    if max(wide, default=0) >= 1:
        raise RuntimeError(
            "LiteRT compares int8 values of a scale below 1, and max pooling with "
            "indices compares: what it pools must lie within -128 and 127, as behind "
            f"batch norm. Received: scale {max(wide):.3g}. Scale the layers ahead of "
            "the pooling down, or export float16."
        )
    details = load_interpreter(path, num_threads=1).get_input_details()[0]
    if details["dtype"] != np.uint8 or details["quantization"] != (1.0, 0):
        raise RuntimeError(
            "An int8 file must take the bytes of an image as they are: uint8, scale 1, "
            f"zero point 0. Received: {np.dtype(details['dtype']).name}, scale and "
            f"zero point {details['quantization']}."
        )
