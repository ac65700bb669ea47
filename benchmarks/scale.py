"""How time and memory grow with the image, the classes, the batch and the data set.

python benchmarks/scale.py [--quick] [--only WORD ...] [--plots FOLDER] [--json PATH]

Each law says of a part of kseg by which power of the size its time, and where it
matters its memory, may grow: they were predicted before anything was measured, and are
printed first (`benchmarks/scale_laws`). Then sizes that lie a factor apart are
measured, and the exponent is fitted in logarithms over the upper half of them. One that
is more than 0.3 higher than it must be is flagged.

Times are medians; the sizes of a law take turns in one process, each once before it is
timed. Memory is the most that was resident during the work less what was before, in a
process of its own for every size, on Linux alone. There is no peer: a law is compared
with what it must be. `--quick` leaves the largest sizes out and says little more than
that all of it runs.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from interleaved import where
from scale_laws.law import Law, Measured
from scale_laws.measure import knows_memory, measure_memory, measure_time

from kseg.files import write_json
from kseg.quiet import quiet

# About how long to measure the time of a law, in seconds, and of memory how many sizes.
_SECONDS, _SIZES = 2.0, 4
_UNITS = {"megabytes": "MB", "kilobytes": "kB"}


def main() -> None:
    """Prints what must be, measures it, and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes alone")
    parser.add_argument("--only", nargs="+", help="laws with such a word in their line")
    parser.add_argument("--plots", type=Path, help="folder for PNG files")
    parser.add_argument("--json", type=Path, help="file for the figures")
    arguments = parser.parse_args()
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        from scale_laws.every import LAWS
    laws = [law for law in LAWS if _is_meant(law, arguments.only)]
    machine = where("keras", "tensorflow", "numpy", "scipy", "scikit-image")
    print(f"{machine}\n\nWhat must be:\n")
    print("\n".join(predictions(laws)))
    print("\nWhat was found:\n")
    print("| part | law | from | to | must | found | |\n|---|---|--:|--:|--:|--:|---|")
    found = []
    for measured in measure(laws, arguments.quick):
        found.append(measured)
        print(row(measured, arguments.quick), flush=True)
    if not arguments.quick:
        higher = sum(measured.too_fast for measured in found)
        print(f"\n{higher} of {len(found)} exponents are higher than they must be.")
    found.sort(key=lambda measured: laws.index(measured.law))
    if arguments.json:
        figures = [measured.to_dict() for measured in found]
        write_json(arguments.json, {"machine": machine, "laws": figures})
    if arguments.plots:
        from scale_laws.plots import write_plots

        for path in write_plots(arguments.plots, found):
            print(f"wrote {path}", file=sys.stderr)


def _is_meant(law: Law, words: Sequence[str] | None) -> bool:
    """Says whether a law has one of the words, if there are any."""
    line = f"{law.part} {law.title}".lower()
    return words is None or any(word.lower() in line for word in words)


def predictions(laws: Sequence[Law]) -> Iterator[str]:
    """Yields the lines of a table of what the exponents must be.

    Args:
        laws: The laws.
    """
    yield "| part | law | time | memory | size | because |\n|---|---|--:|--:|--:|---|"
    for law in laws:
        units = ("seconds", "megabytes", "kilobytes")
        must = " | ".join(f"{law.must[u]:g}" if u in law.must else "" for u in units)
        yield f"| {law.part} | {law.title} | {must} | {law.why} |"


def measure(laws: Sequence[Law], is_quick: bool) -> Iterator[Measured]:
    """Yields what is found, memory first: nothing may have run before that.

    Args:
        laws: The laws.
        is_quick: Whether to leave the largest sizes out.
    """
    of_memory = [law for law in laws if "megabytes" in law.must and knows_memory()]
    if is_quick:  # one law of each part
        of_memory = list({law.part: law for law in reversed(of_memory)}.values())
    for law in of_memory:
        sizes = law.sizes[:2] if is_quick else law.sizes[-_SIZES:]
        yield measure_memory(law, sizes)
    for law in laws:
        sizes = law.sizes[:3] if is_quick else law.sizes
        yield from measure_time(law, sizes, 0.0 if is_quick else _SECONDS)


def row(measured: Measured, is_quick: bool) -> str:
    """Returns the line of what was found in the table.

    Args:
        measured: What was measured.
        is_quick: Whether it says too little to be flagged.
    """
    flag = "higher" if measured.too_fast and not is_quick else ""
    ends = " | ".join(
        f"{measured.sizes[i]:,}: {in_words(measured.values[i], measured.unit)}"
        for i in (0, -1)
    )
    return (
        f"| {measured.law.part} | {measured.law.title} | {ends} | {measured.must:g} | "
        f"{measured.exponent:.2f} | {flag} |"
    )


def in_words(value: float, unit: str) -> str:
    """Returns a value with its unit.

    Args:
        value: What was measured.
        unit: In what, as in `Law.must`.
    """
    if unit == "seconds":
        return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms"
    return f"{value:.0f} {_UNITS[unit]}"


if __name__ == "__main__":
    main()
