"""How many processors there are for this process."""

import os


def cores() -> int:
    """Returns the number of processors that this process may run on.

    A scheduler or a container may give it fewer than the machine has.
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
