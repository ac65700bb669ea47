"""The images that say most: those of the worst scores, and the most changed ones."""

import json
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from kseg.inference.evaluate import Examples
from kseg.inference.report.html import attribute, class_name, name_text, percent
from kseg.inference.report.judge import Judged
from kseg.inference.report.pictures import (
    STATE_NAMES,
    class_map,
    error_map,
    photograph,
)
from kseg.labels import Labels


def worst(models: Sequence[Judged], most: int) -> list[int]:
    """Returns the positions of the images of the lowest mean IoU, worst first.

    Args:
        models: The model, and others that do not matter.
        most: How many.
    """
    scores = np.array([row["mean_iou"] for row in models[0].record["per_image"]])
    order = np.argsort(scores, kind="stable")  # NaN last
    return order[~np.isnan(scores[order])][:most].tolist()


def most_changed(models: Sequence[Judged], most: int) -> list[int]:
    """Returns the positions of the images whose mean IoU differs most between two.

    Args:
        models: The models; of one there is no change.
        most: How many.
    """
    if len(models) < 2:
        return []
    first, second = (
        np.array([row["mean_iou"] for row in model.record["per_image"]])
        for model in models
    )
    change = np.nan_to_num(np.abs(second - first))
    order = np.argsort(-change, kind="stable")[:most]
    return order[change[order] > 0].tolist()


def place(index: int) -> str:
    """Returns where on the page an image is shown."""
    return f"image-{index}"


def gallery(models: Sequence[Judged], source: Examples, most: int) -> Iterator[str]:
    """Yields the gallery, an image at a time.

    Args:
        models: The model, and the one it is compared with, if any.
        source: The data set.
        most: How many images of the lowest scores, and how many most changed.
    """
    labels = source.labels
    lowest, changed = worst(models, most), most_changed(models, most)
    if not lowest:
        yield "<p>No image is shown.</p>"
        return
    yield legend(labels)
    yield _filter(labels)
    yield "<h3>Of the lowest mean IoU</h3><div class=cases>"
    for rank, index in enumerate(lowest):
        yield case(models, source, index, rank)
    yield "</div>"
    if changed:
        seen = [i for i in changed if i in lowest]
        also = ", ".join(
            f'<a href="#{place(i)}">{name_text(source.name(i))}</a>' for i in seen
        )
        yield "<h3>Most changed from A to B</h3>"
        yield f"<p>Shown above, too: {also}.</p>" if also else ""
        yield "<div class=cases>"
        for rank, index in enumerate(changed):
            if index not in lowest:
                yield case(models, source, index, rank)
        yield "</div>"


def legend(labels: Labels) -> str:
    """Returns what colours mean.

    Args:
        labels: The classes.
    """
    named = "".join(
        f"<li>{class_name(labels, i)}</li>" for i in range(labels.num_classes)
    )
    states = "".join(
        f'<li><i class="{name.split(",")[0]}"></i>{name}</li>' for name in STATE_NAMES
    )
    return (
        f'<ul class="legend" aria-label="Classes">{named}</ul><p class="dim">Void is '
        "not painted.</p>"
        f'<ul class="legend" aria-label="Error map">{states}</ul>'
    )


def _filter(labels: Labels) -> str:
    """Returns what chooses a class; the script shows it."""
    options = "".join(
        f'<option value="{i}">{escape(name)}</option>'
        for i, name in enumerate(labels.names)
    )
    return (
        '<p class="filter" hidden><label for="class-filter">Images that hold</label> '
        '<select id="class-filter"><option value="">any class</option>'
        f'{options}</select> <span id="gallery-state" role="status"></span></p>'
    )


def case(models: Sequence[Judged], source: Examples, index: int, rank: int) -> str:
    """Returns an image with its truth and predictions.

    Args:
        models: The model, and the one it is compared with, if any.
        source: The data set.
        index: The position of the image.
        rank: Its place in its group.
    """
    image, mask = source[index]
    labels = source.labels
    name = escape(source.name(index))
    uri, (width, height) = photograph(image)
    predicted = [model.predict_ids(image) for model in models]
    letters = "AB" if len(models) > 1 else [""]
    layers = {"image": uri, "truth": class_map(mask, labels)}
    for letter, ids in zip(letters, predicted, strict=True):
        layers[f"prediction {letter}".strip()] = class_map(ids, labels)
    for letter, ids in zip(letters, predicted, strict=True):
        errors = error_map(mask, ids, labels.ignore_class)
        layers[f"errors {letter}".strip()] = errors
    drawn = "".join(
        f'<div class="layer" data-layer="{layer}"><img src="{data}" '
        f'width="{width}" height="{height}" loading="lazy" '
        f'alt="{attribute(f"{layer} of {source.name(index)}")}">'
        f"<span>{layer}</span></div>"
        for layer, data in layers.items()
    )
    rows = [model.record["per_image"][index] for model in models]
    scores = "".join(
        f"<br>{letter} mean IoU {percent(row['mean_iou'])}&nbsp;%, pixel accuracy "
        f"{percent(row['pixel_accuracy'])}&nbsp;%, boundary F1 "
        f"{percent(row['boundary_f1'])}&nbsp;%"
        for letter, row in zip(letters, rows, strict=True)
    )
    found = json.dumps(_class_iou(rows[0]))
    return (
        f'<figure class="case" id="{place(index)}" data-rank="{rank}" '
        f'data-iou="{attribute(found)}"><figcaption><b>{name_text(source.name(index))}'
        f'</b>{scores}<span class="of-class"></span></figcaption>'
        f'<div class="stage">{drawn}</div>{_controls(index, name, list(layers)[1:])}'
        "</figure>\n"
    )


def _controls(index: int, name: str, layers: Sequence[str]) -> str:
    """Returns what chooses the overlay and moves its edge; the script shows it."""
    chosen = next(layer for layer in layers if layer.startswith("prediction"))
    radios = "".join(
        f'<label><input type="radio" name="layer-{index}" value="{layer}"'
        f"{' checked' * (layer == chosen)}>{layer}</label>"
        for layer in layers
    )
    of_image = f'<span class="unseen"> of {name}</span>'
    return (
        f'<div class="controls" hidden><fieldset><legend>Overlay{of_image}</legend>'
        f'{radios}</fieldset><label class="wipe">Edge of the overlay{of_image} '
        '<input type="range" min="0" max="100" value="35"></label></div>'
    )


def _class_iou(row: dict) -> dict[int, float]:
    """Returns the IoU in an image of the classes that truth or prediction holds."""
    counts = zip(row["right"], row["true"], row["predicted"], strict=True)
    return {
        index: round(right / (true + predicted - right), 4)
        for index, (right, true, predicted) in enumerate(counts)
        if true + predicted
    }
