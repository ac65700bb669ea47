"""What a law of growth is: what kseg must not exceed, and what was found."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

# How far an exponent may lie above what it must be: caches and the logarithms of
# sorting are in it, one more factor of a side is not.
TOLERANCE = 0.3

Work = Callable[[], object]


@dataclasses.dataclass(frozen=True)
class Law:
    """How what a part of kseg takes must grow.

    Args:
        part: The part of kseg.
        name: What is done.
        over: What the sizes count.
        sizes: From small to large, each a few times the one before.
        prepare: From a size and an empty folder to the work, a function of nothing.
            Only the work is measured.
        must: The exponents that were predicted, by what is measured: `"seconds"`,
            `"megabytes"` of memory, or `"kilobytes"` that the work returns.
        why: Where the exponents come from.
    """

    part: str
    name: str
    over: str
    sizes: Sequence[int]
    prepare: Callable[[int, Path], Work]
    must: Mapping[str, float]
    why: str

    @property
    def title(self) -> str:
        """What to call the law."""
        return f"{self.name}, over {self.over}"


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured of a law.

    Args:
        law: The law.
        unit: A key of its `must`.
        sizes: Of its sizes those that were measured.
        values: What each took, above 0.
    """

    law: Law
    unit: str
    sizes: Sequence[int]
    values: Sequence[float]

    @property
    def must(self) -> float:
        """The exponent that was predicted."""
        return self.law.must[self.unit]

    @property
    def exponent(self) -> float:
        """The exponent that was found."""
        return exponent(self.sizes, self.values)

    @property
    def too_fast(self) -> bool:
        """Whether it grows faster than it must."""
        return self.exponent > self.must + TOLERANCE

    def to_dict(self) -> dict:
        """Returns a dictionary that JSON can hold."""
        return {
            "part": self.law.part,
            "law": self.law.title,
            "unit": self.unit,
            "sizes": list(self.sizes),
            "values": list(self.values),
            "must": self.must,
            "exponent": self.exponent,
            "too_fast": self.too_fast,
        }


def squares(*sides: int) -> list[int]:
    """Returns the pixels of squares, as sizes of a law.

    Args:
        sides: Their heights and widths.
    """
    return [side**2 for side in sides]


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Fits the exponent of a power law by least squares of logarithms.

    Args:
        sizes: From small to large; the upper half of them counts, three at least.
        values: What each took, above 0.
    """
    x, y = np.log(upper(sizes)), np.log(upper(values))
    return float(np.polyfit(x, y, 1)[0])


def upper(values: Sequence) -> Sequence:
    """Returns the upper half of what lies in order, three at least.

    Args:
        values: From small to large.
    """
    return values[-max(-(-len(values) // 2), 3) :]
