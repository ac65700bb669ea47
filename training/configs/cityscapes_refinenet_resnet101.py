r"""RefineNet on ResNet-101, Cityscapes.

python training/run.py cityscapes_refinenet_resnet101 --set \
    data.path=<folder of Cityscapes>

Published: 73.6 mean IoU on Cityscapes' test (the paper, as quoted), the mean of several
scales.
Recipe: `main/demo_refinenet_train.m` of guosheng/refinenet: single crops of 600x600
around pixels of drawn classes, the backbone at a tenth of the rate and its batch norms
frozen, a tenth of all rates once validation no longer gains.
Departures: the rate falls at a set step, as no schedule watches validation; when, and
the length, are those of `voc_refinenet_resnet50`, which are not published for
Cityscapes; the image is not enlarged by 1.2 first.
"""

from kseg.networks.refinenet import LEARNING_RATE_MULTIPLIERS
from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="refinenet",
            num_classes=19,
            backbone="resnet101",
            weights="imagenet",
            freeze_batch_norm=True,
        ),
        data=dict(
            name="cityscapes",
            path=None,
            crop=(600, 600),
            batch_size=1,
            scale=(0.7, 1.3),
            rare_classes=dict(probability=1.0, draw="uniform"),
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
            learning_rate=5e-4,
            schedule="drop",
            drop_every=208250,
            momentum=0.9,
            weight_decay=5e-4,
            multipliers=LEARNING_RATE_MULTIPLIERS,
        ),
        fit=dict(
            epochs=100,
            steps_per_epoch=2975,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on Cityscapes: non-commercial use, by the "
            "agreement on its page",
        ),
    )
