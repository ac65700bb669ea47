"""SegNet on CamVid, 11 classes, from ImageNet's VGG16.

python training/run.py camvid_segnet

Measured on the 101 validation images at 360x480, which also chose the epoch: mean
IoU 32.0 %, pixel accuracy 62.0 %, boundary F1 26.6 %; int8: 32.1, 62.9, 26.9 %. 6
epochs took 53 minutes on 2 cores of an x86-64 processor that other work shared.
Recipe: ours, for few steps; the authors take SGD at 0.1, up to 140,000 steps.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(name="segnet", num_classes=11, weights="imagenet"),
        data=dict(
            name="camvid",
            path=None,
            crop=(240, 320),
            batch_size=4,
            scale=(0.8, 1.5),
            val_size=(360, 480),
            val_batch_size=2,
        ),
        loss=dict(name="cross_entropy", class_weights="median_frequency"),
        # Ours: the paper has SGD at 0.1 and some hundred epochs (section 4.1).
        optimizer=dict(name="adamw", learning_rate=3e-4, power=0.9, weight_decay=1e-4),
        fit=dict(epochs=6, seed=0, dtype_policy="mixed_bfloat16"),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["float32", "int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only; "
            "the encoder's ImageNet weights are Oxford's through Keras, CC BY 4.0",
        ),
    )
