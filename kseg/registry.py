"""One dictionary from a network's name to the function that builds it."""

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

_NETWORKS: "dict[str, Callable[..., keras.Model]]" = {}


def register(name: str) -> Callable[[Callable], Callable]:
    """Registers the decorated builder under `name`.

    Args:
        name: The name that `build` will know; also the name of the model.

    Returns:
        A decorator that returns the function unchanged.

    Raises:
        ValueError: If `name` is taken.
    """

    def decorator(builder):
        if name in _NETWORKS:
            raise ValueError(
                f"A network's name must be new. Received: {name!r}, which is "
                f"{_NETWORKS[name].__module__}.{_NETWORKS[name].__qualname__}."
            )
        _NETWORKS[name] = builder
        return builder

    return decorator


def names() -> list[str]:
    """Returns the names of all registered networks, sorted."""
    return sorted(_NETWORKS)


def builder(name: str) -> "Callable[..., keras.Model]":
    """Returns the function registered under `name`.

    Args:
        name: One of `names()`.

    Raises:
        ValueError: If `name` is unknown; the message lists the known names.
    """
    if name not in _NETWORKS:
        raise ValueError(unknown("network", name, names()))
    return _NETWORKS[name]


def check_num_classes(num_classes: int) -> None:
    """Raises if there are fewer than two classes.

    Args:
        num_classes: Number of classes: background counts, void does not.

    Raises:
        ValueError: If it is below 2.
    """
    if num_classes < 2:
        raise ValueError(f"`num_classes` must be 2 or more. Received: {num_classes}.")


def check_output_stride(output_stride: int) -> None:
    """Raises if a dense map is not at an eighth or a sixteenth of the image's size.

    Args:
        output_stride: The stride of a backbone's last map.

    Raises:
        ValueError: If it is neither 8 nor 16.
    """
    if output_stride not in (8, 16):
        raise ValueError(f"`output_stride` must be 8 or 16. Received: {output_stride}.")


def unknown(kind: str, name: object, known: list[str]) -> str:
    """Words the error for a name that is not in a list.

    Args:
        kind: What the name is of, for the message: `"network"`.
        name: What was received.
        known: All names that would have been right.

    Returns:
        One sentence with the known names, what was received, and the nearest.
    """
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"The {kind} must be one of {known}. Received: {name!r}.{hint}"
