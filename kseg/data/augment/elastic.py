"""Elastic deformation, as in Ronneberger et al., "U-Net"."""

import dataclasses

import numpy as np
from scipy.interpolate import CubicSpline

from kseg.data.geometry import NEUTRAL, Color, Example, check_border, warp


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
        fill: What the image gets there, a grey or a colour, 0 to 255.

    Raises:
        ValueError: If `sigma` is negative, the grid too coarse, or the border
            another.
    """

    sigma: float = 10.0
    grid: tuple[int, int] = (3, 3)
    border: str = "mirror"
    ignore_class: int = 255
    fill: Color = NEUTRAL

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
        places[0] += np.arange(places.shape[1], dtype=np.float32)[:, np.newaxis]
        places[1] += np.arange(places.shape[2], dtype=np.float32)
        return warp(example, places, self.border, self.ignore_class, self.fill)

    def flow(self, size: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """Returns how far away, down and across, each pixel is taken from.

        Args:
            size: Height and width in pixels.
            rng: What it is drawn from.

        Returns:
            float32 array `(2, height, width)` in pixels.
        """
        displacements = np.float32(rng.normal(0, self.sigma, (2, *self.grid)))
        down, across = (
            # Column i is the spline that is 1 at grid point i and 0 at the others.
            CubicSpline(np.arange(points), np.eye(points), bc_type="natural")(
                np.linspace(0, points - 1, side)
            ).astype(np.float32)
            for points, side in zip(self.grid, size, strict=True)
        )
        return down @ displacements @ across.T
