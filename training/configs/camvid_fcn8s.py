"""FCN-8s at once on CamVid, 11 classes, from ImageNet's VGG16.

python training/run.py camvid_fcn8s

Measured on the 101 validation images at 360x480, which also chose the epoch: mean
IoU 62.1 %, pixel accuracy 90.3 %, boundary F1 48.2 %; int8: 62.2, 90.7, 48.5 %. 6
epochs took 31 minutes on 2 cores of an x86-64 processor that other work shared.
Recipe: ours, for few steps; the authors take 100,000 of one image with SGD at 1e-14,
the summed loss and momentum .99.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="fcn8s",
            num_classes=11,
            weights="imagenet",
            padding="same",
            at_once=True,
            learned_upsampling=True,
        ),
        data=dict(
            name="camvid",
            path=None,
            crop=(240, 320),
            batch_size=4,
            scale=(0.8, 1.5),
            val_size=(360, 480),
            val_batch_size=2,
        ),
        loss=dict(name="cross_entropy", class_weights="none"),
        optimizer=dict(name="adamw", learning_rate=1e-4, power=0.9, weight_decay=0.01),
        fit=dict(epochs=6, seed=0, dtype_policy="mixed_bfloat16"),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only; "
            "the backbone's ImageNet weights are Oxford's through Keras, CC BY 4.0",
        ),
    )
