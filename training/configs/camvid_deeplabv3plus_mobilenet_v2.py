"""DeepLab v3+ with MobileNetV2 on CamVid, 11 classes, trained on its 367 images.

python training/run.py camvid_deeplabv3plus_mobilenet_v2

Measured on the 101 validation images at 360x480, which also chose the epoch: mean
IoU 72.5 %, pixel accuracy 93.6 %, boundary F1 69.6 %; int8: 72.0, 93.4, 68.7 %. 40
epochs took 55 minutes on 2 cores of an x86-64 processor that other work shared.
Recipe: ours; the schedule is that of DeepLab (Chen et al. 2018, section 4).
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="deeplabv3plus",
            num_classes=11,
            backbone="mobilenet_v2",
            weights="imagenet",
        ),
        data=dict(
            name="camvid",
            path=None,
            crop=(288, 384),
            batch_size=8,
            scale=(0.6, 1.6),
            val_size=(360, 480),
        ),
        # Square roots of the median-frequency weights, in the order of the ids:
        # the weights themselves cost the frequent classes more than the rare gain.
        loss=dict(
            name="cross_entropy",
            class_weights=[
                0.53,
                0.45,
                2.19,
                0.39,
                1.0,
                0.65,
                1.96,
                1.40,
                0.89,
                2.52,
                2.98,
            ],  # fmt: skip
        ),
        optimizer=dict(name="adamw", learning_rate=1e-3, power=0.9, weight_decay=0.01),
        fit=dict(epochs=40, seed=0),
        # CamVid's images are not ours to pass on.
        export=dict(
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only; "
            "the backbone's ImageNet weights are Keras's, Apache-2.0",
        ),
    )
