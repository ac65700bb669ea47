"""Streets that are drawn, not photographed: the data set that needs no download.

Every scene is a small world in metres - a street with houses, trees, cars, people and
poles - seen by a pin-hole camera and drawn from far to near. An index, a split and a
seed decide everything in it, so that two machines make the same scenes and no scene
need be stored; the size only decides how finely it is drawn.

Like a street on a photograph it is unbalanced (many pixels of road, few of poles),
colours overlap between the classes, light and weather vary, and the masks are void
where an annotator would hesitate: along outlines, on litter bins, on the bonnet of the
car that carries the camera.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from kseg.data import synthetic_movers as movers
from kseg.data import synthetic_setting as setting
from kseg.data import synthetic_shapes as shapes
from kseg.data.synthetic_canvas import (
    OVERCAST,
    SUPERSAMPLING,
    Camera,
    Canvas,
    Light,
    noise,
    sample,
)
from kseg.data.synthetic_setting import FAR, Street
from kseg.data.synthetic_shapes import Box
from kseg.labels import Labels

LABELS = Labels(
    names=(
        "sky",
        "building",
        "road",
        "pavement",
        "vegetation",
        "car",
        "person",
        "pole",
        "sign",
    ),
    colors=(
        (120, 170, 215),
        (130, 90, 80),
        (95, 75, 115),
        (220, 160, 195),
        (85, 140, 60),
        (30, 60, 165),
        (215, 45, 60),
        (175, 175, 165),
        (240, 205, 60),
    ),
)

SPLITS = ("train", "validation", "test")

# How much the surface of each class, and of void, is speckled and stained.
_GRAIN = {"building": 0.035, "road": 0.05, "pavement": 0.06, "vegetation": 0.07}


class Thing(NamedTuple):
    """Something that stands in the street, and the painter that draws it."""

    paint: Callable[[Canvas, np.random.Generator, Box], None]
    box: Box


def scene(
    index: int, split: str = "train", seed: int = 0, size: tuple[int, int] = (180, 240)
) -> tuple[np.ndarray, np.ndarray]:
    """Draws a street.

    Args:
        index: Which of the scenes of the split, from 0.
        split: `"train"`, `"validation"` or `"test"`.
        seed: Another seed makes another data set.
        size: Height and width, pixels, 32 or more.

    Returns:
        The image, uint8 `(height, width, 3)`, and the mask, uint8 `(height, width)`
        of the class ids of `LABELS`.

    Raises:
        ValueError: If the split is unknown, the index negative or a side below 32.

    Example:
    >>> image, mask = scene(0, size=(90, 120))
    >>> image.shape, mask.shape
    ((90, 120, 3), (90, 120))
    """
    if split not in SPLITS:
        raise ValueError(f"`split` must be one of {SPLITS}. Received: {split!r}.")
    if index < 0 or min(size) < 32:
        raise ValueError(
            "`index` must be 0 or more, and both sides of `size` 32 or more. "
            f"Received: index={index}, size={size}."
        )
    entropy = np.random.SeedSequence([seed, SPLITS.index(split), index])
    rng = np.random.default_rng(entropy)
    street = _street(rng)
    canvas = Canvas(size, LABELS, _camera(rng, size, street), _light(rng))
    things = sorted(_things(rng, street), key=_depth, reverse=True)

    setting.sky(canvas, rng)
    setting.skyline(canvas, rng)
    setting.ground(canvas, rng, street)
    feet = np.stack([box.foot for _, box in things])
    heights = np.array([box.height for _, box in things])
    canvas.cast_shadows(feet, heights)
    for (paint, box), shown in zip(things, canvas.shows(feet, heights), strict=True):
        if shown:
            paint(canvas, rng, box)
    if rng.random() < 0.3:
        setting.bonnet(canvas, rng)

    mask = canvas.mask(thin=("pole",))
    return _develop(canvas, mask, rng), mask


def _depth(thing: Thing) -> float:
    """Returns the depth at which a thing's turn comes to be drawn, metres.

    What stands between two edges of a house is in front of it, but behind a car,
    because a car is nearer to the middle of the street.
    """
    nearer = -0.5 if thing.paint is movers.car else 0.5
    return thing.box.z + nearer * thing.box.length


def _camera(
    rng: np.random.Generator, size: tuple[int, int], street: Street
) -> Camera:
    """Returns a camera somewhere over a street."""
    height, width = (SUPERSAMPLING * side for side in size)
    return Camera(
        focal=rng.uniform(0.75, 1.0) * width,
        center=rng.uniform(0.2, 0.8) * width,
        horizon=rng.uniform(0.4, 0.54) * height,
        height=rng.uniform(1.4, 2.3),
        offset=rng.uniform(-0.6, 0.6) * street.half,
        roll=rng.normal(0, 0.02),
        bend=rng.normal(0, 0.0007),
        hill=rng.normal(0, 0.00005),
    )


def _light(rng: np.random.Generator) -> Light:
    """Returns a time of day and a weather."""
    zenith, skyline = shapes.pick(
        rng,
        (
            ((86, 132, 190), (196, 212, 226)),
            ((120, 156, 198), (222, 226, 228)),
            ((168, 178, 190), (206, 210, 212)),
            ((196, 198, 200), (224, 224, 222)),
            ((112, 120, 150), (232, 196, 160)),
        ),
    )
    angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.4, 1.8)
    return Light(
        zenith,
        skyline,
        (length * np.cos(angle), length * np.sin(angle)),
        rng.uniform(0.3, 0.6) if rng.random() < 0.6 else OVERCAST,
        rng.uniform(90, 400),
    )


def _street(rng: np.random.Generator) -> Street:
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


def _things(rng: np.random.Generator, street: Street) -> list[Thing]:
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
        if (
            street.junction
            and z < street.junction[1]
            and z + length > street.junction[0]
        ):
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

    def clear(z: float) -> bool:
        return not street.junction or not (
            street.junction[0] - 4 < z < street.junction[1] + 4
        )

    if rng.random() < 0.6:
        z, share = rng.uniform(3, 12), rng.uniform(0.3, 0.9)
        while z < 60:
            if rng.random() < share and clear(z):
                heading = rng.choice([0.0, np.pi]) + rng.normal(0, 0.03)
                things.append(_car(rng, inner - side * 0.95, z, heading))
            z += rng.uniform(5.2, 7)
    if rng.random() < 0.45:
        for z in np.arange(rng.uniform(5, 12), 80, rng.uniform(8, 14)):
            if clear(z):
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


def _develop(canvas: Canvas, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the canvas as a cheap camera would record it: uint8 `(h, w, 3)`."""
    picture = canvas.pixels().astype("float32")
    picture *= 1.0 + _grain(canvas, mask, rng)[..., None]
    height, width = mask.shape
    rows = np.linspace(-1, 1, height, dtype="float32")[:, None, None]
    columns = np.linspace(-1, 1, width, dtype="float32")[None, :, None]
    vignette = 1.0 - rng.uniform(0, 0.18) * (rows**2 + columns**2)
    exposure = np.float32(rng.uniform(0.72, 1.15)) * rng.uniform(0.92, 1.08, 3)
    contrast = rng.uniform(0.8, 1.25)
    picture = (picture - 118) * contrast + 118
    picture *= (vignette * exposure).astype("float32")
    speckle = rng.standard_normal(picture.shape, dtype="float32")
    picture += np.float32(rng.uniform(1.5, 5)) * speckle
    return np.clip(picture + 0.5, 0, 255).astype("uint8")


def _grain(canvas: Canvas, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns how much lighter each pixel's surface is than its paint, as a share."""
    camera = canvas.camera
    rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
    below = np.maximum(rows * SUPERSAMPLING - camera.horizon, 1.0)
    z = camera.focal * camera.height / below
    x = (columns * SUPERSAMPLING - camera.center) * z / camera.focal
    offset = rng.uniform(0, 256, 2)
    near = np.minimum(1.0, 9.0 / z)
    lying = near * sample(noise(0.4), 14 * z + offset[0], 28 * x + offset[1])
    stains = sample(noise(1.5, seed=1), 3 * z + offset[0], 6 * x + offset[1])
    upright = sample(noise(0.8, seed=2), rows + offset[0], columns + offset[1])
    strength = np.full(256, 0.015, "float32")
    for name, value in _GRAIN.items():
        strength[LABELS.names.index(name)] = value
    ground = np.isin(mask, [LABELS.names.index(name) for name in ("road", "pavement")])
    return strength[mask] * np.where(ground, lying + 0.5 * stains, upright)
