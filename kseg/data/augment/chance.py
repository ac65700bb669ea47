"""Augmentations of augmentations: perhaps, one of several, and some of several."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from kseg.data.augment.ranges import check_share
from kseg.data.geometry import Example


@dataclasses.dataclass(frozen=True)
class Sometimes:
    """Applies an augmentation with a probability.

    Args:
        augmentation: Function of `(example, rng)`.
        probability: 0 to 1.

    Raises:
        ValueError: If the probability is out of range.
    """

    augmentation: Callable[[Example, np.random.Generator], Example]
    probability: float = 0.5

    def __post_init__(self):
        """Checks the probability."""
        check_share("probability", self.probability)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example augmented, or as it is."""
        if rng.random() < self.probability:
            return self.augmentation(example, rng)
        return example


@dataclasses.dataclass(frozen=True)
class SomeOf:
    """Applies some of several augmentations, drawn anew for every example.

    Each may come more than once, as in Cubuk et al., "RandAugment" (2020),
    https://arxiv.org/abs/1909.13719, whose N is `count`.

    Args:
        augmentations: Functions of `(example, rng)`.
        count: How many are applied.

    Raises:
        ValueError: If there are none to choose from, or `count` is below 1.
    """

    augmentations: Sequence[Callable[[Example, np.random.Generator], Example]]
    count: int = 1

    def __post_init__(self):
        """Checks that there is something to choose."""
        if not self.augmentations or self.count < 1:
            raise ValueError(
                "`augmentations` must be one or more, and `count` 1 or more. "
                f"Received: {len(self.augmentations)} and count={self.count}."
            )

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example augmented."""
        for choice in rng.integers(len(self.augmentations), size=self.count):
            example = self.augmentations[choice](example, rng)
        return example
