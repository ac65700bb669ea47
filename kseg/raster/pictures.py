"""Pictures for people: class ids as colours over the image, with a legend."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kseg.labels import Labels

_VOID = (255, 255, 255)


def colorize(ids: np.ndarray, labels: Labels) -> np.ndarray:
    """Returns class ids as the classes' colours; anything else is white.

    Args:
        ids: Integers `(height, width)`.
        labels: The classes.

    Returns:
        uint8 array `(height, width, 3)`.
    """
    palette = np.array([*labels.colors, _VOID], np.uint8)
    # A negative id becomes a large one, and so white.
    return palette[np.minimum(ids.astype(np.uint32), labels.num_classes)]


def check_alpha(alpha: float) -> None:
    """Raises if the share of colour in an overlay is none.

    Args:
        alpha: The share.

    Raises:
        ValueError: If it is not 0 to 1.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(
            "`alpha` (--alpha), the share of colour, must be 0 to 1. Received: "
            f"{alpha}."
        )


def overlay(
    image: np.ndarray,
    ids: np.ndarray,
    labels: Labels,
    alpha: float = 0.5,
    legend: bool = True,
) -> Image.Image:
    """Paints class ids over an image, and names those that occur below it.

    Args:
        image: uint8 array `(height, width, 3)`.
        ids: Class ids `(height, width)`.
        labels: The classes.
        alpha: Share of the class colour, 0 to 1.
        legend: Whether to add the names.

    Returns:
        An RGB picture as wide as the image; the legend adds to its height.
    """
    blended = (1 - alpha) * image + alpha * colorize(ids, labels)
    picture = Image.fromarray(blended.round().astype(np.uint8))
    if not legend:
        return picture
    present = [i for i in np.unique(ids).tolist() if i < labels.num_classes]
    return _stack([picture, _legend(present, labels, picture.width)])


def side_by_side(
    rows: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], labels: Labels
) -> Image.Image:
    """Shows image, true mask and prediction beside each other, with a legend.

    Args:
        rows: Image, mask and predicted ids of each row, all of one size.
        labels: The classes.

    Returns:
        An RGB picture.
    """
    panels = [
        np.concatenate(
            [
                image,
                colorize(mask, labels),
                np.asarray(overlay(image, ids, labels, 0.6, False)),
            ],
            axis=1,
        )
        for image, mask, ids in rows
    ]
    picture = Image.fromarray(np.concatenate(panels, axis=0))
    return _stack(
        [picture, _legend(list(range(labels.num_classes)), labels, picture.width)]
    )


def _legend(ids: list[int], labels: Labels, width: int) -> Image.Image:
    """Draws swatches and names, in as many lines as the width asks for."""
    size = 12
    font = ImageFont.load_default(size)
    places, x, y = [], 4, 4
    for i in ids:
        length = size + 6 + int(font.getlength(labels.names[i])) + 12
        if x + length > width and x > 4:
            x, y = 4, y + size + 6
        places.append((i, x, y))
        x += length
    picture = Image.new("RGB", (width, y + size + 8), "white")
    draw = ImageDraw.Draw(picture)
    for i, x, y in places:
        draw.rectangle(
            (x, y + 1, x + size, y + size + 1), fill=labels.colors[i], outline="black"
        )
        draw.text((x + size + 5, y), labels.names[i], fill="black", font=font)
    return picture


def _stack(pictures: list[Image.Image]) -> Image.Image:
    """Puts pictures of one width below each other."""
    result = Image.new(
        "RGB", (pictures[0].width, sum(picture.height for picture in pictures))
    )
    top = 0
    for picture in pictures:
        result.paste(picture, (0, top))
        top += picture.height
    return result
