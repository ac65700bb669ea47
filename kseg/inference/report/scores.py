"""The tables of a report: scores of all, of classes, of objects and of images."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from kseg.inference.evaluate import MAIN_SCORES
from kseg.inference.record import LEVEL
from kseg.inference.report.html import (
    between,
    cell,
    class_name,
    name_text,
    percent,
    row,
    score_cell,
    table,
)
from kseg.inference.report.judge import AREAS, Judged
from kseg.labels import Labels
from kseg.web_page import path_text

_SCORES_OF_IMAGES = {k: v for k, v in MAIN_SCORES.items() if v != "boundary_iou"}
_SIZES = ("small", "medium", "large")


def summary(models: Sequence[Judged], data: str, compared: Mapping | None) -> str:
    """Returns what is judged, how, and the scores of the whole data set.

    Args:
        models: The model, and the one it is compared with, if any.
        data: What to call the data set.
        compared: What `kseg.inference.compare_records` returned, if there are two.
    """
    first = models[0].record
    tiles = "".join(
        f"<div><dt>{word}</dt><dd><b>{percent(first[key])}</b> %"
        f"<small>{between(first['intervals'][key])}</small></dd></div>"
        for word, key in MAIN_SCORES.items()
    )
    facts = {"Model": path_text(models[0].name)}
    if compared is not None:
        facts["Compared with"] = path_text(models[1].name)
    facts |= {"Data": path_text(data), "Images": str(first["images"])}
    facts |= {_capital(k): escape(v) for k, v in first["protocol"].items()}
    for key, text in models[-1].record["protocol"].items():
        if text != first["protocol"].get(key):
            facts[f"{_capital(key)} of B"] = escape(text)
    listed = "".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in facts.items())
    return (
        f'<dl class="tiles">{tiles}</dl><p class="dim">Below each score its '
        f"bounds: {100 * LEVEL:.0f} % of samples of the images lie between them.</p>"
        f"{_difference(models, compared) if compared is not None else ''}"
        f'<dl class="facts">{listed}</dl>'
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _difference(models: Sequence[Judged], compared: Mapping) -> str:
    """Returns the scores of two models."""
    names = [escape(model.name) for model in models]
    rows = [
        row(
            word,
            [
                score_cell(compared[key]["first"]),
                score_cell(compared[key]["second"]),
                *difference_cells(compared[key]),
            ],
        )
        for word, key in MAIN_SCORES.items()
    ]
    change = compared["mean_iou"]
    low, high = change["interval"]
    points = percent(abs(change["difference"]))
    higher = "higher" if change["difference"] > 0 else "lower"
    sure = "more than" if low > 0 or high < 0 else "no more than"
    columns = ["score", "A", "B", "B − A", "between", "p"]
    return (
        f"<p>A is {names[0]}, B is {names[1]}. The mean IoU of B is {points} points "
        f"{higher}, with bounds of {between(change['interval'], 2, '+')}: {sure} "
        "chance explains.</p>"
        f"{table('Both models', columns, rows, sortable=False)}"
    )


def difference_cells(values: Mapping) -> list[str]:
    """Returns the cells of a difference, its bounds, and how likely it is by chance.

    Args:
        values: Of one score, as in what `kseg.inference.compare_records` returns.
    """
    p = values["p_value"]
    return [
        score_cell(values["difference"], 2, "+"),
        cell(between(values["interval"], 2, "+"), values["interval"][0]),
        cell("–" if np.isnan(p) else f"{p:.4f}", p),
    ]


def classes(models: Sequence[Judged], labels: Labels, compared: Mapping | None) -> str:
    """Returns the table of the classes.

    Args:
        models: The model, and the one it is compared with, if any.
        labels: The classes.
        compared: What `kseg.inference.compare_records` returned, if there are two.
    """
    record, curves = models[0].record, models[0].curves
    shares = np.array(record["confusion_matrix"]).sum(axis=1)
    shares = shares / shares.sum()
    columns = ["class", "IoU", "", "between", "accuracy", "boundary F1"]
    columns += ["AP"] * (curves is not None) + ["pixels"]
    if compared is not None:
        columns += ["IoU of B", "B − A", "between", "p"]
    rows = []
    for index, name in enumerate(labels.names):
        iou, bounds = (
            record["class_iou"][name],
            record["intervals"]["class_iou"][name],
        )
        cells = [
            score_cell(iou),
            cell(_bar(iou, bounds), more=' class="bar"'),
            cell(between(bounds), bounds[0]),
            score_cell(record["class_accuracy"][name]),
            score_cell(record["class_boundary_f1"][name]),
        ]
        if curves is not None:
            cells.append(score_cell(float(curves["average_precision"][index])))
        cells.append(score_cell(float(shares[index])))
        if compared is not None:
            values = compared["class_iou"][name]
            cells += [score_cell(values["second"]), *difference_cells(values)]
        mark = f' data-class="{index}"'
        rows.append(row(class_name(labels, index), cells, mark))
    return (
        '<p class="dim">In percent. The line across a bar lies between the bounds; AP '
        "is the average precision, pixels are the share of the true ones."
        '<span class="scripted"> A head sorts, and a class shows its images in the '
        "gallery.</span></p>"
        f"{table('Scores of the classes', columns, rows)}"
    )


def _bar(value: float, bounds: Sequence[float]) -> str:
    """Returns a bar of a share of 1, with a line between its bounds."""
    if np.isnan(value):
        return ""
    bar = f'<b style="width:{100 * value:.1f}%"></b>'
    if not np.isnan(bounds[0]):
        low, high = (100 * bound for bound in bounds)
        bar += f'<u style="left:{low:.1f}%;width:{high - low:.1f}%"></u>'
    return f"<span>{bar}</span>"


def objects(models: Sequence[Judged], labels: Labels) -> str:
    """Returns which objects are found, and which are false alarms, by their size.

    Args:
        models: The model, and the one it is compared with, if any.
        labels: The classes.
    """
    medium, large = AREAS
    limits = (f"below {medium} pixels", f"below {large}", f"{large} and more")
    heads = [
        f"{s} <small>{limit}</small>" for s, limit in zip(_SIZES, limits, strict=True)
    ]
    parts = []
    for model in models:
        totals = {
            key: model.objects[key].sum(axis=0)
            for key in ("true", "found", "predicted", "false_alarms")
        }
        rows = [row(head, _counts(totals, size)) for size, head in enumerate(heads)]
        columns = ["size", "true objects", "found", "%"]
        columns += ["predicted objects", "false alarms", "%"]
        title = f"<h3>{escape(model.name)}</h3>" * (len(models) > 1)
        parts.append(
            f"{title}{table(f'Objects of {model.name}', columns, rows, sortable=False)}"
        )
        columns = ["class", *(f"{w}, {s}" for s in _SIZES for w in ("found", "right"))]
        rows = [
            row(
                class_name(labels, index),
                (
                    score_cell(float(model.objects[key][index, size]), 1)
                    for size in range(len(_SIZES))
                    for key in ("recall", "precision")
                ),
            )
            for index in range(labels.num_classes)
        ]
        label = f"Objects of {model.name} by class"
        parts.append(
            "<details><summary>By class <small>true objects that are found, and "
            "predicted ones that are no false alarm, in percent</small></summary>"
            f"{table(label, columns, rows)}</details>"
        )
    return (
        '<p class="dim">An object is a connected part of a class. A true one is found '
        "if half of its pixels or more have its class in the prediction; a predicted "
        "one is a false alarm if less than half have its class in truth.</p>"
        + "".join(parts)
    )


def _counts(totals: Mapping[str, np.ndarray], size: int) -> list[str]:
    """Returns the cells of objects of a size."""
    cells = []
    for whole, part in (("true", "found"), ("predicted", "false_alarms")):
        have, of_them = int(totals[whole][size]), int(totals[part][size])
        share = of_them / have if have else float("nan")
        cells += [cell(f"{have:,}", have), cell(f"{of_them:,}", of_them)]
        cells.append(score_cell(share, 1))
    return cells


def images(models: Sequence[Judged], shown: Mapping[int, str]) -> str:
    """Returns the table of the images.

    Args:
        models: The model, and the one it is compared with, if any.
        shown: Where on the page images are shown, by their position.
    """
    columns = ["image", *_SCORES_OF_IMAGES]
    columns += ["mean IoU of B", "B − A"] * (len(models) > 1)
    per_image = [model.record["per_image"] for model in models]
    rows = []
    for index, ours in enumerate(per_image[0]):
        name = name_text(ours["name"])
        if index in shown:
            name = f'<a href="#{shown[index]}">{name}</a>'
        cells = [score_cell(ours[key]) for key in _SCORES_OF_IMAGES.values()]
        if len(models) > 1:
            theirs = per_image[1][index]["mean_iou"]
            cells += [
                score_cell(theirs),
                score_cell(theirs - ours["mean_iou"], 2, "+"),
            ]
        rows.append(row(name, cells))
    return (
        '<p class="dim">In percent. Names that are links lead to the gallery.</p>'
        f'<div class="tall">{table("Scores of the images", columns, rows)}</div>'
    )
