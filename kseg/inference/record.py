"""All that is known of a model's scores, as a file that two models are compared by."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from kseg.files import read_json
from kseg.inference.evaluate import MAIN_SCORES, Examples, collect
from kseg.metrics import DatasetScores, compared, intervals, scores_of_counts
from kseg.metrics.averages import mean_of_known
from kseg.metrics.resampling import ImageScores
from kseg.registry import unknown

# The share of samples within the bounds of a score, and how many samples are drawn.
LEVEL, SAMPLES = 0.95, 2000
# What a file says beside the scores.
_ABOUT = ("model", "data", "protocol")


def score_examples(
    predict: Callable[[np.ndarray], np.ndarray],
    examples: Examples,
    collectors: Sequence = (),
) -> dict:
    """Runs a model over a data set, once.

    Args:
        predict: As `kseg.inference.evaluate.collect` takes it.
        examples: The data set.
        collectors: What else to collect, as there.

    Returns:
        What `score_record` returns.

    Raises:
        ValueError: As `collect`.
    """
    names = [examples.name(index) for index in range(len(examples))]
    collected = collect(
        predict,
        (examples[index] for index in range(len(examples))),
        examples.labels,
        len(examples),
        names,
        collectors,
    )
    return score_record(collected, names)


def score_record(collected: DatasetScores, names: Sequence[str]) -> dict:
    """Returns the scores of a data set, how sure they are, and those of every image.

    Args:
        collected: What `kseg.inference.evaluate.collect` returned.
        names: Names of the images.

    Returns:
        What `kseg.metrics.DatasetScores.result` returns; `images`, how many there are;
        `intervals`, for each score its bounds, of `kseg.metrics.intervals`;
        `confusion_matrix`, lists of true rows; and `per_image`, for each image its
        `name`, `pixels` that are not void, `pixel_accuracy`, `mean_iou` and
        `boundary_f1`, and by class in order `right`, `true` and `predicted` pixels,
        `class_boundary_f1`, and the `shared` and `joined` pixels of the bands that
        Boundary IoU divides.
    """
    classes = collected.labels.names
    bounds = {
        name: _named(classes, values) if values.ndim == 2 else values.tolist()
        for name, values in intervals(collected.images(), LEVEL, SAMPLES).items()
    }
    result = collected.result()
    return {
        "images": len(names),
        **result,
        "intervals": {name: bounds[name] for name in result},
        "confusion_matrix": collected.matrix.tolist(),
        "per_image": _per_image(collected, names),
    }


def read_record(path: str | Path) -> dict:
    """Reads what `kseg evaluate --output` wrote.

    Args:
        path: The JSON file.

    Returns:
        The dictionary, with NaN for scores that the file has as null.

    Raises:
        ValueError: If the file is not such a one.
    """
    record = read_json(path)
    if "per_image" not in record:
        raise ValueError(
            f"{path} must be a file that `kseg evaluate --output` wrote. Received: one "
            "without the scores of its images."
        )
    return {k: v if k in _ABOUT else _with_nan(v) for k, v in record.items()}


def compare_records(first: Mapping, second: Mapping) -> dict:
    """Compares two models by what `score_record` returned for them.

    Args:
        first: Of one model.
        second: Of another, on the same images.

    Returns:
        For each score, as `kseg.metrics.compared`, a dictionary of `first`, `second`,
        `difference`, `interval` and `p_value`, for scores of classes by their names;
        and `per_image`, the images with the `difference` of their mean IoU, most
        changed first.

    Raises:
        ValueError: If classes or images are not the same.
    """
    for what, ours, theirs in (
        ("classes", list(first["class_iou"]), list(second["class_iou"])),
        ("images", *([i["name"] for i in r["per_image"]] for r in (first, second))),
    ):
        if ours != theirs:
            other = [*(set(ours) ^ set(theirs)), "another order"][0]
            raise ValueError(
                f"Both models must be scored on the same {what}. Received: "
                f"{len(ours)} and {len(theirs)}, which differ, as in {other!r}."
            )
    found = compared(_images(first), _images(second), LEVEL, SAMPLES)
    result = {}
    for name in first["intervals"]:
        values = found[name]
        if values["difference"].ndim == 0:
            result[name] = _difference(first[name], second[name], values)
            continue
        result[name] = {
            one: _difference(
                first[name][one],
                second[name][one],
                {key: value[..., index] for key, value in values.items()},
            )
            for index, one in enumerate(first[name])
        }
    per_image = [
        {
            "name": ours["name"],
            "first": ours["mean_iou"],
            "second": theirs["mean_iou"],
            "difference": theirs["mean_iou"] - ours["mean_iou"],
        }
        for ours, theirs in zip(first["per_image"], second["per_image"], strict=True)
    ]
    changed = sorted(per_image, key=lambda row: -abs(np.nan_to_num(row["difference"])))
    return {**result, "per_image": changed}


def comparison_table(result: Mapping) -> str:
    """Words what `compare_records` returned for a terminal.

    Args:
        result: What it returned.

    Returns:
        A line per score and class, in percent: both models, the difference with its
        bounds, and how likely as large a one is by chance.
    """
    rows = {
        **{word: result[key] for word, key in MAIN_SCORES.items()},
        **{f"IoU {name}": row for name, row in result["class_iou"].items()},
    }
    width = max(map(len, rows))
    lines = [f"{'':<{width}}   first  second  change  {'between':<16}      p"]
    for name, row in rows.items():
        numbers = (row["first"], row["second"], row["difference"])
        first, second, change = (
            "-" if np.isnan(number) else f"{100 * number:{sign}.2f}"
            for number, sign in zip(numbers, ("", "", "+"), strict=True)
        )
        low, high = row["interval"]
        between = "-" if np.isnan(low) else f"{100 * low:+.2f} to {100 * high:+.2f}"
        chance = "-" if np.isnan(row["p_value"]) else f"{row['p_value']:.4f}"
        lines.append(
            f"{name:<{width}} {first:>7} {second:>7} {change:>7}  {between:<16} "
            f"{chance:>6}"
        )
    return "\n".join(lines)


def score_of(record: Mapping, key: str) -> float:
    """Returns a score by its name, such as `mean_iou` or `class_iou.car`.

    Args:
        record: What `score_record` returned.
        key: The name; that of a class follows a full stop.

    Raises:
        ValueError: If there is no such score.
    """
    name, _, of_class = key.partition(".")
    if name not in record["intervals"]:
        raise ValueError(unknown("score", name, list(record["intervals"])))
    value = record[name]
    if isinstance(value, dict):
        if of_class not in value:
            raise ValueError(unknown(f"class of {name}", of_class, list(value)))
        return value[of_class]
    if of_class:
        raise ValueError(f"{name!r} has no classes. Received: {key!r}.")
    return value


def missed(record: Mapping, required: Mapping[str, float]) -> list[str]:
    """Words which scores are below what is required.

    Args:
        record: What `score_record` returned.
        required: The least of each score, by names as `score_of` takes them.

    Returns:
        A line for each that is lower, or that there is none of.

    Raises:
        ValueError: If there is no such score.
    """
    found = {key: score_of(record, key) for key in required}
    return [
        f"{key} must be {least:.4f} or more. Received: {found[key]:.4f}."
        for key, least in required.items()
        if not found[key] >= least
    ]


def _per_image(collected: DatasetScores, names: Sequence[str]) -> list[dict]:
    """Returns the scores of every image."""
    counts, boundaries, bands = collected.images()
    scores = scores_of_counts(counts)
    return [
        {
            "name": name,
            "pixels": int(true.sum()),
            "pixel_accuracy": float(scores["pixel_accuracy"][index]),
            "mean_iou": float(scores["mean_iou"][index]),
            "boundary_f1": float(mean_of_known(np, boundaries[index])),
            "right": right.tolist(),
            "true": true.tolist(),
            "predicted": predicted.tolist(),
            "class_boundary_f1": boundaries[index].astype(float).tolist(),
            "shared": bands[index, 0].tolist(),
            "joined": bands[index, 1].tolist(),
        }
        for index, (name, (right, true, predicted)) in enumerate(
            zip(names, counts, strict=True)
        )
    ]


def _images(record: Mapping) -> ImageScores:
    """Returns the counts of images as `kseg.metrics.compared` takes them."""
    rows = record["per_image"]

    def counts(*keys):
        return np.array([[row[key] for key in keys] for row in rows], np.int64)

    return ImageScores(
        counts("right", "true", "predicted"),
        np.array([row["class_boundary_f1"] for row in rows], np.float64),
        counts("shared", "joined"),
    )


def _named(names: Sequence[str], values: np.ndarray) -> dict[str, list]:
    """Returns bounds `(2, num_classes)` by the names of the classes."""
    return dict(zip(names, values.T.tolist(), strict=True))


def _difference(first: float, second: float, values: Mapping) -> dict:
    """Returns what is said of a score of two models."""
    return {
        "first": first,
        "second": second,
        "difference": float(values["difference"]),
        "interval": values["interval"].tolist(),
        "p_value": float(values["p_value"]),
    }


def _with_nan(value):
    """Returns a value with NaN for every `None` in it."""
    if isinstance(value, dict):
        return {key: _with_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nan(item) for item in value]
    return math.nan if value is None else value
