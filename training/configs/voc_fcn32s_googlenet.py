"""FCN-32s on GoogLeNet, PASCAL VOC 2012.

python training/run.py voc_fcn32s_googlenet

Published: 42.5 mean IoU on VOC 2011's validation (the paper, table 1); its network was
never released.
Recipe: the paper, section 4.3: batches of 20 images, a fixed rate of 5e-5, 175 epochs.
Departures: Keras has no ImageNet weights of GoogLeNet; without a file of them
(`network.weights=...`) it starts anew and stays far below. The paper's 1,112 training
images of VOC 2011 are 1,464 in VOC 2012, which are what this trains on.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="fcn32s",
            num_classes=21,
            backbone="googlenet",
            weights=None,
            dropout=0.4,
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(500, 500),
            batch_size=20,
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
            learning_rate=5e-5,
            schedule="constant",
            momentum=0.9,
            weight_decay=5e-4,
            multipliers={"bias": 2.0},
        ),
        fit=dict(
            epochs=175,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
