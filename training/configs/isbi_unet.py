"""U-Net, the paper's form with half its channels, on 24 slices of ISBI 2012.

python training/run.py isbi_unet --set data.path=<folder of ISBI 2012>

Measured on the last six slices, which also chose the epoch: pixel error .0962, V_rand
.658 (.786 where membranes are thinned), V_info .795 (.933). 20 epochs took 8 minutes
on 2 cores of an x86-64 processor that other work shared.
Recipe: augmentation and weights are the paper's, optimizer and length ours.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(name="unet", padding="valid", filters=32, num_classes=2),
        data=dict(
            name="isbi2012",
            path=None,
            crop=(572, 572),
            batch_size=1,
            scale=(1.0, 1.0),
            vertical_flip=0.5,
            rotation=180.0,
            elastic=10.0,
            border="mirror",
            weight_map=dict(w0=10.0, sigma=5.0),
            val_size=(700, 700),
        ),
        loss=dict(name="cross_entropy", class_weights="none"),
        optimizer=dict(name="adamw", learning_rate=3e-4, power=0.9, weight_decay=1e-4),
        fit=dict(epochs=20, seed=0, dtype_policy="mixed_bfloat16"),
        export=dict(
            scores=["membranes"],
            formats=["float32", "int8"],
            pictures=0,
            note="trained on the ISBI 2012 challenge's slices, whose terms apply",
        ),
    )
