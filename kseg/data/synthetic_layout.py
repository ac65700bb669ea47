"""What stands where in a synthetic street, and how it is seen and lit."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kseg.data import synthetic_movers as movers
from kseg.data import synthetic_shapes as shapes
from kseg.data.synthetic_canvas import OVERCAST, SUPERSAMPLING, Camera, Canvas, Light
from kseg.data.synthetic_setting import FAR, Street
from kseg.data.synthetic_shapes import Box

_SKIES = (  # at the zenith and at the skyline
    ((86, 132, 190), (196, 212, 226)),
    ((120, 156, 198), (222, 226, 228)),
    ((168, 178, 190), (206, 210, 212)),
    ((196, 198, 200), (224, 224, 222)),
    ((112, 120, 150), (232, 196, 160)),
)


class Thing(NamedTuple):
    """Something that stands in the street, and the painter that draws it."""

    paint: Callable[[Canvas, np.random.Generator, Box], None]
    box: Box


def turn(thing: Thing) -> float:
    """Returns the depth at which a thing's turn comes to be drawn, metres.

    What stands between two edges of a house is in front of it, but behind a car,
    because a car is nearer to the middle of the street.
    """
    depths = thing.box.foot[:, 2]
    return float(depths.min() if thing.paint is movers.car else depths.max())


def camera(rng: np.random.Generator, size: tuple[int, int], street: Street) -> Camera:
    """Returns a camera somewhere over a street."""
    height, width = (SUPERSAMPLING * side for side in size)
    return Camera(
        focal=rng.uniform(0.75, 1.0) * max(width, 4 / 3 * height),
        center=rng.uniform(0.2, 0.8) * width,
        horizon=rng.uniform(0.4, 0.54) * height,
        height=rng.uniform(1.4, 2.3),
        offset=rng.uniform(-0.6, 0.6) * street.half,
        roll=rng.normal(0, 0.02),
        bend=rng.normal(0, 0.0007),
        hill=rng.normal(0, 0.00005),
    )


def light(rng: np.random.Generator) -> Light:
    """Returns a time of day and a weather."""
    zenith, skyline = shapes.pick(rng, _SKIES)
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.8)
    return Light(
        zenith=zenith,
        skyline=skyline,
        shift=(length * np.cos(angle), length * np.sin(angle)),
        depth=rng.uniform(0.3, 0.6) if rng.random() < 0.6 else OVERCAST,
        sight=rng.uniform(90, 400),
    )


def street(rng: np.random.Generator) -> Street:
    """Returns the ground plan of a street."""
    near = rng.uniform(12, 40)
    return Street(
        half=rng.uniform(4.4, 7.0),
        left=rng.uniform(1.8, 5.0),
        right=rng.uniform(1.8, 5.0),
        verge=rng.choice([0.0, rng.uniform(1, 5)]),
        junction=(near, near + rng.uniform(6, 10)) if rng.random() < 0.4 else None,
        crossing=rng.uniform(7, 20) if rng.random() < 0.25 else None,
        city=rng.random() < 0.5,
    )


def things(rng: np.random.Generator, street: Street) -> list[Thing]:
    """Returns everything that stands in a street, in no order."""
    things = []
    for side in (-1, 1):
        things += _houses(rng, street, side)
        things += _kerb(rng, street, side)
    return things + _traffic(rng, street) + _people(rng, street)


def _houses(rng: np.random.Generator, street: Street, side: int) -> list[Thing]:
    """Returns the row of houses of a side, with gardens between them."""
    things, edge = [], street.edge(side)
    density = rng.uniform(0.45, 1.0)
    tall = rng.uniform(4, 8) if not street.city else rng.uniform(8, 20)
    z = rng.uniform(-4, 6)
    while z < FAR - 15:
        length = rng.uniform(7, 18)
        if street.junction and street.crossed(z, z + length):
            z = street.junction[1] + rng.uniform(0.5, 2)
            continue
        if rng.random() < density:
            width = rng.uniform(6, 10)
            x = edge + side * (width / 2 + rng.uniform(0, 0.6))
            box = Box(x, z + length / 2, width, length, tall * rng.uniform(0.8, 1.3))
            if z + length > 3:
                things.append(Thing(shapes.building, box))
            z += length + rng.choice([0.0, 0.0, rng.uniform(1, 5)])
            continue
        for _ in range(rng.integers(1, 4)):
            x, depth = edge + side * rng.uniform(1.5, 6), z + rng.uniform(0, length)
            if depth > 3:
                things.append(_tree(rng, x, depth))
        z += 0.6 * length
    return things


def _tree(rng: np.random.Generator, x: float, z: float) -> Thing:
    """Returns a tree or a bush."""
    if rng.random() < 0.3:
        width = rng.uniform(1, 2.4)
        return Thing(shapes.bush, Box(x, z, width, 0.5, width * rng.uniform(0.6, 0.9)))
    height = rng.uniform(4, 9)
    return Thing(shapes.tree, Box(x, z, height * rng.uniform(0.4, 0.7), 0.5, height))


def _kerb(rng: np.random.Generator, street: Street, side: int) -> list[Thing]:
    """Returns what stands along a kerb: parked cars, trees, lamps, signs, bins."""
    things = []
    inner, wide = side * street.half, street.pavement(side)

    if rng.random() < 0.6:
        z, share = rng.uniform(3, 12), rng.uniform(0.3, 0.9)
        while z < 60:
            if rng.random() < share and not street.crossed(z - 4, z + 4):
                heading = rng.choice([0.0, np.pi]) + rng.normal(0, 0.03)
                things.append(_car(rng, inner - side * 0.95, z, heading))
            z += rng.uniform(5.2, 7)
    if rng.random() < 0.45:
        for z in np.arange(rng.uniform(5, 12), 80, rng.uniform(8, 14)):
            if not street.crossed(z - 4, z + 4):
                things.append(_tree(rng, inner + side * 0.75 * wide, z))
    for z in np.arange(rng.uniform(5, 25), 90, rng.uniform(20, 30)):
        box = Box(inner + side * 0.5, z, rng.uniform(0.14, 0.24), 0.2,
                  rng.uniform(5, 8))  # fmt: skip
        things.append(Thing(shapes.lamp, box))
    for _ in range(rng.integers(0, 4)):
        box = Box(inner + side * rng.uniform(0.5, 0.9), rng.uniform(4.5, 30), 0.09, 0.1,
                  rng.uniform(2.2, 3.0))  # fmt: skip
        things.append(Thing(shapes.sign, box))
    if street.junction:
        box = Box(inner + side * 0.5, street.junction[0] - 1, 0.14, 0.1, 3.2)
        things.append(Thing(shapes.signal, box))
    if rng.random() < 0.3:
        box = Box(inner + side * 0.8 * wide, rng.uniform(6, 20), 0.6, 0.5, 1.0)
        things.append(Thing(shapes.litter_bin, box))
    return things


def _car(rng: np.random.Generator, x: float, z: float, heading: float) -> Thing:
    """Returns a car."""
    box = Box(x, z, rng.uniform(1.7, 1.9), rng.uniform(3.9, 4.8), 1.5, heading)
    return Thing(movers.car, box)


def _traffic(rng: np.random.Generator, street: Street) -> list[Thing]:
    """Returns the cars on the move: ahead, oncoming, and across a junction."""
    things = []
    lane = rng.choice([-1, 1]) * street.half * 0.36
    for direction, heading in ((1, 0.0), (-1, np.pi)):
        z = rng.uniform(7, 30)
        for _ in range(rng.integers(0, 4)):
            shift = rng.normal(0, 0.2)
            things.append(_car(rng, direction * lane + shift, z, heading))
            z += rng.uniform(8, 25)
    if street.junction and rng.random() < 0.6:
        middle = sum(street.junction) / 2
        heading = rng.choice([-1, 1]) * np.pi / 2
        things.append(_car(rng, rng.uniform(-8, 8), middle, heading))
    return things


def _people(rng: np.random.Generator, street: Street) -> list[Thing]:
    """Returns people on the pavements, some in company, some crossing."""
    things = []
    for _ in range(rng.integers(0, 7)):
        side, z = rng.choice([-1, 1]), rng.uniform(5, 28)
        x = side * (street.half + rng.uniform(0.4, 0.9) * street.pavement(side))
        if rng.random() < 0.15:
            x = rng.uniform(-1, 1) * street.half
        for _ in range(rng.integers(1, 3)):
            box = Box(x, z, 0.5, 0.3, rng.uniform(1.5, 1.9))
            things.append(Thing(movers.person, box))
            x, z = x + 0.6, z + rng.uniform(-0.3, 0.3)
    return things
