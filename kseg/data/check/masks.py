"""What is wrong with a mask: its file where it has one, or its ids."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from kseg.data.check.findings import Problem
from kseg.data.sources import FileSource, Source
from kseg.labels import Labels
from kseg.raster import open_picture, read_image

# Share of the changes between neighbours that go on in the same direction. In CamVid's
# masks, as they are, rotated, and resized by the nearest pixel to a quarter to 1.5
# times the size, it is 0.06 at most; resized bilinearly or bicubically to 0.25 to 3
# times, or saved as JPEG of quality 50 to 95, it is 0.16 at least.
RAMPS = 0.1
_CHANGES = 50  # fewer say nothing
_ORIENTATION = 274  # the EXIF tag


class Header(NamedTuple):
    """What the head of a picture's file says.

    Args:
        format: Pillow's name of the format.
        orientation: EXIF's number, 1 for upright.
        palette: uint8 colours `(n, 3)`, or `None`.
    """

    format: str
    orientation: int = 1
    palette: np.ndarray | None = None


def files_of(source: Source, index: int) -> tuple[Path, Path] | None:
    """Returns the files of image and mask of an example, if it has them."""
    pairs = getattr(source, "pairs", None)
    pair = tuple(pairs[index]) if pairs is not None else ()
    if len(pair) == 2 and all(isinstance(path, Path) for path in pair):
        return pair
    return None


def read_header(path: Path) -> Header:
    """Reads the head of a picture's file, without decoding it; or nothing of it."""
    try:
        with Image.open(path) as image:
            # Of a PNG that says nothing in its head Pillow would decode the rest.
            silent = image.format == "PNG" and "exif" not in image.info
            orientation = 1 if silent else image.getexif().get(_ORIENTATION, 1)
            colors = image.palette if image.mode == "P" else None
            palette = None
            if colors is not None and colors.mode == "RGB":
                palette = np.frombuffer(bytes(colors.palette), np.uint8)
                palette = palette[: len(palette) // 3 * 3].reshape(-1, 3)
            return Header(image.format or "", orientation, palette)
    except Exception:  # a broken header may break Pillow anywhere; reading will tell
        return Header("")


def ramp_share(ids: np.ndarray) -> float:
    """Returns how many changes between neighbouring pixels are steps of a ramp.

    From one class to the next a mask goes in one step; where it was interpolated, or
    saved as JPEG, it goes through values between the two, and the next pixel goes on
    in the same direction.

    Args:
        ids: Integer array `(height, width)`.

    Returns:
        The share, 0 to 1; 0 where there are hardly any changes.

    Example:
    >>> steps = np.repeat([[0, 9, 3, 7]], 20, axis=0).repeat(5, axis=1)
    >>> ramp_share(steps)
    0.0
    """
    changes = ramps = 0
    for rows in (ids, ids.T):
        up, down = rows[:, 1:] > rows[:, :-1], rows[:, 1:] < rows[:, :-1]
        changes += np.count_nonzero(up) + np.count_nonzero(down)
        for steps in (up, down):
            ramps += np.count_nonzero(steps[:, 1:] & steps[:, :-1])
    return int(ramps) / int(changes) if changes >= _CHANGES else 0.0


def file_problems(source: FileSource, index: int, ids: np.ndarray) -> list[Problem]:
    """Finds what the files of a readable pair have that its arrays do not show."""
    image_path, mask_path = source.pairs[index]
    problems = []
    header, image_header = read_header(mask_path), read_header(image_path)
    if header.format == "JPEG":
        problems.append(Problem("smeared", "a JPEG file", str(mask_path)))
    # 5 to 8 exchange height and width: then the sizes have shown that the mask fits.
    told_by_size = image_header.orientation > 4 and ids.shape[0] != ids.shape[1]
    if image_header.orientation > 1 and header.orientation == 1 and not told_by_size:
        found = f"orientation {image_header.orientation}"
        problems.append(Problem("orientation", found, str(image_path)))
    if header.palette is not None and source.color_map is None and not source.values:
        problems += _palette_problems(header.palette, ids, source.labels, mask_path)
    return problems


def _palette_problems(palette, ids, labels: Labels, path: Path) -> list[Problem]:
    """Finds indices that have the colour of another class."""
    colors = {color: i for i, color in enumerate(labels.colors)}
    for index in np.unique(ids).tolist():
        if index < min(len(palette), labels.num_classes):
            other = colors.get(tuple(palette[index].tolist()))
            if other is not None and other != index:
                found = f"index {index} has the colour of {labels.names[other]!r}"
                return [Problem("palette", f"{found}, class {other}", str(path))]
    return []


def diagnose(source: FileSource, index: int) -> tuple[list[Problem], np.ndarray | None]:
    """Finds out why a pair of files cannot be read.

    Args:
        source: The files.
        index: Which pair.

    Returns:
        The problems, and the values in the mask's file if they are numbers.
    """
    image_path, mask_path = source.pairs[index]
    page = source.pages[index] if source.pages else 0
    problems, size, picture, values = [], None, None, None
    try:
        image = read_image(image_path, page, source.channels, source.value_range)
        size = image.shape[:2]
    except (ValueError, OSError) as error:
        problems.append(Problem("unreadable", str(error), str(image_path)))
    try:
        picture = open_picture(mask_path, page)
    except (ValueError, OSError) as error:
        problems.append(Problem("unreadable", str(error), str(mask_path)))
    if picture is not None:
        found, values = _values_problems(picture, source, index)
        problems += found
        if size is not None and size != picture.size[::-1]:
            problems.append(_size_problem(size, picture.size[::-1], image_path))
    return problems, values


def _size_problem(size, mask_size, image_path: Path) -> Problem:
    """Says whether a mask of another size than its image lies across it."""
    found = f"image {size[0]}x{size[1]}, mask {mask_size[0]}x{mask_size[1]}"
    if size != mask_size[::-1]:
        return Problem("size", found, str(image_path))
    orientation = read_header(image_path).orientation
    if orientation > 1:
        found += f", and the image has the camera's orientation {orientation}"
    return Problem("turned", found, str(image_path))


def _values_problems(picture: Image.Image, source: FileSource, index: int):
    """Finds out why a mask's file does not hold class ids."""
    path = source.pairs[index][1]
    try:
        source.mask(index)
        return [], None
    except (ValueError, OSError) as error:
        message = str(error)
    lossy = read_header(path).format == "JPEG"
    if picture.mode in ("RGB", "RGBA"):
        return _color_problems(picture, source, path, lossy, message), None
    if source.color_map or picture.mode not in ("1", "L", "P", "I", "I;16"):
        return [Problem("color", message, str(path))], None
    values = np.asarray(picture).astype(np.int32)
    share = ramp_share(values)
    if lossy or share > RAMPS:
        found = f"{len(np.unique(values))} different values"
        found += ", a JPEG file" if lossy else f", {share:.0%} of the steps are ramps"
        return [Problem("smeared", found, str(path))], None
    labels = source.labels
    allowed = source.values or {*range(labels.num_classes), labels.ignore_class}
    wrong = [v for v in np.unique(values).tolist() if v not in allowed]
    pixels = np.isin(values, wrong).mean()
    shown = ", ".join(map(str, wrong[:8])) + ", ..." * (len(wrong) > 8)
    return [Problem("label", f"{shown} in {pixels:.2%} of the pixels", str(path))], (
        np.unique(values)
    )


def _color_problems(picture, source: FileSource, path: Path, lossy: bool, message):
    """Says what is wrong with a mask in colour: no colour map, or blended colours."""
    rgb = np.asarray(picture.convert("RGB"))
    codes = rgb.astype(np.int32) @ np.array([65536, 256, 1], np.int32)
    count = len(np.unique(codes))
    share = ramp_share(codes)
    if lossy or share > RAMPS:
        found = f"{count} colours"
        found += ", a JPEG file" if lossy else f", {share:.0%} of the steps are ramps"
        return [Problem("smeared", found, str(path))]
    if source.color_map is None and (rgb == rgb[..., :1]).all():
        message = f"{count} values of grey, saved as red, green and blue"
    return [Problem("color", message, str(path))]
