r"""DeepLab v1, LargeFOV on VGG16, PASCAL VOC 2012.

python training/run.py voc_deeplabv1_largefov --set data.name=prepared \
    data.path=voc2012_aug

Published: 62.25 mean IoU on validation, 67.64 with a CRF behind it (the paper, table
1).
Recipe: the authors' `vgg16_20M_largeFOV`: 6,000 steps of 20 crops, a tenth of the rate
every 2,000, the last layer at ten times the rate. The CRF: `kseg evaluate --crf`.
Departures: the loss sees logits at the image's size, the authors' at an eighth of it.
Images: `train_aug` (docs/recipes.md; without `--set` VOC's own 1,464).
"""

from kseg.networks.deeplabv1 import LEARNING_RATE_MULTIPLIERS
from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv1",
            num_classes=21,
            weights="imagenet",
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(321, 321),
            batch_size=20,
            scale=(1.0, 1.0),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(500, 500),
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=1e-3,
            schedule="drop",
            drop_every=2000,
            momentum=0.9,
            weight_decay=5e-4,
            multipliers=LEARNING_RATE_MULTIPLIERS,
        ),
        fit=dict(
            epochs=6,
            steps_per_epoch=1000,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
