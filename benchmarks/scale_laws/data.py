"""How opening, checking and feeding data grows."""

import functools
import itertools
from pathlib import Path

import numpy as np

from kseg.data import Examples, class_frequencies, open_source, preset, tf_feed
from kseg.data.check import check_data
from kseg.data.check.hashes import nearest
from scale_laws.law import Law, Work
from scale_laws.scenes import write_folder

_IMAGES = [10, 40, 160, 640, 2560, 10240]
_HASHES = [2000, 8000, 32_000, 128_000]


def _open(folder: Path):
    return open_source("folder", "train", path=folder, classes=4)


def _opening(images: int, folder: Path) -> Work:
    return functools.partial(_open, write_folder(folder, images))


def _numbered(images: int, folder: Path) -> Work:
    """Prepares a folder as browsers and file managers name copies."""
    write_folder(folder, images, "photo ({})")
    for part in ("images", "masks"):
        (folder / part / "photo (0).png").rename(folder / part / "photo.png")
    return functools.partial(_open, folder)


def _one_folder(images: int, folder: Path) -> Work:
    """Prepares such a folder of images and masks together."""
    write_folder(folder, images, "photo ({})")
    for part, end in (("images", ""), ("masks", "_mask")):
        for number in range(images):
            name = f"photo ({number})" if number else "photo"
            before = folder / part / f"photo ({number}).png"
            before.rename(folder / f"{name}{end}.png")
        (folder / part).rmdir()
    return functools.partial(_open, folder)


def _frequencies(images: int, folder: Path) -> Work:
    source = _open(write_folder(folder, images))
    return lambda: class_frequencies(source)


def _first_batch(images: int, folder: Path) -> Work:
    write_folder(folder, images)

    def work():
        examples = Examples(_open(folder), (32, 32), 8, preset("strong", (32, 32), 255))
        return next(iter(tf_feed(examples)))

    return work


def _check(images: int, folder: Path) -> Work:
    write_folder(folder, images)

    def work():
        sources = {
            split: open_source("folder", split, path=folder, classes=4)
            for split in ("train", "val")
        }
        return check_data(sources)

    return work


def _hashes(count: int, folder: Path) -> Work:
    """Prepares hashes of images that have nothing in common."""
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**64, count, np.uint64)
    return functools.partial(nearest, hashes, np.arange(count) % 2)


def _alike(count: int, folder: Path) -> Work:
    """Prepares hashes of one view, in which each bit differs now and then."""
    rng = np.random.default_rng(0)
    bits = np.packbits(rng.random((count, 64)) < 0.03, axis=1)
    hashes = bits.view(np.uint64)[:, 0]
    return functools.partial(nearest, hashes, np.arange(count) % 2)


def _batches(size: int, folder: Path) -> Work:
    """Prepares a feed; the work is one batch."""
    source = _open(write_folder(folder, 64))
    strong = preset("strong", (64, 64), 255)
    examples = Examples(source, (64, 64), size, strong)
    steps = itertools.count()
    return lambda: examples.batch(next(steps))


_law = functools.partial(Law, "data")

LAWS = [
    _law(
        "opening a folder",
        "images",
        _IMAGES,
        _opening,
        {"seconds": 1, "megabytes": 1},
        "names are read and paired",
    ),
    _law(
        "opening a folder of 'photo (1)', 'photo (2)', ...",
        "images",
        _IMAGES[:-1],
        _numbered,
        {"seconds": 1},
        "a suffix that pairs all is told from others at once",
    ),
    _law(
        "opening images and masks of one folder",
        "images",
        _IMAGES[:-1],
        _one_folder,
        {"seconds": 1},
        "likewise",
    ),
    _law(
        "class frequencies",
        "images",
        _IMAGES,
        _frequencies,
        {"seconds": 1, "megabytes": 1},
        "each mask once",
    ),
    _law(
        "first batch of a feed",
        "images",
        _IMAGES,
        _first_batch,
        {"seconds": 1, "megabytes": 1},
        "opening, and no image but the batch's",
    ),
    _law(
        "one batch",
        "images of a batch",
        [1, 2, 4, 8, 16, 32, 64],
        _batches,
        {"seconds": 1},
        "images are read and augmented one by one",
    ),
    _law(
        "kseg check",
        "images",
        _IMAGES[:-1],
        _check,
        {"seconds": 1, "megabytes": 1},
        "each image once; of it a record is kept",
    ),
    _law(
        "search for near duplicates",
        "images",
        _HASHES,
        _hashes,
        {"seconds": 1.25, "megabytes": 1},
        "sorts; a few thousand share a band of bits by chance when they are a million",
    ),
    _law(
        "search for near duplicates, all alike",
        "images",
        _HASHES,
        _alike,
        {"seconds": 1.25, "megabytes": 1},
        "who has a neighbour looks for no farther one",
    ),
]
