"""Files that appear whole or not at all."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path


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
        value: What `json.dumps` takes; NaN becomes `NaN`, as Python reads it.
    """
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")
