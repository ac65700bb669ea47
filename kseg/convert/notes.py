"""What a checkpoint says of itself beside its tensors."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from kseg.labels import Labels, default_colors
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


def read_notes(path: str | Path) -> Notes:
    """Reads what a checkpoint says of itself; what it does not say is empty.

    Args:
        path: As in `kseg.state_dict.read_state_dict`.

    Raises:
        ValueError: If there is a `config.json` beside it that is no JSON object.
    """
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Notes(read_meta(path), _read_config(Path(path).parent), digest)


def named(
    names: Sequence[str] | None, colors: Sequence[Sequence[int]] | None = None
) -> Labels | None:
    """Returns labels of the names and colours that a file gives.

    Args:
        names: Those of the classes.
        colors: An RGB colour of each; others are taken where they do not fit.

    Returns:
        The labels, or `None` where there are no names or two are the same.
    """
    names = [str(name) for name in names or ()]
    if not names or len(set(names)) < len(names):
        return None
    given = tuple((int(r), int(g), int(b)) for r, g, b in colors or ())
    if len(given) != len(names):
        given = default_colors(len(names))
    return Labels(tuple(names), given, 255 if len(names) <= 255 else 65535)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        config = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        config = error
    if not isinstance(config, dict):
        raise ValueError(
            "The config.json beside a checkpoint must be a JSON object, as the library "
            f"that saved it wrote. Received: {path}: {config!r:.200}. Move it away to "
            "convert without it."
        )
    return config
