"""A model and its LiteRT files side by side: scores, sameness, size, time, memory."""

import importlib.metadata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from kseg.data import FittedSource
from kseg.dossier.timing import latencies
from kseg.export import LiteRTModel, operators
from kseg.export.placement import placement
from kseg.export.verify import Variant, run_variants
from kseg.inference import compare_records, score_record
from kseg.inference.record import score_of
from kseg.lite.timing import measure as most_memory
from kseg.training.provenance import environment

THREADS = (1, 2)


def measure(
    model: keras.Model,
    files: Mapping[str, Path],
    source: FittedSource,
    limits: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Measures what the files of a model cost.

    Args:
        model: The network, on the TensorFlow backend.
        files: Its LiteRT files by name, one or more.
        source: Images with masks, at the size of the files.
        limits: How much lower than Keras's a file's score may be, by the score's name,
            such as `mean_iou` or `class_iou.car`; `None` for any.

    Returns:
        `images`, how many; `size` and `output_size`, heights and widths; `environment`;
        `keras`, the `record` that `kseg.inference.score_record` returns, and `bytes` of
        the weights; `limits`; `missed`, lines on those that a file is beyond; and by
        name, `files`: `file`, `bytes`, `agreement` (the share of pixels with Keras's
        class), `milliseconds` by the number of threads, `memory` (the most bytes of a
        process that runs it, `None` where the system does not say), `operators`,
        `placement` as `kseg.export.placement.placement`, `record`, and `change`, what
        `kseg.inference.compare_records` returns for Keras and the file.

    Raises:
        ValueError: If there is no file or no example, a limit has no such score, or as
            `kseg.export.verify`.
    """
    if not files:
        raise ValueError("A dossier is about one LiteRT file or more. Received: none.")
    limits = dict(limits or {})
    names = [source.name(index) for index in range(len(source))]
    examples = (source[index] for index in range(len(source)))
    variants = run_variants(model, files, examples, source.labels)
    records = [score_record(variant.collected, names) for variant in variants]
    least = {key: score_of(records[0], key) - drop for key, drop in limits.items()}
    times = latencies(files, source[0][0], THREADS)
    described = {
        variant.name: {
            **_file(variant, Path(files[variant.name])),
            "milliseconds": {str(k): v for k, v in times[variant.name].items()},
            "record": record,
            "change": compare_records(records[0], record),
        }
        for variant, record in zip(variants[1:], records[1:], strict=True)
    }
    first = LiteRTModel(next(iter(files.values())))
    return {
        "images": len(source),
        "size": list(source.size),
        "output_size": list(first.output_size),
        "environment": {
            **environment(),
            "ai-edge-litert": importlib.metadata.version("ai-edge-litert"),
        },
        "keras": {"bytes": variants[0].size, "record": records[0]},
        "files": described,
        "limits": limits,
        "missed": _missed(described, limits, least),
    }


def table_of(result: Mapping) -> str:
    """Words what was measured, for a terminal.

    Args:
        result: What `measure` returned.

    Returns:
        A line for Keras and each file: size, sameness, scores in percent with their
        change, milliseconds by threads, and memory.
    """
    heads = ["", "MB", "same", "mIoU", "change", "BF", "change"]
    heads += [f"ms, {count} thr" for count in THREADS] + ["memory MB"]
    record = result["keras"]["record"]
    rows = [heads, ["Keras", _mega(result["keras"]["bytes"]), ""]]
    rows[1] += [_percent(record["mean_iou"]), "", _percent(record["boundary_f1"])]
    rows[1] += [""] * (len(heads) - len(rows[1]))
    for name, file in result["files"].items():
        row = [name, _mega(file["bytes"]), _percent(file["agreement"])]
        for key in ("mean_iou", "boundary_f1"):
            change = file["change"][key]
            row += [_percent(change["second"]), f"{100 * change['difference']:+.2f}"]
        row += [f"{file['milliseconds'][str(count)]:.1f}" for count in THREADS]
        rows.append([*row, "" if file["memory"] is None else _mega(file["memory"])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            text.rjust(width) if column else text.ljust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _file(variant: Variant, path: Path) -> dict[str, Any]:
    """Returns what is known of a file without its scores and times."""
    return {
        "file": path.name,
        "bytes": variant.size,
        "agreement": variant.row()["agreement"],
        "memory": most_memory(path, threads=(1,), runs=1)[0]["memory"],
        "operators": operators(path),
        "placement": placement(path),
    }


def _missed(
    files: Mapping[str, Mapping], limits: Mapping[str, float], least: Mapping
) -> list[str]:
    """Words which files have scores that are lower by more than their limits."""
    lines = []
    for name, file in files.items():
        for key, drop in limits.items():
            score = score_of(file["record"], key)
            if not score >= least[key]:
                lines.append(
                    f"{name}: {key} must be no more than {drop:g} below that of Keras, "
                    f"{least[key] + drop:.4f}. Received: {score:.4f}."
                )
    return lines


def _percent(value: float) -> str:
    return f"{100 * value:.2f}"


def _mega(size: int) -> str:
    return f"{size / 1e6:.2f}"
