"""What is inside a LiteRT file: its operators, and whether they can be right.

A file that was converted the wrong way still loads, runs and returns numbers: weights
left behind as variables read as nothing, and an operator left in float stops an
accelerator. Both show in the file's operators.

https://github.com/google-ai-edge/LiteRT, tflite/converter/schema/schema.fbs
"""

import collections
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kseg.lite.litert_model import load_interpreter


def operators(path: str | Path) -> dict[str, int]:
    """Counts the operators of a LiteRT file.

    Args:
        path: The `.tflite` file.

    Returns:
        How often each operator occurs, by its name in the format's schema
        (`"CONV_2D"`), the most frequent first.
    """
    return dict(collections.Counter(name for name, _ in _walk(path)).most_common())


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
    walked = list(_walk(path))
    variables = {"VAR_HANDLE", "READ_VARIABLE"} & {name for name, _ in walked}
    if variables:
        raise RuntimeError(
            "The weights must lie in the LiteRT file as constants. Received: operators "
            f"{sorted(variables)}, which read variables that are empty when the file "
            "runs. Convert with `kseg.export.export_litert`."
        )
    if precision != "int8":
        return
    floats = {
        name for name, ports in walked if any("FLOAT" in kind for kind, _ in ports)
    }
    if floats:
        raise RuntimeError(
            "An int8 file must compute in integers throughout. Received: operators on "
            f"floats {sorted(floats)}."
        )
    wide = [scale for name, ports in walked if name == "EQUAL" for _, scale in ports]
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


def _walk(path: str | Path) -> Iterator[tuple[str, set[tuple[str, float]]]]:
    """Yields each operator's name, and type and scale of what it reads and writes.

    The scale of a tensor without one is 0.
    """
    from ai_edge_litert import schema_py_generated as schema

    operator_names = _names(schema.BuiltinOperator)
    type_names = _names(schema.TensorType)
    model: Any = schema.Model.GetRootAsModel(Path(path).read_bytes(), 0)
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        for operator in map(graph.Operators, range(graph.OperatorsLength())):
            code = model.OperatorCodes(operator.OpcodeIndex())
            # Codes up to 126 may lie in either field, as the writer's age has it.
            name = operator_names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            ports = [operator.Inputs(i) for i in range(operator.InputsLength())]
            ports += [operator.Outputs(i) for i in range(operator.OutputsLength())]
            # An optional input that is left out has the index -1.
            tensors = [graph.Tensors(i) for i in ports if i >= 0]
            yield name, {(type_names[t.Type()], _scale(t)) for t in tensors}


def _scale(tensor: Any) -> float:
    """Returns the step between two values of a quantised tensor, 0 of another."""
    quantization = tensor.Quantization()
    if quantization is None or quantization.ScaleLength() != 1:
        return 0.0
    return float(quantization.Scale(0))


def _names(enumeration: type) -> dict[int, str]:
    """Returns the names of an enumeration of the schema, by value."""
    members = vars(enumeration).items()
    return {value: name for name, value in members if isinstance(value, int)}
