"""Shift-and-stitch: a coarse network's scores at every pixel, by running it often.

Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic
Segmentation", CVPR 2015, section 3.2. https://arxiv.org/abs/1411.4038
The stitched scores are those of the same network without its strides and with
dilated convolutions and poolings in their place. It takes stride x stride runs, so
it is there for comparison; the paper's networks learn to enlarge instead.
"""

import itertools
from collections.abc import Callable, Sequence

import keras
import numpy as np

# Pixels, above the receptive fields of networks that do not pad: 404 of FCN's VGG-16.
# On less such a network has no map, and its stride cannot be seen.
_LARGE = 512


def shift_and_stitch(
    model: keras.Model | Callable,
    image: np.ndarray,
    stride: int,
    offset: int = 0,
    fill: float | Sequence[float] = 0.0,
    batch_size: int = 16,
) -> np.ndarray:
    """Runs a network on an image at every shift below its stride, and interlaces.

    Args:
        model: A Keras model, or a function, from float32 images `(batch, height,
            width, channels)` of any size to a map `(batch, cells, cells, values)`
            of one cell for `stride` pixels.
        image: Array `(height, width, channels)`.
        stride: Pixels between the cells of the map, in both directions.
        offset: Pixel on which the receptive field of the first cell is centred;
            below 0 where the network pads more than it sees to one side. Cell i
            speaks for the pixel `offset + stride * i`.
        fill: What lies around the image: a value, or one for each channel. The
            mean colour becomes zero where a network subtracts it.
        batch_size: Number of shifted images in one run.

    Returns:
        float32 array `(height, width, values)`.

    Raises:
        ValueError: If the map of the model does not have this stride, or `stride` or
            `batch_size` is below 1.

    Example:
    >>> image = np.arange(6.0).reshape(1, 6, 1)
    >>> shift_and_stitch(lambda batch: batch[:, ::4, ::4], image, stride=4)[0, :, 0]
    array([0., 1., 2., 3., 4., 5.], dtype=float32)
    """
    if stride < 1 or batch_size < 1:
        raise ValueError(
            "`stride` and `batch_size` must be 1 or more. Received: "
            f"{stride} and {batch_size}."
        )
    run = model.predict_on_batch if isinstance(model, keras.Model) else model
    image = np.asarray(image, "float32")
    # Of a map that begins ahead of the image, so many cells are not looked at.
    skipped = max(0, -(offset // stride))
    first = offset + skipped * stride
    cells = [-(-(side - 1) // stride) + 1 for side in image.shape[:2]]
    canvas = _canvas(run, image, stride, first, [n + skipped for n in cells])

    shifts = list(itertools.product(range(stride), repeat=2))
    maps = []
    for start in range(0, len(shifts), batch_size):
        chunk = shifts[start : start + batch_size]
        batch = np.empty((len(chunk), *canvas, image.shape[-1]), "float32")
        batch[:] = fill
        for shifted, (down, right) in zip(batch, chunk, strict=True):
            inside = shifted[first + down :, first + right :]
            inside[: image.shape[0], : image.shape[1]] = image
        scores = np.asarray(run(batch), "float32")[:, skipped:, skipped:]
        maps.append(scores[:, : cells[0], : cells[1]])

    # Shifted by s, cell i speaks for the pixel stride * i - s: the largest first.
    stitched = np.concatenate(maps)
    stitched = stitched.reshape(stride, stride, *cells, -1)[::-1, ::-1]
    stitched = stitched.transpose(2, 0, 3, 1, 4)
    stitched = stitched.reshape(cells[0] * stride, cells[1] * stride, -1)
    height, width = image.shape[:2]
    return stitched[stride - 1 :, stride - 1 :][:height, :width]


def _canvas(run, image, stride, first, cells) -> list[int]:
    """Returns the size at which every shift fits and the map has enough cells."""
    sides = [side + first + stride - 1 for side in image.shape[:2]]
    added = [max(0, -(-(_LARGE - side) // stride)) for side in sides]  # cells
    counts = []
    for extra in (0, 4):
        size = [
            side + stride * (n + extra) for side, n in zip(sides, added, strict=True)
        ]
        blank = np.zeros((1, *size, image.shape[-1]), "float32")
        counts.append(np.asarray(run(blank)).shape[1:3])
    if any(after - before != 4 for before, after in zip(*counts, strict=True)):
        raise ValueError(
            f"{4 * stride} pixels more must give 4 cells more. Received: "
            f"stride={stride}, a map of {counts[0]} cells, and of {counts[1]}."
        )
    have = [count - n for count, n in zip(counts[0], added, strict=True)]
    missing = [max(0, n - m) for n, m in zip(cells, have, strict=True)]
    return [side + stride * n for side, n in zip(sides, missing, strict=True)]
