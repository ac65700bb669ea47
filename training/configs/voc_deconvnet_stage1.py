r"""DeconvNet on PASCAL VOC 2012, the first of its two stages of training.

python training/run.py voc_deconvnet_stage1 --set data.name=prepared \
    data.path=voc2012_aug

Published: 69.6 mean IoU on VOC 2012's test, after both stages (the paper, table 1,
quoted), by the maximum over 50 proposals: `kseg.inference.predict_proposals`.
Recipe: the authors' `001_stage_1/solver.prototxt`: 20,000 steps of eight batches of 8
windows of 224x224, a tenth of the rate every 9,000.
Departures: a config cannot say that windows are objects: `kseg.data.ObjectCrops` in
code; these are random crops. Images: `train_aug` (docs/recipes.md; without `--set`
VOC's own 1,464).
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deconvnet",
            num_classes=21,
            weights="imagenet",
        ),
        data=dict(
            name="voc2012",
            path=None,
            crop=(224, 224),
            batch_size=8,
            scale=(1.0, 1.0),
            flip=0.5,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(500, 500),
        ),
        loss=dict(name="cross_entropy"),
        optimizer=dict(
            name="sgd",
            learning_rate=0.01,
            schedule="drop",
            drop_every=9000,
            momentum=0.9,
            weight_decay=5e-4,
            multipliers={"bias": 2.0},
            accumulate=8,
        ),
        fit=dict(
            epochs=20,
            steps_per_epoch=8000,  # batches, of which 8 make a step
            seed=0,
            keep="last",
        ),
        export=dict(
            pictures=0,
            note="trained on PASCAL VOC 2012, whose images are under "
            "Flickr's terms of use; the masks that train_aug adds have no licence",
        ),
    )
