"""Keras's optimizers with a learning rate of its own for every layer."""

from kseg.optimizers.multipliers import SGD, AdamW, LearningRateMultipliers

__all__ = ["SGD", "AdamW", "LearningRateMultipliers"]
