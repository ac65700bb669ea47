"""HED on BSDS500, the authors' 30,000 steps.

python training/run.py bsds_hed_paper

Published: ODS .782, OIS .802, AP .787 on the 200 test images (the paper, as quoted);
ODS .790, OIS .808 of the authors' later network (their README). `bsds_hed`, ours and
short, has what is measured here.
Recipe: the authors' `examples/hed/solver.prototxt` and `train_val.prototxt`: steps of
ten single images, six losses summed over the pixels, rates of single layers.
Departures: any rotation, with void beyond the borders, where the authors have 16; one
scale, as in the paper.
"""

from kseg.networks.hed import LEARNING_RATE_MULTIPLIERS
from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="hed",
            weights="imagenet",
        ),
        data=dict(
            name="bsds500",
            path=None,
            crop=(481, 481),
            batch_size=1,
            scale=(1.0, 1.0),
            flip=0.5,
            rotation=180.0,
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
        ),
        loss=dict(name="class_balanced", pixels="sum"),
        optimizer=dict(
            name="sgd",
            learning_rate=1e-6,
            schedule="drop",
            drop_every=10000,
            momentum=0.9,
            weight_decay=2e-4,
            multipliers=LEARNING_RATE_MULTIPLIERS,
            accumulate=10,
        ),
        auxiliary=dict(
            outputs=["side1", "side2", "side3", "side4", "side5"], weight=1.0
        ),
        fit=dict(
            epochs=30,
            steps_per_epoch=10000,  # batches, of which 10 make a step
            seed=0,
            keep="last",
        ),
        export=dict(
            scores=["edges"],
            pictures=0,
            note="trained on BSDS500, whose images come without a licence; the trunk's "
            "ImageNet weights are Oxford's through Keras, CC BY 4.0",
        ),
    )
