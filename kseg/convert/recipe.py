"""What a checkpoint is of, and how its names are read."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from kseg.backbones.fill import Tensors

Options = Mapping[str, Any]


class Recipe(NamedTuple):
    """How the tensors of a checkpoint become a network.

    Args:
        network: Name of the network, `None` where there is only its backbone.
        arguments: Those of `kseg.build` that the checkpoint decides.
        tensors: Tensors by name; rearranged where the forms differ.
        layers: Name of every module of the checkpoint to that of its layer.
        left_out: Regular expression of the beginning of names that only training
            needs.
    """

    network: str | None
    arguments: dict[str, Any]
    tensors: Tensors
    layers: dict[str, str]
    left_out: str = "$"


def sequence(module: str, layer: str, first: int = 0) -> dict[str, str]:
    """Names a convolution and the batch norm behind it in an `nn.Sequential`.

    Args:
        module: Name of the sequence.
        layer: Name of the convolution here; that of the batch norm ends in `_bn`.
        first: Place of the convolution in the sequence.

    Returns:
        The two modules and their layers.

    Example:
    >>> sequence("classifier", "fuse", first=1)
    {'classifier.1': 'fuse', 'classifier.2': 'fuse_bn'}
    """
    return {f"{module}.{first}": layer, f"{module}.{first + 1}": f"{layer}_bn"}


def modules_of(tensors: Tensors, prefix: str = "") -> list[str]:
    """Returns the modules whose names begin with a prefix, each once, without it.

    Args:
        tensors: Arrays by the names of a state dictionary.
        prefix: What the names must begin with.
    """
    names = (name.rpartition(".")[0] for name in tensors)
    return list(
        dict.fromkeys(
            name.removeprefix(prefix) for name in names if name.startswith(prefix)
        )
    )


def count_of(tensors: Tensors, pattern: str) -> int:
    """Returns how many modules there are of a name that is numbered from 0.

    Args:
        tensors: Arrays by the names of a state dictionary.
        pattern: Regular expression of the beginning of a name, with one group for
            the number.

    Returns:
        The largest number and 1, or 0 where no name begins so.
    """
    found = (re.match(pattern, name) for name in tensors)
    return 1 + max((int(match[1]) for match in found if match), default=-1)
