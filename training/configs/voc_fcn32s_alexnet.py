r"""FCN-32s on AlexNet, PASCAL VOC 2012.

python training/run.py voc_fcn32s_alexnet --set data.name=prepared \
    data.path=voc2012_aug

Published: 48.0 mean IoU on the 736 images of seg11valid (the authors' README; 39.8 on
VOC 2011's validation in the paper, table 1).
Recipe: the authors' `voc-fcn-alexnet/solver.prototxt`: 100,000 steps of 20 single whole
images, the loss divided by the pixels.
Departures: Keras has no ImageNet weights of AlexNet; without a file of them
(`network.weights=...`) it starts anew and stays far below. Data as in
`voc_fcn32s_vgg16`.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="fcn32s",
            num_classes=21,
            backbone="alexnet",
            weights=None,
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
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=1e-4,
            schedule="constant",
            momentum=0.9,
            weight_decay=5e-4,
            multipliers={"bias": 2.0},
            accumulate=20,
        ),
        fit=dict(
            epochs=20,
            steps_per_epoch=100000,  # batches, of which 20 make a step
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
