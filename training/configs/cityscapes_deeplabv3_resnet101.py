r"""DeepLab v3 on ResNet-101, Cityscapes.

python training/run.py cityscapes_deeplabv3_resnet101 --set \
    data.path=<folder of Cityscapes>

Published: 77.23 mean IoU on validation, 77.82 at output stride 8, 79.30 with scales and
flips (the paper).
Recipe: the paper: 90,000 steps of crops of 769x769; batch and rate are those of VOC.
Departures: moving statistics with a momentum of .9, the authors' has .9997.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv3",
            num_classes=19,
            backbone="resnet101",
            weights="imagenet",
        ),
        data=dict(
            name="cityscapes",
            path=None,
            crop=(769, 769),
            batch_size=16,
            scale=(0.5, 2.0),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(1024, 2048),
            val_batch_size=1,
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=0.007,
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=1e-4,
        ),
        fit=dict(
            epochs=90,
            steps_per_epoch=1000,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on Cityscapes: non-commercial use, by the "
            "agreement on its page",
        ),
    )
