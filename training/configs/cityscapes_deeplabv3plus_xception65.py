r"""DeepLab v3+ on Xception-65, Cityscapes, without the image's mean.

python training/run.py cityscapes_deeplabv3plus_xception65 --set \
    data.path=<folder of Cityscapes>

Published: 79.14 mean IoU on validation; 78.79 with the branch of the image's mean (the
paper).
Recipe: the authors' `train.py`; crops of 769x769 and 90,000 steps as in DeepLab v3.
Departures: Keras has no ImageNet weights of Xception-65; without a file of them
(`network.weights=...`) it starts anew and stays far below. Depthwise kernels decay,
too, which the authors' do not; moving statistics have a momentum of .9, theirs .9997.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv3plus",
            num_classes=19,
            backbone="xception65",
            weights=None,
            image_pooling=False,
        ),
        data=dict(
            name="cityscapes",
            path=None,
            crop=(769, 769),
            batch_size=16,
            scale=(0.5, 2.0),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(1024, 2048),
            val_batch_size=1,
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=0.007,
            schedule="poly",
            power=0.9,
            momentum=0.9,
            weight_decay=4e-5,
        ),
        fit=dict(
            epochs=90,
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
