"""Which operators the LiteRT files of every network have, and who takes them.

    python benchmarks/operators.py [--folder FOLDER] [--page-only]

Exports every registered network as the tests have it, small and with the weights of
chance, in float32 and int8, and writes what is in the files to
`benchmarks/operators.json` and, as tables, to `docs/operators.md`. Files that are in
the folder already are not made again. `--page-only` writes the page from the JSON.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import kseg
from kseg.export import export_litert, operators, placement, targets

REPOSITORY = Path(__file__).parents[1]
RECORD = Path(__file__).with_suffix(".json")
PAGE = REPOSITORY / "docs" / "operators.md"
SIZE = (48, 64)
PRECISIONS = ("float32", "int8")
# What the page wants of `placement`.
KEPT = ("operators", "partitions", "accelerated", "falls_back")


def main() -> None:
    """Writes the record and the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where the files are kept")
    parser.add_argument("--page-only", action="store_true")
    arguments = parser.parse_args()
    if not arguments.page_only:
        with tempfile.TemporaryDirectory() as scratch:
            record = examine(arguments.folder or Path(scratch))
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
    PAGE.write_text(page(json.loads(RECORD.read_text())))


def examine(folder: Path) -> dict:
    """Returns what the files have, by network and precision."""
    record = {}
    for name in kseg.names():
        record[name] = {}
        for precision in PRECISIONS:
            path = folder / f"{name}_{precision}.tflite"
            if not path.exists():
                export(name, precision, path)
            placed = placement(path)
            record[name][precision] = {
                "operators": operators(path),
                "targets": {t: {key: placed[t][key] for key in KEPT} for t in placed},
            }
            print(name, precision, flush=True)
    return record


def export(name: str, precision: str, path: Path) -> None:
    """Writes a file."""
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from every_network import build, images, settle

    model, pixels = build(name), images(SIZE, 4, 1)
    settle(model, pixels)
    calibration = list(pixels) if precision == "int8" else None
    export_litert(model, path, SIZE, precision, calibration=calibration)


def page(record: dict) -> str:
    """Returns the page of a record."""
    parts = [_HEAD]
    for precision in PRECISIONS:
        titles = {t: _TITLES[t] for t in targets()}
        if precision == "float32":
            del titles["edge_tpu"]
        parts += [f"## {precision}", ""]
        parts += [f"| network | {' | '.join(titles.values())} | what falls back |"]
        parts += ["| ------- |" + " ---: |" * len(titles) + " --- |"]
        for name, found in record.items():
            parts.append(_line(name, found[precision], titles))
        parts.append("")
    parts += ["## Operators", ""]
    for name, found in record.items():
        counts = found["int8"]["operators"]
        listed = ", ".join(f"{n} {operator}" for operator, n in counts.items())
        parts.append(f"- **{name}**: {listed}")
    return "\n".join(parts) + "\n"


def _line(name: str, found: dict, titles: dict[str, str]) -> str:
    """Returns the row of a network."""
    cells, lost = [], {}
    for target in titles:
        row = found["targets"][target]
        parts = f", {row['partitions']} parts" if row["partitions"] > 1 else ""
        cells.append(f"{row['accelerated']} of {row['operators']}{parts}")
        for refused in row["falls_back"]:
            lost.setdefault(refused["operator"], []).append(titles[target].split()[0])
    words = "; ".join(f"{each} ({', '.join(who)})" for each, who in lost.items())
    return f"| {name} | {' | '.join(cells)} | {words or 'nothing'} |"


_TITLES = {
    "xnnpack": "XNNPACK",
    "gpu": "GPU",
    "edge_tpu": "Edge TPU",
    "nnapi": "NNAPI",
}
_HEAD = """# Operators

<!-- Written by benchmarks/operators.py. -->

Which operators the LiteRT files of every network have, and how many of them each target
runs, by the rules that `kseg.export.placement` reads. A cell says how many operators
are accelerated, and into how many parts those that are taken fall. The GPU delegate
keeps the largest part alone by default, and the Edge TPU's compiler what lies ahead of
the first refusal. In int8 the first and last operator, `QUANTIZE`, turn bytes without a
sign into bytes with one. An Edge TPU takes integers only, so that float32 has no
column. [Deploy](deploy.md) says where the rules come from, and what the targets are.

The networks are those of the tests, small, for images of 48x64: `python
benchmarks/operators.py` makes this page.
"""


if __name__ == "__main__":
    main()
