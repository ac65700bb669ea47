"""What stands in a synthetic street: houses, trees, lamps, signs, bins.

A painter takes the canvas, a generator and a `Box`, the place where the thing
stands, and draws it from its far side to its near side. Colours are shared between
the classes on purpose: grey is a road, a wall, a car, a coat and a pole.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from kseg.data.synthetic_canvas import RGB, Brush, Canvas, mix, shade

WALLS = (
    (196, 186, 168), (172, 160, 146), (214, 206, 192), (186, 150, 116),
    (150, 92, 74), (132, 78, 66), (166, 118, 92), (142, 142, 146),
    (176, 182, 190), (118, 128, 140), (206, 180, 140), (158, 164, 150),
)  # fmt: skip
LEAVES = (  # in the shade and in the sun
    ((26, 44, 20), (104, 134, 62)), ((30, 50, 30), (84, 122, 70)),
    ((38, 50, 20), (148, 156, 70)), ((62, 40, 18), (190, 128, 56)),
)  # fmt: skip
CLOTH = (
    (38, 40, 48), (60, 66, 84), (150, 40, 44), (190, 184, 172), (84, 96, 70),
    (120, 104, 88), (44, 72, 110), (176, 140, 60), (100, 102, 106), (230, 226, 220),
)  # fmt: skip
GLASS = (40, 48, 58)
_PANES = (GLASS, (92, 106, 122), (150, 168, 184))
_FRAMES = ((224, 220, 210), (96, 84, 76), (170, 160, 148))
_ROOFS = ((120, 66, 52), (92, 84, 84), (70, 72, 80), (138, 86, 60))
_BARKS = ((70, 58, 48), (96, 84, 70), (58, 54, 50))
_STEELS = ((104, 108, 110), (70, 76, 76), (52, 62, 56), (150, 150, 148))
_BINS = ((58, 70, 60), (70, 74, 80), (120, 70, 40))
_SIGNS = (  # rim and plate
    ((190, 30, 36), (230, 228, 222)), ((226, 226, 220), (28, 66, 140)),
    ((190, 30, 36), (196, 36, 40)), ((236, 232, 220), (216, 168, 40)),
    ((220, 222, 216), (36, 96, 66)),
)  # fmt: skip
_SIGNALS = ((230, 50, 40), (236, 180, 50), (60, 210, 120))


@dataclasses.dataclass(frozen=True)
class Box:
    """Where a thing stands: the middle of its foot, its extent, its heading.

    Lengths are in metres; `heading` is in radians, 0 for "away from the camera".
    """

    x: float
    z: float
    width: float
    length: float
    height: float
    heading: float = 0.0

    def at(self, across, up, along) -> np.ndarray:
        """Returns world points `(..., 3)` of lengths from the foot's middle."""
        sine, cosine = math.sin(self.heading), math.cos(self.heading)
        points = np.empty((*np.broadcast(across, up, along).shape, 3))
        points[..., 0] = self.x + across * cosine + along * sine
        points[..., 1] = up
        points[..., 2] = self.z - across * sine + along * cosine
        return points

    def plate(self, left, right, bottom, top, along=0.0) -> np.ndarray:
        """Returns the corners `(4, 3)` of an upright rectangle across the thing."""
        across, up = [left, right, right, left], [bottom, bottom, top, top]
        return self.at(np.array(across), up, along)

    def disc(self, across, up, radius, corners=16, turn=0.0, along=0.0) -> np.ndarray:
        """Returns the corners `(corners, 3)` of an upright regular polygon."""
        angle = turn + np.linspace(0, 2 * np.pi, corners, endpoint=False)
        x, y = across + radius * np.cos(angle), up + radius * np.sin(angle)
        return self.at(x, y, along)

    @property
    def foot(self) -> np.ndarray:
        """The corners `(4, 3)` of the ground it stands on."""
        across = np.array([-0.5, 0.5, 0.5, -0.5]) * self.width
        return self.at(across, 0.0, np.array([-0.5, -0.5, 0.5, 0.5]) * self.length)


def pick(rng: np.random.Generator, items: Sequence):
    """Returns one of the items."""
    return items[int(rng.integers(len(items)))]


