"""Bayesian SegNet on CamVid, 11 classes, the authors' 60,000 steps.

python training/run.py camvid_bayesian_segnet

Published: 63.1 mean IoU on the 233 test images (as quoted), the mean of many passes
with dropout: `kseg.inference.predict_monte_carlo`.
Recipe: `bayesian_segnet_solver.prototxt` and `bayesian_segnet_train.prototxt` of
SegNet-Tutorial: as `camvid_segnet_paper`, with dropout of .5 and half as long again.
Departures: what training measures is one pass without dropout.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="segnet",
            num_classes=11,
            weights="imagenet",
            dropout=0.5,
        ),
        data=dict(
            name="camvid",
            path=None,
            crop=(360, 480),
            batch_size=4,
            scale=(1.0, 1.0),
            flip=0.0,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
        ),
        loss=dict(
            name="cross_entropy",
            # As shipped, by id; the paper's rule gives others of these masks.
            class_weights=[
                0.2595,
                0.1826,
                4.5640,
                0.1417,
                0.9051,
                0.3826,
                9.6446,
                1.8418,
                0.6823,
                6.2478,
                7.3614,
            ],
        ),
        optimizer=dict(
            name="sgd",
            learning_rate=1e-3,
            schedule="constant",
            momentum=0.9,
            weight_decay=5e-4,
            multipliers={"bias": 2.0},
        ),
        fit=dict(
            epochs=60,
            steps_per_epoch=1000,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
