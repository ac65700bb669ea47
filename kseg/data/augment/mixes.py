"""Mixes: one example made of several of the same size.

A mix is a function of `(examples, rng)` with two attributes more: `partners`, how many
examples it takes beside the first, and `probability`, how often it is applied.
`Examples` draws the partners, augments each of them, and hands them over.

- CutMix: Yun et al. (2019), https://arxiv.org/abs/1905.04899; French et al. (2020),
  https://arxiv.org/abs/1906.01916, for segmentation.
- ClassMix: Olsson et al. (2021), https://arxiv.org/abs/2007.07936, algorithm 1.
- MixUp: Zhang et al. (2018), https://arxiv.org/abs/1710.09412.
- Mosaic: Bochkovskiy et al., "YOLOv4" (2020), https://arxiv.org/abs/2004.10934.
- Copy-paste: Ghiasi et al. (2021), https://arxiv.org/abs/2012.07177, of classes
  instead of objects, without another scale: the augmentations in front have done that.
"""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, Protocol

import cv2
import numpy as np

from kseg.data.augment.cutout import random_box
from kseg.data.geometry import Example


class Mix(Protocol):
    """What `Examples` takes as a mix.

    Args:
        probability: How often it is applied, 0 to 1.
        partners: Examples that it takes beside the first.
    """

    @property
    def probability(self) -> float:
        """How often it is applied, 0 to 1."""
        ...

    @property
    def partners(self) -> int:
        """Examples that it takes beside the first."""
        ...

    def __call__(
        self, examples: Sequence[Example], rng: np.random.Generator
    ) -> Example:
        """Returns the mix of `1 + partners` examples of one size."""
        ...


@dataclasses.dataclass(frozen=True)
class CutMix:
    """Puts a rectangle of the second example into the first, at the same place.

    Args:
        alpha: Of the distribution Beta(alpha, alpha) of the first's share of the
            area; 1 makes all shares equally likely.
        probability: How often it is applied, 0 to 1.
    """

    alpha: float = 1.0
    probability: float = 0.5
    partners: ClassVar[int] = 1

    def __post_init__(self):
        """Checks the arguments."""
        _check(self.probability, self.alpha)

    def __call__(
        self, examples: Sequence[Example], rng: np.random.Generator
    ) -> Example:
        """Returns the first with a rectangle of the second."""
        first, second = examples
        side = np.sqrt(1 - rng.beta(self.alpha, self.alpha))
        box = random_box(first.mask.shape, (side, side), rng)
        pasted = np.zeros(first.mask.shape, np.uint8)
        pasted[box] = 1
        return _paste(second, first, pasted)


