"""The setting of a synthetic street: sky, skyline, ground, and the driver's bonnet."""

import dataclasses
import math

import numpy as np
from PIL import Image

from kseg.data.synthetic_canvas import (
    RGB,
    SUPERSAMPLING,
    Brush,
    Canvas,
    mix,
    noise,
    sample,
    shade,
)
from kseg.data.synthetic_shapes import LEAVES, WALLS, pick, tint

FAR = 115.0  # metres; the ground ends here, at the skyline
_NEAR = 0.9


@dataclasses.dataclass(frozen=True)
class Street:
    """The ground plan of a street, in metres from its middle line.

    Args:
        half: Half of the width of the carriageway.
        left: Width of the left pavement.
        right: Width of the right pavement.
        verge: Width of the grass between pavement and houses.
        junction: Depths between which another street crosses, or `None`.
        crossing: Depth of a zebra crossing, or `None`.
        city: Whether the ground behind the pavements is paved.
    """

    half: float
    left: float
    right: float
    verge: float
    junction: tuple[float, float] | None
    crossing: float | None
    city: bool

    def pavement(self, side: int) -> float:
        """Returns the width of the pavement on side -1 (left) or 1 (right)."""
        return self.left if side < 0 else self.right

    def edge(self, side: int) -> float:
        """Returns the x at which the houses of a side begin."""
        return side * (self.half + self.pavement(side) + self.verge)

    def crossed(self, near: float, far: float) -> bool:
        """Returns whether the other street takes some of these depths."""
        return self.junction is not None and (
            near < self.junction[1] and far > self.junction[0]
        )


