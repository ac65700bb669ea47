"""What a checkpoint says of itself beside its tensors."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from kseg.labels import Labels
from kseg.state_dict import read_meta


class Notes(NamedTuple):
    """What a checkpoint says of itself.

    Args:
        meta: What stands under `"meta"` in the file, as mmseg's have it.
        config: What the `config.json` beside it says, as libraries that publish on
            Hugging Face's hub save it.
        sha256: Digest of the file, which tells published ones.
    """

    meta: Mapping[str, Any]
    config: Mapping[str, Any]
    sha256: str


def read_notes(path: str | Path, config: bool) -> Notes:
    """Reads what a checkpoint says of itself; what it does not say is empty.

    Args:
        path: As in `kseg.state_dict.read_state_dict`.
        config: Whether a `config.json` beside it is of the library that saved it.

    Raises:
        ValueError: If `config` and there is one that is no JSON object.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    beside = _read_config(Path(path).parent) if config else {}
    return Notes(read_meta(path), beside, digest)


def named(names: object, colors: object = None) -> Labels | None:
    """Returns labels of the names and colours that a file gives.

    Args:
        names: Those of the classes: a list or tuple of texts.
        colors: An RGB colour of each: as many lists or tuples of three numbers in 0
            to 255. For anything else, such as mmseg's `"random"`, there are default
            colours.

    Returns:
        The labels, or `None` where the names are no such list, are none, or two are
        the same.
    """
    if not isinstance(names, list | tuple) or not names:
        return None
    if not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        return None
    labels = Labels.named(names)
    if isinstance(colors, list | tuple) and len(colors) == len(names):
        if all(map(_is_color, colors)):
            given = tuple((r, g, b) for r, g, b in colors)
            return dataclasses.replace(labels, colors=given)
    return labels


def _is_color(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(type(channel) is int and 0 <= channel <= 255 for channel in value)
    )


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        config = error
    if not isinstance(config, dict):
        raise ValueError(
            "The config.json beside a checkpoint must be a JSON object, as the library "
            f"that saved it wrote. Received: {path}: {config!r:.200}. Move it away to "
            "convert without it."
        )
    return config