@dataclasses.dataclass(frozen=True)
class ClassMix:
    """Puts the pixels of half of the second example's classes into the first.

    Args:
        ignore_class: What counts as no class, and is not pasted.
        probability: How often it is applied, 0 to 1.
    """

    ignore_class: int = 255
    probability: float = 0.5
    partners: ClassVar[int] = 1

    def __post_init__(self):
        """Checks the probability."""
        _check(self.probability)

    def __call__(
        self, examples: Sequence[Example], rng: np.random.Generator
    ) -> Example:
        """Returns the first with classes of the second."""
        first, second = examples
        classes = np.unique(second.mask)
        classes = classes[classes != self.ignore_class]
        chosen = rng.permutation(classes)[: (len(classes) + 1) // 2]
        return _paste(second, first, _are(second.mask, chosen))


@dataclasses.dataclass(frozen=True)
class CopyPaste:
    """Puts the pixels of given classes of the second example into the first.

    Args:
        classes: Ids of the classes, such as those that are rare.
        probability: How often it is applied, 0 to 1.

    Raises:
        ValueError: If there are no classes.
    """

    classes: tuple[int, ...]
    probability: float = 0.5
    partners: ClassVar[int] = 1

    def __post_init__(self):
        """Checks the arguments."""
        _check(self.probability)
        if not len(self.classes):
            raise ValueError("`classes` must be one id or more. Received: none.")

    def __call__(
        self, examples: Sequence[Example], rng: np.random.Generator
    ) -> Example:
        """Returns the first with the classes of the second."""
        first, second = examples
        return _paste(second, first, _are(second.mask, self.classes))


@dataclasses.dataclass(frozen=True)
class MixUp:
    """Blends two images, and takes the mask of one of them.

    MixUp's loss is the blend's shares times the losses with either mask. The mask is
    drawn with these shares, so that the loss with it is that one's unbiased estimate
    at every pixel, and masks stay masks of ids.

    Args:
        alpha: Of the distribution Beta(alpha, alpha) of the first's share.
        probability: How often it is applied, 0 to 1.
    """

    alpha: float = 0.2
    probability: float = 0.5
    partners: ClassVar[int] = 1

    def __post_init__(self):
        """Checks the arguments."""
        _check(self.probability, self.alpha)

    def __call__(
        self, examples: Sequence[Example], rng: np.random.Generator
    ) -> Example:
        """Returns the blend, with the mask and the weights of one of the two."""
        first, second = examples
        share = rng.beta(self.alpha, self.alpha)
        image = cv2.addWeighted(first.image, share, second.image, 1 - share, 0)
        kept = first if rng.random() < share else second
        return kept._replace(image=image)


@dataclasses.dataclass(frozen=True)
class Mosaic:
    """Puts windows of four examples side by side, around a random point.

    The first is above on the left, then above on the right, and below. Each window is
    as large as its corner, at a random place of its example, and is not resized.

    Args:
        centre: Smallest and largest part of the height and of the width at which the
            four meet, 0 to 1.
        probability: How often it is applied, 0 to 1.
    """

    centre: tuple[float, float] = (0.25, 0.75)
    probability: float = 0.5
    partners: ClassVar[int] = 3

    def __post_init__(self):
        """Checks the arguments."""
        _check(self.probability)
        if not 0 <= self.centre[0] <= self.centre[1] <= 1:
            raise ValueError(
                f"`centre` must be two parts of 1 in order. Received: {self.centre}."
            )

    def __call__(
        self, examples: Sequence[Example], rng: np.random.Generator
    ) -> Example:
        """Returns the four in one."""
        height, width = examples[0].mask.shape
        down, across = rng.uniform(*self.centre, 2)
        row, column = round(height * down), round(width * across)
        mixed = examples[0].each(np.empty_like)
        corners = [
            (rows, columns)
            for rows in (slice(0, row), slice(row, height))
            for columns in (slice(0, column), slice(column, width))
        ]
        for example, (rows, columns) in zip(examples, corners, strict=True):
            down = int(rng.integers(height - (rows.stop - rows.start) + 1))
            across = int(rng.integers(width - (columns.stop - columns.start) + 1))
            window = (
                slice(down, down + rows.stop - rows.start),
                slice(across, across + columns.stop - columns.start),
            )
            for target, array in zip(mixed, example, strict=True):
                if target is not None and array is not None:
                    target[rows, columns] = array[window]
        return mixed


def _are(mask: np.ndarray, classes) -> np.ndarray:
    """Returns 1 where a mask holds one of some classes, as uint8."""
    return np.isin(mask, classes).astype(np.uint8)


def _paste(source: Example, target: Example, pasted: np.ndarray) -> Example:
    """Returns the target with the pixels of the source where `pasted` is 1."""
    image = cv2.copyTo(source.image, pasted, np.array(target.image, order="C"))
    chosen = pasted.astype(bool)
    mask = np.where(chosen, source.mask, target.mask)
    if target.weights is None or source.weights is None:
        return Example(image, mask)
    return Example(image, mask, np.where(chosen, source.weights, target.weights))


def _check(probability: float, alpha: float = 1.0) -> None:
    """Raises if a probability or a parameter of a distribution is out of range."""
    if not 0 <= probability <= 1:
        raise ValueError(f"`probability` must be 0 to 1. Received: {probability}.")
    if alpha <= 0:
        raise ValueError(f"`alpha` must be positive. Received: {alpha}.")
