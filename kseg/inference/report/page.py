"""A report on a model as one HTML page that needs nothing else, and no network."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from kseg.inference.evaluate import Examples
from kseg.inference.record import compare_records
from kseg.inference.report import plots
from kseg.inference.report.confusion import confusion
from kseg.inference.report.frame import write_page
from kseg.inference.report.gallery import gallery, most_changed, place, worst
from kseg.inference.report.judge import Judged
from kseg.inference.report.probabilities import probabilities
from kseg.inference.report.run_folder import RunFolder
from kseg.inference.report.scores import classes, images, objects, summary
from kseg.inference.report.training import card, environment, training


def write_report(
    path: str | Path,
    models: Sequence[Judged],
    source: Examples,
    data: str,
    most: int = 12,
    run: RunFolder | None = None,
) -> None:
    """Writes what is known of a model on a data set as a page.

    Args:
        path: The HTML file, which appears when it is whole.
        models: The model, and if wanted one that it is compared with, on the same
            images.
        source: The images, of which the gallery shows some.
        data: What to call the data set.
        most: How many images of the lowest scores to show; of two models as many of
            the most changed ones, too.
        run: What lies beside the model, if a run wrote it.

    Raises:
        ValueError: If the models were not run on the same images.
    """
    labels, record = source.labels, models[0].record
    compared = None
    if len(models) > 1:
        compared = compare_records(record, models[1].record)
    matrix = np.array(record["confusion_matrix"])
    shown = [*worst(models, most), *most_changed(models, most)]
    places = {index: place(index) for index in shown}
    sections: dict[str, tuple[str, Iterable[str]]] = {
        "summary": ("Summary", [summary(models, data, compared)]),
        "classes": ("Classes", [classes(models, labels, compared)]),
        "confusion": ("Confusion", [confusion(matrix, labels)]),
        "probabilities": ("Probabilities", [probabilities(models, labels)]),
        "objects": ("Objects", [objects(models, labels)]),
        "images": ("Images", [_image_plots(models), images(models, places)]),
        # The only part that is large, and so made when it is written.
        "gallery": ("Gallery", gallery(models, source, most)),
        "training": ("Training", [training(run)]),
        "card": ("Model card", [card(run)]),
        "environment": ("Environment", [environment(run)]),
    }
    title = f"{models[0].name} on {data}"
    write_page(path, title, sections)


def _image_plots(models: Sequence[Judged]) -> str:
    """Returns how the scores of the images are spread."""
    rows = [model.record["per_image"] for model in models]
    names = [row["name"] for row in rows[0]]
    values = [[row["mean_iou"] for row in one] for one in rows]
    if len(models) > 1:
        labels = ("mean IoU, A", "mean IoU, B")
        spread = plots.scatter(values[0], values[1], names, labels, equal=True)
    else:
        boundaries = [row["boundary_f1"] for row in rows[0]]
        labels = ("mean IoU", "boundary F1")
        spread = plots.scatter(values[0], boundaries, names, labels, equal=False)
    legend = plots.series_legend([m.name for m in models]) if len(models) > 1 else ""
    return (
        f'{legend}<div class="plots"><figure>{plots.histogram(values)}</figure>'
        f"<figure>{spread}</figure></div>"
    )
