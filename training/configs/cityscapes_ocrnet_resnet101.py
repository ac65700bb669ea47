r"""OCRNet on ResNet-101, Cityscapes.

python training/run.py cityscapes_ocrnet_resnet101 --set \
    data.path=<folder of Cityscapes>

Published: 79.63 mean IoU on validation (openseg-group/openseg.pytorch).
Recipe: openseg-group/openseg.pytorch: 40,000 steps of 8 crops of 512x1024, brightness
up to 10 of 255 off, .4 times the loss of the soft regions.
Departures: no random change of the proportions by a tenth, which no augmentation here
makes; the stem is one 7x7 convolution, as Keras has no ImageNet weights of the authors'
three 3x3; half-pixel resizing (`network.align_corners=True` is theirs).
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="ocrnet",
            num_classes=19,
            backbone="resnet101",
            weights="imagenet",
        ),
        data=dict(
            name="cityscapes",
            path=None,
            crop=(512, 1024),
            batch_size=8,
            scale=(0.5, 2.0),
            flip=0.5,
            augment=[
                dict(
                    name="photometric",
                    brightness=10.0,
                    contrast=(1.0, 1.0),
                    saturation=(1.0, 1.0),
                    hue=0.0,
                    each=1.0,
                )
            ],
            val_size=(1024, 2048),
            val_batch_size=1,
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=0.01,
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=5e-4,
        ),
        auxiliary=dict(outputs=["auxiliary"], weight=0.4),
        fit=dict(
            epochs=40,
            steps_per_epoch=1000,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on Cityscapes: non-commercial use, by the "
            "agreement on its page",
        ),
    )
