"""PSPNet on ResNet-50, ADE20K.

python training/run.py ade20k_pspnet_resnet50

Published: 41.89 mean IoU on validation, 42.84 at several scales (hszhao/semseg); 41.68
and 42.78 of the paper's network.
Recipe: the authors' later code, hszhao/semseg: 100 epochs of 20,210 images, crops of
473x473, rotation and blur, new layers at ten times the rate.
Departures: the stem is one 7x7 convolution, as Keras has no ImageNet weights of the
authors' three 3x3; half-pixel resizing (`network.align_corners=True` is theirs).
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="pspnet",
            num_classes=150,
            backbone="resnet50",
            weights="imagenet",
        ),
        data=dict(
            name="ade20k",
            path=None,
            crop=(473, 473),
            batch_size=16,
            scale=(0.5, 2.0),
            flip=0.5,
            rotation=10.0,
            augment=[dict(name="gaussian_blur", probability=0.5)],
            val_size=(512, 683),
            val_batch_size=4,
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=0.01,
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=1e-4,
            # What is not the backbone's.
            multipliers={
                "level*": 10.0,
                "fuse*": 10.0,
                "classifier": 10.0,
                "auxiliary*": 10.0,
            },
        ),
        auxiliary=dict(tap="conv4_block6_out", weight=0.4),
        fit=dict(
            epochs=100,
            steps_per_epoch=1263,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on ADE20K, whose images are for research and education",
        ),
    )
