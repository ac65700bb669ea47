"""What the laws are measured on: maps of classes, images, folders of data."""

import functools
from pathlib import Path

import cv2
import numpy as np
from scipy import ndimage


@functools.lru_cache(maxsize=16)
def label_map(side: int, classes: int, seed: int = 0, cell: int = 32) -> np.ndarray:
    """Returns ragged blocks of classes, as large in every map: uint8 or uint16.

    So a larger map shows more, as a larger scene does, and its borders grow with its
    pixels.

    Args:
        side: Height and width.
        classes: Number of classes.
        seed: Of the classes; the places of the blocks are the same.
        cell: Side of a block.
    """
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, classes, (side // cell + 2,) * 2)
    row, column = np.indices((side, side)) + rng.integers(0, 2, (2, side, side))
    return coarse[row // cell, column // cell].astype(
        np.uint8 if classes <= 256 else np.uint16
    )


def maps(side: int, classes: int, cell: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels, and predictions that are right in three of four blocks.

    Their borders are moved by three pixels.

    Args:
        side: Height and width.
        classes: Number of classes.
        cell: Side of a block.
    """
    labels = label_map(side, classes, 0, cell)
    moved = np.roll(labels, 3, axis=(0, 1))
    blocks = np.add.outer(*[np.arange(side) // cell] * 2) % 4 == 0
    return labels, np.where(blocks, label_map(side, classes, 1, cell), moved)


@functools.lru_cache(maxsize=16)
def photograph(side: int) -> np.ndarray:
    """Returns an image of blocks of colour with noise, uint8 `(side, side, 3)`."""
    rng = np.random.default_rng(0)
    colors = rng.integers(0, 256, (16, 3))
    image = colors[label_map(side, 16)] + rng.normal(0, 4, (side, side, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def probabilities(side: int, classes: int) -> np.ndarray:
    """Returns smooth probabilities, float32 `(side, side, classes)`."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 3, (side // 32 + 1, side // 32 + 1, classes))
    logits = ndimage.zoom(coarse, (32, 32, 1), order=1)[:side, :side]
    powers = np.exp(logits).astype(np.float32)
    return powers / powers.sum(axis=-1, keepdims=True)


def cells(side: int, count: int) -> np.ndarray:
    """Returns the ids of so many squares, about, with background between them."""
    across = max(round(count**0.5), 1)
    pitch = side / across
    places = np.arange(side)
    inside = places % pitch >= min(3, pitch / 3)
    ids = 1 + np.add.outer((places // pitch) * across, places // pitch)
    return np.where(np.logical_and.outer(inside, inside), ids, 0).astype(np.int32)


def write_folder(folder: Path, count: int, name: str = "street_{:06d}") -> Path:
    """Writes so many different images of 32x32 pixels, and their masks.

    Args:
        folder: Where `images` and `masks` are made.
        count: How many.
        name: Of an image without its ending, a format of its number.
    """
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(count):
        stem = name.format(number)
        coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
        image = cv2.resize(coarse, (32, 32), interpolation=cv2.INTER_CUBIC)
        mask = np.repeat(np.repeat(coarse[..., 0] % 4, 8, axis=0), 8, axis=1)
        cv2.imwrite(str(folder / "images" / f"{stem}.png"), image)
        cv2.imwrite(str(folder / "masks" / f"{stem}.png"), mask)
    return folder
