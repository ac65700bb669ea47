"""Keras's optimizers with a learning rate of its own for every layer, and schedules."""

from kseg.optimizers.layer_decay import layer_decay
from kseg.optimizers.multipliers import SGD, AdamW, LearningRateMultipliers
from kseg.optimizers.warm_up import WarmUp

__all__ = ["SGD", "AdamW", "LearningRateMultipliers", "WarmUp", "layer_decay"]
