"""Start-up and size of kseg: imports and help beside other libraries, wheels, extras.

    python benchmarks/startup.py [--rounds 9] [--peers .venv-peers/bin/python]
    python benchmarks/startup.py --quick --json startup.json

Every run is a process of its own, all of them turn by turn; each has run once before,
so that its files are in memory. Printed are medians, and their ratios to that of Python
alone. TensorFlow, Keras and PyTorch are imported alone; segmentation_models_pytorch
brings PyTorch, as `kseg.names()` brings Keras with its backend. The modules are those
that Python alone has not loaded. Wheels are built from copies of the sources. What an
extra weighs are the files of its packages and of those that they need, as this
environment has them: where one is not here, it is named, and there is no sum.
"""

import argparse
import importlib.metadata
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from interleaved import table, where
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kseg.files import write_json

REPOSITORY = Path(__file__).parents[1]
TARGETS = {"import kseg": 0.3, "kseg --help": 0.5}  # seconds
WHEEL_TARGET = 1_000_000  # bytes
PLAIN = ("kseg", "kseg-lite")
HEAVY = ("tensorflow", "jax", "torch", "keras", "numpy")
# Shapes of compiled operators, which some builds of torchvision have not.
NO_SHAPES = "import sys; sys.modules.setdefault('torchvision._meta_registrations', sys)"
PEERS = {
    "import tensorflow": "import tensorflow",
    "import keras": "import keras",
    "import torch": "import torch",
    "import segmentation_models_pytorch": (
        f"{NO_SHAPES}; import segmentation_models_pytorch"
    ),
}


class Closure(NamedTuple):
    """Packages and all that they need.

    Attributes:
        sizes: Bytes by name.
        missing: Those that are not installed.
    """

    sizes: dict[str, int]
    missing: set[str]


def run(command: Sequence[str]) -> subprocess.CompletedProcess:
    """Runs a command with the kseg of this repository."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, check=False
    )


def kseg_ways() -> dict[str, list[str]]:
    """Returns what is timed of kseg, and Python alone, by name."""
    python = [sys.executable, "-c"]
    command = [sys.executable, "-m", "kseg"]
    text = run([*command, "--help"]).stdout
    names = re.findall(r"^    ([a-z-]+)(?: |$)", text, re.MULTILINE)
    return {
        "python": [*python, "pass"],
        "import kseg": [*python, "import kseg"],
        "import kseg.lite": [*python, "import kseg.lite"],
        "kseg --help": [*command, "--help"],
        **{f"kseg {name} --help": [*command, name, "--help"] for name in names},
        "import kseg; kseg.names()": [*python, "import kseg; kseg.names()"],
    }


def measure(
    ways: Mapping[str, Sequence[str]], rounds: int
) -> tuple[dict[str, float], dict[str, str]]:
    """Times commands in turn.

    Args:
        ways: Commands by name.
        rounds: How often each is run, after it has run once.

    Returns:
        The median seconds of each; and of those that fail, the last line that they say.
    """
    seconds: dict[str, list[float]] = {}
    failed = {}
    for name, command in ways.items():
        if (done := run(command)).returncode:
            failed[name] = done.stderr.strip().splitlines()[-1]
        else:
            seconds[name] = []
    for _ in range(rounds):
        for name, times in seconds.items():
            begun = time.perf_counter()
            run(ways[name])
            times.append(time.perf_counter() - begun)
    return {name: statistics.median(times) for name, times in seconds.items()}, failed


def loaded(command: str) -> tuple[int, list[str]]:
    """Returns how many modules some lines load, and which of them are heavy."""
    code = (
        "import sys; before = set(sys.modules)\n"
        f"try:\n    {command}\nexcept SystemExit: pass\n"
        "found = set(sys.modules) - before\n"
        f"print(len(found), *sorted(found & {{*{HEAVY!r}}}))"
    )
    said = run([sys.executable, "-c", code]).stdout.splitlines()[-1]
    count, *heavy = said.split()
    return int(count), heavy


def wheels() -> dict[str, dict[str, int]]:
    """Builds kseg and kseg-lite.

    Returns:
        By name, the bytes of the wheel, the number of its files, and their bytes.
    """
    found = {}
    ignored = shutil.ignore_patterns("__pycache__", "build", "made", "*.egg-info")
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, "source"), Path(folder, "out")
        source.mkdir()
        for name in ("kseg", "training", "lite"):
            shutil.copytree(REPOSITORY / name, source / name, ignore=ignored)
        for name in ("LICENSE", "README.md", "pyproject.toml"):
            shutil.copy(REPOSITORY / name, source)
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        pip += ["--no-build-isolation", "--wheel-dir", str(out)]
        for path in (source, source / "lite"):
            subprocess.run([*pip, str(path)], check=True, capture_output=True)
        for wheel in sorted(out.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                sizes = [entry.file_size for entry in archive.infolist()]
            found[wheel.name] = {
                "bytes": wheel.stat().st_size,
                "files": len(sizes),
                "unpacked": sum(sizes),
            }
    return found


def closure(requirements: Iterable[str], extra: str = "") -> Closure:
    """Returns the packages that requirements bring, as they are installed here.

    Args:
        requirements: As a package's meta data has them.
        extra: The extra of that package that is asked for.
    """
    sizes, missing, seen = {}, set(), set()
    waiting = [(Requirement(text), extra) for text in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in ("", *requirement.extras):
            if (name, wanted) in seen:
                continue
            seen.add((name, wanted))
            try:
                package = importlib.metadata.distribution(name)
            except importlib.metadata.PackageNotFoundError:
                missing.add(name)
                continue
            sizes[name] = size_of(package)
            waiting += [(Requirement(text), wanted) for text in package.requires or ()]
    return Closure(sizes, missing)


def size_of(package: importlib.metadata.Distribution) -> int:
    """Returns the bytes of the files that a package's record names."""
    paths = (Path(str(file.locate())) for file in package.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file())


