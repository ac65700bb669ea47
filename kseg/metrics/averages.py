"""Divisions and means in which nothing to divide by is NaN, and no warning."""

from types import ModuleType
from typing import Any


def ratio(xp: ModuleType, part: Any, whole: Any) -> Any:
    """Divides counts; NaN, without a warning, where the whole is 0.

    Args:
        xp: `numpy` or `keras.ops`, whichever the arrays belong to.
        part: Floating point array.
        whole: Floating point array of counts: 0, or 1 and more.
    """
    return xp.where(whole > 0, part / xp.maximum(whole, 1.0), float("nan"))


def mean_of_known(xp: ModuleType, values: Any, axis: int | None = None) -> Any:
    """Averages what is not NaN; NaN, without a warning, where all is NaN.

    Args:
        xp: `numpy` or `keras.ops`, whichever the array belongs to.
        values: Floating point array.
        axis: The axis to average over; `None` for all.
    """
    unknown = xp.isnan(values)
    known = xp.where(unknown, xp.zeros_like(values), xp.ones_like(values))
    values = xp.where(unknown, xp.zeros_like(values), values)
    return ratio(xp, xp.sum(values, axis=axis), xp.sum(known, axis=axis))
