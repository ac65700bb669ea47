"""The images that a command line names, and that lie in folders it names."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def find_images(inputs: Sequence[Path]) -> list[Path]:
    """Returns the files that are named, and the images of folders that are.

    Args:
        inputs: Files, and folders whose images are taken by their endings, `SUFFIXES`.

    Returns:
        The files, those of a folder sorted by name.

    Raises:
        ValueError: If an input is not there, there is no image, or two have a name in
            common but for their endings, as results are named after them.
    """
    files = []
    for path in inputs:
        if path.is_dir():
            files += sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
        elif path.is_file():
            files.append(path)
        else:
            raise ValueError(f"An input must exist. Received: {path}.")
    if not files:
        raise ValueError(
            f"There must be an image ({', '.join(SUFFIXES)}). Received: "
            f"{', '.join(map(str, inputs))}, which holds none."
        )
    counts = Counter(path.stem for path in files)
    twice = sorted(stem for stem, count in counts.items() if count > 1)
    if twice:
        raise ValueError(
            "Results are named after the images, whose names must differ. Received: "
            f"{len(twice)} names that come twice, such as {twice[:3]}."
        )
    return files
