"""Ways of doing one thing, each in a process of its own, that take turns.

A benchmark's script is both sides: `compare` starts it once for every way, with
`--worker`, and there it calls `work`. Each process loads one framework and makes its
first call alone; then, round by round, each in turn repeats the thing while the others
wait, so that what else the machine does weighs on all of them. Its peak of memory is
its own, and no two frameworks need to be in one environment.

    def start(text: str):  # in the process of a way, with the options of that way
        def run(count: int) -> list[float]:
            ...  # the seconds of each of so many repetitions
        return run, lambda: {"what": "else is worth telling, at the end"}

    if __name__ == "__main__":
        interleaved.work(start) if interleaved.is_worker() else main()
"""

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kseg.cores import cores, processor
from kseg.files import write_json

_WORKER = "--worker"

# From a number of repetitions to the seconds of each.
Run = Callable[[int], list[float]]


@dataclasses.dataclass(frozen=True)
class Way:
    """A way of doing the thing.

    Args:
        name: What it is called in tables.
        options: Arguments of the script's `start`, as JSON can hold them.
        environment: Variables beside those of this process.
        python: The interpreter, of any virtual environment where kseg is installed.
    """

    name: str
    options: Mapping[str, Any]
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    python: str = sys.executable


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured of a way.

    Args:
        name: Of the way.
        seconds: Of the repetitions that count, in their order.
        start: Seconds until all was loaded and built.
        first: Seconds of the first call, in which frameworks compile.
        peak_bytes: The most memory that the process held; `None` where the system does
            not say.
        facts: What else the worker told.
    """

    name: str
    seconds: list[float]
    start: float
    first: float
    peak_bytes: int | None
    facts: dict[str, Any]

    @property
    def median(self) -> float:
        """The median of the seconds."""
        return statistics.median(self.seconds)


def is_worker() -> bool:
    """Says whether this process is one that `compare` started."""
    return _WORKER in sys.argv[1:]


def work(start: Callable[..., tuple[Run, Callable[[], dict]]]) -> None:
    """Does what the parent asks for, until it asks for no more.

    Args:
        start: Takes the options of the way, and returns what repeats it and what tells
            the facts at the end. Where it raises an `ImportError`, the way is left out.
    """
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(value) -> None:
        print(json.dumps(value), file=answers, flush=True)

    options = json.loads(sys.stdin.readline())
    begun = time.perf_counter()
    try:
        run, facts = start(**options)
    except ImportError as error:
        answer({"left_out": str(error)})
        return
    built = time.perf_counter()
    run(1)
    answer({"start": built - begun, "first": time.perf_counter() - built})
    for line in sys.stdin:
        answer(run(int(line)))
    answer({"peak_bytes": _peak_bytes(), "facts": facts()})


def timed(step: Callable[[], Any]) -> Run:
    """Returns what repeats a step that is over when it returns, and times it."""

    def run(count: int) -> list[float]:
        seconds = []
        for _ in range(count):
            begun = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begun)
        return seconds

    return run


def compare(
    script: str,
    ways: Sequence[Way],
    rounds: int,
    repetitions: int,
    settle: int = 1,
) -> tuple[list[Measured], dict[str, str]]:
    """Measures ways in turn.

    Args:
        script: The file that calls `work`.
        ways: What to compare.
        rounds: How often each gets its turn.
        repetitions: What counts of a turn.
        settle: Repetitions ahead of these, while the caches fill again.

    Returns:
        What was measured, in the order of the ways; and the ways that were left out,
        with the reason.

    Raises:
        RuntimeError: If a worker fails otherwise than for a missing import.
    """
    workers, left_out = {}, {}
    with contextlib.ExitStack() as stack:
        for way in ways:
            try:
                worker = stack.enter_context(_worker(script, way))
                begun = worker({**way.options})
            except FileNotFoundError:
                begun = {"left_out": f"there is no {way.python}"}
            if "left_out" in begun:
                left_out[way.name] = begun["left_out"]
                continue
            print(f"{way.name}: first call {begun['first']:.1f} s", file=sys.stderr)
            workers[way.name] = worker, begun
        seconds: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(rounds):
            for name, (worker, _) in workers.items():
                seconds[name] += worker(settle + repetitions)[settle:]
        measured = [
            Measured(name, seconds[name], **begun, **worker(None))
            for name, (worker, begun) in workers.items()
        ]
    return measured, left_out


@contextlib.contextmanager
def _worker(script: str, way: Way) -> Iterator[Callable[[Any], Any]]:
    """Runs a worker, and gives what asks it; `None` asks for the end."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [way.python, script, _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,  # nothing waits to be sent to one that has died
            env={**os.environ, **way.environment},
        )
        questions, answers = process.stdin, process.stdout

        def ask(question: Any) -> Any:
            # One that has died takes no questions, and says below what it died of.
            with contextlib.suppress(BrokenPipeError):
                if question is None:
                    questions.close()
                else:
                    questions.write(json.dumps(question).encode() + b"\n")
            if line := answers.readline():
                return json.loads(line)
            code = process.wait()
            errors.seek(0)
            raise RuntimeError(
                f"{way.name!r} ended with code {code}.\n{errors.read().decode()}"
            )

        with process:
            try:
                yield ask
            finally:
                process.kill()


def _peak_bytes() -> int | None:
    """Returns the most memory that this process held, without that of its parent."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:  # not Linux
        return None
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def versions(*packages: str) -> dict[str, str]:
    """Returns the versions of packages, and of Python."""
    found = {name: importlib.metadata.version(name) for name in packages}
    return {**found, "Python": platform.python_version()}


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table in Markdown: text to the left, all behind it to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def footnotes(measured: Iterable[Measured], left_out: Mapping[str, str]) -> str:
    """Words what belongs below a table.

    Args:
        measured: What is in it; of the facts, `versions` and `device` are told.
        left_out: As `compare` returns it.

    Returns:
        The machine with its devices, the versions, and what was left out, and why.
    """
    told: dict[str, None] = {}  # in their order, each once
    devices: dict[str, None] = {}
    for one in measured:
        packages = one.facts.get("versions", {}).items()
        told.update({f"{name} {version}": None for name, version in packages})
        if device := one.facts.get("device"):
            devices[device] = None
    lines = [f"\n{'; '.join([machine(), *devices])}; {', '.join(told)}."]
    lines += [f"Left out: {name} ({why})." for name, why in left_out.items()]
    return "\n".join(lines)


def where(*packages: str) -> str:
    """Words the machine and the versions of packages and Python."""
    told = (f"{name} {version}" for name, version in versions(*packages).items())
    return f"{machine()}; {', '.join(told)}."


def machine() -> str:
    """Words the machine: processor, cores of this process, memory, system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{processor()}, {cores()} cores, {memory:.0f} GiB, {platform.system()}"


def write(
    path: Path,
    settings: Mapping[str, Any],
    measured: Mapping[str, Iterable[Measured]],
    left_out: Mapping[str, str],
) -> None:
    """Writes all that was measured as JSON.

    Args:
        path: The file.
        settings: What was asked for.
        measured: Lists, by what they are of.
        left_out: As `compare` returns it.
    """
    found = {
        name: [dataclasses.asdict(one) for one in several]
        for name, several in measured.items()
    }
    settings = {
        key: str(value) if isinstance(value, Path) else value
        for key, value in settings.items()
        if key != "json"
    }
    everything = {"machine": machine(), "settings": settings, "measured": found}
    write_json(path, {**everything, "left_out": {**left_out}})
