"""FCN-32s on VGG16, PASCAL VOC 2012: the first stage of FCN-8s.

python training/run.py voc_fcn32s_vgg16 --set data.name=prepared data.path=voc2012_aug

Published: 63.6 mean IoU on the 736 images of seg11valid (the authors' README; 59.4 in
the paper, table 2).
Recipe: the authors' `voc-fcn32s/solver.prototxt` and `net.py`: single whole images as
they are, momentum .99, the loss summed over the pixels, biases at twice the rate.
Departures: `train_aug` (docs/recipes.md; without `--set` VOC's own 1,464 images) has
10,582 images, SBD's training images of the authors 8,498; all 1,449 images of VOC 2012
validate.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="fcn32s",
            num_classes=21,
            backbone="vgg16",
            weights="imagenet",
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(500, 500),
            batch_size=1,
            scale=(1.0, 1.0),
            flip=0.0,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(500, 500),
        ),
        # The authors sum over the pixels: the mean times those of 500x375.
        loss=dict(name="sum", terms=[dict(name="cross_entropy", factor=187500.0)]),
        optimizer=dict(
            name="sgd",
            learning_rate=1e-10,
            schedule="constant",
            momentum=0.99,
            weight_decay=5e-4,
            multipliers={"bias": 2.0},
        ),
        fit=dict(
            epochs=20,
            steps_per_epoch=5000,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
