"""Draws docs/images/augmentation.png: images of CamVid with their masks, augmented.

python benchmarks/augmentation_picture.py FOLDER

FOLDER holds `train/images` and `train/labels`, files of equal names.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from augmentation import is_ours
from PIL import Image

from kseg.data import presets
from kseg.data.geometry import Example
from kseg.raster import read_image

SIZE = (180, 240)
EXTRA = {
    "flip": {"probability": 1.0},
    "grayscale": {"probability": 1.0},
    "photometric": {"each": 1.0},
    "affine": {"degrees": 20.0, "shear": 12.0},
    "clahe": {"clip_limit": (4.0, 4.0)},
    "copy_paste": {"classes": (8, 9, 10)},
    "color_jitter": {"brightness": 0.4, "contrast": 0.4, "saturation": 0.8},
    "elastic": {"sigma": 12.0},
    "gamma": {"gamma": (0.5, 0.5)},
    "gaussian_noise": {"sigma": (25.0, 25.0)},
    "jpeg": {"quality": (5, 5)},
    "mix_up": {"alpha": 20.0},
    "motion_blur": {"length": (11, 11)},
    "posterize": {"bits": (2, 2)},
    "rotation": {"degrees": 40.0},
    "scale_crop": {"size": SIZE},
    "some_of": {
        "augmentations": presets.find_preset("randaugment")[-1]["augmentations"]
    },
}


def colored(example: Example, colors: np.ndarray) -> np.ndarray:
    """Returns the image with its mask over it, half and half, side by side."""
    paint = colors[example.mask]
    over = cv2.addWeighted(example.image, 0.35, paint, 0.65, 0)
    return cv2.hconcat([example.image, over])


def panel(title: str, example: Example, colors: np.ndarray) -> np.ndarray:
    """Returns a picture of an example under its title."""
    picture = cv2.copyMakeBorder(
        colored(example, colors), 24, 4, 4, 4, cv2.BORDER_CONSTANT, value=(255,) * 3
    )
    place, font = (6, 17), cv2.FONT_HERSHEY_SIMPLEX
    return cv2.putText(picture, title, place, font, 0.5, (0, 0, 0), 1, cv2.LINE_AA)


def main() -> None:
    """Reads four images, and writes the grid."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder / "train"
    names = sorted(path.name for path in (folder / "images").iterdir())[65::60][:4]
    pairs = []
    for name in names:
        image = cv2.resize(
            read_image(folder / "images" / name),
            SIZE[::-1],
            interpolation=cv2.INTER_AREA,
        )
        mask = np.asarray(Image.open(folder / "labels" / name).resize(SIZE[::-1], 0))
        pairs.append(Example(image, mask))
    colors = np.random.default_rng(3).integers(40, 255, (256, 3)).astype(np.uint8)
    colors[255] = 0
    panels = [panel("as it is", pairs[0], colors)]
    for name in filter(is_ours, presets.AUGMENTATIONS):
        made = presets.make({"name": name, **EXTRA.get(name, {})}, {})
        moved = made(pairs[0], np.random.default_rng(7))
        moved = moved.each(lambda array: cv2.resize(array, SIZE[::-1], interpolation=0))
        panels.append(panel(name, moved, colors))
    for name in filter(is_ours, presets.MIXES):
        mix = presets.make_mix({"name": name, **EXTRA.get(name, {})})
        mixed = mix(pairs[: 1 + mix.partners], np.random.default_rng(1))
        panels.append(panel(name, mixed, colors))
    columns = 4
    panels += [np.full_like(panels[0], 255)] * (-len(panels) % columns)
    rows = [
        cv2.hconcat(panels[i : i + columns]) for i in range(0, len(panels), columns)
    ]
    grid = Image.fromarray(
        cv2.resize(cv2.vconcat(rows), None, fx=0.75, fy=0.75, interpolation=3)
    )
    out = Path(__file__).parents[1] / "docs" / "images" / "augmentation.png"
    grid.quantize(256).save(out, optimize=True)
    print(out, grid.size, out.stat().st_size)


if __name__ == "__main__":
    main()
