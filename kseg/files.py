"""Files that appear whole or not at all."""

import contextlib
import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Strings of JSON hold no new line, so what lies between two is no part of one.
_NEW_LINE = r"\n\s*"
_PLAIN_LIST = re.compile(rf"\[{_NEW_LINE}([^\[\]{{}}]*?){_NEW_LINE}\]")


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Gives a temporary path to write to, and moves it to `path` at the end.

    Args:
        path: The file to write. One that is there stays until the new one is whole,
            and for good if the block raises.

    Yields:
        A path in the same folder, with the same ending.
    """
    path = Path(path)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, value: object) -> None:
    """Writes JSON to a file that appears whole or not at all.

    Args:
        path: The file to write.
        value: What `json.dumps` takes; NaN, which JSON does not have, becomes null. A
            list of plain values is one line.
    """
    text = json.dumps(_without_nan(value), indent=2)
    text = _PLAIN_LIST.sub(lambda m: f"[{re.sub(_NEW_LINE, ' ', m[1])}]", text)
    with whole_file(path) as temporary:
        temporary.write_text(text + "\n")


def read_json(path: str | Path) -> dict[str, Any]:
    """Reads a JSON file of a dictionary.

    Args:
        path: The file.

    Raises:
        ValueError: If it is not JSON, or holds something else.
    """
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} must be JSON: {error}") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold a dictionary. Received: {found!r:.80}.")
    return found


def _without_nan(value):
    """Returns a value with `None` for every NaN in it."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value
