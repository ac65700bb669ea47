"""The tensors of a LiteRT file: named, laid open, given ranges.

https://github.com/google-ai-edge/LiteRT, tflite/converter/schema/schema.fbs
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kseg.export.operator_walk import walk_operators
from kseg.quiet import quiet

# Compares a quantised tensor with the float one that it stands for.
VERIFY = "NumericVerify"


def written_tensors(content: bytes) -> list[str]:
    """Returns the names of the tensors that a LiteRT file computes, in order.

    Args:
        content: The file.
    """
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.Model.GetRootAsModel(content, 0)
    graph = model.Subgraphs(0)
    written = [i for operator in walk_operators(content) for i in operator.writes]
    return [graph.Tensors(i).Name().decode() for i in written]


def open_tensors(content: bytes) -> Any:
    """Opens a LiteRT file so that every tensor can be read after it ran.

    What an operator writes becomes an output of the file, so that the fast kernels,
    which keep nothing else, hand it out. Operators `NumericVerify`, for which there is
    no kernel, are left out.

    Args:
        content: The file.

    Returns:
        A LiteRT interpreter, which numbers the tensors as the file does.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    verifying = {
        i for i, step in enumerate(walk_operators(content)) if step.name == VERIFY
    }
    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    graph.operators = [x for i, x in enumerate(graph.operators) if i not in verifying]
    graph.outputs = np.unique(np.concatenate([x.outputs for x in graph.operators]))
    model.signatureDefs = []
    with quiet():
        interpreter = Interpreter(model_content=_packed(model), num_threads=2)
        interpreter.allocate_tensors()
    return interpreter


def with_ranges(content: bytes, ranges: Mapping[int, tuple[float, float]]) -> bytes:
    """Writes the ranges of tensors into a calibrated LiteRT file.

    Args:
        content: The file.
        ranges: Lowest and highest value of tensors, by their number.
    """
    from ai_edge_litert import schema_py_generated as schema

    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    for index, (low, high) in ranges.items():
        quantization = model.subgraphs[0].tensors[index].quantization
        quantization.min = np.array([low], "float32")
        quantization.max = np.array([high], "float32")
    return _packed(model)


def _packed(model: Any) -> bytes:
    """Returns a model as a file."""
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
