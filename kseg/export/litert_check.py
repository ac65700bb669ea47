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

from kseg.quiet import quiet


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
            `"int8"`, if an operator reads or writes a float, or the input is not uint8
            with scale 1 and zero point 0.
    """
    variables = {"VAR_HANDLE", "READ_VARIABLE"} & set(operators(path))
    if variables:
        raise RuntimeError(
            "The weights must lie in the LiteRT file as constants. Received: operators "
            f"{sorted(variables)}, which read variables that are empty when the file "
            "runs. Convert with `kseg.export.export_litert`."
        )
    if precision != "int8":
        return
    floats = {
        name for name, types in _walk(path) if any("FLOAT" in kind for kind in types)
    }
    if floats:
        raise RuntimeError(
            "An int8 file must compute in integers throughout. Received: operators on "
            f"floats {sorted(floats)}."
        )
    details = load_interpreter(path, num_threads=1).get_input_details()[0]
    if details["dtype"] != np.uint8 or details["quantization"] != (1.0, 0):
        raise RuntimeError(
            "An int8 file must take the bytes of an image as they are: uint8, scale 1, "
            f"zero point 0. Received: {np.dtype(details['dtype']).name}, scale and "
            f"zero point {details['quantization']}."
        )


def load_interpreter(path: str | Path, num_threads: int):
    """Returns a LiteRT interpreter that is ready to run a file.

    Args:
        path: The `.tflite` file.
        num_threads: How many CPU threads to use.
    """
    with quiet():
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(str(path), num_threads=num_threads)
        interpreter.allocate_tensors()
    return interpreter


def _walk(path: str | Path) -> Iterator[tuple[str, set[str]]]:
    """Yields each operator's name and the types of the tensors it reads and writes."""
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
            yield name, {type_names[graph.Tensors(i).Type()] for i in ports if i >= 0}


def _names(enumeration: type) -> dict[int, str]:
    """Returns the names of an enumeration of the schema, by value."""
    members = vars(enumeration).items()
    return {value: name for name, value in members if isinstance(value, int)}
