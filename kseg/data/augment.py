"""Augmentations: functions of `(example, rng)` that return an `Example`.

They run on NumPy, Pillow and SciPy, so `tf.data` and the TensorFlow-free loader
share them. Those that move pixels move image, mask and weights alike; what they
find beyond the border of an image is said in `kseg.data.geometry`. Any function of
the same arguments is an augmentation too, such as
`lambda example, rng: example._replace(image=255 - example.image)`.

Rotation and deformation are best put in front of `RandomScaleCrop`, so that they
bring in what is beside the crop, and the border of the image only where it ends.
Ronneberger et al., "U-Net", section 3.1, shifts (the place of the crop), rotates,
deforms elastically and varies grey values (`ColorJitter`).
"""

import dataclasses

import numpy as np
from scipy.interpolate import CubicSpline

from kseg.data.geometry import Example, check_border, pad, resize, warp


@dataclasses.dataclass(frozen=True)
class RandomScaleCrop:
    """Cuts a window of random scale and place, and resizes it to one size.

    The window lies inside of the image, and a smaller image in its middle. With the
    border `"mirror"` and a `mask_size`, that middle lies inside, and all pixels of
    the image come to be in it, the outermost too. At the scale 1 windows are whole
    pixels, and nothing is interpolated.

    Args:
        size: Height and width of the result in pixels.
        scale: Smallest and largest factor by which the image is enlarged.
        ignore_class: What the mask gets beyond a void border.
        border: `"void"` or `"mirror"`.
        mask_size: Height and width of the middle that a network of `valid`
            convolutions returns; `None` for all.

    Raises:
        ValueError: If a factor is not positive, they are out of order, or the border
            is another.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (0.5, 2.0)
    ignore_class: int = 255
    border: str = "void"
    mask_size: tuple[int, int] | None = None

    def __post_init__(self):
        """Checks the factors and the border."""
        check_border(self.border)
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(
                "`scale` must be two positive factors in order. Received: "
                f"{self.scale}."
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
        example = pad(example, pads, self.border, self.ignore_class)
        height, width = window
        top = rng.uniform(0, example.mask.shape[0] - height)
        left = rng.uniform(0, example.mask.shape[1] - width)
        if scale == 1:
            top, left = round(top), round(left)
        return resize(example, self.size, (left, top, left + width, top + height))


@dataclasses.dataclass(frozen=True)
class RandomFlip:
    """Mirrors left and right, and top and bottom, each with a probability.

    Args:
        probability: Of left and right, 0 to 1.
        vertical: Of top and bottom, 0 to 1.
    """

    probability: float = 0.5
    vertical: float = 0.0

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example mirrored, or as it is."""
        if rng.random() < self.probability:
            example = example.each(np.fliplr)
        if self.vertical and rng.random() < self.vertical:
            example = example.each(np.flipud)
        return example


@dataclasses.dataclass(frozen=True)
class RandomQuarterTurn:
    """Turns by 0, 90, 180 or 270 degrees, without interpolation.

    Height and width change places where the turn is odd: it belongs in front of
    `RandomScaleCrop`, or behind one of a square.
    """

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example turned."""
        turns = int(rng.integers(4))
        return example.each(lambda array: np.rot90(array, turns))


@dataclasses.dataclass(frozen=True)
class RandomRotation:
    """Rotates about the middle; the size stays.

    Args:
        degrees: The angle is drawn from -degrees to degrees, 0 to 180.
        border: `"void"` or `"mirror"`.
        ignore_class: What the mask gets beyond a void border.

    Raises:
        ValueError: If the angle is out of range, or the border is another.
    """

    degrees: float = 180.0
    border: str = "void"
    ignore_class: int = 255

    def __post_init__(self):
        """Checks the angle and the border."""
        check_border(self.border)
        if not 0 <= self.degrees <= 180:
            raise ValueError(f"`degrees` must be 0 to 180. Received: {self.degrees}.")

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example rotated."""
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees))
        height, width = example.mask.shape
        row, column = (height - 1) / 2, (width - 1) / 2
        rows, columns = np.ogrid[-row : row + 1, -column : column + 1]
        sine, cosine = np.sin(angle), np.cos(angle)
        places = np.stack(
            [
                row + cosine * rows - sine * columns,
                column + sine * rows + cosine * columns,
            ]
        )
        return warp(example, places, self.border, self.ignore_class)


@dataclasses.dataclass(frozen=True)
class ElasticDeformation:
    """Displaces pixels smoothly (Ronneberger et al., "U-Net", section 3.1).

    Displacements are drawn on a coarse grid whose corners are the image's, and
    bicubic interpolation, by natural cubic splines, gives every pixel its own.

    Args:
        sigma: Standard deviation of a grid point's displacement, down and across, in
            pixels.
        grid: Points of the grid, down and across, 2 or more each.
        border: `"mirror"`, as in the paper: a displacement reaches beyond the border
            by a few pixels, and a mirrored cell carries its own mask, so these are
            worth training on. Or `"void"`, as elsewhere in kseg.
        ignore_class: What the mask gets beyond a void border.

    Raises:
        ValueError: If `sigma` is negative, the grid too coarse, or the border
            another.
    """

    sigma: float = 10.0
    grid: tuple[int, int] = (3, 3)
    border: str = "mirror"
    ignore_class: int = 255

    def __post_init__(self):
        """Checks the arguments."""
        check_border(self.border)
        if self.sigma < 0 or min(self.grid) < 2:
            raise ValueError(
                "`sigma` must be 0 or more, and `grid` two numbers of 2 or more. "
                f"Received: sigma={self.sigma}, grid={self.grid}."
            )

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the example deformed."""
        places = self.flow(example.mask.shape, rng)
        places[0] += np.arange(places.shape[1])[:, np.newaxis]
        places[1] += np.arange(places.shape[2])
        return warp(example, places, self.border, self.ignore_class)

    def flow(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Returns how far away, down and across, each pixel is taken from.

        Args:
            size: Height and width in pixels.
            rng: What it is drawn from.

        Returns:
            Array `(2, height, width)` in pixels.
        """
        displacements = rng.normal(0, self.sigma, (2, *self.grid))
        down, across = (
            # Column i is the spline that is 1 at grid point i and 0 at the others.
            CubicSpline(np.arange(points), np.eye(points), bc_type="natural")(
                np.linspace(0, points - 1, side)
            )
            for points, side in zip(self.grid, size, strict=True)
        )
        return down @ displacements @ across.T


@dataclasses.dataclass(frozen=True)
class ColorJitter:
    """Changes brightness, contrast and saturation, each by a random factor.

    Args:
        brightness: The factor is drawn from 1 - brightness to 1 + brightness.
        contrast: Likewise, about the image's mean grey.
        saturation: Likewise, about each pixel's grey; grey images have none.
    """

    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image in other colours."""
        brightness, contrast, saturation = 1 + rng.uniform(-1, 1, 3) * (
            self.brightness,
            self.contrast,
            self.saturation,
        )
        luma = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
        # All three are linear in the colour, so one matrix and offset do.
        matrix = saturation * np.eye(3) + (1 - saturation) * np.outer(luma, np.ones(3))
        mean = float(example.image.mean(axis=(0, 1)) @ luma)
        matrix = (matrix * contrast * brightness).astype(np.float32)
        offset = np.float32((1 - contrast) * brightness * mean)
        colors = example.image.astype(np.float32) @ matrix + offset
        return example._replace(image=np.clip(colors + 0.5, 0, 255).astype(np.uint8))
