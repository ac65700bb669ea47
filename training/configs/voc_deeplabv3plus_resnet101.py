r"""DeepLab v3+ on ResNet-101, PASCAL VOC 2012.

python training/run.py voc_deeplabv3plus_resnet101 --set data.name=prepared \
    data.path=voc2012_aug

Published: 78.85 mean IoU on validation at output stride 16, 79.35 at 8, 80.57 with
scales and flips (the paper).
Recipe: the paper and the flags of the authors' `train.py`: 30,000 steps of 16 crops of
513x513, plain convolutions in pyramid and decoder.
Departures: the stem is one 7x7 convolution, as Keras has no ImageNet weights of the
authors' three 3x3; moving statistics with a momentum of .9.
Images: `train_aug` (docs/recipes.md; without `--set` VOC's own 1,464).
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv3plus",
            num_classes=21,
            backbone="resnet101",
            weights="imagenet",
            separable=False,
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
