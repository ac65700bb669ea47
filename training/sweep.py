"""Sweeps: every combination of some values of a config, a run each."""

import dataclasses
import hashlib
import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kseg.training.experiment import load_experiment

_LONGEST_NAME = 120


@dataclasses.dataclass(frozen=True)
class Run:
    """A combination.

    Args:
        name: Its folder, after the values that vary, such as `fit.seed=1`.
        assignments: Texts as `kseg train --set` takes them.
    """

    name: str
    assignments: tuple[str, ...]


def grid(texts: Sequence[str], name: str) -> list[Run]:
    """Returns the combinations of values, the last ones varying fastest.

    Args:
        texts: `section.key=value,value,...`. Commas separate values where they are in
            no brackets or quotes: `data.crop=(160,208),(320,416)` are two values.
        name: What to call a run if nothing varies.

    Returns:
        The runs, each with a name of its own.

    Raises:
        ValueError: If a text has another form, or a key or a value comes twice.

    Example:
    >>> [run.name for run in grid(["fit.seed=0,1", "fit.epochs=3"], "demo")]
    ['fit.seed=0', 'fit.seed=1']
    """
    keys: dict[str, list[str]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        if not (equals and "." in key):
            raise ValueError(f"--set takes section.key=value,... Received: {text!r}.")
        if key in keys:
            raise ValueError(f"--set takes a key once. Received: {key!r} twice.")
        keys[key] = split_values(values)
        if len(set(keys[key])) < len(keys[key]):
            raise ValueError(f"The values of a sweep must differ. Received: {text!r}.")
    runs = []
    for values in itertools.product(*keys.values()):
        pairs = [f"{key}={value}" for key, value in zip(keys, values, strict=True)]
        varying = [pair for pair, v in zip(pairs, keys.values(), strict=True) if v[1:]]
        runs.append(Run(_folder(",".join(varying) or name), tuple(pairs)))
    return runs


def split_values(text: str) -> list[str]:
    """Splits a text at the commas that are in no brackets or quotes.

    Args:
        text: Values, each a Python literal or a plain text.

    Returns:
        The values, one or more.

    Raises:
        ValueError: If a bracket or a quote is not closed, or a value is empty.

    Example:
    >>> split_values("(160, 208),[1,2],None")
    ['(160, 208)', '[1,2]', 'None']
    """
    values, begin, depth, quote = [], 0, 0, ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            values.append(text[begin:position].strip())
            begin = position + 1
        if depth < 0:
            break
    values.append(text[begin:].strip())
    if depth or quote or not all(values):
        raise ValueError(
            "A sweep takes values with commas between them, and brackets and quotes "
            f"that close. Received: {text!r}."
        )
    return values


def check_runs(config: str, runs: Sequence[Run], directory: Path) -> None:
    """Raises if a run's experiment is wrong, or its folder holds another one.

    Args:
        config: As in `kseg.training.experiment.load_experiment`.
        runs: What to do.
        directory: Where their folders are.

    Raises:
        ValueError: Naming what is wrong.
    """
    for run in runs:
        _, experiment = load_experiment(config)
        experiment.replace(run.assignments)
        experiment.check()
        record = directory / run.name / "experiment.json"
        if record.exists():
            differing = _differences(
                experiment.to_dict(), json.loads(record.read_text())
            )
            if differing:
                raise ValueError(
                    "A sweep goes on with the runs that it began. Received: "
                    f"{record.parent}, which holds a run of other values of "
                    f"{', '.join(differing)}. Take them, or another --directory."
                )


def _differences(ours: Mapping[str, dict], theirs: Mapping[str, dict]) -> list[str]:
    """Returns the keys that differ; the data says how many classes there are."""
    flat = [
        {f"{s}.{k}": v for s, section in e.items() for k, v in section.items()}
        for e in (ours, theirs)
    ]
    keys = sorted(flat[0].keys() | flat[1].keys())
    different = [k for k in keys if flat[0].get(k, ...) != flat[1].get(k, ...)]
    return [k for k in different if k != "network.num_classes" or k in flat[0]]


def run_sweep(config: str, runs: Sequence[Run], directory: Path) -> list[Run]:
    """Trains, evaluates and exports every run, one after the other.

    Each is a process of its own, whose output goes to `output.log` in its folder. What
    has its `metrics.json` is passed over, what was begun goes on.

    Args:
        config: As in `kseg.training.experiment.load_experiment`.
        runs: What to do.
        directory: Where their folders are.

    Returns:
        The runs that failed.
    """
    failed = []
    for number, run in enumerate(runs, 1):
        folder = directory / run.name
        title = f"[{number}/{len(runs)}] {run.name}"
        if (folder / "metrics.json").exists():
            print(f"{title}: done already")
            continue
        print(f"{title}: output in {folder / 'output.log'}", flush=True)
        begin = time.monotonic()
        code, last = _train(config, run, folder)
        minutes = (time.monotonic() - begin) / 60
        if code == 0:
            print(f"{title}: done in {minutes:.1f} minutes")
        else:
            failed.append(run)
            print(f"{title}: failed with exit code {code}: {last}")
    return failed


def _train(config: str, run: Run, folder: Path) -> tuple[int, str]:
    """Trains in a process, and returns its exit code and its last line."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "kseg", "train", config]
    command += ["--resume", "--directory", str(folder), "--set", *run.assignments]
    with open(folder / "output.log", "ab") as log:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    lines = (folder / "output.log").read_text(errors="replace").split("\n")
    return result.returncode, next((x for x in reversed(lines) if x.strip()), "")


def _folder(name: str) -> str:
    """Returns a name as a folder can have it, another for every name."""
    plain = re.sub(r"[^\w.,=+-]+", "_", name)[:_LONGEST_NAME]
    if plain == name:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
