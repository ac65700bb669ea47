"""DeepLab v3+ with MobileNetV2 on CamVid, 11 classes.

python training/run.py camvid_deeplabv3plus_mobilenet_v2
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv3plus",
            num_classes=11,
            backbone="mobilenet_v2",
            weights="imagenet",
        ),
        data=dict(
            name="camvid",
            path=None,
            crop=(288, 384),
            batch_size=8,
            scale=(0.6, 1.6),
            val_size=(360, 480),
        ),
        # Square roots of the median-frequency weights, in the order of the ids:
        # the weights themselves cost the frequent classes more than the rare gain.
        loss=dict(
            name="cross_entropy",
            class_weights=[
                0.53,
                0.45,
                2.19,
                0.39,
                1.0,
                0.65,
                1.96,
                1.40,
                0.89,
                2.52,
                2.98,
            ],  # fmt: skip
        ),
        optimizer=dict(name="adamw", learning_rate=1e-3, power=0.9, weight_decay=0.01),
        fit=dict(epochs=40, seed=0),
    )
