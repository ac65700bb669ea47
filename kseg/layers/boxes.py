"""Boxes in images: what training crops and prediction by proposals share."""

Box = tuple[int, int, int, int]


def enlarge_box(box: Box, factor: float, size: tuple[int, int]) -> Box:
    """Enlarges a box about its middle, as far as the image goes.

    Args:
        box: Top, left, bottom and right in pixels; the last two are outside.
        factor: By how much its height and its width grow, 1 or more.
        size: Height and width of the image.

    Returns:
        The box, in whole pixels.

    Example:
    >>> enlarge_box((10, 20, 20, 40), 1.2, size=(100, 41))
    (9, 18, 21, 41)
    """
    sides = []
    for start, stop, whole in zip(box[:2], box[2:], size, strict=True):
        margin = round((factor - 1) / 2 * (stop - start))
        sides.append((max(start - margin, 0), min(stop + margin, whole)))
    (top, bottom), (left, right) = sides
    return top, left, bottom, right
