r"""DeepLab v3 on ResNet-101, PASCAL VOC 2012: the second stage, at stride 8.

python training/run.py voc_deeplabv3_resnet101_stage2 --set data.name=prepared \
    data.path=voc2012_trainval \
    network.weights=saved_models/voc_deeplabv3_resnet101/voc_deeplabv3_resnet101.keras

Published: 85.7 mean IoU on VOC 2012's test (the paper, table 7).
Recipe: the paper, section 4.1: from `voc_deeplabv3_resnet101`, output stride 8, frozen
batch norms, 30,000 steps at a rate of .001 on VOC's own 2,913 images, `trainval`.
Departures: a config opens the split `train`: docs/recipes.md prepares `trainval` as
such. Validation is then among the training images and measures nothing.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv3",
            num_classes=21,
            backbone="resnet101",
            weights=None,
            output_stride=8,
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
            learning_rate=0.001,
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
            freeze_batch_norm=True,
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
