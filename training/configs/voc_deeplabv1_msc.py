r"""DeepLab v1, MSc-LargeFOV on VGG16, PASCAL VOC 2012: from LargeFOV.

python training/run.py voc_deeplabv1_msc --set data.name=prepared \
    data.path=voc2012_aug \
    network.weights=saved_models/voc_deeplabv1_largefov/voc_deeplabv1_largefov.keras

Published: 64.21 mean IoU on validation, 68.70 with a CRF behind it (the paper, table
1).
Recipe: the authors' `vgg16_20M_MSC_largeFOV`: five branches learn behind the trained
`voc_deeplabv1_largefov`, which stays as it is; the schedule is that network's.
Departures: as there.
Images: `train_aug` (docs/recipes.md; without `--set` VOC's own 1,464).
"""

from kseg.networks.deeplabv1 import MSC_LEARNING_RATE_MULTIPLIERS
from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv1_msc",
            num_classes=21,
            weights=None,
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
            multipliers=MSC_LEARNING_RATE_MULTIPLIERS,
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
