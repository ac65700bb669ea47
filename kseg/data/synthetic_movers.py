"""What moves in a synthetic street: cars and people."""

import dataclasses
import math

import numpy as np

from kseg.data.synthetic_canvas import RGB, Brush, Canvas, mix, shade
from kseg.data.synthetic_shapes import CLOTH, GLASS, Box, pick, tint

PAINTS = (
    (34, 36, 40), (210, 212, 214), (128, 130, 134), (90, 94, 100), (150, 32, 34),
    (36, 62, 112), (232, 230, 224), (62, 84, 70), (150, 134, 104), (70, 36, 34),
)  # fmt: skip
_SKINS = ((232, 190, 160), (190, 140, 106), (112, 76, 56))
_HAIRS = ((30, 24, 20), (90, 66, 40), (150, 150, 150))
_RUBBER = (24, 24, 26)
_CIRCLE = np.stack([f(np.linspace(0, 2 * np.pi, 14)) for f in (np.sin, np.cos)])


@dataclasses.dataclass(frozen=True)
class _Body:
    """A car seen from its side, its tail on the left.

    Args:
        outline: Corners as (share of the length from the middle, height in metres).
        panels: What lies between each corner and the next one.
        windows: Shares of the length: rear and front of two panes, below and above.
        belt: Height of the lower edge of the windows, metres.
    """

    outline: tuple[tuple[float, float], ...]
    panels: tuple[str, ...]
    windows: tuple[tuple[float, float, float, float], ...]
    belt: float


_SALOON = _Body(
    ((-0.5, 0.26), (-0.5, 0.9), (-0.36, 1.0), (-0.22, 1.42), (0.1, 1.42), (0.26, 0.98),
     (0.48, 0.84), (0.5, 0.26)),
    ("tail", "paint", "glass", "paint", "glass", "paint", "nose"),
    ((-0.33, -0.07, -0.07, -0.21), (-0.04, 0.22, 0.09, -0.04)),
    1.0,
)  # fmt: skip
_HATCHBACK = _Body(
    ((-0.5, 0.26), (-0.5, 0.95), (-0.42, 1.5), (0.08, 1.5), (0.26, 1.0), (0.48, 0.86),
     (0.5, 0.26)),
    ("tail", "glass", "paint", "glass", "paint", "nose"),
    ((-0.44, -0.12, -0.12, -0.39), (-0.09, 0.22, 0.07, -0.09)),
    1.0,
)  # fmt: skip
_VAN = _Body(
    ((-0.5, 0.26), (-0.5, 1.2), (-0.49, 1.95), (0.28, 1.95), (0.42, 1.2), (0.49, 1.0),
     (0.5, 0.26)),
    ("tail", "glass", "paint", "glass", "paint", "nose"),
    ((0.08, 0.37, 0.26, 0.08),),
    1.2,
)  # fmt: skip
BODIES = (_SALOON, _HATCHBACK, _HATCHBACK, _SALOON, _VAN)


