"""Tables of results, made from what runs have written."""

import collections
import csv
import io
import json
import math
import re
import statistics
from collections.abc import Sequence
from os.path import commonprefix
from pathlib import Path

# What files that do not say it were measured with.
_TOLERANCE = 0.0075

# Column: title and how a value is shown; scores are in percent there.
_COLUMNS = {
    "name": ("run", "{}"),
    "network": ("network", "{}"),
    "parameters": ("parameters", "{:,.0f}"),
    "epochs": ("epochs", "{:.0f}"),
    "mean_iou": ("mean IoU", "%"),
    "pixel_accuracy": ("pixel accuracy", "%"),
    "boundary_f1": ("boundary F1", "%"),
    "int8_mean_iou": ("int8 mean IoU", "%"),
    "int8_bytes": ("int8 MB", "MB"),
    "runs": ("n", "{}"),
}
_TEXTS = ("name", "network")


def read_results(folders: Sequence[Path]) -> list[dict]:
    """Reads what runs have measured.

    Args:
        folders: Folders of runs, which hold `metrics.json`.

    Returns:
        A dictionary per run: `name` (of the folder), `network`, `parameters`,
        `epochs`, `mean_iou`, `pixel_accuracy`, `boundary_f1`, `boundary_tolerance` (a
        share of the diagonal), `int8_mean_iou`, `int8_bytes`, `experiment` and
        `data`, its fingerprints; `None` for what is not known.

    Raises:
        ValueError: If a file is not of a run.
    """
    return [_read(folder) for folder in folders]


def _read(folder: Path) -> dict:
    """Reads the results of a run."""
    path = folder / "metrics.json"
    try:
        metrics = json.loads(path.read_text())
        scores, experiment = metrics["validation"], metrics["experiment"]
        files = {row["name"]: row for row in metrics.get("files", ())}
        int8 = files.get("LiteRT int8", {})
        network = experiment["network"]
        names = [network["name"], network.get("backbone")]
        return {
            "name": folder.resolve().name,
            "network": ", ".join(str(name) for name in names if name),
            "parameters": metrics.get("parameters"),
            "epochs": metrics.get("epochs"),
            "mean_iou": scores["mean_iou"],
            "pixel_accuracy": scores["pixel_accuracy"],
            "boundary_f1": scores["boundary_f1"],
            "boundary_tolerance": metrics.get("boundary_tolerance", _TOLERANCE),
            "int8_mean_iou": int8.get("mean_iou"),
            "int8_bytes": int8.get("bytes"),
            "experiment": experiment,
            "data": metrics.get("data"),
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            "The results of a run must be as `kseg train` writes them. Received: "
            f"{path} ({type(error).__name__}: {error})."
        ) from error


def group(results: Sequence[dict]) -> list[dict]:
    """Makes one row of runs that differ only in their seed.

    Their data must be the same, too, where its fingerprints are known. Two runs of the
    same seed go to two rows: something else differs, or chance would count twice.

    Args:
        results: As `read_results` returns them.

    Returns:
        As many dictionaries as experiments, in the order of their first run. `runs`
        is their number n; numbers are means, and `<name>_deviation` is the standard
        deviation of the sample (n - 1), where there are two runs or more. A number
        that a run lacks is `None`.
    """
    groups: dict[tuple[str, int], list[dict]] = {}
    seen: collections.Counter = collections.Counter()
    for result in results:
        sections = {k: dict(v) for k, v in result["experiment"].items() if v}
        seed = sections.setdefault("fit", {}).pop("seed", 0)
        same = [sections, result["data"], result["boundary_tolerance"]]
        key = json.dumps(same, sort_keys=True)
        groups.setdefault((key, seen[key, seed]), []).append(result)
        seen[key, seed] += 1
    return [_mean(rows) for rows in groups.values()]


def _mean(rows: Sequence[dict]) -> dict:
    """Makes one row of several."""
    row = {**rows[0], "name": _common_name([r["name"] for r in rows])}
    for key in set(_COLUMNS) - {*_TEXTS, "runs"}:
        values = [r[key] for r in rows]
        known = None not in values
        row[key] = statistics.fmean(values) if known else None
        if known and len(values) > 1:
            row[f"{key}_deviation"] = statistics.stdev(values)
    return {**row, "runs": len(rows)}


def _common_name(names: Sequence[str]) -> str:
    """Returns what names have in common, apart from the seed."""
    if len(names) == 1:
        return names[0]
    without = {re.sub(r"(^|,)fit\.seed=[^,]*", "", n).strip(",") for n in names}
    if len(without) == 1 and "" not in without:
        return without.pop()
    shared = re.sub(r"[\W_]*(seed)?[\W_]*$", "", commonprefix(list(names)))
    return shared or names[0]


def table(results: Sequence[dict]) -> str:
    """Returns results as a table in Markdown, scores in percent.

    Args:
        results: As `read_results` or `group` returns them.

    Returns:
        The table, and a line that says how boundaries were measured.
    """
    columns = [c for c in _COLUMNS if any(row.get(c) is not None for row in results)]
    ruler = ["---" if column in _TEXTS else "--:" for column in columns]
    lines = [[_COLUMNS[column][0] for column in columns], ruler]
    lines += [[_shown(row, column) for column in columns] for row in results]
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    tolerances = sorted({row["boundary_tolerance"] for row in results})
    within = " or ".join(f"{100 * tolerance:g}" for tolerance in tolerances)
    return (
        f"{text}\n\nScores in percent; boundary F1 within {within} % of the image's "
        "diagonal.\n"
    )


def _shown(row: dict, column: str) -> str:
    """Words a value of a table, with its deviation."""
    value, deviation = row.get(column), row.get(f"{column}_deviation")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    template = _COLUMNS[column][1]
    if column in _TEXTS:
        return str(value).replace("|", "\\|")
    factor = {"%": 100, "MB": 1e-6}.get(template, 1)
    template = {"%": "{:.2f}", "MB": "{:.1f}"}.get(template, template)
    text = template.format(factor * value)
    if deviation:
        text += " ± " + template.format(factor * deviation)
    return text


def csv_table(results: Sequence[dict]) -> str:
    """Returns results as CSV, scores from 0 to 1.

    Args:
        results: As `read_results` or `group` returns them.
    """
    columns: list[str] = []
    for column in _COLUMNS:
        for key in (column, f"{column}_deviation"):
            if any(row.get(key) is not None for row in results):
                columns.append(key)
        if column == "boundary_f1":
            columns.append("boundary_tolerance")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in results:
        writer.writerow(["" if row.get(c) is None else row[c] for c in columns])
    return text.getvalue()
