"""SegNet-Basic on CamVid, 11 classes, the authors' 10,000 steps.

python training/run.py camvid_segnet_basic_paper

Published: 47.7 mean IoU, 82.7 pixel accuracy, 62.0 class accuracy, 35.8 boundary F1 on
the 233 test images (the paper, table 1, which has batches of 12).
Recipe: `segnet_basic_solver.prototxt` and `segnet_basic_train.prototxt` of
SegNet-Tutorial: whole images, none changed, SGD at .1, batches of 4.
`camvid_segnet_basic` is ours, for few steps.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="segnet_basic",
            num_classes=11,
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
            learning_rate=0.1,
            schedule="constant",
            momentum=0.9,
            weight_decay=5e-4,
            multipliers={"bias": 2.0},
        ),
        fit=dict(
            epochs=10,
            steps_per_epoch=1000,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
