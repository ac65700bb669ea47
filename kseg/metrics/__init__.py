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
from kseg.metrics.edges import EdgeScores, match_edges, thin_edges
from kseg.metrics.membranes import (
    MembraneScores,
    membrane_scores,
    pixel_error,
    regions,
    thinned_regions,
)
from kseg.metrics.partition import (
    PartitionScore,
    adapted_rand_error,
    information_scores,
    rand_scores,
)
from kseg.metrics.resized import Resized
from kseg.metrics.trimap import TrimapScores, border_distance
from kseg.metrics.warping import warp, warping_error

__all__ = [
    "BoundaryF1",
    "DatasetScores",
    "Dice",
    "EdgeScores",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "MembraneScores",
    "PartitionScore",
    "PixelAccuracy",
    "Resized",
    "TrimapScores",
    "adapted_rand_error",
    "border_distance",
    "boundary_f1",
    "confusion_matrix",
    "information_scores",
    "match_edges",
    "mean_boundary_f1",
    "membrane_scores",
    "pixel_error",
    "rand_scores",
    "regions",
    "scores",
    "thin_edges",
    "thinned_regions",
    "warp",
    "warping_error",
]
