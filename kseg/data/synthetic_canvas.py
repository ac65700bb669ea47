"""The drawing board of the synthetic streets: a camera, a canvas and brushes.

Painters work in metres in front of a pin-hole camera. A brush draws every polygon
twice with the same geometry: its colour into the picture and the identity of its
object into a second picture, both `SUPERSAMPLING` times larger than asked for.
Reduced with a box filter the first becomes an anti-aliased photograph; the centre
of each box of the second becomes a crisp mask, void where an outline crosses it.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from kseg.labels import Labels

RGB = Sequence[float]

SUPERSAMPLING = 3
OVERCAST = 0.1  # no shadows are cast below this depth of shadows
_TILE = 256
_NEAREST_DEPTH = 0.8


@functools.cache
def noise(exponent: float, seed: int = 0) -> np.ndarray:
    """Returns a seamless tile of noise whose amplitude falls as 1 / frequency^e.

    Args:
        exponent: 0 is white noise, 1 is leaves and asphalt, 2 is clouds.
        seed: Which of the tiles of this kind.

    Returns:
        Float32 `(256, 256)`, mean 0, standard deviation 1.
    """
    white = np.random.default_rng(seed).standard_normal((_TILE, _TILE))
    rows, columns = np.fft.fftfreq(_TILE)[:, None], np.fft.rfftfreq(_TILE)[None]
    frequency = np.hypot(rows, columns)
    frequency[0, 0] = np.inf
    tile = np.fft.irfft2(np.fft.rfft2(white) / frequency**exponent, s=white.shape)
    tile = ((tile - tile.mean()) / tile.std()).astype("float32")
    tile.setflags(write=False)  # every caller gets the same one
    return tile


def sample(tile: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Returns a tile's values at real coordinates that broadcast; it repeats."""
    return tile[
        np.floor(rows).astype("int32") % _TILE,
        np.floor(columns).astype("int32") % _TILE,
    ]


def mix(first: RGB, second: RGB, share: float) -> tuple[float, ...]:
    """Returns the colour `share` of the way from the first to the second."""
    return tuple([a + (b - a) * share for a, b in zip(first, second, strict=True)])


def shade(color: RGB, gain: float) -> tuple[float, ...]:
    """Returns the colour times `gain`, within 0 to 255."""
    return tuple([min(max(value * gain, 0.0), 255.0) for value in color])


@dataclasses.dataclass(frozen=True)
class Camera:
    """A pin-hole camera that looks along a road.

    World coordinates are in metres: x to the right, y up from the ground, z ahead.

    Args:
        focal: Focal length, canvas pixels.
        center: Column of the vanishing point, canvas pixels.
        horizon: Row of the vanishing point, canvas pixels.
        height: Height of the lens above the ground, metres.
        offset: How far right of the middle of the road the camera is, metres.
        roll: Tilt of the camera, the tangent of its angle.
        bend: Sideways drift of the world per square metre of depth.
        hill: Rise of the world per square metre of depth.
    """

    focal: float
    center: float
    horizon: float
    height: float
    offset: float = 0.0
    roll: float = 0.0
    bend: float = 0.0
    hill: float = 0.0

    def project(self, points) -> np.ndarray:
        """Returns the `(..., 2)` canvas columns and rows of `(..., 3)` points."""
        points = np.asarray(points, "float64")
        z = np.maximum(points[..., 2], _NEAREST_DEPTH)
        scale, square = self.focal / z, z * z
        right = (points[..., 0] - self.offset + self.bend * square) * scale
        down = (self.height - points[..., 1] - self.hill * square) * scale
        plane = np.empty((*z.shape, 2))
        plane[..., 0] = self.center + right - self.roll * down
        plane[..., 1] = self.horizon + down + self.roll * right
        return plane


@dataclasses.dataclass(frozen=True)
class Light:
    """The weather of a scene.

    Args:
        zenith: Colour of the sky overhead.
        skyline: Colour of the sky at the horizon, and of the haze.
        shift: How far a shadow of one metre of height falls to x and z, metres.
        depth: Darkness of shadows, from `OVERCAST` to 1 (black).
        sight: Depth at which haze has taken 63 % of a colour, metres.
    """

    zenith: RGB
    skyline: RGB
    shift: tuple[float, float]
    depth: float
    sight: float

    def facing(self, x: float, z: float) -> float:
        """Returns the brightness of an upright face whose normal is `(x, z)`."""
        away = (x * self.shift[0] + z * self.shift[1]) / np.hypot(*self.shift)
        return 1.0 - self.depth * (0.35 + 0.35 * float(away))


