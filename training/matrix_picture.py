"""A confusion matrix as a picture: a row per true class, dark where its pixels go."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_WHITE, _DARK = np.array([255.0, 255.0, 255.0]), np.array([8.0, 48.0, 107.0])
# Cells of more classes than this are too small for numbers, and shrink to a stripe.
_NUMBERED = 40
_LONGEST_NAME = 24


def shares(matrix: np.ndarray) -> np.ndarray:
    """Returns what share of each true class is called what.

    Args:
        matrix: Pixels by true and predicted class, integers `(classes, classes)`.

    Returns:
        float64 of the same shape, whose rows sum to 1; NaN for absent classes.
    """
    matrix = np.asarray(matrix, np.float64)
    pixels = matrix.sum(axis=1, keepdims=True)
    absent = np.full_like(matrix, np.nan)
    return np.divide(matrix, pixels, out=absent, where=pixels > 0)


def matrix_picture(matrix: np.ndarray, names: Sequence[str]) -> Image.Image:
    """Draws a confusion matrix, row by row in percent of the true class.

    Args:
        matrix: Pixels by true and predicted class, integers `(classes, classes)`.
        names: One name per class.

    Returns:
        An RGB picture: true classes below each other, predicted ones beside each
        other; a row of an absent class is grey.
    """
    count = len(names)
    cell = 36 if count <= _NUMBERED else 12
    font = ImageFont.load_default(12 if count <= _NUMBERED else 10)
    short = [name[:_LONGEST_NAME] for name in names]
    margin = 8 + int(max(font.getlength(name) for name in [*short, "true"]))
    picture = Image.new("RGB", (margin + count * cell, margin + count * cell), "white")
    parts = shares(matrix)
    picture.paste(_cells(parts, cell), (margin, margin))
    draw = ImageDraw.Draw(picture)
    draw.text((4, margin - 16), "true", fill="gray", font=font)
    for position, name in enumerate(short):
        middle = margin + position * cell + cell // 2
        draw.text((margin - 4, middle), name, fill="black", font=font, anchor="rm")
        picture.paste(_upright(name, font, margin, cell), (middle - cell // 2, 0))
    if count <= _NUMBERED:
        for row, column in np.argwhere(parts >= 0.005):
            place = (margin + (column + 0.5) * cell, margin + (row + 0.5) * cell)
            color = "white" if parts[row, column] > 0.5 else "black"
            text = f"{100 * parts[row, column]:.0f}"
            draw.text(place, text, fill=color, font=font, anchor="mm")
    return picture


def _cells(parts: np.ndarray, cell: int) -> Image.Image:
    """Paints the shares, each a square."""
    weight = np.nan_to_num(parts)[..., np.newaxis]
    colors = (1 - weight) * _WHITE + weight * _DARK
    colors[np.isnan(parts)] = 225
    whole = np.repeat(np.repeat(colors.round().astype(np.uint8), cell, 0), cell, 1)
    whole[::cell] = whole[:, ::cell] = 200
    return Image.fromarray(whole)


def _upright(name: str, font, height: int, width: int) -> Image.Image:
    """Writes a name from the bottom to the top."""
    flat = Image.new("RGB", (height, width), "white")
    draw = ImageDraw.Draw(flat)
    draw.text((4, width // 2), name, fill="black", font=font, anchor="lm")
    return flat.transpose(Image.Transpose.ROTATE_90)
