"""How long the work of a law takes, and how much memory."""

import ctypes
import gc
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from scale_laws.law import Law, Measured, Work

# Seconds: shorter work is done several times over for one measurement.
_SHORTEST = 0.005
_MOST_TURNS = 15
# Megabytes below which interpreters and threads decide.
_LEAST_MEMORY = 2.0
# Of glibc's `mallopt`: from how many bytes on memory goes back when it is freed.
_M_MMAP_THRESHOLD = -3


def measure_time(law: Law, sizes: Sequence[int], seconds: float) -> list[Measured]:
    """Measures the median time of each size, and what the work returns.

    Args:
        law: The law.
        sizes: Which of its sizes.
        seconds: About how long to measure; every size has three turns at least.
    """
    with tempfile.TemporaryDirectory() as folder:
        work = [law.prepare(size, _inside(folder, size)) for size in sizes]
        returned = [do() for do in work]  # compiles, and fills caches
        once = [_timed(do, 1) for do in work]
        times = [max(round(_SHORTEST / t), 1) for t in once]
        turn = sum(t * n for t, n in zip(once, times, strict=True))
        turns = min(max(int(seconds / turn), 3), _MOST_TURNS)
        # Turn by turn, so that what else the machine does weighs on all sizes.
        taken = [
            [_timed(do, n) for do, n in zip(work, times, strict=True)]
            for _ in range(turns)
        ]
    found = {
        "seconds": [statistics.median(t) for t in zip(*taken, strict=True)],
        "kilobytes": returned,
    }
    return [Measured(law, u, sizes, found[u]) for u in law.must if u in found]


def measure_memory(law: Law, sizes: Sequence[int]) -> Measured:
    """Measures by how much the work raises what is resident, each size by itself.

    A process that has only imported things forks for every size; it must not have
    run TensorFlow yet.

    Args:
        law: The law.
        sizes: Which of its sizes.

    Raises:
        RuntimeError: If a process ends without a result.
    """
    context = multiprocessing.get_context("fork")
    values = []
    for size in sizes:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_send_megabytes, args=(law, size, sender))
        process.start()
        sender.close()
        try:
            values.append(receiver.recv())
        except EOFError as error:
            raise RuntimeError(f"{law.title}: no result for {size}.") from error
        finally:
            process.join()
    return Measured(law, "megabytes", sizes, values)


def knows_memory() -> bool:
    """Says whether the system tells the most that was resident."""
    return sys.platform == "linux"


def _inside(folder: str, size: int) -> Path:
    """Makes a folder for a size."""
    path = Path(folder, str(size))
    path.mkdir()
    return path


def _timed(do: Work, times: int) -> float:
    """Returns the seconds of a piece of work, done so often."""
    start = time.perf_counter()
    for _ in range(times):
        do()
    return (time.perf_counter() - start) / times


def _send_megabytes(law: Law, size: int, sender: Connection) -> None:
    """Does the work in this process, and sends by how much its memory rose."""
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_MMAP_THRESHOLD, 1 << 16)
    with tempfile.TemporaryDirectory() as folder:
        # What the first call takes anyhow, such as threads and kernels.
        law.prepare(law.sizes[0], _inside(folder, 0))()
        work = law.prepare(size, _inside(folder, size))
        gc.collect()
        libc.malloc_trim(0)  # what was freed is not there for the work to take
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        before = _status("VmRSS")
        work()
        sender.send(max(_status("VmHWM") - before, _LEAST_MEMORY))


def _status(key: str) -> float:
    """Returns what Linux tells of this process's memory, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith(key))
    return int(line.split()[1]) * 1024 / 1e6
