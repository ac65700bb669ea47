"""Masks of many images, written so that a run that was stopped goes on."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from kseg.files import write_json
from kseg.lite.litert_model import LiteRTModel, file_sha256
from kseg.lite.one_image import predict
from kseg.raster import find_images, is_large, read_image, write_image, write_mask
from kseg.raster.pictures import check_alpha, overlay

# Says in a folder of results which file they are of.
_RECORD = "predicted_by.json"


class Batch(NamedTuple):
    """What `predict_files` did: images by what became of them."""

    done: list[Path]
    skipped: list[Path]
    failures: dict[Path, Exception]


def predict_files(
    path: str | Path,
    inputs: Sequence[Path],
    output: Path,
    overlays: bool = False,
    alpha: float = 0.5,
    num_threads: int = 2,
    progress: Callable[[int, int, Path], None] | None = None,
) -> Batch:
    """Writes masks, and overlays where they are asked for, as `kseg predict` does.

    An image is skipped where what is asked for is there, of the same model file, and
    no older than the image. One that cannot be read is left out.

    Args:
        path: The `.tflite` file.
        inputs: Image files, and folders of them.
        output: Folder for results, which is made: `<image>_mask.png`, a palette PNG of
            class ids; `<image>_overlay.png`; and `labels.json`, what the ids mean.
        overlays: Whether to write overlays.
        alpha: Share of the class colour in them, 0 to 1.
        num_threads: How many CPU threads to use.
        progress: What to call before each image, with the number of those before it,
            of all, and its file.

    Returns:
        The images that were predicted, those that were skipped, and those that failed,
        with the error.

    Raises:
        ValueError: If an argument is not as above, two images would have results of
            one name, or the folder has those of another model.
    """
    check_alpha(alpha)
    files = find_images(inputs)
    model = LiteRTModel(path, num_threads)
    output.mkdir(parents=True, exist_ok=True)
    known = _claim(output, Path(path))
    write_json(output / "labels.json", model.labels.to_dict())
    batch = Batch([], [], {})
    for number, file in enumerate(files):
        if progress is not None:
            progress(number, len(files), file)
        mask, painted = (output / f"{file.stem}_{x}.png" for x in ("mask", "overlay"))
        wanted = [mask, painted] if overlays else [mask]
        if known and all(_is_newer(result, file) for result in wanted):
            batch.skipped.append(file)
            continue
        try:
            image = _read(file)
            ids = predict(model, image)
        except (ValueError, FileNotFoundError) as error:
            batch.failures[file] = error
            continue
        if overlays:
            write_image(painted, overlay(image, ids, model.labels, alpha))
        write_mask(mask, ids, model.labels)
        batch.done.append(file)
    return batch


def _claim(output: Path, path: Path) -> bool:
    """Notes whose results a folder has; returns whether they were this file's before.

    Raises:
        ValueError: If they are another's.
    """
    record = output / _RECORD
    ours = {"file": path.name, "sha256": file_sha256(path)}
    if not record.is_file():
        write_json(record, ours)
        return False
    try:
        theirs = json.loads(record.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{record} must be JSON: {error}. Delete it.") from error
    if theirs.get("sha256") != ours["sha256"]:
        raise ValueError(
            "A folder must hold the masks of one model. Received: "
            f"{output} with those of {theirs.get('file')!r}, another file than {path}. "
            "Name another folder, or delete that one."
        )
    return True


def _is_newer(result: Path, file: Path) -> bool:
    """Says whether a result is there and no older than its image."""
    return result.is_file() and result.stat().st_mtime >= file.stat().st_mtime


def _read(file: Path):
    """Reads an image that is predicted at once, as `kseg predict` does."""
    if is_large(file):
        raise ValueError(
            f"An image must be small enough to be held at once. Received: {file}. "
            "`kseg predict`, the full package, reads it by windows."
        )
    return read_image(file)
