"""The operators of a LiteRT file in order, with what rules about them look at.

https://github.com/google-ai-edge/LiteRT, tflite/converter/schema/schema.fbs
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np


class Tensor(NamedTuple):
    """What an operator reads or writes.

    Attributes:
        type: Its name in the schema, such as `"INT8"`.
        shape: Its sides.
        scale: The step between two values; 0 where it has none, or one per channel.
        zero_point: What stands for 0; 0 where there is no one scale.
        constant: Whether the file holds its values.
        values: These, where they are int32, as a shape or strides are.
    """

    type: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    constant: bool
    values: tuple[int, ...]


class Operator(NamedTuple):
    """An operator.

    Attributes:
        name: Its name in the schema (`"CONV_2D"`), or its own where it is custom.
        reads: Numbers of the tensors it reads, one number for each of the file.
        writes: Numbers of those it writes.
        inputs: The former tensors.
        outputs: The latter.
        dilation: Of a convolution, along height and width; 1 otherwise.
        mode: Of `MIRROR_PAD`: `"REFLECT"` or `"SYMMETRIC"`.
    """

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    dilation: tuple[int, int]
    mode: str | None

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """What it reads and writes."""
        return self.inputs + self.outputs

    @property
    def types(self) -> set[str]:
        """The types of all that is not constant."""
        return {tensor.type for tensor in self.tensors if not tensor.constant}


def walk_operators(content: bytes) -> Iterator[Operator]:
    """Yields the operators of a LiteRT file, of all its graphs.

    Args:
        content: The file.
    """
    from ai_edge_litert import schema_py_generated as schema

    names, types = _names(schema.BuiltinOperator), _names(schema.TensorType)
    model: Any = schema.Model.GetRootAsModel(content, 0)
    before = 0  # tensors of the graphs ahead
    for graph in map(model.Subgraphs, range(model.SubgraphsLength())):
        tensors = [
            _tensor(graph.Tensors(i), model, types)
            for i in range(graph.TensorsLength())
        ]
        for operator in map(graph.Operators, range(graph.OperatorsLength())):
            code = model.OperatorCodes(operator.OpcodeIndex())
            # Codes up to 126 may lie in either field, as the writer's age has it.
            name = names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            reads = [operator.Inputs(i) for i in range(operator.InputsLength())]
            reads = [i for i in reads if i >= 0]  # an optional one left out is -1
            writes = [operator.Outputs(i) for i in range(operator.OutputsLength())]
            yield Operator(
                code.CustomCode().decode() if name == "CUSTOM" else name,
                tuple(before + i for i in reads),
                tuple(before + i for i in writes),
                tuple(tensors[i] for i in reads),
                tuple(tensors[i] for i in writes),
                *_options(operator, schema),
            )
        before += len(tensors)


def _tensor(tensor: Any, model: Any, types: dict[int, str]) -> Tensor:
    """Reads a tensor."""
    scale, zero_point = 0.0, 0
    quantization = tensor.Quantization()
    if quantization is not None and quantization.ScaleLength() == 1:
        scale = float(quantization.Scale(0))
        zero_point = int(quantization.ZeroPoint(0))
    buffer = model.Buffers(tensor.Buffer())
    length = buffer.DataLength()
    kind, values = types[tensor.Type()], ()
    if kind == "INT32" and length and not scale:
        values = tuple(buffer.DataAsNumpy().view(np.int32).tolist())
    shape = tuple(tensor.Shape(i) for i in range(tensor.ShapeLength()))
    return Tensor(kind, shape, scale, zero_point, length > 0, values)


def _options(operator: Any, schema: Any) -> tuple[tuple[int, int], str | None]:
    """Returns the dilation of an operator, and the mode of a padding."""
    kind, table = operator.BuiltinOptionsType(), operator.BuiltinOptions()
    for name in ("Conv2DOptions", "DepthwiseConv2DOptions"):
        if kind == getattr(schema.BuiltinOptions, name):
            options = getattr(schema, name)()
            options.Init(table.Bytes, table.Pos)
            return (options.DilationHFactor(), options.DilationWFactor()), None
    if kind == schema.BuiltinOptions.MirrorPadOptions:
        options = schema.MirrorPadOptions()
        options.Init(table.Bytes, table.Pos)
        return (1, 1), _names(schema.MirrorPadMode)[options.Mode()]
    return (1, 1), None


def _names(enumeration: type) -> dict[int, str]:
    """Returns the names of an enumeration of the schema, by value."""
    members = vars(enumeration).items()
    return {value: name for name, value in members if isinstance(value, int)}
