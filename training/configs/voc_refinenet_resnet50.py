"""RefineNet on ResNet-50, PASCAL VOC 2012's own 1,464 training images.

python training/run.py voc_refinenet_resnet50

Published: about 69.1 mean IoU on validation (the authors'
`main/demo_refinenet_train.m`). The paper's best has 83.4 on VOC 2012's test (as
quoted).
Recipe: `main/demo_refinenet_train.m` of guosheng/refinenet: single crops of 400x400
around pixels of drawn classes, the backbone at a tenth of the rate and its batch norms
frozen, a tenth of all rates once validation no longer gains, after 70 epochs in their
example.
Departures: the rate falls at a set step, as no schedule watches validation; its 30
epochs at the end are ours; the image is not enlarged by 1.2 first.
"""

from kseg.networks.refinenet import LEARNING_RATE_MULTIPLIERS
from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="refinenet",
            num_classes=21,
            backbone="resnet50",
            weights="imagenet",
            freeze_batch_norm=True,
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(400, 400),
            batch_size=1,
            scale=(0.7, 1.3),
            rare_classes=dict(probability=1.0, draw="uniform"),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(500, 500),
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=5e-4,
            schedule="drop",
            drop_every=102480,
            momentum=0.9,
            weight_decay=5e-4,
            multipliers=LEARNING_RATE_MULTIPLIERS,
        ),
        fit=dict(
            epochs=100,
            steps_per_epoch=1464,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
