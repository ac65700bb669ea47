"""A window of random scale and place."""

import dataclasses
from collections.abc import Callable

import numpy as np

from kseg.data.geometry import Example, check_border, cut, pad

# As many as mmsegmentation's `RandomCrop` looks at.
_WINDOWS = 10


@dataclasses.dataclass(frozen=True)
class RandomScaleCrop:
    """Cuts a window of random scale and place, and resizes it to one size.

    The window lies inside of the image, and a smaller image in its middle. With the
    border `"mirror"` and a `mask_size`, that middle lies inside, and all pixels of
    the image come to be in it, the outermost too. At the scale 1 windows are whole
    pixels, and nothing is interpolated.

    Both ways to see rare classes more often draw the place anew, and never the scale.

    Args:
        size: Height and width of the result in pixels.
        scale: Smallest and largest factor by which the image is enlarged.
        ignore_class: What the mask gets beyond a void border.
        border: `"void"` or `"mirror"`.
        mask_size: Height and width of the middle that a network of `valid`
            convolutions returns; `None` for all.
        cat_max_ratio: Largest share that a class may have of the valid pixels of a
            window, which must have some; of up to ten windows the first within it is
            taken, or else the last. 1 takes the first, as it is. Cityscapes and ADE20K
            are often trained at 0.75, mmsegmentation's `RandomCrop` has the name.
        centre: A function of `(mask, rng)` that returns row and column, in pixels of
            the image, which the middle of the window is put at, as far as the window
            stays inside; or `None` for a window anywhere. Such as
            `kseg.data.ClassCentre`.

    Raises:
        ValueError: If a factor is not positive, they are out of order, the ratio is
            not above 0 and up to 1, or the border is another.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    ignore_class: int = 255
    border: str = "void"
    mask_size: tuple[int, int] | None = None
    cat_max_ratio: float = 1.0
    centre: Callable | None = None

    def __post_init__(self):
        """Checks the factors and the border."""
        check_border(self.border)
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                "`scale` must be two positive factors in order. Received: "
                f"{self.scale}."
            )
        if not 0 < self.cat_max_ratio <= 1:
            raise ValueError(
                "`cat_max_ratio` must be above 0 and up to 1. Received: "
                f"{self.cat_max_ratio}."
            )

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the window."""
        low, high = np.log(self.scale)
        scale = np.exp(rng.uniform(low, high))
        middle = self.mask_size if self.border == "mirror" else None
        pads, window = [], []
        for have, side, part in zip(
            example.mask.shape, self.size, middle or self.size, strict=True
        ):
            overhang = int((side - part) / 2 / scale)
            extra = max(2 * overhang, int(np.ceil(side / scale)) - have, 0)
            pads.append((extra // 2, extra - extra // 2))
            window.append(side / scale)
        height, width = window
        whole = example
        if self.border == "mirror":
            whole = pad(example, pads, self.border, self.ignore_class)
            origin = pads[0][0], pads[1][0]
        else:
            origin = 0, 0
        for _ in range(_WINDOWS):
            place = self.centre(example.mask, rng) if self.centre else None
            corner = self._corner(place, pads, window, example.mask.shape, rng)
            if scale == 1:
                corner = [round(side) for side in corner]
            top, left = corner[0] + origin[0], corner[1] + origin[1]
            if self._is_mixed(whole.mask, top, left, height, width):
                break
        box = left, top, left + width, top + height
        return cut(whole, self.size, box, self.ignore_class)

    @staticmethod
    def _corner(place, pads, window, size, rng: np.random.Generator):
        """Returns the top and the left of a window, which may be in the padding."""
        corner = []
        for axis, ((before, after), side, have) in enumerate(
            zip(pads, window, size, strict=True)
        ):
            low, high = -before, have + after - side
            if place is None:
                corner.append(rng.uniform(low, high))
            else:
                corner.append(min(max(place[axis] - side / 2, low), high))
        return corner

    def _is_mixed(self, mask: np.ndarray, top, left, height, width) -> bool:
        """Returns whether no class has too much of what counts in a window."""
        if self.cat_max_ratio == 1:
            return True
        if self.mask_size is not None:
            margins = [
                (1 - part / side) / 2
                for part, side in zip(self.mask_size, self.size, strict=True)
            ]
            top, left = top + margins[0] * height, left + margins[1] * width
            height, width = height * (1 - 2 * margins[0]), width * (1 - 2 * margins[1])
        bottom, right = top + height, left + width
        top, left = max(round(top), 0), max(round(left), 0)
        rows = slice(top, max(round(bottom), top + 1))
        columns = slice(left, max(round(right), left + 1))
        window = mask[rows, columns]
        pixels = np.bincount(window[window != self.ignore_class].ravel())
        return 0 < pixels.max(initial=0) <= self.cat_max_ratio * pixels.sum()
