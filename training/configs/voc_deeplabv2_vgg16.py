r"""DeepLab v2, ASPP-L on VGG16, PASCAL VOC 2012.

python training/run.py voc_deeplabv2_vgg16 --set data.name=prepared \
    data.path=voc2012_aug

Published: 68.96 mean IoU on validation, 71.57 with a CRF behind it (the paper). ASPP-S,
`"network.rates=(2, 4, 8, 12)"`: 66.98 and 69.73; LargeFOV, `"network.rates=(12,)"`:
65.76 and 69.84.
Recipe: the paper, section 4.1, and the authors' `train.prototxt`: 20,000 steps of 10
crops, the last layer at ten times the rate.
Departures: the loss sees logits at the image's size, the authors' at an eighth of it.
Images: `train_aug` (docs/recipes.md; without `--set` VOC's own 1,464).
"""

from kseg.networks.deeplabv2 import LEARNING_RATE_MULTIPLIERS
from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv2",
            num_classes=21,
            backbone="vgg16",
            weights="imagenet",
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(321, 321),
            batch_size=10,
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
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=5e-4,
            multipliers=LEARNING_RATE_MULTIPLIERS["vgg16"],
        ),
        fit=dict(
            epochs=20,
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
