r"""PSPNet on ResNet-101, Cityscapes.

python training/run.py cityscapes_pspnet_resnet101 --set \
    data.path=<folder of Cityscapes>

Published: 78.63 mean IoU on validation, 79.29 at several scales (hszhao/semseg); 79.70
and 80.91 of the paper's network (hszhao/PSPNet). On ResNet-50 77.30 and 78.38:
`network.backbone=resnet50 auxiliary.tap=conv4_block6_out`.
Recipe: the authors' later code, hszhao/semseg: 200 epochs of 2,975 images, crops of
713x713, rotation, new layers at ten times the rate.
Departures: the stem is one 7x7 convolution, as Keras has no ImageNet weights of the
authors' three 3x3; half-pixel resizing (`network.align_corners=True` is theirs).
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="pspnet",
            num_classes=19,
            backbone="resnet101",
            weights="imagenet",
        ),
        data=dict(
            name="cityscapes",
            path=None,
            crop=(713, 713),
            batch_size=16,
            scale=(0.5, 2.0),
            flip=0.5,
            rotation=10.0,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
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
            weight_decay=1e-4,
            # What is not the backbone's.
            multipliers={
                "level*": 10.0,
                "fuse*": 10.0,
                "classifier": 10.0,
                "auxiliary*": 10.0,
            },
        ),
        auxiliary=dict(tap="conv4_block23_out", weight=0.4),
        fit=dict(
            epochs=200,
            steps_per_epoch=185,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on Cityscapes: non-commercial use, by the "
            "agreement on its page",
        ),
    )