def installs() -> dict[str, Closure]:
    """Returns what plain kseg brings, each of its extras with it, and kseg-lite."""
    found = {}
    for folder in (".", "lite"):
        text = (REPOSITORY / folder / "pyproject.toml").read_text(encoding="utf-8")
        project = tomllib.loads(text)["project"]
        plain, name = project["dependencies"], project["name"]
        found[name] = closure(plain)
        for extra, more in project.get("optional-dependencies", {}).items():
            found[f"{name}[{extra}]"] = closure([*plain, *more])
    return found


def time_table(seconds: Mapping[str, float]) -> str:
    """Words the times."""
    rows = [
        [
            f"`{name}`",
            f"{1000 * value:.0f}",
            f"{value / seconds['python']:.1f}",
            f"{1000 * TARGETS[name]:.0f}" if name in TARGETS else "",
        ]
        for name, value in seconds.items()
    ]
    return table(["", "ms", "ratio to Python", "target, ms"], rows)


def install_table(found: Mapping[str, Closure]) -> str:
    """Words what is installed, and what an extra brings beside plain kseg."""
    rows = []
    for name, (sizes, missing) in found.items():
        plain = {} if name in PLAIN else found[name.partition("[")[0]].sizes
        more = {key: size for key, size in sizes.items() if key not in plain}
        largest = sorted(more, key=lambda key: -more[key])[:3]
        sums = [len(more), sum(more.values()) / 1e6, sum(sizes.values()) / 1e6]
        rows.append(
            [
                f"`{name}`",
                ", ".join(f"{key} {sizes[key] / 1e6:.0f}" for key in largest),
                *("" if missing else f"{value:.0f}" for value in sums),
                ", ".join(sorted(missing)),
            ]
        )
    header = ["", "largest it adds, MB", "packages it adds", "MB it adds", "MB in all"]
    return table([*header, "not here"], rows)


def main() -> None:
    """Measures, prints and writes all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--peers", default=sys.executable, help="a Python that has them"
    )
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    machine = where()
    print(f"{machine}\n")
    peers = {name: [arguments.peers, "-c", code] for name, code in PEERS.items()}
    rounds = 1 if arguments.quick else arguments.rounds
    seconds, failed = measure({**kseg_ways(), **peers}, rounds)
    print(time_table(seconds) + "\n")
    for name in [name.removeprefix("import ") for name in peers if name in seconds]:
        code = f"from importlib.metadata import version as v; print(v({name!r}))"
        print(name, run([arguments.peers, "-c", code]).stdout.strip())
    for name, reason in failed.items():
        print(f"Left out: {name} ({reason})")
    modules = {
        "import kseg": loaded("import kseg"),
        "import kseg.lite": loaded("import kseg.lite"),
        "kseg --help": loaded("from kseg.cli import main; main(['--help'])"),
    }
    rows = [[f"`{n}`", f"{c}", ", ".join(h) or "none"] for n, (c, h) in modules.items()]
    print("\n" + table(["", "modules", f"of {', '.join(HEAVY)}"], rows))
    built = wheels()
    rows = [
        [name, f"{x['bytes'] / 1e3:.0f}", f"{x['files']}", f"{x['unpacked'] / 1e3:.0f}"]
        for name, x in built.items()
    ]
    header = [f"wheel, to be below {WHEEL_TARGET / 1e3:.0f} kB", "kB", "files"]
    print("\n" + table([*header, "unpacked, kB"], rows))
    installed = installs()
    print("\n" + install_table(installed))
    if arguments.json:
        sizes = {
            name: {"bytes": sizes, "missing": sorted(missing)}
            for name, (sizes, missing) in installed.items()
        }
        found = {"seconds": seconds, "left_out": failed, "modules": modules}
        found |= {"wheels": built, "installs": sizes, "rounds": rounds}
        write_json(arguments.json, {"machine": machine, **found})


if __name__ == "__main__":
    main()
