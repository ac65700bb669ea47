"""LR-ASPP with MobileNetV3-Large on CamVid, 11 classes.

python training/run.py camvid_lraspp

Measured with `--set network.backbone=mobilenet_v2 fit.epochs=20` on the 101 validation
images at 360x480, which also chose the epoch: mean IoU 66.3 %, pixel accuracy 92.6 %,
boundary F1 58.2 %; int8: 65.1, 91.6, 56.1 %. 23 minutes on 2 cores of an x86-64
processor that other work shared.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="lraspp",
            num_classes=11,
            backbone="mobilenet_v3_large",
            weights="imagenet",
        ),
        data=dict(
            name="camvid",
            path=None,
            crop=(288, 384),
            batch_size=8,
            scale=(0.6, 1.6),
            val_size=(360, 480),
            val_batch_size=2,
        ),
        loss=dict(name="cross_entropy", class_weights="none"),
        optimizer=dict(name="adamw", learning_rate=1e-3, power=0.9, weight_decay=0.01),
        fit=dict(epochs=40, seed=0, dtype_policy="mixed_bfloat16"),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["float32", "int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
