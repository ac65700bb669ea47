"""SegNet-Basic on CamVid, 11 classes, from random weights, median-frequency weights.

python training/run.py camvid_segnet_basic

Measured on the 101 validation images at 360x480, which also chose the epoch: mean
IoU 36.5 %, pixel accuracy 62.8 %, class accuracy 66.1 %, boundary F1 23.1 %. 12
epochs took 14 minutes on 2 cores of an x86-64 processor that other work shared; the
authors train until the loss no longer falls, some hundred epochs.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(name="segnet_basic", num_classes=11),
        data=dict(
            name="camvid",
            path=None,
            crop=(180, 240),
            batch_size=4,
            scale=(1.0, 1.0),
            val_size=(360, 480),
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
        ),
        loss=dict(name="cross_entropy", class_weights="median_frequency"),
        # Ours: with the authors' SGD at 0.1 the loss stayed at 1.0 for ten epochs here.
        optimizer=dict(name="adamw", learning_rate=1e-3, power=0.9, weight_decay=1e-4),
        fit=dict(epochs=12, seed=0, dtype_policy="mixed_bfloat16"),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["float32", "int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
