"""A clean folder of images and masks, to plant mistakes in."""

import numpy as np
from PIL import Image

from kseg.data.check import check_data
from kseg.data.check.opening import open_splits

SIZE = (64, 96)
NAMES = ("road", "car", "sky")
COUNTS = {"train": 6, "val": 3}


def image(seed, size=SIZE):
    """Smooth random colours, which no other seed looks like."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 9, 3), np.uint8)
    picture = Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC)
    return np.asarray(picture)


def mask(seed, size=SIZE, ids=(0, 1, 2, 255)):
    """Regions of all ids, as the nearest of random points."""
    rng = np.random.default_rng((seed, 1))
    points = rng.uniform((0, 0), size, (12, 2))
    rows, columns = np.mgrid[: size[0], : size[1]]
    squares = (rows - points[:, :1, None]) ** 2 + (columns - points[:, 1:, None]) ** 2
    return np.array(ids)[squares.argmin(axis=0) % len(ids)].astype(np.uint8)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array, np.uint8)).save(path, **options)
    return path


def write_clean(path):
    """Writes a folder without a mistake: `train/images/0.png`, ..., `val/masks/8.png`.

    The numbers are the seeds of `image` and `mask`.
    """
    seed = 0
    for split, count in COUNTS.items():
        for _ in range(count):
            save(path / split / "images" / f"{seed}.png", image(seed))
            save(path / split / "masks" / f"{seed}.png", mask(seed))
            seed += 1
    return path


def masks_of(path):
    return sorted(path.glob("*/masks/*"))


def change_masks(path, change):
    """Replaces every mask by what a function of the array returns."""
    for file in masks_of(path):
        save(file, change(np.asarray(Image.open(file))))


def check(path, crop=None, splits=("train", "val"), **options):
    """Checks a folder as the command does."""
    options = {"path": path, "classes": NAMES, **options}
    sources, known = open_splits("folder", splits, options)
    return check_data(sources, crop, 2, known)


def kinds(report):
    """The kinds of what was found, each once."""
    return sorted({finding.kind for finding in report.findings})


def only(report, kind):
    """The one finding of a kind."""
    (finding,) = (f for f in report.findings if f.kind == kind)
    return finding
