r"""PSPNet on ResNet-101, PASCAL VOC 2012.

python training/run.py voc_pspnet_resnet101 --set data.name=prepared \
    data.path=voc2012_aug

Published: 79.07 mean IoU on validation, 79.63 at several scales (hszhao/semseg); 82.6
on VOC 2012's test (the paper). On ResNet-50 77.05 and 78.02: `network.backbone=resnet50
auxiliary.tap=conv4_block6_out`.
Recipe: the authors' later code, hszhao/semseg: 50 epochs of 10,582 images, crops of
473x473, rotation and blur, new layers at ten times the rate.
Departures: the stem is one 7x7 convolution, as Keras has no ImageNet weights of the
authors' three 3x3; half-pixel resizing (`network.align_corners=True` is theirs).
Images: `train_aug` (docs/recipes.md; without `--set` VOC's own 1,464).
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="pspnet",
            num_classes=21,
            backbone="resnet101",
            weights="imagenet",
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(473, 473),
            batch_size=16,
            scale=(0.5, 2.0),
            flip=0.5,
            rotation=10.0,
            augment=[dict(name="gaussian_blur", probability=0.5)],
            val_size=(500, 500),
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
            epochs=50,
            steps_per_epoch=661,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
