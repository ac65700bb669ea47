"""Blocks of an image: as many whole tiles as memory has room for their probabilities.

Where classes are all that is asked for, the probabilities of one block are there at a
time, and no tile is cut or run twice.
"""

import itertools
import math

import numpy as np
import tqdm

from kseg.inference.one_pass import count_classes, ids_of
from kseg.inference.tiling import Span, lay_tiles, tile_probabilities
from kseg.labels import id_dtype

# Bytes of a block's probabilities; a block of one tile may have more.
BLOCK_BYTES = 1 << 26


def block_side(num_classes: int) -> int:
    """Returns the height and width of the blocks that memory has room for.

    Args:
        num_classes: Number of classes.
    """
    return math.isqrt(BLOCK_BYTES // (4 * num_classes))


def blocks(spans: list[Span], side: int) -> list[slice]:
    """Joins what neighbouring tiles are kept of, up to a side, so that none is cut.

    Args:
        spans: The tiles along an axis, of which one counts for each pixel.
        side: Most pixels of a block, unless one tile has more.
    """
    first, *rest = (span.kept for span in spans)
    joined = [first]
    for kept in rest:
        if kept.stop - joined[-1].start <= side:
            joined[-1] = slice(joined[-1].start, kept.stop)
        else:
            joined.append(kept)
    return joined


def ids_by_blocks(
    model, image: np.ndarray, tile: tuple[int, int], overlap: int | None
) -> np.ndarray:
    """Returns the class of every pixel, of tiles that are not blended.

    Args:
        model: A network of kseg, or a `kseg.export.LiteRTModel`.
        image: uint8 array `(height, width, 3)`, RGB.
        tile: As in `kseg.inference.tiling.lay_tiles`.
        overlap: As there.

    Returns:
        uint8 or uint16 array `(height, width)`.
    """
    num_classes = count_classes(model)
    size = image.shape[0], image.shape[1]
    tiles = lay_tiles(model, size, tile, overlap)
    side = block_side(num_classes)
    places = list(
        itertools.product(blocks(tiles.down, side), blocks(tiles.across, side))
    )
    ids = np.empty(size, id_dtype(num_classes))
    if len(places) > 1:
        places = tqdm.tqdm(places, "blocks", leave=False, unit="block")
    for rows, columns in places:
        scores = tile_probabilities(model, image, tiles, rows, columns)
        ids[rows, columns] = ids_of(scores)
    return ids
