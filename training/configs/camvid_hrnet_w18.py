"""HRNetV2-W18 on CamVid, 11 classes, from random weights.

python training/run.py camvid_hrnet_w18

Measured with `--set fit.epochs=6` on the 101 validation images at 360x480, which also
chose the epoch: mean IoU 43.7 %, pixel accuracy 85.1 %, boundary F1 30.0 %; int8: 43.2,
84.7, 29.6 %. 20 minutes on 2 cores of an x86-64 processor that other work shared.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(name="hrnet", num_classes=11, backbone="hrnet_w18"),
        data=dict(
            name="camvid",
            path=None,
            crop=(288, 384),
            batch_size=4,
            scale=(0.6, 1.6),
            val_size=(360, 480),
            val_batch_size=2,
        ),
        loss=dict(name="cross_entropy", class_weights="none"),
        optimizer=dict(name="adamw", learning_rate=1e-3, power=0.9, weight_decay=0.01),
        fit=dict(epochs=8, seed=0, dtype_policy="mixed_bfloat16"),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["float32", "int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
