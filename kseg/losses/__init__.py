"""Losses on logits and masks; pixels of `ignore_class` count in none."""

from kseg.losses.class_balanced import ClassBalancedCrossEntropy
from kseg.losses.cross_entropy import CrossEntropy

__all__ = ["ClassBalancedCrossEntropy", "CrossEntropy"]