def car(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a car: its side view pushed through its width, panels far to near."""
    brush = canvas.brush("car", box.z, instance=True)
    body, paint = pick(rng, BODIES), tint(rng, pick(rng, PAINTS))
    share, up = np.array(body.outline).T
    along = share * box.length
    half = box.width / 2 * (1 - 0.16 * np.clip((up - 0.9) / 0.6, 0, 1))  # leans inwards

    panels = list(enumerate(body.panels))
    if not _hidden(canvas, box, 0.0, -box.length / 2):
        panels.reverse()  # seen from behind: the nose first
    for i, kind in panels:
        corners = [i, i + 1, i + 1, i]
        across = half[corners] * [-1, -1, 1, 1]
        points = box.at(across, up[corners], along[corners])
        _panel(brush, box, body, paint, points, kind)
    for side in (-1, 1):
        _flank(brush, box, body, paint, box.at(side * half, up, along), side)


def _hidden(canvas: Canvas, box: Box, across: float, along: float) -> bool:
    """Returns whether an upright face of a car, given its middle, is turned away."""
    sine, cosine = math.sin(box.heading), math.cos(box.heading)
    x, z = across * cosine + along * sine, along * cosine - across * sine
    return x * (box.x + x - canvas.camera.offset) + z * (box.z + z) > 0


def _panel(brush: Brush, box: Box, body: _Body, paint: RGB, corners, kind: str) -> None:
    """Draws a panel across the car: glass, paint, or an end with its lights."""
    if kind == "glass":
        brush.fill(corners, shade(paint, 0.9))
        middle = corners.sum(axis=0) / 4
        sky = brush.canvas.light.skyline
        brush.detail(middle + 0.86 * (corners - middle), mix(GLASS, sky, 0.15))
    elif kind in ("tail", "nose"):
        along = (-0.5 if kind == "tail" else 0.5) * box.length
        if _hidden(brush.canvas, box, 0.0, along):
            return
        brush.fill(corners, shade(paint, 0.82))
        _end(brush, box, body, paint, along)
    else:
        brush.fill(corners, shade(paint, 1.12))


def _end(brush: Brush, box: Box, body: _Body, paint: RGB, along: float) -> None:
    """Draws tyres, lamps, bumper and number plate on an end of the car."""
    half, top = box.width / 2, body.belt - 0.1
    for side in (-half, half):
        brush.fill(box.plate(0.66 * side, 0.98 * side, 0, 0.36, along), _RUBBER)
    if brush.pixels(0.1, box.z) < 1:
        return
    lamps = [
        box.plate(0.62 * side, 0.96 * side, top - 0.24, top - 0.06, along)
        for side in (-half, half)
    ]
    brush.detail(lamps, (176, 26, 24) if along < 0 else (236, 234, 220))
    bumper = box.plate(-0.95 * half, 0.95 * half, 0.27, 0.46, along)
    brush.detail(bumper, shade(paint, 0.5))
    brush.detail(box.plate(-0.26, 0.26, 0.5, 0.62, along), (226, 224, 206))
    if along > 0:
        grille = box.plate(-0.55 * half, 0.55 * half, 0.65, top - 0.08, along)
        brush.detail(grille, (34, 34, 38))


def _flank(brush: Brush, box: Box, body: _Body, paint: RGB, corners, side: int) -> None:
    """Draws a side of the car with its windows and wheels."""
    wide = side * box.width / 2
    if _hidden(brush.canvas, box, wide, 0.0):
        return
    x, _, z = box.at(side, 0.0, 0.0) - box.at(0.0, 0.0, 0.0)
    brush.fill(corners, shade(paint, brush.canvas.light.facing(x, z)))
    hubs = []
    for axle in (-0.31, 0.31):
        up, along = 0.33 * _CIRCLE + [[0.33], [axle * box.length]]
        brush.fill(box.at(1.01 * wide, up, along), _RUBBER)
        up, along = 0.19 * _CIRCLE + [[0.33], [axle * box.length]]
        hubs.append(box.at(1.01 * wide, up, along))
    if brush.pixels(0.1, box.z) < 1:
        return
    brush.detail(hubs, (136, 138, 142))
    across = wide * np.array([0.98, 0.98, 0.86, 0.86])
    roof = max(height for _, height in body.outline) - 0.1
    up = np.array([body.belt, body.belt, roof, roof])
    panes = [box.at(across, up, np.array(row) * box.length) for row in body.windows]
    brush.detail(panes, GLASS)


def person(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a walking person; lengths are shares of the person's height."""
    brush, tall = canvas.brush("person", box.z, instance=True), box.height
    coat, trousers, bag = (tint(rng, pick(rng, CLOTH)) for _ in range(3))
    stride, swing = rng.uniform(0.03, 0.16), rng.uniform(-0.1, 0.1)
    hem = pick(rng, (0.48, 0.48, 0.34))

    def limb(x0, y0, x1, y1, half, color) -> None:
        across = tall * np.array([x0 - half, x0 + half, x1 + half, x1 - half])
        brush.fill(box.at(across, tall * np.array([y0, y0, y1, y1]), 0.0), color)

    limb(-0.02, 0.5, -stride, 0.0, 0.045, shade(trousers, 0.8))
    limb(0.02, 0.5, stride, 0.0, 0.045, trousers)
    limb(-0.08, 0.8, -0.1 - swing, 0.46, 0.03, shade(coat, 0.75))
    limb(0.0, hem, 0.0, 0.8, 0.085, coat)
    limb(0.0, 0.78, 0.0, 0.84, 0.06, coat)
    limb(0.08, 0.8, 0.1 + swing, 0.46, 0.03, shade(coat, 0.9))
    if rng.random() < 0.3:
        limb(0.14 + swing, 0.3, 0.13 + swing, 0.46, 0.06, bag)
    brush.fill(box.disc(0, 0.925 * tall, 0.066 * tall, 12), pick(rng, _HAIRS))
    brush.detail(box.disc(0, 0.905 * tall, 0.05 * tall, 12), pick(rng, _SKINS))
