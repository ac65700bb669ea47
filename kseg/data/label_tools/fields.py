"""What files of label tools hold, checked where it is read."""

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kseg.data.label_tools.shapes import Polygon
from kseg.labels import Labels


def read_json(path: Path) -> Any:
    """Reads a JSON file.

    Raises:
        ValueError: If it is broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"A JSON file must be whole. Received: {path}: {error}."
        ) from error


def class_labels(file: Path) -> Labels | None:
    """Returns the classes of a `labels.json`, or of the JSON file of a model.

    Args:
        file: A JSON file, which may be of something else.

    Returns:
        The classes; `None` if it has none.

    Raises:
        ValueError: If it is broken.
    """
    data = read_json(file)
    data = data.get("labels", data) if isinstance(data, dict) else {}
    try:
        return Labels.from_dict(data)
    except ValueError:
        return None


def is_annotation(file: Path) -> bool:
    """Says whether a JSON file is another than the `labels.json` that kseg writes.

    Label tools may call files so, too.

    Args:
        file: The file.
    """
    return file.name != "labels.json" or class_labels(file) is None


def polygon(points: Any, rings: Iterable[Any] = ()) -> Polygon:
    """Returns a polygon with holes.

    Args:
        points: Pairs of x and y, or all in a row.
        rings: The holes, likewise.

    Raises:
        ValueError: If a ring has less than three points, or what is no number.
    """
    return Polygon([point_array(ring, 3) for ring in (points, *rings)])


def point_array(points: Any, least: int) -> np.ndarray:
    """Returns points as a float array `(points, 2)`.

    Args:
        points: Pairs of x and y, or all in a row.
        least: How many there must be.

    Raises:
        ValueError: If there are less, or one is no pair of numbers.
    """
    try:
        array = np.array(points, float)
        array = array.reshape(-1, 2) if array.ndim == 1 else array
        right = array.ndim == 2 and array.shape[1] == 2 and np.isfinite(array).all()
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ValueError(
            f"Points must be pairs of numbers, x and y. Received: {str(points)[:60]}."
        )
    if len(array) < least:
        raise ValueError(
            f"The shape must have {least} points or more. Received: {len(array)}."
        )
    return array


def number(value: Any, what: str) -> float:
    """Returns a finite number.

    Args:
        value: It, or its text.
        what: What to call it.

    Raises:
        ValueError: If it is none.
    """
    try:
        result = float(value)
    except (TypeError, ValueError):
        result = math.nan
    if not math.isfinite(result):
        raise ValueError(f"{what} must be a number. Received: {value!r}.")
    return result


def find_image(name: str, folders: Sequence[Path | None], where: object) -> Path:
    """Finds the image of annotations.

    Args:
        name: As the annotations say, perhaps with folders of another computer.
        folders: Where to look, in this order; `None` is passed over.
        where: The file of the annotations, for the message.

    Raises:
        FileNotFoundError: If it is nowhere.
    """
    name = name.replace("\\", "/")
    places = [folder for folder in folders if folder is not None]
    for shown in (name, name.rsplit("/", 1)[-1]):
        for folder in places:
            if shown and (folder / shown).is_file():
                return folder / shown
    raise FileNotFoundError(
        f"The image of annotations must be there. Received: {name!r} of {where}, which "
        f"is not in {', '.join(str(place) for place in dict.fromkeys(places))}. "
        "`images` names another folder."
    )
