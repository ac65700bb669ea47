"""Prediction on image files larger than memory: block by block, from disk to disk."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tqdm

from kseg.inference.blocks import block_side, blocks
from kseg.inference.crf_options import Crf, crf_halo
from kseg.inference.dense_crf import dense_crf
from kseg.inference.one_pass import (
    check_model,
    count_classes,
    fixed_size,
    valid_size,
)
from kseg.inference.predict import check_options
from kseg.inference.tiling import lay_tiles
from kseg.inference.views import view_probabilities
from kseg.labels import Labels
from kseg.lite.one_image import ids_of
from kseg.raster import check_output, open_windows, write_bands

# Height and width of tiles, where the network takes any.
_TILE = 512
# Pixels of a block that a CRF sees with its halo: it needs far more for each than its
# probabilities. A block of one tile may have more.
_CRF_PIXELS = 1 << 20


def predict_file(
    model,
    path: str | Path,
    output: str | Path,
    labels: Labels | None = None,
    tile: tuple[int, int] | None = None,
    overlap: int | None = None,
    blend: str = "none",
    scales: Sequence[float] = (1.0,),
    flip: bool = False,
    turns: bool = False,
    crf: Crf | None = None,
    block: int | None = None,
) -> None:
    """Writes the class of every pixel of an image file to another file.

    They are those of `kseg.predict` with the same options. But of the CRF, which joins
    every pixel to every other: here it sees a block and two standard deviations of its
    positions around it, so that near the borders of blocks some pixels differ.

    Memory grows with the area of a block, not of the image, but of its width: rows
    of ids and of the tiles or strips of the file are kept. Tiles that several blocks
    need, as those that are blended are, run for each of them.

    Args:
        model: As in `kseg.predict`.
        path: A TIFF or `.npy` file, which is read by windows, or another image that
            Pillow reads at once; see `kseg.raster.open_windows`.
        output: A `.tif`, `.tiff`, `.npy` or `.png` file; see `kseg.raster.write_bands`.
        labels: Whose colours the file gets; `None` for the model's own, if it has any,
            or default colours.
        tile: As in `kseg.predict`; but `None` for the model's fixed size, or one of
            about 512 pixels if it takes any.
        overlap: As in `kseg.predict`, as all that follow.
        blend: How tiles are joined.
        scales: Factors of the image's size.
        flip: Whether to average over mirror images.
        turns: Whether to average over quarter turns.
        crf: The dense CRF, if any.
        block: Height and width, about, of the parts that are computed at once; `None`
            for what 64 MiB of probabilities are of, or less with a CRF: with what it
            sees around them, 1024.

    Raises:
        ValueError: As of `kseg.predict`, if a file is none that can be read or
            written, or a CRF looks so far that it needs to be told `block`.
        ImportError: If the package tifffile is needed and not there.
    """
    check_model(model)
    num_classes = count_classes(model)
    check_output(output, None, num_classes)
    if labels is None:
        own = getattr(model, "labels", None)
        labels = own if isinstance(own, Labels) else Labels.numbered(num_classes)
    if labels.num_classes != num_classes:
        raise ValueError(
            "The labels must name the model's classes. Received: "
            f"{labels.num_classes} labels for {num_classes} classes."
        )
    tile = _default_tile(model) if tile is None else tile
    views = (tile, overlap, blend, scales, flip, turns)
    arguments = check_options(model, *views, crf)
    if block is not None and block < 1:
        raise ValueError(f"`block` must be 1 or more. Received: {block}.")
    with open_windows(path) as image:
        size = image.shape[0], image.shape[1]
        check_output(output, size, num_classes)
        side = block or _block_side(size, num_classes, arguments)
        tiles = lay_tiles(model, size, tile, overlap)
        rows, columns = blocks(tiles.down, side), blocks(tiles.across, side)
        bands = _bands(model, image, rows, columns, views, arguments)
        write_bands(output, bands, size, labels)


def _default_tile(model) -> tuple[int, int]:
    """Returns the model's fixed size, or one of about 512 pixels that it takes."""
    valid = valid_size(model)
    side = valid.padded(_TILE - 2 * valid.border) if valid else _TILE
    height, width = fixed_size(model)
    return (side, side) if height is None or width is None else (height, width)


def _block_side(size: tuple[int, int], num_classes: int, arguments: dict | None) -> int:
    """Returns the height and width of the blocks that memory has room for.

    Args:
        size: Height and width of the image.
        num_classes: Number of classes.
        arguments: Those of the CRF.

    Raises:
        ValueError: If the CRF would mostly see what lies around blocks.
    """
    side = block_side(num_classes)
    if arguments is None:
        return side
    if size[0] * size[1] <= _CRF_PIXELS:  # no halo reaches beyond the image
        return side
    halo = crf_halo(arguments)
    room = math.isqrt(_CRF_PIXELS) - 2 * halo
    if room < halo:
        raise ValueError(
            "Without `block`, a CRF that looks two standard deviations around blocks "
            f"must not look farther than {math.isqrt(_CRF_PIXELS) // 3} pixels. "
            f"Received: {halo} pixels, for an image of {size[0]}x{size[1]}. Give "
            "`block`, to which its memory grows, or smaller deviations."
        )
    return min(side, room)


def _bands(
    model, image, rows: list[slice], columns: list[slice], views, arguments
) -> Iterator[np.ndarray]:
    """Yields the ids of the image from top to bottom, a row of blocks at a time."""
    total = len(rows) * len(columns)
    with tqdm.tqdm(total=total, desc="blocks", unit="block", leave=False) as bar:
        for down in rows:
            band = []
            for across in columns:
                band.append(_block_ids(model, image, down, across, views, arguments))
                bar.update()
            yield np.concatenate(band, axis=1)


def _block_ids(model, image, rows: slice, columns: slice, views, arguments):
    """Returns the class ids of a block."""
    if arguments is None:
        return ids_of(view_probabilities(model, image, rows, columns, *views))
    halo = crf_halo(arguments)
    down, across = (
        slice(max(side.start - halo, 0), min(side.stop + halo, length))
        for side, length in zip((rows, columns), image.shape, strict=False)
    )
    scores = view_probabilities(model, image, down, across, *views)
    ids = ids_of(dense_crf(image[down, across], scores, **arguments))
    return ids[
        rows.start - down.start : rows.stop - down.start,
        columns.start - across.start : columns.stop - across.start,
    ]
