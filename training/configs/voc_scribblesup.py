"""ScribbleSup on scribbles of PASCAL VOC 2012, with DeepLab v1 on VGG16.

python training/run.py voc_scribblesup

Published: 63.1 mean IoU on validation (the paper, as quoted by several).
Recipe: the paper, section 3.3: three rounds of labels by graph cut and training, which
is that of DeepLab v1. No code was released.
Departures: the multi-scale branches train together with the rest, in one stage; each
round begins the schedule anew; the CRF behind the network is a matter of prediction.
The folder `voc_scribbles` has `train` and `val`, each with `images` and `masks` of ids,
255 where nobody has drawn; `kseg scribbles --data voc2012 --output voc_scribbles` draws
them.
"""

from kseg.networks.deeplabv1 import LEARNING_RATE_MULTIPLIERS
from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv1_msc",
            num_classes=21,
            weights="imagenet",
        ),
        data=dict(
            name="folder",
            path="voc_scribbles",
            crop=(321, 321),
            batch_size=20,
            scale=(1.0, 1.0),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(500, 500),
        ),
        weak=dict(rounds=3),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=1e-3,
            schedule="drop",
            drop_every=2000,
            momentum=0.9,
            weight_decay=5e-4,
            multipliers=LEARNING_RATE_MULTIPLIERS,
        ),
        fit=dict(
            epochs=6,
            steps_per_epoch=1000,
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under Flickr's terms of "
            "use",
        ),
    )
