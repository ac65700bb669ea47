r"""DeepLab v3 on ResNet-50, PASCAL VOC 2012.

python training/run.py voc_deeplabv3_resnet50 --set data.name=prepared \
    data.path=voc2012_aug

Published: nothing with the pyramid; 73.88 mean IoU on validation of the cascade up to
block 7 (the paper, table 1): `network.cascade=3 "network.multi_grid=(1, 1, 1)"`.
Recipe: the paper, section 4.1: 30,000 steps of 16 crops of 513x513, batch norms
trained.
Departures: moving statistics with a momentum of .9, the authors' has .9997.
Images: `train_aug` (docs/recipes.md; without `--set` VOC's own 1,464).
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv3",
            num_classes=21,
            backbone="resnet50",
            weights="imagenet",
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(513, 513),
            batch_size=16,
            scale=(0.5, 2.0),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(500, 500),
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=0.007,
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=1e-4,
        ),
        fit=dict(
            epochs=30,
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
