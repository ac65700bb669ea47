"""HED on the 200 training images of BSDS500, from ImageNet's VGG16.

python training/run.py bsds_hed

Measured on the 100 validation images: ODS .744, OIS .759, AP .782. 6 epochs took 25
minutes on 2 cores of an x86-64 processor that other work shared.
Recipe: ours, for few steps; the authors take SGD at 1e-6, 10,000 steps of ten images.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(name="hed", weights="imagenet"),
        data=dict(
            name="bsds500",
            path=None,
            crop=(320, 320),
            batch_size=2,
            scale=(1.0, 1.0),
            brightness=0.0,
            contrast=0.0,
            saturation=0.0,
            val_size=(481, 481),
        ),
        loss=dict(name="class_balanced"),
        auxiliary=dict(
            outputs=["side1", "side2", "side3", "side4", "side5"], weight=1.0
        ),
        # Ours, for few steps: the authors take 30,001 of ten images with SGD at 1e-6,
        # the summed loss and `kseg.networks.hed.LEARNING_RATE_MULTIPLIERS`.
        optimizer=dict(
            name="adamw",
            learning_rate=1e-3,
            power=0.9,
            weight_decay=2e-4,
            multipliers={"block*": 0.1},
        ),
        fit=dict(epochs=6, seed=0, keep="last", dtype_policy="mixed_bfloat16"),
        export=dict(
            scores=["edges"],
            formats=["float32", "int8"],
            pictures=0,
            note="trained on BSDS500, whose images come without a licence; the trunk's "
            "ImageNet weights are Oxford's through Keras, CC BY 4.0",
        ),
    )