def tint(rng: np.random.Generator, color: RGB, spread: float = 0.12) -> RGB:
    """Returns the colour somewhat lighter or darker, and somewhat off its hue."""
    gain = 1.0 + rng.uniform(-spread, spread)
    return shade((np.array(color) + rng.normal(0, 40 * spread, 3)).tolist(), gain)


@dataclasses.dataclass(frozen=True)
class _Front:
    """What the walls of a house share."""

    height: float
    story: float
    pane: RGB
    frame: RGB
    share: float  # of a wall's width that its windows take
    awning: RGB | None  # a house with an awning has a shop


def building(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a house at the side of the street: a gable, or a flat roof if tall."""
    near, far = max(box.z - box.length / 2, 1.5), box.z + box.length / 2
    brush = canvas.brush("building", near)
    side = -math.copysign(1, box.x)  # which way the street lies
    street, back = box.x + side * box.width / 2, box.x - side * box.width / 2
    front = _Front(
        box.height,
        story=rng.uniform(2.8, 3.8),
        pane=tint(rng, pick(rng, _PANES)),
        frame=tint(rng, pick(rng, _FRAMES)),
        share=rng.uniform(0.35, 0.7),
        awning=tint(rng, pick(rng, CLOTH)) if rng.random() < 0.4 else None,
    )
    wall, height = tint(rng, pick(rng, WALLS)), box.height
    ahead = shade(wall, canvas.light.facing(0, -1))
    beside = shade(wall, canvas.light.facing(side, 0))
    if height < 8:
        ridge = height + rng.uniform(1.5, 3)
        gable = [[street, height, near], [box.x, ridge, near], [back, height, near]]
        slope = [gable[0], [street, height, far], [box.x, ridge, far], gable[1]]
        brush.fill(gable, ahead)
        brush.fill(slope, tint(rng, pick(rng, _ROOFS)))
    _wall(brush, rng, (back, near), (street, near), ahead, front)
    _wall(brush, rng, (street, near), (street, far), beside, front)


def _wall(brush: Brush, rng, start, end, color: RGB, front: _Front) -> None:
    """Draws an upright wall between two places `(x, z)`, with its windows."""

    def panels(left, right, bottom, top) -> np.ndarray:
        """Returns rectangles of the wall: shares of its width, metres of height."""
        share = np.array([left, right, right, left])
        points = np.empty((*share.shape, 3))
        points[..., 0] = start[0] + share * (end[0] - start[0])
        points[..., 1] = np.array([bottom, bottom, top, top])
        points[..., 2] = start[1] + share * (end[1] - start[1])
        return points.swapaxes(0, -2)

    width = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    stories, columns = int(front.height / front.story), max(int(width / 3), 1)
    story = front.height / max(stories, 1)
    floor, column = (axis.ravel() for axis in np.mgrid[:stories, :columns])
    brush.fill(panels(0, 1, 0, front.height), color)
    brush.detail(panels(0, 1, front.height - 0.4, front.height), shade(color, 0.8))
    brush.detail(panels(0, 1, 0, 0.6), shade(color, 0.72))
    if front.awning:
        brush.detail(panels(0.04, 0.96, 0.5, 0.82 * story), shade(front.pane, 0.7))
        brush.detail(panels(0, 1, 0.8 * story, story), front.awning)
        floor, column = floor[floor > 0], column[floor > 0]
    middle, half = (column + 0.5) / columns, front.share / 2 / columns
    bottom, rim = floor * story + 0.9, 0.12 / width
    top = bottom + 0.5 * story
    left, right = middle - half, middle + half
    if brush.pixels(front.story, start[1]) > 16:
        frames = panels(left - rim, right + rim, bottom - 0.15, top + 0.12)
        brush.detail(frames, front.frame)
    panes = panels(left, right, bottom, top)
    bright = rng.random(len(panes)) < 0.25
    brush.detail(panes[~bright], front.pane)
    brush.detail(panes[bright], mix(front.pane, brush.canvas.light.skyline, 0.5))


def tree(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a tree: a trunk, then a crown of a few balls of leaves."""
    brush = canvas.brush("vegetation", box.z)
    dark, bright = (tint(rng, color, 0.1) for color in pick(rng, LEAVES))
    bark, girth, fork = tint(rng, pick(rng, _BARKS)), 0.05 * box.width, 0.5 * box.height
    brush.fill(box.plate(-girth, girth, 0, fork), bark)
    brush.detail(box.plate(0.2 * girth, girth, 0, fork), shade(bark, 0.75))
    balls = ((0.54, 0.48), (0.76, 0.4))
    if brush.pixels(box.height, box.z) < 24:
        balls = ((0.62, 0.5),)
    for lift, spread in balls:
        x = box.x + rng.normal(0, 0.1) * box.width
        radii = (spread * box.width, rng.uniform(0.2, 0.3) * box.height)
        brush.foliage((x, lift * box.height, box.z), radii, dark, bright, rng)


def bush(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a bush."""
    dark, bright = (tint(rng, color, 0.1) for color in pick(rng, LEAVES[:3]))
    center, radii = (box.x, 0.42 * box.height, box.z), (box.width / 2, box.height / 2)
    canvas.brush("vegetation", box.z).foliage(center, radii, dark, bright, rng)


def _pole(canvas: Canvas, rng: np.random.Generator, box: Box) -> RGB:
    """Draws an upright pole, no thinner than can be seen; returns its colour."""
    brush, steel = canvas.brush("pole", box.z), tint(rng, pick(rng, _STEELS))
    half = max(box.width, 1.2 / brush.pixels(1.0, box.z)) / 2
    brush.fill(box.plate(-half, half, 0, box.height), steel)
    brush.detail(box.plate(0.2 * half, half, 0, box.height), shade(steel, 0.8))
    return steel


def lamp(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a street lamp whose arm reaches over the road."""
    steel, brush = _pole(canvas, rng, box), canvas.brush("pole", box.z)
    reach = -math.copysign(rng.uniform(1.0, 2.0), box.x)
    half = max(0.1, 1.2 / brush.pixels(1.0, box.z)) / 2
    top = box.height
    brush.fill(box.plate(0, reach, top - half, top + half), steel)
    brush.fill(box.plate(0.7 * reach, 1.25 * reach, top - 0.12, top + 0.14), steel)


def sign(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a traffic sign on its pole: a disc, a triangle or a board."""
    _pole(canvas, rng, box)
    brush, corners = canvas.brush("sign", box.z), pick(rng, (16, 16, 3, 4, 8))
    rim, plate = pick(rng, _SIGNS)
    glyph = mix(plate, (20, 20, 24) if sum(plate) > 380 else (240, 240, 240), 0.85)
    turn = np.pi / corners if corners in (4, 8) else np.pi / 2
    up, radius = box.height - 0.3, rng.uniform(0.34, 0.5)
    brush.fill(box.disc(0, up, radius, corners, turn), rim)
    brush.detail(box.disc(0, up, 0.76 * radius, corners, turn), plate)
    brush.detail(box.disc(0, up, 0.3 * radius, corners, turn), glyph)


def signal(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a traffic light."""
    _pole(canvas, rng, box)
    brush, top, lit = canvas.brush("sign", box.z), box.height + 0.1, rng.integers(3)
    brush.fill(box.plate(-0.19, 0.19, top - 1, top), (30, 32, 32))
    for i, color in enumerate(_SIGNALS):
        glow = color if i == lit else shade(color, 0.25)
        brush.detail(box.disc(0, top - 0.2 - 0.3 * i, 0.12, 8), glow)


def litter_bin(canvas: Canvas, rng: np.random.Generator, box: Box) -> None:
    """Draws a litter bin, which no class names: void."""
    brush, color = canvas.brush("void", box.z), tint(rng, pick(rng, _BINS))
    half, height = box.width / 2, box.height
    brush.fill(box.plate(-half, half, 0, height), color)
    brush.detail(box.plate(0.3 * half, half, 0, height), shade(color, 0.8))
    brush.detail(box.plate(-half, half, 0.84 * height, height), shade(color, 0.6))
