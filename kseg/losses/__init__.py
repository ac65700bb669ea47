"""Losses on logits and masks; pixels of `ignore_class` count in none."""

from kseg.losses.boundary import BoundaryLoss
from kseg.losses.class_balanced import ClassBalancedCrossEntropy
from kseg.losses.cross_entropy import CrossEntropy
from kseg.losses.focal import FocalCrossEntropy
from kseg.losses.lovasz import LovaszSoftmax
from kseg.losses.mean_over_pixels import MeanOverPixels
from kseg.losses.ohem import OhemCrossEntropy
from kseg.losses.overlap import Dice, Jaccard, Tversky
from kseg.losses.pixel_weights import PixelWeightedLoss
from kseg.losses.resized import Resized
from kseg.losses.weighted_sum import WeightedSum

__all__ = [
    "BoundaryLoss",
    "ClassBalancedCrossEntropy",
    "CrossEntropy",
    "Dice",
    "FocalCrossEntropy",
    "Jaccard",
    "LovaszSoftmax",
    "MeanOverPixels",
    "OhemCrossEntropy",
    "PixelWeightedLoss",
    "Resized",
    "Tversky",
    "WeightedSum",
]
