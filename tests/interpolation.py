"""Linear interpolation as matrices, which tests compute resized maps with."""

import numpy as np


def interpolation(have, want):
    """Matrix `(want, have)` of linear interpolation between half-pixel centres."""
    return at_positions((np.arange(want) + 0.5) * have / want - 0.5, have)


def at_positions(positions, have):
    """Matrix `(positions, have)` that reads a side at places between its pixels."""
    positions = np.clip(positions, 0, have - 1)[:, np.newaxis]
    return np.maximum(0, 1 - np.abs(positions - np.arange(have)))


def resized(x, size):
    """Resizes `(batch, height, width, channels)` between half-pixel centres."""
    rows, columns = (
        interpolation(*sides) for sides in zip(x.shape[1:3], size, strict=True)
    )
    return np.einsum("ih,bhwc,jw->bijc", rows, x, columns, optimize=True)


def cells_enlarged(x, stride, size):
    """Interpolates between cells at the pixels 0, `stride`, ..., the last repeated."""
    rows, columns = (
        at_positions(np.arange(want) / stride, have)
        for have, want in zip(x.shape[1:3], size, strict=True)
    )
    return np.einsum("ih,bhwc,jw->bijc", rows, x, columns, optimize=True)
