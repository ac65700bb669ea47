"""Any data set as a folder of files, which `kseg.data.folder` reads."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tqdm
from PIL import Image

from kseg.data.sources import Source, image_file
from kseg.files import write_json
from kseg.labels import Labels
from kseg.raster import SUFFIXES, write_image, write_mask


def write_folder(
    path: str | os.PathLike[str],
    split: str,
    source: Source,
    masks: Callable[[int, np.ndarray, np.ndarray], np.ndarray] | None = None,
) -> None:
    """Writes a split as `<path>/<split>/images`, `.../masks` and `labels.json`.

    Image files are hard-linked where the file system can, copied where not; images
    that are no files are written as PNG. Masks are palette PNGs of class ids. The
    split appears when it is whole; other splits of the folder stay as they are.

    Args:
        path: The folder; it may be new, or hold other splits of the same classes.
        split: Name of the split, such as `"train"`.
        source: The examples.
        masks: Function `(index, image, mask) -> mask` whose masks are written instead;
            `None` for the masks of `source`.

    Raises:
        FileExistsError: As `check_split`.
        ValueError: As `check_split`, or if a mask is not of its image's size or holds
            an id above 255.
    """
    check_split(path, split, source.labels)
    path = Path(path)
    target = path / split
    temporary = path / f".{os.getpid()}.{split}"
    try:
        (temporary / "images").mkdir(parents=True)
        (temporary / "masks").mkdir()
        for index, name in enumerate(tqdm.tqdm(file_names(source), f"write {split}")):
            _write_example(temporary, name, index, source, masks)
        write_json(path / "labels.json", source.labels.to_dict())
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_split(path: str | os.PathLike[str], split: str, labels: Labels) -> None:
    """Raises if a split cannot be written.

    Args:
        path: As of `write_folder`.
        split: As of `write_folder`.
        labels: The classes of the examples.

    Raises:
        FileExistsError: If the split exists and holds something.
        ValueError: If `split` is no name of a folder or begins with a dot, as what
            readers of folders pass over does, or the folder's `labels.json` has
            other classes, colours or another ignore class.
    """
    target = Path(path) / split
    if not split or Path(split).name != split or split.startswith("."):
        raise ValueError(
            "`split` must be the name of a folder that is not hidden. Received: "
            f"{split!r}."
        )
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise FileExistsError(
            f"A split must be new or empty. Received: {target}, which holds "
            "something. Delete it, or name another folder."
        )
    _check_labels(Path(path) / "labels.json", labels)


def _write_example(folder, name, index, source, masks) -> None:
    """Writes an image and its mask."""
    file = image_file(source, index)
    if file is not None and file.suffix.lower() in SUFFIXES:
        link_file(file, folder / "images" / f"{name}{file.suffix}")
    else:
        file = None
    if file is not None and masks is None:
        mask = source.mask(index)
    else:
        image, mask = source[index]
        if file is None:
            write_image(folder / "images" / f"{name}.png", Image.fromarray(image))
        if masks is not None:
            shape, mask = mask.shape, masks(index, image, mask)
            if mask.shape != shape:
                raise ValueError(
                    "`masks` must return masks of their images' size. Received: "
                    f"{mask.shape} for {name} of {shape}."
                )
    write_mask(folder / "masks" / f"{name}.png", mask, source.labels)


def link_file(file: Path, target: Path) -> None:
    """Gives a file a second name, or copies it where that cannot be."""
    file = file.resolve()
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)


def file_names(source: Source) -> list[str]:
    """Returns names of files: those of the examples, numbered if one comes twice.

    None is hidden: readers of folders pass over names that begin with a dot.
    """
    given = (source.name(index) for index in range(len(source)))
    names = [re.sub(r"^$|^\.|/", "_", name) for name in given]
    if len({name.lower() for name in names}) < len(names):
        return [f"{index:06d}_{name}" for index, name in enumerate(names)]
    return names


def _check_labels(file: Path, labels: Labels) -> None:
    """Raises if the folder has other classes already."""
    if not file.exists():
        return
    found = Labels.from_dict(json.loads(file.read_text()))
    for what in ("names", "colors", "ignore_class"):
        theirs, ours = getattr(found, what), getattr(labels, what)
        if theirs != ours:
            raise ValueError(
                f"All splits of a folder must have the same classes. Received: {file} "
                f"with {what} {theirs}, and a source with {ours}."
            )
