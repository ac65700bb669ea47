"""What a run left beside its model: curves, card, environment."""

import csv
import dataclasses
import math
from pathlib import Path

from kseg.files import read_json


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """What is known of how a model was trained.

    Args:
        log: Values by epoch, of what `run/log.csv` has; empty without one.
        card: Text of `README.md`; empty without one.
        environment: Software and machine, by name.
        commits: Commits, by name of the repository.
    """

    log: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    card: str = ""
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    commits: dict[str, str] = dataclasses.field(default_factory=dict)


def read_run_folder(path: Path) -> RunFolder | None:
    """Reads what lies beside a model.

    Args:
        path: The model's file, or the folder of a SavedModel.

    Returns:
        What is there; `None` if no run wrote the folder, which `metrics.json` tells.

    Raises:
        ValueError: If a file is broken.
    """
    folder = path.parent
    if not (folder / "metrics.json").is_file():
        return None
    metrics = read_json(folder / "metrics.json")
    card = folder / "README.md"
    return RunFolder(
        _read_log(folder / "run" / "log.csv"),
        card.read_text(errors="replace") if card.is_file() else "",
        {str(k): str(v) for k, v in _section(metrics, "environment").items()},
        {
            str(name): f"{commit.get('commit')}{', with changes' * _is_dirty(commit)}"
            for name, commit in _section(metrics, "git").items()
            if isinstance(commit, dict)
        },
    )


def _is_dirty(commit: dict) -> bool:
    return bool(commit.get("dirty"))


def _section(metrics: dict, name: str) -> dict:
    """Returns a dictionary of a dictionary, empty where there is none."""
    found = metrics.get(name)
    return found if isinstance(found, dict) else {}


def _read_log(path: Path) -> dict[str, list[float]]:
    """Reads values by epoch; what is no number is NaN."""
    if not path.is_file():
        return {}
    with path.open(newline="", errors="replace") as file:
        rows = list(csv.DictReader(line.replace("\0", "") for line in file))
    columns = [name for name in (rows[0] if rows else ()) if name]
    return {name: [_number(row.get(name)) for row in rows] for name in columns}


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
