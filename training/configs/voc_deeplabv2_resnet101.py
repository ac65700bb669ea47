r"""DeepLab v2, ASPP on ResNet-101 at three scales, PASCAL VOC 2012.

python training/run.py voc_deeplabv2_resnet101 --set data.name=prepared \
    data.path=voc2012_aug

Published: 76.35 mean IoU on validation, 77.69 with a CRF behind it, from COCO's
weights; 71.27 of the base at three scales from ImageNet's (the paper).
Recipe: the paper, section 4.1, and the authors' `train.prototxt`: 20,000 steps of ten
single crops, losses on each scale and on their maximum, frozen batch norms.
Departures: from ImageNet's weights, as none of COCO are here; the losses see logits at
the image's size, the authors' at an eighth of it.
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
            backbone="resnet101",
            weights="imagenet",
            scales=(1.0, 0.75, 0.5),
            freeze_batch_norm=True,
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(321, 321),
            batch_size=1,
            scale=(0.5, 1.5),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(500, 500),
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=2.5e-4,
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=5e-4,
            multipliers=LEARNING_RATE_MULTIPLIERS["resnet101"],
            accumulate=10,
        ),
        auxiliary=dict(outputs=["scale100", "scale75", "scale50"], weight=1.0),
        fit=dict(
            epochs=20,
            steps_per_epoch=10000,  # batches, of which 10 make a step
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
