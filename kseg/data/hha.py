"""HHA: depth as disparity, height above the ground and angle with gravity.

Gupta, Girshick, Arbelaez and Malik, "Learning Rich Features from RGB-D Images for
Object Detection and Segmentation", ECCV 2014, with the direction of gravity of Gupta,
Arbelaez and Malik, "Perceptual Organization and Recognition of Indoor Scenes from RGB-D
Images", CVPR 2013. https://arxiv.org/abs/1407.5736
Sizes, thresholds and the scales of the 8 bits are those of the authors' MATLAB code
(s-gupta/rcnn-depth and s-gupta/rgbdutils on GitHub), which made the pictures that FCN
was trained on: normals of windows of 7x7 pixels for the angle and of 21x21 for gravity;
five steps with a threshold of 45 degrees and five with 15. Where that code writes
centimetres and degrees, this does.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage


class Camera(NamedTuple):
    """A pinhole camera.

    Args:
        fx: Focal length across, in pixels.
        fy: Focal length down.
        cx: Column of the optical axis; the middle of the first pixel is 0.
        cy: Its row.
    """

    fx: float
    fy: float
    cx: float
    cy: float


# The colour camera of NYU Depth v2, to which its depth is projected: camera_params.m of
# its toolbox, which counts pixels from 1.
KINECT = Camera(
    fx=518.85790117450188,
    fy=519.46961112127485,
    cx=325.58244941119034 - 1,
    cy=253.73616633400465 - 1,
)
ANGLE_RADIUS, GRAVITY_RADIUS = 3, 10
_STEPS = 5 * (45,) + 5 * (15,)  # degrees
_NEAREST = 100  # centimetres; the disparity of what is nearer is that of 1 m
_DISPARITY = 31000  # over the depth in centimetres
_LEVEL = 38  # of a floor, whose normal is that of gravity; a wall has 128
# A floor less than 90 cm below the camera is none, and is taken to be 130 cm below it.
_HIGHEST_FLOOR, _USUAL_FLOOR = -90, -130


def hha(
    depth: np.ndarray, missing: np.ndarray | None = None, camera: Camera = KINECT
) -> np.ndarray:
    """Computes HHA from a depth image.

    Args:
        depth: Floats `(height, width)` in metres along the optical axis; 0 or NaN where
            there is none.
        missing: Booleans `(height, width)`: where the sensor saw nothing and the depth
            was filled in, which does not count for normals.
        camera: The camera that took the image.

    Returns:
        uint8 array `(height, width, 3)`, clipped to 0 to 255: 310 over the depth in
        metres, height above the lowest point in centimetres, and the angle between
        normal and gravity in degrees plus 38: 38 for a floor, 128 for a wall, 218 for a
        ceiling. 0 where there is no depth or no normal.

    Raises:
        ValueError: If `depth` is no image, or `missing` is of another size.
    """
    depth = np.asarray(depth, np.float64)
    if depth.ndim != 2 or 0 in depth.shape:
        raise ValueError(
            f"`depth` must be (height, width), in metres. Received: {depth.shape}."
        )
    if missing is not None and missing.shape != depth.shape:
        raise ValueError(
            "`missing` must be of the depth's size. Received: "
            f"{missing.shape} for {depth.shape}."
        )
    known = np.isfinite(depth) & (depth > 0)
    if not known.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    measured = known if missing is None else known & ~missing
    depth = np.where(known, depth, 0)
    across, below = _rays(depth.shape, camera)
    points = np.stack([across * depth, below * depth, depth], axis=-1)
    down = gravity(normals(depth, measured, GRAVITY_RADIUS, camera))
    height = -100 * (points @ down)
    lowest = height[known].min()
    if lowest > _HIGHEST_FLOOR:
        lowest = _USUAL_FLOOR
    cosine = normals(depth, measured, ANGLE_RADIUS, camera) @ down
    channels = np.stack(
        [
            _DISPARITY / np.maximum(100 * depth, _NEAREST),
            height - lowest,
            np.degrees(np.arccos(np.clip(cosine, -1, 1))) + _LEVEL,
        ],
        axis=-1,
    )
    channels[~known] = 0
    return np.clip(np.rint(np.nan_to_num(channels)), 0, 255).astype(np.uint8)


def normals(
    depth: np.ndarray, measured: np.ndarray, radius: int, camera: Camera = KINECT
) -> np.ndarray:
    """Fits a plane to the window around each pixel.

    A plane is where the inverse of the depth is linear in column and row: least squares
    over the inverse depth, as in the authors' `computeNormalsSquareSupport.m`.

    Args:
        depth: Floats `(height, width)` in metres.
        measured: Booleans `(height, width)`: what counts.
        radius: Pixels from the middle of a window to its border.
        camera: The camera.

    Returns:
        Unit vectors `(height, width, 3)` right, down and forward, which point away from
        the camera; NaN where the window holds no three pixels off a line.
    """
    count = measured.astype(np.float64)
    inverse = np.divide(1, depth, out=np.zeros_like(count), where=measured)
    offsets = np.arange(-radius, radius + 1.0)
    ones = np.ones_like(offsets)

    def moment(values, down, across):
        """Sums over the window, weighted by powers of the offsets."""
        values = ndimage.correlate1d(values, down, axis=0, mode="constant")
        return ndimage.correlate1d(values, across, axis=1, mode="constant")

    x = moment(count, ones, offsets)
    y = moment(count, offsets, ones)
    xy = moment(count, offsets, offsets)
    row0 = np.stack([moment(count, ones, offsets**2), xy, x], axis=-1)
    row1 = np.stack([xy, moment(count, offsets**2, ones), y], axis=-1)
    row2 = np.stack([x, y, moment(count, ones, ones)], axis=-1)
    # Cramer's rule: the matrix is symmetric and of whole numbers, so its determinant is
    # 0 or at least 1.
    minors = np.cross(row1, row2), np.cross(row2, row0), np.cross(row0, row1)
    determinant = (row0 * minors[0]).sum(axis=-1)
    sums = (
        moment(inverse, ones, offsets),
        moment(inverse, offsets, ones),
        moment(inverse, ones, ones),
    )
    fit = np.einsum("shw,shwc->hwc", np.stack(sums), np.stack(minors))
    across, down = _rays(depth.shape, camera)
    plane = np.empty_like(row0)
    plane[..., 0] = camera.fx * fit[..., 0]
    plane[..., 1] = camera.fy * fit[..., 1]
    plane[..., 2] = fit[..., 2] - plane[..., 0] * across - plane[..., 1] * down
    plane[determinant < 0.5] = np.nan
    behind = plane[..., 0] * across + plane[..., 1] * down + plane[..., 2] < 0
    plane[behind] *= -1
    return plane / np.linalg.norm(plane, axis=-1, keepdims=True)


def gravity(normals: np.ndarray) -> np.ndarray:
    """Finds the direction of gravity, from the camera's down on.

    Each step takes for floors what is within a threshold of the direction so far, or of
    its opposite, and for walls what is as near to a right angle with it; the next
    direction is the one that fits the normals of both best.

    Args:
        normals: Unit vectors `(..., 3)` right, down and forward; NaN is left out.

    Returns:
        Unit vector `(3,)`.
    """
    normals = normals.reshape(-1, 3)
    normals = normals[np.isfinite(normals).all(axis=-1)]
    down = np.array([0.0, 1.0, 0.0])
    for threshold in np.radians(_STEPS):
        cosine = np.abs(normals @ down)
        floor = normals[cosine > np.cos(threshold)]
        wall = normals[cosine < np.sin(threshold)]
        if len(floor) + len(wall) == 0:
            break
        _, vectors = np.linalg.eigh(wall.T @ wall - floor.T @ floor)
        found = vectors[:, 0]
        down = found if found @ down >= 0 else -found
    return down


def _rays(shape: tuple[int, ...], camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """Returns how far right and down the ray of each pixel goes at a depth of 1."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
