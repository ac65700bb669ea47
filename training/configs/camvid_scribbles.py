"""LR-ASPP with MobileNetV2 on scribbles of CamVid, by partial cross-entropy.

kseg scribbles --data camvid --fraction 0.03 --output camvid_scribbles
python training/run.py camvid_scribbles --set data.path=camvid_scribbles

Pixels without a scribble are void and count nothing. The baseline of
`camvid_scribblesup`; `docs/results.md` has both. Full masks of validation choose
nothing: the last epoch counts.
"""

from kseg.training.experiment import Experiment


def config():
    """Returns the experiment."""
    return Experiment(
        network=dict(
            name="lraspp", num_classes=11, backbone="mobilenet_v2", weights="imagenet"
        ),
        data=dict(
            name="folder",
            path="camvid_scribbles",
            crop=(240, 320),
            batch_size=8,
            scale=(0.6, 1.6),
            val_size=(360, 480),
            val_batch_size=2,
        ),
        loss=dict(name="cross_entropy", class_weights="none"),
        optimizer=dict(name="adamw", learning_rate=1e-3, power=0.9, weight_decay=0.01),
        fit=dict(epochs=12, seed=0, keep="last"),
        # CamVid's images are not ours to pass on.
        export=dict(
            formats=["float32", "int8"],
            pictures=0,
            note="trained on CamVid in SegNet's form, CC BY-NC 4.0: research use only",
        ),
    )
