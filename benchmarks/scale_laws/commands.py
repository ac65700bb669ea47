"""How reports and the command line grow."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from kseg.inference.report import judge, write_report
from kseg.labels import Labels
from scale_laws.law import Law, Work
from scale_laws.prediction import network
from scale_laws.scenes import label_map, photograph

CLASSES = 4


class _Scenes:
    """So many small images, by position."""

    def __init__(self, count: int):
        self.labels = Labels.numbered(CLASSES)
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        if not 0 <= index < self._count:
            raise IndexError(index)
        return np.roll(photograph(32), index, axis=0), label_map(32, CLASSES, 0, 8)

    def name(self, index: int) -> str:
        return f"street_{index:06d}"


def _report(images: int, folder: Path) -> Work:
    """Prepares a report; the work returns the kilobytes of its page."""
    page, source = folder / "report.html", _Scenes(images)
    judged = judge("network", network(CLASSES), source, {}, {})

    def work() -> float:
        write_report(page, [judged], source, "scenes")
        return page.stat().st_size / 1e3

    return work


def _start(models: int, folder: Path) -> Work:
    """Prepares a folder of so many models that the command starts in."""
    for number in range(models):
        name = f"model_{number:06d}"
        (folder / "saved_models" / name).mkdir(parents=True)
        (folder / "saved_models" / name / f"{name}.keras").touch()
    command = [sys.executable, "-m", "kseg", "predict", "--help"]
    return lambda: subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=os.environ
    )


LAWS = [
    Law(
        "commands",
        "HTML page of a report",
        "images",
        [16, 64, 256, 1024],
        _report,
        {"seconds": 1, "kilobytes": 1},
        "a line and a dot an image, and pictures of twelve",
    ),
    Law(
        "commands",
        "start of the command",
        "models",
        [1, 8, 64, 512],
        _start,
        {"seconds": 0},
        "nothing looks at models that are not named",
    ),
]