def sky(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draws a gradient from the zenith to the skyline, with clouds."""
    light, (height, width) = canvas.light, canvas.size
    horizon = canvas.camera.horizon / SUPERSAMPLING
    deep = min(int(horizon + 0.15 * height), height)  # the ground hides the rest
    rows = np.arange(deep, dtype="float32")[:, None]
    columns = np.arange(width, dtype="float32")[None]
    elevation = np.clip(1.0 - rows / horizon, 0.0, 1.0)
    grade = elevation[..., None] ** 0.7
    picture = np.asarray(light.skyline) * (1 - grade) + np.asarray(light.zenith) * grade
    offset, scale = rng.uniform(0, 256, 2), 90.0 / height
    stretch = 60.0 / (elevation + 0.25)  # clouds flatten towards the horizon
    clouds = sample(noise(1.7), stretch + offset[0], columns * scale + offset[1])
    clouds = clouds + 0.15 * sample(noise(1.0), rows, columns)
    cover = np.clip((clouds - rng.uniform(-0.6, 1.6)) * 0.7, 0, 0.85)[..., None]
    white = np.asarray(mix(light.skyline, (250, 250, 250), 0.6))
    picture = picture * (1 - cover) + white * cover
    small = Image.fromarray(np.clip(picture, 0, 255).astype("uint8"))
    shape = (canvas.width, deep * SUPERSAMPLING)
    canvas.image.paste(small.resize(shape, Image.Resampling.NEAREST))
    sky_id = canvas.labels.names.index("sky")
    canvas.identities.paste(sky_id, (0, 0, *canvas.image.size))


def skyline(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draws the houses and trees that close the view at the end of the street."""
    x = -130.0
    while x < 130:
        width = rng.uniform(7, 20)
        if rng.random() < 0.55:
            height = rng.uniform(5, 22)
            wall = [[x, 0, FAR], [x + width, 0, FAR]]
            wall += [[x + width, height, FAR], [x, height, FAR]]
            canvas.brush("building", FAR).fill(wall, tint(rng, pick(rng, WALLS)))
        else:
            dark, bright = pick(rng, LEAVES)
            height = rng.uniform(4, 9)
            center, radii = (x + width / 2, height / 2, FAR), (width / 2, height / 1.6)
            canvas.brush("vegetation", FAR).foliage(center, radii, dark, bright, rng)
        x += 0.9 * width


def ground(canvas: Canvas, rng: np.random.Generator, street: Street) -> None:
    """Draws the carriageway with its marks, the pavements and what is behind."""
    grey = rng.uniform(78, 122)
    asphalt = (grey, grey + rng.uniform(-4, 3), grey + rng.uniform(-6, 8))
    paving = tint(rng, pick(rng, ((150, 146, 140), (122, 120, 120), (164, 150, 134))))
    grass = tint(rng, pick(rng, ((84, 104, 52), (110, 116, 62), (70, 92, 52))))
    road = canvas.brush("road", 0.0)
    pavement = canvas.brush("pavement", 0.0)
    behind = pavement if street.city else canvas.brush("vegetation", 0.0)
    behind.fill(_strip(-150, 150, _NEAR, FAR), paving if street.city else grass)
    for side in (-1, 1):
        _pavement(pavement, side * street.half, side * street.pavement(side), paving)
    road.fill(_strip(-street.half, street.half, _NEAR, FAR), asphalt)
    if street.junction:
        road.fill(_flat(-90, 90, *street.junction), asphalt)
    _wear(road, rng, street, asphalt)
    _marks(road, rng, street)
    _haze(canvas)


def _pavement(brush: Brush, kerb: float, width: float, paving: RGB) -> None:
    """Draws a pavement from its kerb outwards, with kerbstones and joints."""
    edge, joint = kerb + width, shade(paving, 0.86)
    brush.fill(_strip(kerb, edge, _NEAR, FAR), paving)
    lines = [_flat(kerb, edge, z, 1.012 * z) for z in np.arange(2.0, 20.0, 1.2)]
    brush.detail(lines, joint)
    middle = kerb + width / 2
    brush.detail(_strip(middle - 0.02, middle + 0.02, 2, 20), joint)
    stone = math.copysign(0.22, width)
    brush.detail(_strip(kerb, kerb + stone, _NEAR, FAR), shade(paving, 1.15))
    brush.detail(_strip(kerb, kerb + stone / 4, _NEAR, FAR), shade(paving, 0.6))


def _haze(canvas: Canvas) -> None:
    """Draws the haze over the ground, row by row."""
    camera, light = canvas.camera, canvas.light
    reach = camera.focal * camera.height  # depth times rows below the horizon
    top = int(camera.horizon + reach / FAR)
    depth = reach / (np.arange(top, canvas.height) + 1 - camera.horizon)
    veil = (255 * (1 - np.exp(-depth / light.sight))).astype("uint8")
    stencil = Image.fromarray(np.repeat(veil[:, None], canvas.width, axis=1))
    color = tuple(int(value) for value in light.skyline)
    canvas.image.paste(color, (0, top, canvas.width, canvas.height), stencil)


def _wear(road: Brush, rng, street: Street, asphalt: RGB) -> None:
    """Draws mended patches, worn wheel tracks and manholes on the road."""
    for track in np.array([-0.72, -0.3, 0.3, 0.72]) * street.half:
        if rng.random() < 0.7:
            strip = _strip(track - 0.25, track + 0.25, _NEAR, FAR)
            road.detail(strip, shade(asphalt, rng.uniform(0.9, 1.08)))
    for _ in range(rng.integers(0, 5)):
        x, z = rng.uniform(-0.9, 0.6) * street.half, rng.uniform(3, 25)
        patch = _flat(x, x + rng.uniform(0.6, 2.0), z, z * rng.uniform(1.1, 1.6))
        road.detail(patch, shade(asphalt, rng.uniform(0.75, 1.15)))
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    if rng.random() < 0.5:
        x, z = rng.uniform(-0.7, 0.7) * street.half, rng.uniform(5, 12)
        disc = [x + 0.35 * np.cos(angle), 0 * angle, z + 0.35 * np.sin(angle)]
        road.detail(np.stack(disc, axis=-1), shade(asphalt, 0.62))


def _marks(road: Brush, rng, street: Street) -> None:
    """Draws the lines on the road, worn to different degrees."""
    paint = shade(pick(rng, ((226, 226, 218), (220, 190, 96))), rng.uniform(0.72, 1.0))
    white = shade((224, 224, 220), rng.uniform(0.72, 1.0))
    lanes = (0.0,) if street.half < 5.8 else (-street.half / 2, 0.0, street.half / 2)
    for lane in lanes:
        starts = np.arange(_NEAR + rng.uniform(0, 6), 90, 6.0)
        dashes = [
            _flat(lane - 0.08, lane + 0.08, z, z + 3)
            for z in starts
            if not street.crossed(z, z + 3)
        ]
        road.detail(dashes, paint)
    if rng.random() < 0.6:
        for side in (-1, 1):
            x = side * (street.half - 0.35)
            road.detail(_strip(x - 0.06, x + 0.06, _NEAR, 60), white)
    if street.crossing:
        z = street.crossing
        bars = np.arange(-street.half + 0.4, street.half - 0.6, 1.0)
        road.detail([_flat(x, x + 0.5, z, z + 3) for x in bars], white)


def bonnet(canvas: Canvas, rng: np.random.Generator) -> None:
    """Draws the bonnet of the car that carries the camera: void."""
    brush = canvas.brush("void", 0.0)
    paint = tint(rng, pick(rng, ((30, 32, 38), (130, 132, 138), (90, 24, 26))))
    width, height = canvas.width, canvas.height
    rise, middle = rng.uniform(0.025, 0.065) * height, rng.uniform(0.4, 0.6) * width
    columns = np.linspace(0, width, 32)
    curve = 1 - 0.7 * ((columns - middle) / width * 1.6) ** 2

    def below(share: float) -> np.ndarray:
        top = np.stack([columns, height - rise * curve * share], axis=-1)
        return np.concatenate([top, [[width, height], [0, height]]])

    sheen = mix(paint, canvas.light.skyline, 0.35)
    brush.paint(below(1.0), shade(paint, 0.5))
    for step in range(5):
        brush.paint(below(0.92 - 0.12 * step), mix(sheen, paint, step / 4))


def _flat(x0: float, x1: float, z0: float, z1: float) -> np.ndarray:
    """Returns the corners of a rectangle on the ground."""
    return np.array([[x0, 0, z0], [x1, 0, z0], [x1, 0, z1], [x0, 0, z1]])


def _strip(x0: float, x1: float, near: float, far: float) -> np.ndarray:
    """Returns a polygon on the ground, fine enough to follow the bend of a road."""
    z = np.geomspace(near, far, 24)
    left = np.stack([np.full(24, x0), np.zeros(24), z], axis=-1)
    right = np.stack([np.full(24, x1), np.zeros(24), z], axis=-1)
    return np.concatenate([left, right[::-1]])
