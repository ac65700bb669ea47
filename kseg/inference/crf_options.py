"""The dense CRF as the last step of a prediction: by name, or by its arguments."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kseg.inference.dense_crf import CRF_PARAMETERS, dense_crf
from kseg.registry import unknown

# What `dense_crf` gets from the prediction.
_GIVEN = ("image", "scores", "scores_are")

Crf = str | Mapping[str, Any]


def crf_arguments(crf: Crf, num_classes: int) -> dict[str, Any]:
    """Returns the arguments of `dense_crf`, checked before a model runs.

    Args:
        crf: A name of `CRF_PARAMETERS`, or arguments by name.
        num_classes: Number of classes.

    Returns:
        The arguments, all that can be.

    Raises:
        ValueError: If the name, an argument or its value is none that can be.

    Example:
    >>> crf_arguments("deeplab", 21)["s_alpha"]
    50
    """
    if isinstance(crf, str):
        if crf not in CRF_PARAMETERS:
            raise ValueError(unknown("CRF", crf, list(CRF_PARAMETERS)))
        crf = CRF_PARAMETERS[crf]
    if not isinstance(crf, Mapping):
        raise ValueError(
            "A CRF must be a name, or arguments by name such as {'s_alpha': 50}. "
            f"Received: {crf!r}."
        )
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(dense_crf).parameters.items()
        if name not in _GIVEN
    }
    for name in crf:
        if name not in defaults:
            raise ValueError(unknown("argument of the CRF", name, list(defaults)))
    arguments = {**defaults, **crf}
    # One pixel shows whether it takes their values.
    pixel = np.full((1, 1, num_classes), 1 / num_classes, "float32")
    dense_crf(np.zeros((1, 1, 3), np.uint8), pixel, **arguments)
    return arguments


def crf_halo(arguments: Mapping[str, Any]) -> int:
    """Returns how far around a block the CRF looks: two standard deviations, pixels.

    Args:
        arguments: What `crf_arguments` returned.
    """
    reach = [
        arguments[deviation]
        for weight, deviation in (("w1", "s_alpha"), ("w2", "s_gamma"))
        if arguments[weight] > 0
    ]
    return math.ceil(2 * max(reach, default=0))
