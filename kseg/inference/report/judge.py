"""One pass of a model over a data set, for all that a report says of it."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kseg.inference.evaluate import Examples
from kseg.inference.one_pass import ids_of
from kseg.inference.predict import predict, predict_probabilities, returns_ids
from kseg.inference.record import score_examples
from kseg.inference.report.precision_recall import PrecisionRecall
from kseg.metrics import CalibrationScores, ObjectScores

# The borders between small, medium and large objects in pixels, those of COCO.
AREAS = (32**2, 96**2)


@dataclasses.dataclass(frozen=True)
class Judged:
    """What is known of a model on a data set.

    Args:
        name: What to call the model.
        record: What `kseg.inference.score_record` returns, and `protocol`, words by
            name.
        predict_ids: From an image `(height, width, 3)` to class ids `(height, width)`.
        objects: What `kseg.metrics.ObjectScores.result` returns.
        curves: What `PrecisionRecall.result` returns; `None` where the model gives
            only class ids.
        calibration: What `kseg.metrics.CalibrationScores.result` returns, likewise.
    """

    name: str
    record: dict[str, Any]
    predict_ids: Callable[[np.ndarray], np.ndarray]
    objects: dict[str, Any]
    curves: dict[str, Any] | None = None
    calibration: dict[str, Any] | None = None


def judge(
    name: str, model, source: Examples, views: dict, protocol: dict[str, str]
) -> Judged:
    """Runs a model over a data set, once.

    Args:
        name: What to call the model.
        model: A network of kseg, or another that `kseg.predict` runs.
        source: The data set.
        views: Options of `kseg.predict`.
        protocol: How the scores come about, in words.

    Raises:
        ValueError: As `kseg.inference.evaluate.collect`.
    """
    rule = (source.labels.num_classes, source.labels.ignore_class)
    objects = ObjectScores(*rule, AREAS)
    curves, calibration = PrecisionRecall(*rule), CalibrationScores(*rule)
    gives_ids = returns_ids(model)
    collectors = [_Adapted([objects], _ids)]
    if not gives_ids:
        collectors.append(_Adapted([curves, calibration], _summing_to_one))
    run = predict if gives_ids else predict_probabilities
    record = score_examples(
        lambda image: run(model, image, **views), source, collectors
    )
    return Judged(
        name,
        {"protocol": protocol, **record},
        lambda image: _ids(run(model, image, **views)),
        objects.result(),
        None if gives_ids else curves.result(),
        None if gives_ids else calibration.result(),
    )


@dataclasses.dataclass(frozen=True)
class _Adapted:
    """Collectors that take what a model found in another form."""

    collectors: Sequence[Any]
    form: Callable[[np.ndarray], np.ndarray]

    def update(self, mask: np.ndarray, found: np.ndarray) -> None:
        """Adds an image."""
        formed = self.form(found)
        for collector in self.collectors:
            collector.update(mask, formed)


def _ids(found: np.ndarray) -> np.ndarray:
    return ids_of(found) if found.ndim == 3 else found


def _summing_to_one(probabilities: np.ndarray) -> np.ndarray:
    """Returns probabilities that sum to 1, as those of eight bits need not."""
    return probabilities / probabilities.sum(axis=-1, keepdims=True)
