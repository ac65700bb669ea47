"""Masks as text: lengths of runs, and PNG in base64.

COCO's runs go down the columns, CVAT's along the rows. The lengths are of pixels
outside and inside in turn, beginning outside. COCO's text holds them with 5 bits a
character, from the fourth on as differences to the length two before
(https://github.com/cocodataset/cocoapi, common/maskApi.c).
"""

import base64
import binascii
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

_MORE, _SIGN, _FIRST = 0x20, 0x10, 48


def from_runs(runs: Sequence[int], height: int, width: int) -> np.ndarray:
    """Returns the mask of lengths along the rows.

    Args:
        runs: Lengths, whose sum is `height * width`.
        height: Of the mask.
        width: Of the mask.

    Returns:
        bool array `(height, width)`.

    Raises:
        ValueError: If a length is negative, or their sum is another.
    """
    lengths = np.asarray(runs, np.int64).reshape(-1)
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(
            f"The lengths of runs must be 0 or more and sum to {height} x {width}. "
            f"Received: {len(lengths)} of sum {lengths.sum()}."
        )
    inside = np.arange(len(lengths)) % 2 == 1
    return np.repeat(inside, lengths).reshape(height, width)


def to_runs(mask: np.ndarray) -> list[int]:
    """Returns the lengths along the rows of a mask.

    Args:
        mask: bool array `(height, width)`.

    Example:
    >>> to_runs(np.array([[False, True], [True, False]]))
    [1, 2, 1]
    """
    flat = np.concatenate([[False], mask.ravel()])
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], changes, [mask.size]])).tolist()


def decode_text(text: str) -> list[int]:
    """Returns the lengths that a text of COCO holds.

    Args:
        text: Of characters `0` to `o`.

    Raises:
        ValueError: If it has another character, or ends within a number.

    Example:
    >>> decode_text("01500000005")
    [0, 1, 5, 1, 5, 1, 5, 1, 5, 1, 10]
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - _FIRST
        if not 0 <= code < 64:
            raise ValueError(
                "A compressed run-length code has the characters '0' to 'o'. "
                f"Received: {character!r}."
            )
        value |= (code & 0x1F) << shift
        shift += 5
        if code & _MORE:
            continue
        if code & _SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("A compressed run-length code must end with a whole number.")
    return runs


def encode_text(runs: Sequence[int]) -> str:
    """Returns the text of COCO for lengths; `decode_text` reads it.

    Args:
        runs: Lengths of runs.
    """
    characters = []
    for index, length in enumerate(runs):
        value = length - (runs[index - 2] if index > 2 else 0)
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & _SIGN else 0)
            characters.append(chr(bits + _MORE * more + _FIRST))
    return "".join(characters)


def from_base64(text: Any) -> bytes:
    """Decodes base64.

    Args:
        text: The code.

    Raises:
        ValueError: If it is none.
    """
    try:
        return base64.b64decode(str(text), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"its base64 code is broken: {error}.") from error


def from_png(data: bytes) -> np.ndarray:
    """Reads a PNG that is opaque, or where nothing is transparent not 0, inside.

    Args:
        data: The file's content.

    Returns:
        bool array `(height, width)`.

    Raises:
        ValueError: If it is no whole picture.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            image.load()
            if "transparency" in image.info or "A" in image.getbands():
                return np.asarray(image.convert("RGBA").getchannel("A")) > 0
            array = np.asarray(image)
    except Exception as error:  # a broken header may break Pillow anywhere
        raise ValueError(f"its PNG is broken: {error}.") from error
    return array > 0 if array.ndim == 2 else array.max(axis=-1) > 0
