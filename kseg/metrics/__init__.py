"""Scores of segmentation: of pixels, boundaries, objects, regions and probabilities."""

from kseg.metrics.boundary import (
    BoundaryScores,
    boundary_counts,
    boundary_f1,
    mean_boundary_f1,
)
from kseg.metrics.boundary_iou import BoundaryIoU, BoundaryIoUScores, boundary_iou
from kseg.metrics.boundary_metric import BoundaryF1
from kseg.metrics.calibration import CalibrationScores
from kseg.metrics.calibration_metric import ExpectedCalibrationError
from kseg.metrics.confusion import (
    Dice,
    FrequencyWeightedIoU,
    MeanAccuracy,
    MeanIoU,
    PixelAccuracy,
    class_counts,
    confusion_matrix,
    scores,
    scores_of_counts,
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
from kseg.metrics.objects import ObjectScores
from kseg.metrics.partition import (
    PartitionScore,
    adapted_rand_error,
    information_scores,
    rand_scores,
)
from kseg.metrics.resampling import compared, intervals
from kseg.metrics.resized import Resized
from kseg.metrics.trimap import TrimapScores, border_distance
from kseg.metrics.warping import warp, warping_error

__all__ = [
    "BoundaryF1",
    "BoundaryIoU",
    "BoundaryIoUScores",
    "BoundaryScores",
    "CalibrationScores",
    "DatasetScores",
    "Dice",
    "EdgeScores",
    "ExpectedCalibrationError",
    "FrequencyWeightedIoU",
    "MeanAccuracy",
    "MeanIoU",
    "MembraneScores",
    "ObjectScores",
    "PartitionScore",
    "PixelAccuracy",
    "Resized",
    "TrimapScores",
    "adapted_rand_error",
    "border_distance",
    "boundary_counts",
    "boundary_f1",
    "boundary_iou",
    "class_counts",
    "compared",
    "confusion_matrix",
    "information_scores",
    "intervals",
    "match_edges",
    "mean_boundary_f1",
    "membrane_scores",
    "pixel_error",
    "rand_scores",
    "regions",
    "scores",
    "scores_of_counts",
    "thin_edges",
    "thinned_regions",
    "warp",
    "warping_error",
]
