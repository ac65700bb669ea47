"""OCRNet on HRNet-W18 on CamVid, 11 classes, with its loss on the soft regions.

python training/run.py camvid_ocrnet_w18
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(name="ocrnet", num_classes=11, backbone="hrnet_w18"),
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
        auxiliary=dict(outputs=["auxiliary"], weight=0.4),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["float32", "int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
