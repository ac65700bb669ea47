"""A small U-Net on generated street scenes, without any download.

make demo
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(name="unet", filters=16, depth=5, dropout=0.2),
        data=dict(
            name="synthetic",
            crop=(160, 208),
            batch_size=4,
            scale=(0.7, 1.4),
            val_size=(180, 240),
        ),
        loss=dict(name="cross_entropy", class_weights="median_frequency"),
        optimizer=dict(name="adamw", learning_rate=2e-3, weight_decay=0.01),
        fit=dict(epochs=8, seed=0),
    )
