"""Which Keras layer a tensor of a LiteRT file comes from."""

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"_\d+$")


def layers_of(tensor: str, names: Iterable[str]) -> list[str]:
    """Returns the layers that a tensor's name tells of, the one it is named for first.

    The converter joins layers into one operator, and the names of what they computed
    into one with `;`. Each is a path of scopes, and TensorFlow numbers a scope that it
    enters again: `net_1/conv_2/Relu;net_1/conv_2/convolution` is the layer `conv`.

    Args:
        tensor: The name of the tensor.
        names: Names of the model's layers.

    Returns:
        Names of layers, each once; empty where the tensor has a name of its own, as
        that of the output.

    Example:
    >>> layers_of("net_1/relu_1/Relu;net_1/conv_1_2/convolution", ["conv_1", "relu"])
    ['relu', 'conv_1']
    """
    known, found = set(names), []
    for path in tensor.split(";"):
        for scope in path.split("/")[1:-1]:
            # The number first: `conv_1` is the layer `conv`, as every scope has one.
            layer = next((x for x in (_NUMBER.sub("", scope), scope) if x in known), "")
            if layer and layer not in found:
                found.append(layer)
    return found