class Canvas:
    """A picture and the map of which object each of its pixels shows."""

    def __init__(
        self, size: tuple[int, int], labels: Labels, camera: Camera, light: Light
    ):
        """Makes an empty canvas: black, and void everywhere.

        Args:
            size: Height and width of the results, pixels.
            labels: The classes that brushes are named by.
            camera: Where world coordinates land, in canvas pixels.
            light: Haze and shadows.
        """
        self.size, self.labels, self.camera, self.light = size, labels, camera, light
        self.height, self.width = (SUPERSAMPLING * side for side in size)
        shape = (self.width, self.height)
        self.image = Image.new("RGB", shape)
        self.identities = Image.new("L", shape, labels.ignore_class)
        self.image_pen = ImageDraw.Draw(self.image)
        self.identity_pen = ImageDraw.Draw(self.identities)
        self._instances = 0
        self._classes = np.arange(256, dtype="uint8")  # of every identity

    def brush(self, name: str, depth: float, instance: bool = False) -> "Brush":
        """Returns a brush for a class.

        Args:
            name: A name of `labels`, or `"void"`.
            depth: Distance for the haze, metres.
            instance: Whether the object is outlined against its own class too.
        """
        labels = self.labels
        void = name == "void"
        identity = labels.ignore_class if void else labels.names.index(name)
        if instance:  # numbers between the classes and void, in turn
            first = labels.num_classes
            number = first + self._instances % (labels.ignore_class - first)
            self._classes[number] = identity
            self._instances, identity = self._instances + 1, number
        haze = 1.0 - float(np.exp(-depth / self.light.sight))
        return Brush(self, identity, haze)

    def cast_shadows(self, feet: np.ndarray, heights: np.ndarray) -> None:
        """Darkens the ground under things, and behind them if the sun is out.

        Args:
            feet: Ground corners `(things, corners, 3)`, metres.
            heights: The height of each thing, metres.
        """
        layer = Image.new("L", self.image.size)
        pen = ImageDraw.Draw(layer)
        dark = round(255 * self.light.depth)
        if self.light.depth > OVERCAST:
            shift = np.zeros((len(feet), 1, 3))
            shift[:, 0, [0, 2]] = np.outer(heights, self.light.shift)
            ends = np.roll(feet, 1, axis=1)
            walls = np.stack([feet, ends, ends + shift, feet + shift], axis=2)
            for wall in self.camera.project(walls.reshape(-1, 4, 3)):
                _polygon(pen, wall, dark)
        for foot in self.camera.project(feet):
            _polygon(pen, foot, max(dark, 115))
        self.image.paste((22, 24, 36), mask=layer)

    def shows(self, feet: np.ndarray, heights: np.ndarray) -> np.ndarray:
        """Returns which upright things may be in the frame, `(things,)` booleans.

        Args:
            feet: Ground corners `(things, corners, 3)`, metres.
            heights: The height of each thing, metres.
        """
        lift = np.zeros((len(feet), 1, 3))
        lift[:, 0, 1] = heights
        points = self.camera.project(np.concatenate([feet, feet + lift], axis=1))
        low, high = points.min(axis=1), points.max(axis=1)
        return ((high >= 0) & (low < [self.width, self.height])).all(axis=1)

    def pixels(self) -> np.ndarray:
        """Returns the anti-aliased picture: uint8 `(height, width, 3)`."""
        return np.asarray(self.image.reduce(SUPERSAMPLING))

    def mask(self, thin: Sequence[str] = ()) -> np.ndarray:
        """Returns the class of each pixel's centre, void along outlines.

        A pixel is void if one of its corners shows another object than its centre,
        so that two objects never touch, unless one of them is thin.

        Args:
            thin: Names of classes too thin to lose their own border pixels.

        Returns:
            Uint8 `(height, width)`.
        """
        step = SUPERSAMPLING
        identities = np.pad(np.asarray(self.identities), (0, 1), mode="edge")
        center = identities[step // 2 :: step, step // 2 :: step]
        border = np.zeros(center.shape, bool)
        for rows in (slice(0, -1, step), slice(step, None, step)):
            for columns in (slice(0, -1, step), slice(step, None, step)):
                border |= identities[rows, columns] != center
        mask = self._classes[center]
        kept = np.isin(mask, [self.labels.names.index(name) for name in thin])
        mask[border & ~kept] = self.labels.ignore_class
        return mask


@dataclasses.dataclass(frozen=True)
class Brush:
    """Draws one object: its colours through the haze, and its identity."""

    canvas: Canvas
    identity: int
    haze: float

    def ink(self, color: RGB) -> tuple[int, ...]:
        """Returns the colour as it looks through the haze."""
        return tuple(map(int, mix(color, self.canvas.light.skyline, self.haze)))

    def pixels(self, length: float, depth: float) -> float:
        """Returns how many pixels of the result a length in metres takes."""
        return self.canvas.camera.focal * length / depth / SUPERSAMPLING

    def fill(self, points, color: RGB) -> None:
        """Draws a polygon of the object: `(n, 3)` points, metres."""
        self.paint(self.canvas.camera.project(points), color)

    def paint(self, points: np.ndarray, color: RGB) -> None:
        """Draws a polygon of the object: `(n, 2)` canvas columns and rows."""
        _polygon(self.canvas.image_pen, points, self.ink(color))
        _polygon(self.canvas.identity_pen, points, self.identity)

    def detail(self, polygons, color: RGB) -> None:
        """Draws on what was filled: `(n, 3)` or `(polygons, n, 3)`, metres."""
        projected = self.canvas.camera.project(polygons)
        ink = self.ink(color)
        for points in projected.reshape(-1, *projected.shape[-2:]):
            _polygon(self.canvas.image_pen, points, ink)

    def foliage(
        self, center, radii, dark: RGB, bright: RGB, rng: np.random.Generator
    ) -> None:
        """Draws a ragged ball of leaves.

        Args:
            center: Its middle `(x, y, z)`, metres.
            radii: Half of its width and height, metres.
            dark: Colour of the leaves in the shade.
            bright: Colour of the leaves in the sun.
            rng: The source of its shape.
        """
        canvas, shift = self.canvas, rng.uniform(0, _TILE, 2)
        scale = canvas.camera.focal / max(center[2], _NEAREST_DEPTH)
        column, row = canvas.camera.project(center).tolist()
        width, height = (scale * radius for radius in radii)
        left, right = _overlap(column, 1.2 * width, canvas.width)
        top, bottom = _overlap(row, 1.2 * height, canvas.height)
        if left >= right or top >= bottom:
            return
        columns = np.arange(left, right, dtype="float32")
        rows = np.arange(top, bottom, dtype="float32")[:, None]
        x, y = (columns - column) / width, (rows - row) / height
        grain = min(max(scale / 12, 0.8), 6.0)  # canvas pixels per pixel of the tile
        leaves = sample(noise(1.0), rows / grain + shift[0], columns / grain + shift[1])
        lit = np.clip((0.42 - 0.3 * y + 0.2 * leaves) * 64, 0, 63).astype("uint8")
        palette = np.linspace(self.ink(dark), self.ink(bright), 64).astype("uint8")
        picture = Image.fromarray(palette[lit])
        stencil = Image.fromarray(x * x + y * y + 0.2 * leaves < 0.9)
        canvas.image.paste(picture, (left, top), stencil)
        canvas.identities.paste(self.identity, (left, top, right, bottom), stencil)


def _overlap(center: float, radius: float, side: int) -> tuple[int, int]:
    """Returns where an interval around a center lies within 0 to `side`."""
    return max(int(center - radius), 0), min(int(center + radius) + 1, side)


def _polygon(pen: ImageDraw.ImageDraw, points: np.ndarray, fill) -> None:
    """Fills a polygon of `(n, 2)` columns and rows."""
    pen.polygon(points.ravel().tolist(), fill=fill)
