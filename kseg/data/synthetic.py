"""Streets that are drawn, not photographed: the data set that needs no download.

Every scene is a small world in metres - a street with houses, trees, cars, people and
poles - seen by a pin-hole camera and drawn from far to near. An index, a split and a
seed decide everything in it, so that no scene need be stored; the size only decides
how finely it is drawn.

Like a street on a photograph it is unbalanced (many pixels of road, few of poles),
colours overlap between the classes, light and weather vary, and the masks are void
where an annotator would hesitate: along outlines, on litter bins, on the bonnet of the
car that carries the camera.
"""

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from kseg.data import synthetic_layout as layout
from kseg.data import synthetic_setting as setting
from kseg.data.synthetic_canvas import SUPERSAMPLING, Canvas, noise, sample
from kseg.files import write_json
from kseg.labels import Labels
from kseg.raster import write_image, write_mask

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
    street = layout.street(rng)
    canvas = Canvas(size, LABELS, layout.camera(rng, size, street), layout.light(rng))
    things = sorted(layout.things(rng, street), key=layout.turn, reverse=True)
    feet = np.stack([box.foot for _, box in things])
    heights = np.array([box.height for _, box in things])
    seeds = rng.integers(2**63, size=len(things))

    setting.sky(canvas, rng)
    setting.skyline(canvas, rng)
    setting.ground(canvas, rng, street)
    canvas.cast_shadows(feet, heights)
    for i in np.flatnonzero(canvas.shows(feet, heights)):
        paint, box = things[i]
        paint(canvas, np.random.default_rng(seeds[i]), box)
    if rng.random() < 0.3:
        setting.bonnet(canvas, rng)

    mask = canvas.mask(thin=("pole",))
    return _develop(canvas, mask, rng), mask


def write_folder(
    path: str | os.PathLike[str],
    num_train: int = 400,
    num_validation: int = 100,
    size: tuple[int, int] = (180, 240),
    seed: int = 0,
) -> None:
    """Writes scenes as the files that an annotator would hand over.

    The folder holds `train` and `val`, each with `images` and `masks`, in them
    `0000.png` and so on; masks are palette PNGs of class ids. `labels.json` says what
    the ids mean. The folder appears when it is whole.

    Args:
        path: The folder to make.
        num_train: Number of training scenes.
        num_validation: Number of validation scenes.
        size: Height and width, pixels.
        seed: The seed of the scenes.

    Raises:
        FileExistsError: If something is at `path` already.
    """
    path = Path(path)
    if path.exists():
        raise FileExistsError(
            f"`path` must be a folder that does not exist yet. Received: {path}. "
            "Delete it, or name another."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        for folder, split, count in (
            ("train", "train", num_train),
            ("val", "validation", num_validation),
        ):
            images, masks = temporary / folder / "images", temporary / folder / "masks"
            images.mkdir(parents=True)
            masks.mkdir()
            for index in range(count):
                image, mask = scene(index, split, seed, size)
                name = f"{index:04d}.png"
                write_image(images / name, Image.fromarray(image))
                write_mask(masks / name, mask, LABELS)
        write_json(temporary / "labels.json", LABELS.to_dict())
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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
