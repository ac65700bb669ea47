"""What helps an int8 file that loses: each cure is tried, and what it bought is told.

All files are measured on the same images, and each is compared with the plain int8 file
image by image, so that what chance does can be told from what a cure does.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kseg.export.bias_correction import correct_biases
from kseg.export.calibration import calibrate, convert_int16, quantise, spread
from kseg.export.diagnosis import diagnose
from kseg.export.equalisation import equalise
from kseg.export.litert import write_litert
from kseg.export.verify import markdown_rows, run_variants
from kseg.labels import Labels
from kseg.metrics import compared
from kseg.registry import unknown

CURES = ("calibration", "per_channel", "equalisation", "biases", "float_layers")
# No processor has fast kernels for it yet: an image takes some fifty times as long.
ALL_CURES = (*CURES, "int16")
PLAIN = "int8"
# How many of the worst layers stay in float32, tried one after the other.
FLOAT_LAYERS = (1, 2, 4, 8)
SCORES = ("mean_iou", "pixel_accuracy", "boundary_f1")
# What int8 may lose of them against Keras, in points.
TARGET = {"mean_iou": 0.5, "boundary_f1": 1.0}


def try_cures(
    model: keras.Model,
    directory: str | Path,
    input_size: tuple[int, int],
    labels: Labels,
    calibration: Iterable[np.ndarray],
    examples: Iterable[tuple[np.ndarray, np.ndarray]],
    cures: Collection[str] = CURES,
    other_calibration: Mapping[str, Sequence[np.ndarray]] | None = None,
    fine_tuned: keras.Model | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Diagnoses the int8 file of a model, and tries what may help.

    The cures are: `"calibration"`, the images of `other_calibration`;
    `"per_channel"` and `"biases"`, scales for each channel of a kernel and biases that
    are corrected for its mean error, which the file has, so it is the files without
    that show what they buy; `"equalisation"` of channels across layers;
    `"float_layers"`, the worst ones in float32; `"int16"`, activations of 16 bits.

    Args:
        model: A functional model from images to logits.
        directory: Where the files go that are tried, `<model>_<cure>.tflite`, each to
            be used as it is.
        input_size: Height and width of the files' images in pixels.
        labels: The classes.
        calibration: As in `kseg.export.export_litert`.
        examples: uint8 images of the size and their masks, to measure on. They choose
            among the cures: report the chosen one on others.
        cures: Of `ALL_CURES`.
        other_calibration: From a name to other images for calibration.
        fine_tuned: The model after quantisation-aware training, to be measured too.

    Returns:
        `layers`, as `kseg.export.diagnosis.diagnose` returns them; and `variants`, the
        rows of `kseg.export.verify`, with `file`, the name of the file, and `bought`:
        for each of `SCORES`, `points` more than the plain int8 file has, and the
        `interval` of that at 95 %, of `kseg.metrics.compared`.

    Raises:
        ValueError: If a cure is unknown, or there are no images.
    """
    for cure in cures:
        if cure not in ALL_CURES:
            raise ValueError(unknown("cure", cure, list(ALL_CURES)))
    images = list(calibration)
    directory = Path(directory)
    corrected = correct_biases(model, spread(images))
    plain = calibrate(corrected, input_size, images)
    rows = diagnose(corrected, plain, spread(images, 4))
    files = {}

    def write(name: str, content: bytes, precision: str = "int8") -> None:
        slug = re.sub(r"\W+", "_", name).strip("_").lower()
        files[name] = directory / f"{model.name}_{slug}.tflite"
        write_litert(content, files[name], model.name, precision, "logits", labels)

    write(PLAIN, quantise(plain))
    if "per_channel" in cures:
        write("one scale per kernel", quantise(plain, per_channel=False))
    if "float_layers" in cures:
        for count in FLOAT_LAYERS:
            worst = rows[:count]
            leave = [layer for row in worst for layer in row["layers"]]
            others = correct_biases(model, spread(images), leave)
            content = calibrate(others, input_size, images)
            content = quantise(content, [row["tensor"] for row in worst])
            layers = "layer" if count == 1 else "layers"
            write(f"{count} {layers} in float32", content, "mixed")
    for name, net, seen in _variants(
        model, corrected, images, cures, other_calibration or {}, fine_tuned
    ):
        write(name, quantise(calibrate(net, input_size, seen)))
    if "int16" in cures:
        content = convert_int16(model, input_size, images)
        write("int16 activations", content, "int16")
    return {"layers": rows, "variants": _measure(model, files, examples, labels)}


def cures_table(variants: Sequence[Mapping[str, Any]]) -> str:
    """Words the variants of `try_cures` as a Markdown table, in points.

    Args:
        variants: What `try_cures` returned of that name.

    Returns:
        The table.
    """
    cells = [["Variant", "MB", "ms / image"]]
    cells[0] += [x for title in ("mIoU", "PA", "BF") for x in (title, "bought")]
    for row in variants:
        cells.append([row["name"], f"{row['bytes'] / 1e6:.2f}"])
        cells[-1].append(f"{row['milliseconds']:.1f}")
        for score in SCORES:
            bought = row["bought"][score]
            low, high = bought["interval"]
            told = f"{bought['points']:+.2f} ({low:+.2f} to {high:+.2f})"
            told = "" if row["name"] == PLAIN else told
            cells[-1] += [f"{100 * row[score]:.2f}", told]
    return markdown_rows(cells)


def loses(variants: Sequence[Mapping[str, Any]], name: str = PLAIN) -> dict[str, float]:
    """Returns how many points a variant has less than Keras, by the scores of `TARGET`.

    Args:
        variants: What `try_cures` returned of that name.
        name: Of the variant.
    """
    rows = {row["name"]: row for row in variants}
    return {key: 100 * (rows["Keras"][key] - rows[name][key]) for key in TARGET}


def _variants(
    model: keras.Model,
    corrected: keras.Model,
    images: Sequence[np.ndarray],
    cures: Collection[str],
    other_calibration: Mapping[str, Sequence[np.ndarray]],
    fine_tuned: keras.Model | None,
) -> Iterator[tuple[str, keras.Model, Sequence[np.ndarray]]]:
    """Yields what has to be calibrated anew: its name, the model and the images."""
    if "calibration" in cures:
        for name, others in other_calibration.items():
            yield name, corrected, others
    if "equalisation" in cures:
        equalised = equalise(model, spread(images))
        yield "equalised", correct_biases(equalised, spread(images)), images
    if "biases" in cures:
        yield "biases as they are", model, images
    if fine_tuned:
        yield "fine-tuned", correct_biases(fine_tuned, spread(images)), images


def _measure(
    model: keras.Model,
    files: Mapping[str, Path],
    examples: Iterable[tuple[np.ndarray, np.ndarray]],
    labels: Labels,
) -> list[dict[str, Any]]:
    """Returns the rows of all variants, with what each bought."""
    measured = run_variants(model, files, examples, labels)
    plain = next(x for x in measured if x.name == PLAIN).collected.images()
    rows = []
    for variant in measured:
        difference = compared(plain, variant.collected.images())
        bought = {
            score: {
                "points": 100 * float(difference[score]["difference"]),
                "interval": (100 * difference[score]["interval"]).tolist(),
            }
            for score in SCORES
        }
        file = files[variant.name].name if variant.name in files else None
        rows.append({**variant.row(), "file": file, "bought": bought})
    return rows
