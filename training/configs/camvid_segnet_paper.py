"""SegNet on CamVid, 11 classes, the authors' 40,000 steps.

python training/run.py camvid_segnet_paper

Published: 46.4 mean IoU on the 233 test images from these 367 (quoted by later papers);
60.1 from 3,433 images and 140,000 steps (the paper, table 3).
Recipe: `segnet_solver.prototxt` and `segnet_train.prototxt` of SegNet-Tutorial: whole
images, none changed, SGD at 1e-3. `camvid_segnet` is ours, for few steps.
Departures: no local contrast normalisation, which the paper has and its code has not.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="segnet",
            num_classes=11,
            weights="imagenet",
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
            epochs=40,
            steps_per_epoch=1000,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
