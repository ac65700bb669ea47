"""Rotation, scale, shear and translation, in one interpolation."""

import dataclasses

import numpy as np

from kseg.data.geometry import NEUTRAL, Color, Example, check_border, warp_affine


@dataclasses.dataclass(frozen=True)
class RandomRotation:
    """Rotates about the middle; the size stays.

    Args:
        degrees: The angle is drawn from -degrees to degrees, 0 to 180.
        border: `"void"` or `"mirror"`.
        ignore_class: What the mask gets beyond a void border.
        fill: What the image gets there, a grey or a colour, 0 to 255.

    Raises:
        ValueError: If the angle is out of range, or the border is another.
    """

    degrees: float = 180.0
    border: str = "void"
    ignore_class: int = 255
    fill: Color = NEUTRAL

    def __post_init__(self):
        """Checks the angle and the border."""
        check_border(self.border)
        _check_degrees("degrees", self.degrees, 180)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example rotated."""
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees))
        matrix = _about_middle(_turn(angle), example.mask.shape)
        return warp_affine(example, matrix, self.border, self.ignore_class, self.fill)


@dataclasses.dataclass(frozen=True)
class RandomAffine:
    """Rotates, scales, shears and shifts, all in one interpolation; the size stays.

    Args:
        degrees: The angle is drawn from -degrees to degrees, 0 to 180.
        scale: Smallest and largest factor of enlargement, uniform in the logarithm.
        shear: Angles by which the vertical and the horizontal lean are drawn from
            -shear to shear, in degrees below 90.
        translation: Shifts down and across are drawn from -translation to translation
            times the height and the width, 0 to 1.
        border: `"void"` or `"mirror"`.
        ignore_class: What the mask gets beyond a void border.
        fill: What the image gets there, a grey or a colour, 0 to 255.

    Raises:
        ValueError: If an argument is out of range, or the border is another.
    """

    degrees: float = 10.0
    scale: tuple[float, float] = (0.8, 1.25)
    shear: float = 5.0
    translation: float = 0.05
    border: str = "void"
    ignore_class: int = 255
    fill: Color = NEUTRAL

    def __post_init__(self):
        """Checks the ranges and the border."""
        check_border(self.border)
        _check_degrees("degrees", self.degrees, 180)
        _check_degrees("shear", self.shear, 89)
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                "`scale` must be two positive factors in order. Received: "
                f"{self.scale}."
            )
        if not 0 <= self.translation <= 1:
            raise ValueError(
                f"`translation` must be 0 to 1. Received: {self.translation}."
            )

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example moved."""
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees))
        scale = np.exp(rng.uniform(*np.log(self.scale)))
        lean = np.tan(np.deg2rad(rng.uniform(-self.shear, self.shear, 2)))
        shift = rng.uniform(-self.translation, self.translation, 2)
        shear = np.array([[1, lean[0]], [0, 1]]) @ np.array([[1, 0], [lean[1], 1]])
        height, width = example.mask.shape
        matrix = _about_middle(
            _turn(angle) @ shear / scale, (height, width), shift * (width, height)
        )
        return warp_affine(example, matrix, self.border, self.ignore_class, self.fill)


def _turn(angle: float) -> np.ndarray:
    """Returns what turns (column, row) clockwise on the screen, `(2, 2)`."""
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.array([[cosine, sine], [-sine, cosine]])


def _about_middle(linear: np.ndarray, size: tuple[int, int], shift=(0, 0)):
    """Returns the matrix of `warp_affine` that leaves the middle, but for a shift."""
    middle = (np.array(size[::-1]) - 1) / 2
    return np.column_stack([linear, middle - linear @ (middle + shift)])


def _check_degrees(name: str, degrees: float, most: int) -> None:
    """Raises if an angle is out of range."""
    if not 0 <= degrees <= most:
        raise ValueError(f"`{name}` must be 0 to {most}. Received: {degrees}.")
