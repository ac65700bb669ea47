"""Checks of what augmentations are drawn from."""

from typing import Any


def check_range(name: str, pair: Any, low: float, high: float = float("inf")):
    """Raises unless an argument is two numbers of a range, in order.

    Args:
        name: What the argument is called.
        pair: The smallest and the largest number to draw.
        low: The least that is allowed.
        high: The most that is allowed.

    Raises:
        ValueError: If it is something else.
    """
    numbers = isinstance(pair, tuple | list) and all(
        isinstance(x, int | float) for x in pair
    )
    if not (numbers and len(pair) == 2 and low <= pair[0] <= pair[1] <= high):
        limit = f"{low:g} to {high:g}" if high < float("inf") else f"{low:g} or more"
        raise ValueError(
            f"`{name}` must be two numbers in order, {limit}. Received: {pair!r}."
        )


def check_share(name: str, value: Any, high: float = 1.0):
    """Raises unless an argument is a number from 0 to `high`.

    Args:
        name: What the argument is called.
        value: The argument.
        high: The most that is allowed.

    Raises:
        ValueError: If it is something else.
    """
    if not isinstance(value, int | float) or not 0 <= value <= high:
        raise ValueError(f"`{name}` must be 0 to {high:g}. Received: {value!r}.")
