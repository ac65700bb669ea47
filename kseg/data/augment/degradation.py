"""What cameras and files do to an image: blur, noise and JPEG.

The mask stays: what is out of focus is where it was.
"""

import dataclasses
import statistics

import cv2
import numpy as np

from kseg.data.augment.ranges import check_range
from kseg.data.geometry import Example

# The standard normal distribution in 256 equally likely steps.
_QUANTILES = np.array(
    [statistics.NormalDist().inv_cdf((step + 0.5) / 256) for step in range(256)],
    np.float32,
)
_QUANTILES /= _QUANTILES.std()


@dataclasses.dataclass(frozen=True)
class GaussianBlur:
    """Blurs alike in all directions.

    Args:
        sigma: Smallest and largest standard deviation in pixels, 0.1 or more.

    Raises:
        ValueError: If a deviation is out of range, or they are out of order.
    """

    sigma: tuple[float, float] = (0.3, 2.0)

    def __post_init__(self):
        """Checks the deviations."""
        check_range("sigma", self.sigma, 0.1)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image blurred."""
        sigma = rng.uniform(*self.sigma)
        return example._replace(image=cv2.GaussianBlur(example.image, (0, 0), sigma))


@dataclasses.dataclass(frozen=True)
class MotionBlur:
    """Blurs along a line of random direction, as a moving camera does.

    Args:
        length: Shortest and longest line in pixels, 1 or more.

    Raises:
        ValueError: If a length is below 1, or they are out of order.
    """

    length: tuple[int, int] = (3, 9)

    def __post_init__(self):
        """Checks the lengths."""
        check_range("length", self.length, 1)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image blurred."""
        length = int(rng.integers(self.length[0], self.length[1] + 1))
        angle = rng.uniform(0, np.pi)
        # The line is drawn by points, each shared out to the four pixels around it,
        # so that it is centred whatever its direction.
        side = length + 1 - length % 2
        along = np.linspace(-(length - 1) / 2, (length - 1) / 2, 4 * length)
        middle = side // 2
        kernel = np.zeros((side + 2, side + 2), np.float32)
        for column, row in zip(
            middle + along * np.cos(angle), middle + along * np.sin(angle), strict=True
        ):
            x, y = int(column), int(row)
            right, down = column - x, row - y
            kernel[y : y + 2, x : x + 2] += np.outer(
                [1 - down, down], [1 - right, right]
            )
        kernel = kernel[:side, :side]
        image = cv2.filter2D(
            example.image, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT_101
        )
        return example._replace(image=image)


@dataclasses.dataclass(frozen=True)
class GaussianNoise:
    """Adds normal noise, its own to every pixel and channel.

    It is drawn in 256 steps, of which the outermost are at 2.9 standard deviations.

    Args:
        sigma: Smallest and largest standard deviation, in levels of 255, 0 or more.

    Raises:
        ValueError: If a deviation is negative, or they are out of order.
    """

    sigma: tuple[float, float] = (2.0, 12.0)

    def __post_init__(self):
        """Checks the deviations."""
        check_range("sigma", self.sigma, 0)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns the image with noise."""
        sigma = rng.uniform(*self.sigma)
        shape = example.image.shape
        steps = rng.integers(0, 256, shape, np.uint8)
        noise = cv2.LUT(steps, np.float32(sigma) * _QUANTILES).reshape(shape)
        return example._replace(image=cv2.add(example.image, noise, dtype=cv2.CV_8U))


@dataclasses.dataclass(frozen=True)
class JpegCompression:
    """Encodes the image as a JPEG and decodes it, with all that gets lost.

    Args:
        quality: Lowest and highest quality, 1 to 100.

    Raises:
        ValueError: If a quality is out of range, or they are out of order.
    """

    quality: tuple[int, int] = (30, 95)

    def __post_init__(self):
        """Checks the qualities."""
        check_range("quality", self.quality, 1, 100)

    def __call__(self, example: Example, rng: np.random.Generator) -> Example:
        """Returns what is left of the image."""
        quality = int(rng.integers(self.quality[0], self.quality[1] + 1))
        # OpenCV's files hold blue, green and red.
        _, file = cv2.imencode(
            ".jpg",
            cv2.cvtColor(example.image, cv2.COLOR_RGB2BGR),
            [cv2.IMWRITE_JPEG_QUALITY, quality],
        )
        decoded = np.asarray(cv2.imdecode(file, cv2.IMREAD_COLOR))
        return example._replace(image=cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))
