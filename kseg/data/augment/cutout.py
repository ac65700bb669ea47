"""Cutout: rectangles of the image are hidden.

DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with
Cutout" (2017), https://arxiv.org/abs/1708.04552.
"""

import dataclasses

import numpy as np

from kseg.data.geometry import NEUTRAL, Color, Example


@dataclasses.dataclass(frozen=True)
class Cutout:
    """Hides rectangles of random place and size.

    Args:
        count: Smallest and largest number of rectangles.
        sides: Smallest and largest side, as parts of the image's height and width, 0
            to 1.
        void: Whether the mask gets `ignore_class` there and the weights 0. Otherwise
            they stay, and the network must tell what is hidden from what is around.
        ignore_class: What the mask gets if it is void.
        fill: What the image gets, a grey or a colour, 0 to 255.

    Raises:
        ValueError: If numbers or sides are out of range or of order.
    """

    count: tuple[int, int] = (1, 3)
    sides: tuple[float, float] = (0.1, 0.3)
    void: bool = True
    ignore_class: int = 255
    fill: Color = NEUTRAL

    def __post_init__(self):
        """Checks the ranges."""
        ordered = 0 <= self.count[0] <= self.count[1]
        if not (ordered and 0 <= self.sides[0] <= self.sides[1] <= 1):
            raise ValueError(
                "`count` must be two numbers in order, and `sides` two parts of 1 in "
                f"order. Received: count={self.count}, sides={self.sides}."
            )

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example with rectangles hidden."""
        example = example.each(np.copy)
        for _ in range(rng.integers(self.count[0], self.count[1] + 1)):
            box = random_box(example.mask.shape, rng.uniform(*self.sides, 2), rng)
            example.image[box] = self.fill
            if self.void:
                example.mask[box] = self.ignore_class
                if example.weights is not None:
                    example.weights[box] = 0
        return example


def random_box(
    size: tuple[int, int], parts, rng: np.random.Generator
) -> tuple[slice, slice]:
    """Returns rows and columns of a rectangle that lies inside of an image.

    Args:
        size: Height and width of the image.
        parts: Height and width of the rectangle, as parts of the image's, 0 to 1.
        rng: What its place is drawn from.
    """
    slices = []
    for side, part in zip(size, parts, strict=True):
        length = min(max(round(side * part), 1), side)
        start = int(rng.integers(side - length + 1))
        slices.append(slice(start, start + length))
    return slices[0], slices[1]
