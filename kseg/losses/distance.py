"""Exact Euclidean distances to the pixels of every class, on every backend.

Squared distances within columns, then over rows the least of distance + offset ** 2:
Felzenszwalb and Huttenlocher, "Distance Transforms of Sampled Functions", Theory of
Computing 2012, section 2. https://doi.org/10.4086/toc.2012.v008a019
Their lower envelope of parabolas goes pixel by pixel. Here all pixels go at once, one
offset after another, until no farther one could be less: shapes stay the same, so it
runs eagerly, in graphs, under XLA and on devices.
"""

from keras import ops

# Columns are up to so many times doubled long where their length is not known.
_DOUBLINGS = 16


def class_distances(labels, num_classes: int, max_distance: float | None = None):
    """Measures how far each pixel is from the nearest one of every class.

    Args:
        labels: Class ids `(batch, height, width)`, integers; other ids are none.
        num_classes: Number of classes.
        max_distance: Where distances end, in pixels; `None` for exact ones.

    Returns:
        Distances between the middles of pixels, float32 `(batch, height, width,
        num_classes)`, up to `max_distance`; 0 for a class that an image has not.
    """
    masks = ops.one_hot(labels, num_classes, dtype="bool")
    occurs = ops.any(masks, axis=(1, 2), keepdims=True)
    far = 1e6 if max_distance is None else float(max_distance)
    squares = ops.square(_along_columns(masks, far))
    squares = ops.where(occurs, ops.minimum(squares, far**2), 0.0)
    return ops.sqrt(_along_rows(squares))


def signed_distances(labels, num_classes: int, max_distance: float | None = None):
    """Measures how far each pixel is outside or inside of every class.

    Args:
        labels: As in `class_distances`.
        num_classes: Number of classes.
        max_distance: As in `class_distances`.

    Returns:
        Float32 tensor `(batch, height, width, num_classes)`: the distance to the class
        outside of it; inside, 1 minus the distance to the nearest pixel of another
        class, so 0 or less. 0 for a class that an image has not, and everywhere in an
        image that has not two.
    """
    distances = class_distances(labels, num_classes, max_distance)
    masks = ops.one_hot(labels, num_classes, dtype="bool")
    occurs = ops.any(masks, axis=(1, 2), keepdims=True)
    others = ops.where(occurs & ~masks, distances, float("inf"))
    inside = 1 - ops.min(others, axis=-1, keepdims=True)
    two = ops.sum(ops.cast(occurs, "int32"), axis=-1, keepdims=True) > 1
    return ops.where(two & occurs, ops.where(masks, inside, distances), 0.0)


def _along_columns(masks, far: float):
    """Returns distances within columns; they add up, so steps double."""
    height = masks.shape[1]
    doublings = _DOUBLINGS if height is None else (height - 1).bit_length()
    rows = ops.arange(ops.shape(masks)[1])
    last = ops.shape(masks)[1] - 1
    distances = ops.where(masks, 0.0, far)
    for step in [2**k for k in range(doublings)]:
        above = ops.take(distances, ops.maximum(rows - step, 0), axis=1)
        below = ops.take(distances, ops.minimum(rows + step, last), axis=1)
        distances = ops.minimum(distances, ops.minimum(above, below) + step)
    return distances


def _along_rows(squares):
    """Returns the least of the squares in a row plus the squared offsets."""
    columns = ops.arange(ops.shape(squares)[2])
    last = ops.shape(squares)[2] - 1

    def could_be_less(offset, nearest):
        return (offset <= last) & (ops.cast(offset**2, "float32") < ops.max(nearest))

    def compare(offset, nearest):
        # Beyond the border its own pixel stands in, which is nearer than that.
        left = ops.take(squares, ops.maximum(columns - offset, 0), axis=2)
        right = ops.take(squares, ops.minimum(columns + offset, last), axis=2)
        square = ops.cast(offset**2, "float32")
        return offset + 1, ops.minimum(nearest, ops.minimum(left, right) + square)

    return ops.while_loop(could_be_less, compare, (ops.ones((), "int32"), squares))[1]
