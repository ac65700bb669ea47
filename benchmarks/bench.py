"""Every benchmark, one after the other, and the page that shows what came out.

    python benchmarks/bench.py [NAME ...] [--quick] [--page-only]

Each runs in a process of its own and nothing else at that time. What it printed goes to
`benchmarks/results/NAME.json`, with its command, the machine and the versions, and all
of them make `docs/benchmarks.md`; names alone take those anew. A benchmark whose data
or packages are not there is left out with its reason, and keeps its last results. The
data of CamVid lies in `.data/camvid`, and Google's file of `inference.py` in `.data`.
What was predicted, found and mended is in `benchmarks/notes/NAME.md`. `--quick` tries
those that have a quick form, in that form, and writes nothing.
`pip install "kseg[tensorflow,image,onnx,serve,peers,dev]"`.
"""

import argparse
import ast
import contextlib
import datetime
import importlib.metadata
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from interleaved import machine

REPOSITORY = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
NOTES = Path(__file__).parent / "notes"
PAGE = REPOSITORY / "docs" / "benchmarks.md"
CAMVID = Path(".data/camvid")
PUBLISHED = Path(".data/deeplabv3_mnv2_pascal_quant.tflite")
MODEL = "camvid_deeplabv3plus_mobilenet_v2"
# Told of where a script speaks of them; and those that all of kseg stands on.
PEERS = ("albumentations", "onnxruntime", "pydensecrf2", "scikit-learn", "torch")
GROUND = ("keras", "tensorflow", "ai-edge-litert", "numpy", "scipy")


class Benchmark(NamedTuple):
    """A script and the arguments that its figures are taken with.

    Attributes:
        title: What its section is called.
        arguments: Of the script.
        quick: Further ones that make it quick; `None` if there is no quick form.
        needs: A file or folder that must be there.
    """

    title: str
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] | None = None
    needs: Path | None = None


BENCHMARKS = {
    "training_step": Benchmark("Training step", quick=("--quick",)),
    "inference": Benchmark(
        "Inference", ("--published", str(PUBLISHED)), quick=("--quick",)
    ),
    "feed": Benchmark(
        "Input pipeline",
        ("--data", "camvid", "--set", f"path={CAMVID}"),
        ("--rounds", "1", "--seconds", "2"),
        CAMVID,
    ),
    "augmentation": Benchmark("Augmentation", quick=()),
    "metrics": Benchmark("Metrics", quick=()),
    "evaluate": Benchmark(
        "Evaluation",
        ("--path", str(CAMVID)),
        ("--images", "4", "--rounds", "1"),
        CAMVID,
    ),
    "dense_crf": Benchmark("Dense CRF", quick=("--repeats", "1")),
    "weight_map": Benchmark("U-Net's weight map", quick=()),
    "large_image": Benchmark(
        "Tiled inference", quick=("--sides", "1000", "2000", "--classes", "2")
    ),
    "sliding_window": Benchmark("Sliding window", quick=("--repeats", "1")),
    "loss_memory": Benchmark(
        "Memory of the loss", quick=("--size", "256", "512", "--batches", "1")
    ),
    "recompute_memory": Benchmark("Activations computed again"),
    "scale": Benchmark("Scale laws", ("--plots", "docs/images"), ("--quick",)),
    "startup": Benchmark("Start-up and size", quick=("--quick",)),
    "native_dilation": Benchmark("Native dilation", quick=("--rounds", "3")),
    "coarse_class_map": Benchmark(
        "Class maps decided early",
        ("--path", str(CAMVID)),
        ("--images", "4", "--rounds", "3"),
        CAMVID,
    ),
    "serving": Benchmark(
        "Serving",
        ("--model", MODEL),
        ("--clients", "1", "--rounds", "1", "--count", "4"),
    ),
}


def main() -> int:
    """Runs what is asked for; returns 1 if one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--page-only", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"NAME must be of {list(BENCHMARKS)}. Received: {unknown}.")
    failed = []
    for name in [] if arguments.page_only else arguments.names or BENCHMARKS:
        if not run(name, BENCHMARKS[name], arguments.quick):
            failed.append(name)
    if not arguments.quick:
        PAGE.write_text(page(), encoding="utf-8")
    print(f"failed: {', '.join(failed)}" if failed else f"page: {PAGE}")
    return 1 if failed else 0


def run(name: str, benchmark: Benchmark, quick: bool) -> bool:
    """Runs one and keeps what it printed; returns whether it could."""
    if benchmark.needs and not (REPOSITORY / benchmark.needs).exists():
        print(f"{name}: left out, as {benchmark.needs} is not there")
        return True
    if quick and benchmark.quick is None:
        return True
    command = ["python", f"benchmarks/{name}.py", *benchmark.arguments]
    command += (benchmark.quick or ()) if quick else ()
    print(shlex.join(command), flush=True)
    done = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    print(done.stdout, flush=True)
    if done.returncode:
        print(done.stderr[-2000:], file=sys.stderr)
    elif not quick:
        result = {
            "command": shlex.join(command),
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "versions": versions(source(name)),
            "output": done.stdout.strip(),
        }
        RESULTS.mkdir(exist_ok=True)
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")
    return not done.returncode


def source(name: str) -> str:
    """Returns the source of a benchmark."""
    return Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")


def versions(text: str) -> dict[str, str]:
    """Returns the versions of what takes part, as far as it is installed."""
    found = {}
    for name in (*GROUND, *(name for name in PEERS if name in text)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def page() -> str:
    """Returns the page of all results."""
    parts = [_HEAD]
    for name, benchmark in BENCHMARKS.items():
        file = RESULTS / f"{name}.json"
        if file.is_file():
            result = json.loads(file.read_text(encoding="utf-8"))
            parts.append(section(name, benchmark.title, result))
    return "\n".join(parts)


def section(name: str, title: str, result: dict) -> str:
    """Returns the section of a benchmark: method, command, output, and its notes."""
    paragraphs = (ast.get_docstring(ast.parse(source(name))) or "").split("\n\n")
    method = [p for p in paragraphs if not p.lstrip().startswith(("python", "KERAS"))]
    output, where = result["output"], ""
    if result["machine"] not in output:
        told = ", ".join(f"{key} {value}" for key, value in result["versions"].items())
        where = f", {result['machine']}; {told}"
    if not any(line.startswith("|") for line in output.splitlines()):
        output = f"```text\n{output}\n```"
    taken = f"`{result['command']}`, {result['date']}{where}."
    notes = NOTES / f"{name}.md"
    told = [notes.read_text(encoding="utf-8").strip()] if notes.is_file() else []
    return "\n\n".join([f"## {title}", *method, taken, output, *told]) + "\n"


_HEAD = """# Benchmarks

<!-- Written by benchmarks/bench.py. -->

What kseg takes of time and memory, beside what people would pick instead. `make bench`
takes all of it anew, and `python benchmarks/bench.py NAME` one. Ways that are compared
run in turn on the same machine, and ratios of medians are what to read: seconds hold
for one machine. Tests hold what can be counted: the operations of every network, how
often a run compiles, what goes between host and device.
"""


if __name__ == "__main__":
    sys.exit(main())
