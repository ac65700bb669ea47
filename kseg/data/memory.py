"""How much memory is free for this process: of the machine, and of its container."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

# Where the system does not tell.
_UNKNOWN = 2**32
_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
# Of version 2 and 1: the limit, the use, and the part of it that is given back when
# somebody asks, what was read from files.
_VERSION_2 = ("memory.max", "memory.current", "inactive_file")
_VERSION_1 = (
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
)


def free_memory() -> int:
    """Returns how many bytes may be taken, as far as the system tells."""
    return max(min([_of_machine(), *_of_containers()]), 0)


def _of_machine() -> int:
    """Returns what is free or held by caches that make way."""
    try:
        kilobytes = _number_after("MemAvailable:", (_PROC / "meminfo").read_text())
        return kilobytes * 1024
    except (OSError, ValueError):  # not Linux
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN


def _of_containers() -> Iterator[int]:
    """Yields what the control groups of this process leave, from its own upwards."""
    try:
        lines = (_PROC / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root = _CGROUPS / controllers
        most, used, files = _VERSION_1 if controllers else _VERSION_2
        inside = Path(path.lstrip("/"))
        # In a container the path may be that outside of it: its root is always there.
        for group in (inside, *inside.parents):
            try:
                limit = int((root / group / most).read_text())
                usage = int((root / group / used).read_text())
                cached = _number_after(
                    files, (root / group / "memory.stat").read_text()
                )
            except (OSError, ValueError):  # no such group, or "max": no limit
                continue
            yield limit - (usage - cached)


def _number_after(word: str, text: str) -> int:
    """Returns the number after the first word of a line."""
    found = re.search(rf"^{word}\s+(\d+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"There must be a line of {word}.")
    return int(found[1])
