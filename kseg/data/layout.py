"""Where the files of a published data set lie, and whether they are all there."""

from collections.abc import Callable, Mapping, Sequence, Sized
from pathlib import Path

from kseg.data.card import Card


def find_root(
    card: Card, path: str | Path | None, marker: str, below: Sequence[str] = ()
) -> Path:
    """Finds the folder of a data set in what a user gave as its path.

    Args:
        card: What is known of the data set.
        path: The folder, or one around it.
        marker: What the folder must hold, such as `"ImageSets/Segmentation"`.
        below: The folder's usual paths in one around it, such as `"VOCdevkit/VOC2012"`.

    Returns:
        The first of `path` and the folders below it that holds `marker`.

    Raises:
        FileNotFoundError: If none does; the message says how to get the data set.
        ValueError: If `path` is `None`.
    """
    how = card.manual or "Without `path` it is downloaded."
    if path is None:
        raise ValueError(
            f"`path` must be the folder of {card.title}. Received: None. {how}"
        )
    for folder in ("", *below):
        if (Path(path) / folder / marker).exists():
            return Path(path) / folder
    places = " or ".join(f"{folder}/{marker}".lstrip("/") for folder in ("", *below))
    raise FileNotFoundError(
        f"`path` must be the folder of {card.title}. Received: {path}, which does not "
        f"hold {places}. {how}"
    )


def check_split(card: Card, split: str) -> None:
    """Raises if a data set has no such split.

    Args:
        card: What is known of the data set.
        split: Its name.

    Raises:
        ValueError: If it is not one of the card's.
    """
    if split not in card.splits:
        raise ValueError(
            f"`split` of {card.title} must be one of {list(card.splits)}. Received: "
            f"{split!r}."
        )


def read_list(path: Path) -> list[list[str]]:
    """Reads the list of a split: the words of each line, of which one is a name.

    Args:
        path: A text file; lines that are empty or begin with `#` do not count.

    Raises:
        FileNotFoundError: If it does not exist.
    """
    if not path.is_file():
        raise FileNotFoundError(f"The list of a split must exist. Received: {path}.")
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line.split() for line in lines if line and not line.startswith("#")]


def complete(pairs: Sequence[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """Returns pairs of files, all of which exist.

    Args:
        pairs: Paths of image and mask.

    Raises:
        ValueError: If there is no pair, or a file is not there.
    """
    missing = [path for pair in pairs for path in pair if not path.is_file()]
    if missing or not pairs:
        few = ", ".join(map(str, missing[:3]))
        raise ValueError(
            "Every image of a split must be there with its mask. Received: "
            f"{len(pairs)} pairs, of which {len(missing)} files are missing: {few}."
        )
    return list(pairs)


def check_counts(
    title: str, expected: Mapping[str, int], open_split: Callable[[str], Sized]
) -> None:
    """Raises if splits have not as many examples as was published.

    Args:
        title: What to call the data set.
        expected: Number of examples of each split.
        open_split: Returns the examples of a split.

    Raises:
        ValueError: If a number differs, or a split cannot be opened.
    """
    found = {}
    for split in expected:
        try:
            found[split] = len(open_split(split))
        except FileNotFoundError:
            found[split] = 0
    if found != dict(expected):
        raise ValueError(
            f"{title} must hold {dict(expected)} images with masks. Received: {found}."
        )
