"""Measures files against the model they came from, on images with known masks.

Two questions that a file's running without an error does not answer: does it give the
classes that Keras gives, and is it as right as Keras? Size and speed stand beside them.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tqdm import tqdm

from kseg.labels import Labels
from kseg.layers import class_logits, crop_centre
from kseg.lite import LiteRTModel
from kseg.metrics import DatasetScores


def verify(
    model: keras.Model,
    files: Mapping[str, str | Path],
    examples: Iterable[tuple[np.ndarray, np.ndarray]],
    labels: Labels,
    num_threads: int = 2,
) -> list[dict[str, Any]]:
    """Measures a Keras model and its LiteRT files on the same images.

    Args:
        model: The model that the files were made from, on the TensorFlow backend.
        files: From the name of each variant, as the table shows it, to its `.tflite`
            file. All take images of one size.
        examples: Images, uint8 `(height, width, channels)` of that size, and their
            masks, uint8 `(height, width)` class ids.
        labels: What the class ids mean; pixels of its `ignore_class` do not count.
        num_threads: How many CPU threads the LiteRT files use; Keras takes its own.

    Returns:
        One row for Keras, then one for each file: `name`; `bytes`, of the file, or of
        Keras's weights; `agreement`, the share of pixels with the class that Keras
        gives, NaN if all are void; `milliseconds`, the median time from an image to
        its class ids; and the scores that `kseg.metrics.DatasetScores` returns.

    Raises:
        ValueError: As `run_variants`.
    """
    found = run_variants(model, files, examples, labels, num_threads)
    return [variant.row() for variant in found]


def run_variants(
    model: keras.Model,
    files: Mapping[str, str | Path],
    examples: Iterable[tuple[np.ndarray, np.ndarray]],
    labels: Labels,
    num_threads: int = 2,
) -> list["Variant"]:
    """Runs a Keras model and its LiteRT files on the same images.

    Args:
        model: As in `verify`.
        files: As in `verify`.
        examples: As in `verify`.
        labels: As in `verify`.
        num_threads: As in `verify`.

    Returns:
        What was measured of Keras, then of each file.

    Raises:
        ValueError: If there is no example, an image or a mask has another size than
            the files take, or a file has another number of classes than `labels`.
    """
    weights = sum(weight.numpy().nbytes for weight in model.weights)
    variants = [Variant("Keras", weights, keras_predictor(model), labels)]
    for name, path in files.items():
        file = LiteRTModel(path, num_threads)
        if file.labels.num_classes != labels.num_classes:
            raise ValueError(
                f"Every file must have the {labels.num_classes} classes of the labels. "
                f"Received: {name!r} with {file.labels.num_classes}."
            )
        size = Path(path).stat().st_size
        variants.append(Variant(name, size, file.predict_ids, labels))
    for image, mask in tqdm(examples, desc="Verifying", unit="image"):
        reference = variants[0].add(image, mask)
        for variant in variants[1:]:
            variant.add(image, mask, reference)
    if not variants[0].seconds:
        raise ValueError("`examples` must hold at least one image. Received: none.")
    return variants


def markdown_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Words the rows of `verify` for a model card or a terminal.

    Args:
        rows: What `verify` returned.

    Returns:
        Two Markdown tables: the scores of each variant, and the IoU of each class.
    """
    summary = [
        ["Variant", "MB", "Same as Keras", "Pixel accuracy", "mIoU", "BF", "ms / image"]
    ]
    for row in rows:
        summary.append(
            [
                row["name"],
                f"{row['bytes'] / 1e6:.2f}",
                _share(row["agreement"]),
                _share(row["pixel_accuracy"]),
                _share(row["mean_iou"]),
                _share(row["boundary_f1"]),
                f"{row['milliseconds']:.1f}",
            ]
        )
    classes = [["IoU", *(row["name"] for row in rows)]]
    for name in rows[0]["class_iou"]:
        classes.append([name, *(_share(row["class_iou"][name]) for row in rows)])
    return f"{markdown_rows(summary)}\n\n{markdown_rows(classes)}\n"


class Variant:
    """What has been measured of Keras or a file so far.

    Args:
        name: What it is called.
        size: Bytes of the file, or of Keras's weights.
        predict_ids: From a uint8 image `(height, width, channels)` to class ids.
        labels: What the class ids mean.

    Attributes:
        collected: The `kseg.metrics.DatasetScores` of the images.
        same: Pixels, of those that are not void, that agree with the reference.
        seconds: How long each image took.
    """

    def __init__(
        self,
        name: str,
        size: int,
        predict_ids: Callable[[np.ndarray], np.ndarray],
        labels: Labels,
    ):
        """Begins with no image."""
        self.name = name
        self.size = size
        self.predict_ids = predict_ids
        self.collected = DatasetScores(labels)
        self.same = 0
        self.seconds: list[float] = []

    def add(
        self, image: np.ndarray, mask: np.ndarray, reference: np.ndarray | None = None
    ) -> np.ndarray:
        """Measures one image.

        Args:
            image: uint8 `(height, width, channels)`.
            mask: Its class ids, `(height, width)`.
            reference: The class ids to agree with; `None` for its own.

        Returns:
            Its class ids, `(height, width)`, or the middle that the model returns.
        """
        if not self.seconds:
            self.predict_ids(image)  # The first call also compiles.
        start = time.perf_counter()
        ids = self.predict_ids(image)
        self.seconds.append(time.perf_counter() - start)
        mask = crop_centre(mask, ids.shape)  # a network may return the middle only
        self.collected.update(mask, ids)
        same = ids == (ids if reference is None else reference)
        self.same += int((same & (mask != self.collected.labels.ignore_class)).sum())
        return ids

    def row(self) -> dict[str, Any]:
        """Returns the row of `verify`."""
        pixels = int(self.collected.matrix.sum())
        return {
            "name": self.name,
            "bytes": self.size,
            "agreement": self.same / pixels if pixels else math.nan,
            "milliseconds": 1000 * float(np.median(self.seconds)),
            **self.collected.result(),
        }


def keras_predictor(model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from a uint8 image to class ids, compiled by TensorFlow.

    Args:
        model: The model, on the TensorFlow backend.
    """
    import tensorflow as tf

    @tf.function(autograph=False)
    def predict(image):
        logits = model(tf.cast(image, tf.float32)[tf.newaxis], training=False)
        return tf.cast(tf.argmax(class_logits(logits[0]), axis=-1), tf.uint8)

    return lambda image: predict(tf.constant(image)).numpy()


def _share(value: float) -> str:
    """Words a score from 0 to 1."""
    return "-" if math.isnan(value) else f"{value:.4f}"


def markdown_rows(cells: Sequence[Sequence[str]]) -> str:
    """Lays out a Markdown table: text to the left in column one, numbers right.

    Args:
        cells: The rows of the table, its head first, all of one length.

    Returns:
        The table, without a new line at its end.
    """
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        " | ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    rule = " | ".join(["-" * widths[0], *("-" * (n - 1) + ":" for n in widths[1:])])
    return "\n".join(f"| {line} |" for line in [lines[0], rule, *lines[1:]])
