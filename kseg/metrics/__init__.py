"""Scores of segmentation: from a confusion matrix, and from boundaries."""

from kseg.metrics.boundary import BoundaryF1, boundary_f1, mean_boundary_f1
from kseg.metrics.confusion import (
    Dice,
    FrequencyWeightedIoU,
    MeanAccuracy,
    MeanIoU,
    PixelAccuracy,
    confusion_matrix,
    scores,
)
from kseg.metrics.dataset import DatasetScores

__all__ = [
    "BoundaryF1",
    "DatasetScores",
    "Dice",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "PixelAccuracy",
    "boundary_f1",
    "confusion_matrix",
    "mean_boundary_f1",
    "scores",
]
