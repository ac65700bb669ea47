"""A dossier as one HTML page that needs nothing else, and no network."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from kseg.data import FittedSource
from kseg.dossier.measure import THREADS
from kseg.dossier.targets import targets
from kseg.inference.report.frame import write_page
from kseg.inference.report.gallery import case, legend, most_changed
from kseg.inference.report.html import (
    between,
    cell,
    class_name,
    percent,
    row,
    score_cell,
    table,
)
from kseg.inference.report.judge import Judged
from kseg.labels import Labels
from kseg.layers import crop_centre
from kseg.web_page import path_text

Predictors = Mapping[str, Callable[[np.ndarray], np.ndarray]]


def write_page_of(
    result: Mapping[str, Any],
    path: str | Path,
    source: FittedSource,
    predictors: Predictors,
    most: int = 6,
) -> None:
    """Writes a dossier as a page.

    Args:
        result: What `kseg.dossier.measure` returned, with `model` and `data`, what to
            call them.
        path: The HTML file, which appears when it is whole.
        source: The images it was measured on.
        predictors: From an image to class ids, of `"Keras"` and of each file.
        most: How many of the images that changed most to show, of the file that
            differs most from Keras; 0 where they must not be passed on.
    """
    labels = source.labels
    sections: dict[str, tuple[str, Iterable[str]]] = {
        "summary": ("Summary", [_summary(result)]),
        "files": ("Files", [_files(result["files"], result["keras"])]),
        "classes": ("Classes", [_classes(result, labels)]),
        "targets": ("Operators and targets", targets(result["files"])),
        "gallery": ("Images", _images(result, source, predictors, most)),
        "environment": ("Environment", [_environment(result["environment"])]),
    }
    write_page(path, f"{result['model']}: files for devices", sections)


def _summary(result: Mapping) -> str:
    """Returns what is measured, and whether it is as good as was asked for."""
    tiles = "".join(
        f"<div><dt>{escape(file)}, {values['bytes'] / 1e6:.1f} MB</dt>"
        f"<dd><b>{percent(values['change']['mean_iou']['difference'], 2, '+')}</b>"
        f"<small>points of mean IoU, {percent(values['record']['mean_iou'])} %"
        "</small></dd></div>"
        for file, values in result["files"].items()
    )
    height, width = result["size"]
    facts = {
        "Model": path_text(result["model"]),
        "Data": path_text(result["data"]),
        "Images": f"{result['images']}, each fitted into {height}x{width} pixels, as "
        "Keras saw them, too",
        "Means": "over classes that are in a mask or a prediction",
        "Boundary F1": "within 0.75 % of an image's diagonal, mean over images",
    }
    listed = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in facts.items())
    return (
        f'<dl class="tiles">{tiles}</dl>{_verdict(result)}'
        f'<dl class="facts">{listed}</dl>'
    )


def _verdict(result: Mapping) -> str:
    """Says whether a file is beyond its limits."""
    if not result["limits"]:
        return '<p class="dim">No limit was set.</p>'
    allowed = ", ".join(
        f"{escape(key)} by {percent(drop)} points"
        for key, drop in result["limits"].items()
    )
    if not result["missed"]:
        return f"<p><b>Passed.</b> No file is lower than {allowed}.</p>"
    lines = "".join(f"<li>{escape(line)}</li>" for line in result["missed"])
    return f"<p><b>Failed.</b> A file may be lower: {allowed}.</p><ul>{lines}</ul>"


def _files(files: Mapping[str, Mapping], keras: Mapping) -> str:
    """Returns the table of the files."""
    columns = ["variant", "MB", "same as<br>Keras", "mean IoU", "change"]
    columns += ["boundary<br>F1", "change"]
    columns += [f"ms,<br>{_threads(count)}" for count in THREADS] + ["memory,<br>MB"]
    record = keras["record"]
    nothing = cell("–")
    rows = [
        row(
            "Keras",
            [
                _mega(keras["bytes"]),
                nothing,
                score_cell(record["mean_iou"]),
                nothing,
                score_cell(record["boundary_f1"]),
                *[nothing] * (2 + len(THREADS)),
            ],
        )
    ]
    for name, file in files.items():
        cells = [_mega(file["bytes"]), score_cell(file["agreement"])]
        for key in ("mean_iou", "boundary_f1"):
            change = file["change"][key]
            cells.append(score_cell(change["second"]))
            bounds = f"<br><small>{between(change['interval'], 2, '+')}</small>"
            cells.append(cell(percent(change["difference"], 2, "+") + bounds))
        for count in THREADS:
            milliseconds = file["milliseconds"][str(count)]
            cells.append(cell(f"{milliseconds:.1f}", milliseconds))
        memory = file["memory"]
        cells.append(nothing if memory is None else _mega(memory))
        rows.append(row(escape(name), cells))
    return (
        f"{table('Files', columns, rows, sortable=False)}"
        '<p class="dim">Scores and sameness in percent, changes in points with the '
        "bounds of 95 % of samples of the images. Milliseconds are medians on this "
        "machine, from an image to its class ids, all files in turns. Memory is the "
        "most that a process holds which runs the file on one thread, Python and NumPy "
        "among it.</p>"
    )


def _threads(count: int) -> str:
    return f"{count} thread{'s' * (count > 1)}"


def _mega(size: int) -> str:
    return cell(f"{size / 1e6:.2f}", size)


def _classes(result: Mapping, labels: Labels) -> str:
    """Returns what each file does to each class."""
    columns = ["class", "IoU", "boundary F1"]
    columns += [
        f"{escape(name)}<br>{word}"
        for name in result["files"]
        for word in ("IoU", "boundary F1")
    ]
    record = result["keras"]["record"]
    rows = []
    for index, name in enumerate(labels.names):
        keys = ("class_iou", "class_boundary_f1")
        cells = [score_cell(record[key][name]) for key in keys]
        cells += [
            score_cell(file["record"][key][name] - record[key][name], 2, "+")
            for file in result["files"].values()
            for key in keys
        ]
        rows.append(row(class_name(labels, index), cells))
    return (
        '<p class="dim">Of Keras in percent; of the files what changes, in points.</p>'
        f"{table('Classes', columns, rows)}"
    )


def _images(
    result: Mapping, source: FittedSource, predictors: Predictors, most: int
) -> Iterator[str]:
    """Yields the images that changed most."""
    files = result["files"]
    name = min(files, key=lambda file: files[file]["agreement"])
    records = {"Keras": result["keras"]["record"], name: files[name]["record"]}
    height, width = result["output_size"]
    shown = _Shown(source, (height, width))
    models = [
        Judged(variant, record, shown.whole(predictors[variant]), {})
        for variant, record in records.items()
    ]
    changed = most_changed(models, most)
    if not changed:
        yield "<p>No image is shown.</p>"
        return
    yield (
        f"<p>A is Keras, B is {escape(name)}, which differs most from Keras. These are "
        "the images whose mean IoU changed most.</p>"
    )
    yield legend(source.labels)
    yield "<div class=cases>"
    for rank, index in enumerate(changed):
        yield case(models, shown, index, rank)
    yield "</div>"


@dataclasses.dataclass(frozen=True)
class _Shown:
    """The images, void where a network that returns their middle says nothing."""

    source: FittedSource
    output_size: tuple[int, int]

    @property
    def labels(self) -> Labels:
        """The classes."""
        return self.source.labels

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns an image and its mask."""
        image, mask = self.source[index]
        return image, self._framed(crop_centre(mask, self.output_size))

    def name(self, index: int) -> str:
        """Returns what to call an image."""
        return self.source.name(index)

    def whole(self, predict_ids: Callable) -> Callable[[np.ndarray], np.ndarray]:
        """Returns a function to class ids of the image's size."""
        return lambda image: self._framed(predict_ids(image))

    def _framed(self, ids: np.ndarray) -> np.ndarray:
        """Returns class ids with void around them."""
        whole = np.full(self.source.size, self.labels.ignore_class)
        crop_centre(whole, ids.shape)[...] = ids
        return whole


def _environment(found: Mapping[str, str]) -> str:
    """Returns software and machine."""
    rows = [row(escape(name), [cell(escape(text))]) for name, text in found.items()]
    return table("Software and machine", ["", ""], rows, sortable=False)
